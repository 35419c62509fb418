"""A mask for every image of a data set: in parallel, resumable, never stopped by one bad file."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from genreid.data.decode_all import usable_cores
from genreid.data.mask_paths import RECORD_NAME, mask_path
from genreid.data.plain_file import read_json_object
from genreid.data.progress import progress_of
from genreid.data.sample import Sample
from genreid.data.whole_file import write_whole
from genreid.masks.coverage import ImageCoverage
from genreid.masks.parser import PersonParser
from genreid.masks.processes import MaskJob, MaskOutcome, run_jobs

_log = logging.getLogger(__name__)
_SHOWN = 5


class Refused(NamedTuple):
    """An image that has no mask, and why.

    Attributes:
        path: The image.
        reason: A few words, without the path.
    """

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class MaskRun:
    """What `make_masks` did.

    Attributes:
        made: How many masks were written.
        kept: How many were there already.
        refused: The images without a mask, in the order given: unreadable, or not understood by the parser.
        coverage: One entry for each mask, made or kept, in the order given.
        seconds: Time taken.
        missing: Images that were not come to, since `must_stop` said so.
    """

    made: int
    kept: int
    refused: tuple[Refused, ...]
    coverage: tuple[ImageCoverage, ...]
    seconds: float
    missing: int = 0


def make_masks(
    images: Sequence[Sample | Path],
    dataset_root: Path,
    out: Path,
    parser: PersonParser,
    workers: int | None = None,
    must_stop: Callable[[], bool] | None = None,
) -> MaskRun:
    """Write the person mask of every image: a 1-bit PNG of the image's own size, at the same relative path.

    Masks that are there already are kept, so a run that was broken off goes on with the same call. Images
    that cannot be read get no mask and are named in the result. With several workers a script of yours needs
    the usual `if __name__ == "__main__":`.

    Args:
        images: Samples or paths below `dataset_root`.
        dataset_root: The data set's folder, as in `ReidDataset.root`.
        out: The folder of masks.
        parser: Finds the people.
        workers: Processes, each of one thread; default: one for each core this process may use.
        must_stop: Asked when some masks were made; once it says so, those that are missing stay so.

    Raises:
        ValueError: If two images have one mask path, a mask would lie on an image, `out` holds masks of
            another parser or data set, or masks cannot be written; says what to do.
    """
    start = time.monotonic()
    jobs = _jobs([image.path if isinstance(image, Sample) else image for image in images], dataset_root, out)
    _claim(out, dataset_root, parser.describe())
    outcomes: dict[int, MaskOutcome] = {}
    with progress_of("making masks", len(jobs)) as advance:
        for some in run_jobs(jobs, parser, usable_cores() if workers is None else workers):
            outcomes.update((outcome.number, outcome) for outcome in some)
            advance(len(some))
            if must_stop is not None and any(outcome.made for outcome in some) and must_stop():
                break
    done = [job for job in jobs if job.number in outcomes]
    run = _summed_up(done, [outcomes[job.number] for job in done], time.monotonic() - start)
    return replace(run, missing=len(jobs) - len(done))


def _summed_up(jobs: Sequence[MaskJob], outcomes: Sequence[MaskOutcome], seconds: float) -> MaskRun:
    """Put the outcomes of all images together, and name in the log those without a mask."""
    pairs = zip(jobs, outcomes, strict=True)
    refused = tuple(Refused(job.image, outcome.reason) for job, outcome in pairs if outcome.reason)
    for path, reason in refused[:_SHOWN]:
        _log.warning("no mask for %s: %s", path, reason)
    if len(refused) > _SHOWN:
        _log.warning("no mask for %d images in all", len(refused))
    made = sum(outcome.made for outcome in outcomes)
    coverage = tuple(outcome.coverage for outcome in outcomes if outcome.coverage is not None)
    return MaskRun(made, len(coverage) - made, refused, coverage, seconds)


def _jobs(images: Sequence[Path], dataset_root: Path, out: Path) -> list[MaskJob]:
    """Pair each image with the place of its mask; refuse places that two share or that hold an image."""
    jobs: list[MaskJob] = []
    image_of_mask: dict[Path, Path] = {}
    for image in dict.fromkeys(images):
        mask = mask_path(out, dataset_root, image)
        other = image_of_mask.setdefault(mask, image)
        if other != image:
            message = f"{other} and {image} would have the same mask {mask}: rename one of the two images"
            raise ValueError(message)
        jobs.append(MaskJob(len(jobs), image, image.relative_to(dataset_root), mask))
    own_images = set(image_of_mask.values())
    covered = next((mask for mask in image_of_mask if mask in own_images), None)
    if covered is not None:
        message = (
            f"the mask {covered} would lie where an image is: give another folder for the masks than {out}"
        )
        raise ValueError(message)
    return jobs


def _claim(out: Path, dataset_root: Path, parser: Mapping[str, str]) -> None:
    """Note beside the masks whose they are; refuse a folder of another parser's or data set's masks."""
    record = out / RECORD_NAME
    dataset, made_by = str(dataset_root.resolve()), dict(parser)
    held = _read_record(record)
    if held is not None and not {"dataset", "made_by"} <= held.keys():
        message = f"{record} is no record of masks: give another folder for the masks, or move that file"
        raise ValueError(message)
    if held is not None and held.get("made_by") != made_by:
        message = f"{out} holds masks made by {held.get('made_by')}, not by {made_by}"
    elif held is not None and held.get("dataset") != dataset and Path(str(held.get("dataset"))).exists():
        # A data set that is no longer there was moved: its masks stay good.
        message = f"{out} holds masks of the data set {held.get('dataset')}, not of {dataset}"
    else:
        content = json.dumps({"dataset": dataset, "made_by": made_by}, indent=2) + "\n"
        write_whole(record, content)
        return
    message += ". Masks that are there are kept, so both would be mixed: give another folder for the masks."
    raise ValueError(message)


def _read_record(path: Path) -> dict[str, object] | None:
    """Return what the record beside the masks says; None without one, nothing if it is another's file."""
    try:
        return read_json_object(path)
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
