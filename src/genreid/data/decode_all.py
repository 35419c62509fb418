"""Many files decoded in parallel: for a bank, or only to learn which of them can be read."""

import os
import queue
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from genreid.data.decode_rows import Decoded, Decoding, decode_rows
from genreid.data.decode_worker import DecodeWorker
from genreid.data.progress import progress_of

CHUNK = 64
"""Images that one task decodes: enough to make handing out cheap, few enough for a smooth bar."""
WORTH_A_PROCESS = 1000
"""Fewer images for each worker than this are decoded in this process: others take 0.3 s to start."""


def decode_all(
    paths: Sequence[Path], decoding: Decoding, workers: int | None = None, *, shown: bool = True
) -> Decoded:
    """Decode every file; one that cannot be read stops nothing.

    Args:
        paths: The files; their order is that of the rows.
        decoding: How, and into which array.
        workers: Processes; default: one for each core, at most 16. One, or few images, need none.
        shown: Whether progress is shown.

    Raises:
        ValueError: If a process was killed.
    """
    decoded = Decoded({}, {})
    count = min(workers or usable_cores(), 16, 1 + len(paths) // WORTH_A_PROCESS)
    starts = range(0, len(paths), CHUNK)
    runs = _by_processes if count > 1 and sys.executable else _here
    with progress_of(f"decoding {decoding.kind}s", len(paths), shown=shown) as advance:
        for done, part in runs(paths, starts, decoding, count):
            decoded.reasons.update(part.reasons)
            decoded.shares.update(part.shares)
            advance(done)
    return Decoded(dict(sorted(decoded.reasons.items())), decoded.shares)


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(
    paths: Sequence[Path], starts: range, decoding: Decoding, _count: int
) -> Iterator[tuple[int, Decoded]]:
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
