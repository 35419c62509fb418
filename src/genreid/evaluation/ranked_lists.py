"""The nearest gallery images of a few queries, for pictures: right, wrong, or not counted.

Distances and order are those of `evaluation/ranking.py` (spec G2-G4): true squared distances in float64, of
equal ones the earlier gallery row first. What `data/protocol.py` removes gets no rank.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from genreid.data.protocol import is_junk, is_own_camera
from genreid.evaluation.matches import Pairs
from genreid.evaluation.ranking import Ranking
from genreid.features.feature_set import FeatureSet
from genreid.neighbours.threads import read_only

Verdict = Literal["right", "wrong", "junk"]
"""right: the query's person by another camera; wrong: somebody else; junk: not counted."""

QUERIES = 8
"""Queries whose lists are kept."""
RANKS = 10
"""Ranked gallery images in a list."""
JUNK_SHOWN = 4
"""Images that are not counted and stand before the last ranked one: so many are kept, the nearest."""


@dataclass(frozen=True, kw_only=True)
class RankedImage:
    """One gallery image of a list."""

    path: str | None
    """The image file; None if the features do not name it."""
    pid: int
    """Identity; -1 junk, 0 distractor."""
    camid: int
    """Camera; -1 unknown."""
    verdict: Verdict
    """Whether it shows the query's person."""
    rank: int | None
    """Its place, from 1, among the images that are counted; None for junk."""
    distance: float
    """Euclidean distance of the embeddings, 0 to 2 for unit vectors."""


@dataclass(frozen=True, kw_only=True)
class RankedList:
    """The nearest gallery images of one query, the nearest first."""

    row: int
    """The query's row among all queries, from 0."""
    path: str | None
    """The query's image file."""
    pid: int
    """Its identity."""
    camid: int
    """Its camera; -1 unknown."""
    average_precision: float
    """Rectangular, of the whole list, 0 to 1."""
    first_right: int
    """Rank of the first right image, from 1."""
    images: tuple[RankedImage, ...]
    """The first ten that are counted, and at most four others that stand between them."""


def ranked_lists(ranking: Ranking, query: FeatureSet, gallery: FeatureSet) -> tuple[RankedList, ...]:
    """Return the lists of some queries, evenly spaced among the valid ones.

    Args:
        ranking: What `rank(query, gallery)` returned.
        query: Q images.
        gallery: G images; a memory-mapped set of any size.

    Returns:
        Up to eight lists, in the order of the queries. Two rankings of the same images have the same queries.
    """
    rows = spread(np.flatnonzero(ranking.scores.first_match >= 0), QUERIES)
    return tuple(_list_of(row, ranking, query, gallery) for row in rows)


def spread(rows: NDArray[np.int64], count: int) -> list[int]:
    """Choose some of the rows, evenly spaced.

    Args:
        rows: int64 [n], in order.
        count: How many, 1 or more; all rows where there are fewer.

    Returns:
        The middle of each of `count` equal parts.
    """
    count = min(count, len(rows))
    return [int(rows[(2 * part + 1) * len(rows) // (2 * count)]) for part in range(count)]


def _list_of(row: int, ranking: Ranking, query: FeatureSet, gallery: FeatureSet) -> RankedList:
    """Return one query's list."""
    squared = _squared_distances(query.embedding[row], gallery.embedding)
    pid, camid = int(query.pid[row]), int(query.camid[row])
    own = gallery.pid == pid
    junk = is_junk(gallery.pid) | (own & is_own_camera(camid, gallery.camid))
    order = np.argsort(squared, kind="stable")
    counted = ~junk[order]
    last = int(np.searchsorted(np.cumsum(counted), RANKS))  # where the last image shown stands in the order
    near = order[: last + 1]
    extra = near[junk[near]][JUNK_SHOWN:]
    images, rank = [], 0
    for image in near[~np.isin(near, extra)].tolist():
        rank += not junk[image]
        images.append(
            RankedImage(
                path=None if gallery.paths is None else gallery.paths[image],
                pid=int(gallery.pid[image]),
                camid=int(gallery.camid[image]),
                verdict="junk" if junk[image] else "right" if own[image] else "wrong",
                rank=None if junk[image] else rank,
                distance=round(float(np.sqrt(squared[image])), 4),
            )
        )
    return RankedList(
        row=row,
        path=None if query.paths is None else query.paths[row],
        pid=pid,
        camid=camid,
        average_precision=round(float(ranking.scores.average_precision[row]), 6),
        first_right=int(ranking.scores.first_match[row]) + 1,
        images=tuple(images),
    )


def _squared_distances(query: NDArray[np.float32], gallery: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the squared distances of one embedding [D] to all others [G, D], as the ranking has them."""
    from genreid.evaluation.counting import pair_distances  # noqa: PLC0415 (numba is slow to import)

    one, many = read_only(np.array(query, np.float32, ndmin=2)), read_only(gallery)
    everything = Pairs(np.array([0, len(many)]), np.arange(len(many)))
    return pair_distances(one, many, everything)
