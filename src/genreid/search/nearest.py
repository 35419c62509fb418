"""The nearest images: which are asked for, what comes back, and the exact search in a gallery's files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genreid.search.pictures import Labels
from genreid.search.shards import UNKNOWN_TIME, Shard, times_of

MOST = 16_384
"""Images that can be found for one query: a Milvus server's own limit."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which images may be found.

    Raises:
        ValueError: If nothing can be found.
    """

    top: int = 20
    """Images found for a query, at most."""
    camera: str | None = None
    """Only this camera."""
    not_camera: str | None = None
    """Every camera but this one."""
    since: int | None = None
    """Milliseconds since 1970: not before; images of unknown time are left out."""
    until: int | None = None
    """Not after; images of unknown time are left out."""

    def __post_init__(self) -> None:
        """Refuse what finds nothing."""
        if not 1 <= self.top <= MOST:
            msg = f"--top must be 1 to {MOST:,}, got {self.top}"
            raise ValueError(msg)
        if self.since is not None and self.until is not None and self.since > self.until:
            msg = "--since is later than --until, so nothing can be found; exchange them"
            raise ValueError(msg)


class Hit(NamedTuple):
    """One image that was found.

    Attributes:
        key: Its content key.
        likeness: Cosine of the two embeddings, -1 to 1.
        labels: What is known of it.
    """

    key: int
    likeness: float
    labels: Labels


def search_exactly(shards: Sequence[Shard], queries: NDArray[np.float32], wanted: Wanted) -> list[list[Hit]]:
    """Compare queries with every image of a gallery.

    Args:
        shards: The gallery.
        queries: float32 [Q,D] of unit length.
        wanted: Which images may be found, and how many.

    Returns:
        For each query the nearest first; of equal likeness the smaller key.
    """
    parts = [shard.select(_allowed(shard, wanted)) for shard in shards]
    parts = [part for part in parts if len(part.keys)]
    if not parts:
        return [[] for _ in queries]
    likeness = np.hstack([queries @ part.features.embedding.T for part in parts])
    keys = np.concatenate([part.keys for part in parts])
    labels = [item for part in parts for item in part.labels]
    found = []
    for row in likeness:
        near = _nearest(row, min(wanted.top, len(row)))
        order = near[np.lexsort((keys[near], -row[near]))][: wanted.top]
        found.append([Hit(int(keys[one]), float(row[one]), labels[one]) for one in order.tolist()])
    return found


def _nearest(row: NDArray[np.float32], top: int) -> NDArray[np.int64]:
    """Return the columns of the `top` largest values, and of all that equal the least of them."""
    least = np.partition(row, len(row) - top)[len(row) - top]
    return np.flatnonzero(row >= least)


def _allowed(shard: Shard, wanted: Wanted) -> NDArray[np.bool_]:
    """Return which images of a file may be found: bool [N]."""
    allowed = np.ones(len(shard.keys), bool)
    if wanted.camera is not None or wanted.not_camera is not None:
        cameras = np.array([item.camera for item in shard.labels])
        if wanted.camera is not None:
            allowed &= cameras == wanted.camera
        if wanted.not_camera is not None:
            allowed &= cameras != wanted.not_camera
    if wanted.since is not None or wanted.until is not None:
        times = times_of(shard.labels)
        allowed &= times != UNKNOWN_TIME
        if wanted.since is not None:
            allowed &= times >= wanted.since
        if wanted.until is not None:
            allowed &= times <= wanted.until
    return allowed
