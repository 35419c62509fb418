"""Many files decoded in parallel: for a bank, or only to learn which of them can be read."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from genreid.data.decode import Kind, UInt8, UnreadableImageError, decode
from genreid.data.progress import progress_of

CHUNK = 64
"""Images that one task decodes: enough to make handing out cheap, few enough for a smooth bar."""

Keep = Callable[[int, UInt8 | None], None]
"""Takes a row and its pixels, uint8 [C,H,W], or None for an unreadable file. Called from many threads."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How files are decoded.

    Attributes:
        size: Height and width of the results.
        kind: `image` or `mask`.
        workers: Threads; default: one for each core, at most 16. Pillow decodes without Python's lock.
        shown: Whether progress is shown.
    """

    size: tuple[int, int]
    kind: Kind = "image"
    workers: int | None = None
    shown: bool = True


def decode_all(paths: Sequence[Path], decoding: Decoding, keep: Keep) -> dict[int, str]:
    """Decode every file and hand the pixels on; a file that cannot be read stops nothing.

    Args:
        paths: The files.
        decoding: How.
        keep: Gets every row once, in no order.

    Returns:
        Row -> reason, for the files that cannot be read, ascending.
    """
    total = len(paths)
    reasons: dict[int, str] = {}
    label = f"decoding {decoding.kind}s"
    workers = decoding.workers or min(16, os.cpu_count() or 1)
    chunks = [range(start, min(start + CHUNK, total)) for start in range(0, total, CHUNK)]
    with progress_of(label, total, shown=decoding.shown) as advance, ThreadPoolExecutor(workers) as pool:
        try:
            tasks = {pool.submit(_decode_chunk, paths, chunk, decoding, keep): chunk for chunk in chunks}
            for done in as_completed(tasks):
                reasons.update(done.result())
                advance(len(tasks[done]))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return dict(sorted(reasons.items()))


def _decode_chunk(paths: Sequence[Path], chunk: range, decoding: Decoding, keep: Keep) -> dict[int, str]:
    """Decode some files one after the other."""
    reasons = {}
    for row in chunk:
        try:
            keep(row, decode(paths[row], decoding.size, decoding.kind))
        except UnreadableImageError as error:
            keep(row, None)
            reasons[row] = str(error)
    return reasons
