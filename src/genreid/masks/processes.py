"""The work on each image, spread over processes of one thread each."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import NamedTuple

from genreid.data.decode import UnreadableImageError, read_image
from genreid.masks.coverage import ImageCoverage, measure_coverage
from genreid.masks.parser import Crop, PersonMask, PersonParser
from genreid.masks.store import NotAMaskError, read_mask, write_mask

IMAGES_A_TASK = 16
"""Few enough for a steady progress bar and an even end, many enough that handing out work costs nothing."""


class MaskJob(NamedTuple):
    """One image and the place of its mask.

    Attributes:
        number: Its place in the list of all images, from 0.
        image: The image's file.
        name: The same, relative to the data set's folder.
        mask: The mask's file, there or not.
    """

    number: int
    image: Path
    name: Path
    mask: Path


class MaskOutcome(NamedTuple):
    """What became of one image.

    Attributes:
        number: As in its `MaskJob`.
        made: Whether a mask was written now.
        coverage: Of the mask, made or kept; None where there is none.
        reason: Why there is no mask, else empty.
    """

    number: int
    made: bool = False
    coverage: ImageCoverage | None = None
    reason: str = ""


def run_jobs(jobs: Sequence[MaskJob], parser: PersonParser, workers: int) -> Iterator[list[MaskOutcome]]:
    """Yield the outcomes of all jobs, a few at a time, in the order in which they are done.

    Args:
        jobs: The images.
        parser: Finds the people; sent to every process.
        workers: How many processes; 1 works in this one.

    Raises:
        ValueError: If a mask cannot be written, or a process was killed.
    """
    tasks = [jobs[start : start + IMAGES_A_TASK] for start in range(0, len(jobs), IMAGES_A_TASK)]
    if min(workers, len(tasks)) <= 1:
        yield from (make_some(parser, task) for task in tasks)
        return
    # spawn, not fork: the caller may hold threads and an accelerator, which a forked process cannot use.
    pool = ProcessPoolExecutor(min(workers, len(tasks)), get_context("spawn"), _begin_worker)
    try:
        futures = [pool.submit(make_some, parser, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        message = (
            "a process that makes masks was killed (too little memory?). The masks that are written stay: "
            "run the same command again, with fewer processes (--workers 1)"
        )
        raise ValueError(message) from error
    finally:
        pool.shutdown(cancel_futures=True)


def make_some(parser: PersonParser, jobs: Sequence[MaskJob]) -> list[MaskOutcome]:
    """Make the masks of a few images; one that cannot be read or parsed does not hinder the others.

    Args:
        parser: Finds the people.
        jobs: The images; masks that are there are kept.

    Raises:
        ValueError: If a mask cannot be written.
    """
    outcomes = [outcome for job in jobs if (outcome := _kept(job)) is not None]
    settled = {outcome.number for outcome in outcomes}
    readable: list[tuple[MaskJob, Crop]] = []
    for job in jobs:
        if job.number not in settled:
            try:
                readable.append((job, Crop(job.name, read_image(job.image))))
            except UnreadableImageError as error:
                outcomes.append(MaskOutcome(job.number, reason=str(error)))
    masks = _parse(parser, [crop for _, crop in readable])
    for (job, _), mask in zip(readable, masks, strict=True):
        outcomes.append(
            MaskOutcome(job.number, reason=mask) if isinstance(mask, str) else _written(job, mask)
        )
    return outcomes


def _kept(job: MaskJob) -> MaskOutcome | None:
    """Return the outcome of an image that has a mask already; a damaged one is made again."""
    try:
        mask = read_mask(job.mask)
    except NotAMaskError as error:
        return MaskOutcome(job.number, reason=f"another file lies where its mask belongs: {error}")
    except (FileNotFoundError, ValueError):
        return None
    return MaskOutcome(job.number, coverage=measure_coverage(job.name.as_posix(), mask))


def _parse(parser: PersonParser, crops: Sequence[Crop]) -> list[PersonMask | str]:
    """Return the mask of every crop, or why there is none."""
    try:
        return [*parser.parse(crops)]
    except ValueError as error:
        if len(crops) == 1:
            return [str(error)]
        return [found for crop in crops for found in _parse(parser, [crop])]


def _written(job: MaskJob, found: PersonMask) -> MaskOutcome:
    """Write a mask."""
    mask = found.binary()
    try:
        write_mask(job.mask, mask)
    except OSError as error:
        message = (
            f"cannot write the mask {job.mask}: {error.strerror or error}. The masks that are written stay: "
            "mend that, or give another folder, and run the command again."
        )
        raise ValueError(message) from error
    coverage = measure_coverage(job.name.as_posix(), mask, found.people, found.presence)
    return MaskOutcome(job.number, made=True, coverage=coverage)


def _begin_worker() -> None:
    """Leave Ctrl-C and a polite end to the parent, and end with it however it ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(signal.Signals[name], signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait until the parent is gone: a killed parent cannot tell its workers to stop."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
