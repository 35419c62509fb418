"""Many files decoded in parallel: for a bank, or only to learn which of them can be read."""

import os
import queue
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from genreid.data.decode_rows import Decoded, Decoding, decode_rows
from genreid.data.decode_worker import DecodeWorker
from genreid.data.progress import progress_of

_MOST_WORKERS = 16
CHUNK = 64
"""Images that one task decodes: enough to make handing out cheap, few enough for a smooth bar."""
WORTH_A_PROCESS = 2.0
"""Seconds of work that justify a process more: it needs 0.5 to start; small crops decode at 7,000/s."""


def decode_all(
    paths: Sequence[Path], decoding: Decoding, workers: int | None = None, *, shown: bool = True
) -> Decoded:
    """Decode every file; one that cannot be read stops nothing.

    Args:
        paths: The files; their order is that of the rows.
        decoding: How, and into which array.
        workers: At most so many processes; default: one for each core, at most 16. Few images need one.
        shown: Whether progress is shown.

    Raises:
        ValueError: If a process was killed.
    """
    decoded = Decoded({}, {}, {}, {})
    what = "decoding masks" if decoding.kind == "mask" else "decoding images"
    with progress_of(what, len(paths), shown=shown) as advance:
        for done, part in _runs(paths, decoding, min(workers or usable_cores(), _MOST_WORKERS)):
            decoded.update(part)
            advance(done)
    reasons, shares, sizes, flat = decoded
    return Decoded(dict(sorted(reasons.items())), shares, sizes, dict(sorted(flat.items())))


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _runs(paths: Sequence[Path], decoding: Decoding, most: int) -> Iterator[tuple[int, Decoded]]:
    """Decode the first run here, and the rest by as many processes as its pace is worth."""
    Image.preinit()  # the decoders' own start is not the images' pace
    start = time.process_time()
    yield from _here(paths[:CHUNK], range(0, len(paths[:CHUNK]), CHUNK), decoding)
    left = (time.process_time() - start) / CHUNK * (len(paths) - CHUNK)
    count = min(most, 1 + int(left / WORTH_A_PROCESS)) if sys.executable else 1
    starts = range(CHUNK, len(paths), CHUNK)
    yield from _here(paths, starts, decoding) if count < 2 else _by_processes(paths, starts, decoding, count)


def _here(paths: Sequence[Path], starts: range, decoding: Decoding) -> Iterator[tuple[int, Decoded]]:
    """Decode in this process, one run after the other."""
    array = None if decoding.into is None else np.load(decoding.into, mmap_mode="r+", allow_pickle=False)
    for start in starts:
        some = paths[start : start + CHUNK]
        yield len(some), decode_rows(some, start, decoding, array)


def _by_processes(
    paths: Sequence[Path], starts: range, decoding: Decoding, count: int
) -> Iterator[tuple[int, Decoded]]:
    """Decode in several processes; a thread of this one waits for each."""
    idle: queue.SimpleQueue[DecodeWorker] = queue.SimpleQueue()

    def run(start: int) -> tuple[int, Decoded]:
        some = paths[start : start + CHUNK]
        worker = idle.get()
        try:
            return len(some), worker.decode(some, start)
        finally:
            idle.put(worker)

    with ExitStack() as stack:
        for _ in range(count):
            idle.put(stack.enter_context(DecodeWorker(decoding)))
        pool = stack.enter_context(ThreadPoolExecutor(count))
        # Whatever stops the caller, runs that wait are dropped first; the workers end with their input.
        stack.callback(pool.shutdown, cancel_futures=True)
        for done in as_completed([pool.submit(run, start) for start in starts]):
            yield done.result()
