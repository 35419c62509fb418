"""Rank a gallery for every query and score the lists: single query, cross-camera.

Protocol (Market-1501, Zheng et al. 2015; spec G1-G4):

- The gallery is ordered by distance to the query; of equal distances the earlier gallery row comes first
  (the order that `numpy.argsort(kind="stable")` gives).
- Left out for a query: junk (pid -1) and images of its own person by its own camera. A camera that is unknown
  (camid -1) is nobody's own: nothing is left out for it.
- Distractors (pid 0) are always wrong.
- A query without a correct gallery image is counted and named; it is not scored 0. CMC, mAP and mINP are
  means over the other, valid queries.

Nothing is sorted but each query's few correct images. AP and CMC need only, for each of these, how many wrong
images are nearer; counting them takes one pass over the distances.

`rank` compares the stored vectors by squared Euclidean distance (for unit vectors this is the order of the
cosine). Distances come from matrix products, tile by tile over queries and gallery, so memory does not grow
with the gallery. Where rounding could decide between a right and a wrong image, their true distances, in
float64, decide instead: the result depends neither on the tiles nor on the library that multiplies, and
identical vectors tie, also when a collapsed network maps every image to one point.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genreid.data.protocol import Reason, describe_reasons
from genreid.data.sample import DISTRACTOR_PID
from genreid.evaluation.matches import Labels, Matches, Pairs
from genreid.evaluation.metrics import QueryScores, cumulative_match, score_queries
from genreid.features.feature_set import FeatureSet
from genreid.neighbours.threads import in_threads, read_only

logger = logging.getLogger(__name__)

CMC_RANKS = 50
"""K, the length of the CMC; less for a smaller gallery."""
QUERIES_AT_ONCE = 1024
"""Queries in a chunk when distances are computed."""
DISTANCES_AT_ONCE = 2**26
"""Given distances in a chunk: so many may have to be copied, to make them contiguous or float."""
TILE_WIDTH = 8192
"""Gallery images in one matrix product."""
ROUNDING_SIGMAS = 8.0
"""The rounding error of an inner product of D float32 values stays below this times sqrt(D) * 2^-24 times the
two lengths, but for a chance of 1e-13 (Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019, theorem 2.4)."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The scores of a ranking; shares are fractions from 0 to 1."""

    cmc: NDArray[np.float64]
    """float64 [K]: share of valid queries with a correct image among the first 1..K; K = min(50, gallery)."""
    mAP: float  # noqa: N815 (its name everywhere)
    """Mean of the rectangular average precision."""
    mAP_trapezoid: float  # noqa: N815
    """Mean of the trapezoid average precision, as Market-1501's own code computes it."""
    mINP: float  # noqa: N815
    """Mean inverse negative penalty: correct images / rank of the last one."""
    queries: int
    """All queries."""
    valid_queries: int
    """Queries with a correct gallery image: the divisor of every mean."""
    gallery: int
    """Gallery images that are ranked: junk is not."""
    scores: QueryScores
    """The scores of each query; NaN where it is not valid."""
    queries_without_match: tuple[int, ...] = ()
    """Rows of the queries that are not valid."""
    reasons_without_match: tuple[Reason, ...] = ()
    """Why each of them is not."""

    @property
    def average_precision(self) -> NDArray[np.float64]:
        """Rectangular average precision of each query, float64 [Q]; NaN where it is not valid."""
        return self.scores.average_precision

    def rank_at(self, k: int) -> float:
        """Return the share of valid queries with a correct image among the first k.

        Args:
            k: 1 or more; beyond the gallery's size the answer no longer changes.

        Raises:
            ValueError: If k is below 1, or beyond K in a gallery that is longer than K.
        """
        if k < 1 or (k > len(self.cmc) and self.gallery > len(self.cmc)):
            msg = f"expected a rank from 1 to {len(self.cmc)}, got {k}"
            raise ValueError(msg)
        return float(self.cmc[min(k, len(self.cmc)) - 1])

    def to_json(self) -> dict[str, float | int]:
        """Return the figures under the names they have everywhere."""
        ranks = {f"rank{k}": self.rank_at(k) for k in (1, 5, 10, 20)}
        means = {"mAP": self.mAP, "mAP_trapezoid": self.mAP_trapezoid, "mINP": self.mINP}
        counts = {"queries": self.queries, "valid_queries": self.valid_queries, "gallery": self.gallery}
        return {**ranks, **means, **counts}


def rank(query: FeatureSet, gallery: FeatureSet) -> Ranking:
    """Rank a gallery for every query by the Euclidean distance of their embeddings.

    Args:
        query: Q images.
        gallery: G images, embedded by the same network; a memory-mapped set of any size.

    Returns:
        The scores.

    Raises:
        ValueError: If the widths differ, a row is not finite (it is named), a set is empty, or no query has a
            correct gallery image.
    """
    if query.embedding.shape[1] != gallery.embedding.shape[1]:
        msg = (
            f"queries have {query.embedding.shape[1]} dimensions, the gallery {gallery.embedding.shape[1]}; "
            "expected both from one network with the same pooling"
        )
        raise ValueError(msg)
    labels = Labels(query.pid, gallery.pid, query.camid, gallery.camid)
    query_norm = named_norms(query, "query")
    gallery_norm = np.where(labels.junk, np.inf, named_norms(gallery, "gallery"))
    embeddings = read_only(query.embedding), read_only(gallery.embedding)

    def rank_chunk(chunk: slice, matches: Matches) -> NDArray[np.int64]:
        return _rank_by_features(embeddings, (query_norm, gallery_norm), chunk, matches)

    return _score(labels, rank_chunk, QUERIES_AT_ONCE)


def rank_from_distances(
    distances: ArrayLike,
    query_pids: ArrayLike,
    gallery_pids: ArrayLike,
    query_camids: ArrayLike,
    gallery_camids: ArrayLike,
) -> Ranking:
    """Rank a gallery for every query by given distances.

    Args:
        distances: [Q, G], smaller is nearer; any number type (float32 and float64 are used as they are, a
            float32 matrix fastest). It is read once and never copied whole.
        query_pids: [Q] whole numbers.
        gallery_pids: [G]; -1 junk, 0 distractor.
        query_camids: [Q]; -1 unknown.
        gallery_camids: [G].

    Returns:
        The scores.

    Raises:
        ValueError: If shapes do not fit, a distance is NaN (its place is named), or no query has a correct
            gallery image.
    """
    matrix = np.asarray(distances)
    labels = Labels(query_pids, gallery_pids, query_camids, gallery_camids)
    expected = (len(labels.query_pid), len(labels.gallery_pid))
    if matrix.shape != expected or matrix.dtype.kind not in "fiub":
        msg = (
            f"distances: expected numbers [Q, G] = {list(expected)}, got {matrix.dtype} {list(matrix.shape)}"
        )
        raise ValueError(msg)

    zeros = int((labels.query_pid == DISTRACTOR_PID).sum())
    if zeros:
        logger.warning(
            "%d of %d queries have the pid 0, which stands for a distractor, so they are left out; if your "
            "people are numbered from 0, add 1 to query_pids and gallery_pids (and leave -1 for junk)",
            *(zeros, len(labels.query_pid)),
        )
    return rank_by_chunks(lambda chunk: matrix[chunk], labels, max(1, DISTANCES_AT_ONCE // expected[1]))


def rank_by_chunks(
    distances_of: Callable[[slice], NDArray[Any]], labels: Labels, rows: int = QUERIES_AT_ONCE
) -> Ranking:
    """Rank a gallery for every query by distances that are made chunk by chunk.

    Args:
        distances_of: Gives the distances [q, G] of consecutive queries, smaller is nearer; any number type.
        labels: Identities and cameras of Q queries and G gallery images.
        rows: Queries in a chunk, at most.

    Returns:
        The scores.

    Raises:
        ValueError: If a distance is NaN (its place is named), or no query has a correct gallery image.
    """

    def rank_chunk(chunk: slice, matches: Matches) -> NDArray[np.int64]:
        return _rank_by_distances(distances_of(chunk), labels.junk, chunk.start, matches)

    return _score(labels, rank_chunk, rows)


def _score(labels: Labels, rank_chunk: Callable[[slice, Matches], NDArray[np.int64]], rows: int) -> Ranking:
    """Rank chunk by chunk and put the scores together."""
    parts: list[QueryScores] = []
    for chunk in labels.chunks(rows):
        matches = labels.match(chunk)
        parts.append(score_queries(matches.correct.start, rank_chunk(chunk, matches)))
    scores = QueryScores(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    missing = tuple(int(row) for row in np.flatnonzero(scores.first_match < 0))
    reasons = tuple(labels.reason(row) for row in missing)
    ranked = int(np.count_nonzero(~labels.junk))
    if len(missing) == len(labels.query_pid):
        msg = (
            f"no query has a correct gallery image: of {len(missing)} queries {describe_reasons(reasons)}; "
            f"the gallery has {ranked} ranked images. Are these the query and gallery of one data set? "
            "`genreid data check DIR` shows what a data set holds"
        )
        raise ValueError(msg)
    return Ranking(
        cmc=cumulative_match(scores.first_match, min(CMC_RANKS, ranked)),
        mAP=float(np.nanmean(scores.average_precision)),
        mAP_trapezoid=float(np.nanmean(scores.average_precision_trapezoid)),
        mINP=float(np.nanmean(scores.inverse_negative_penalty)),
        queries=len(labels.query_pid),
        valid_queries=len(labels.query_pid) - len(missing),
        gallery=ranked,
        scores=scores,
        queries_without_match=missing,
        reasons_without_match=reasons,
    )


def _rank_by_distances(
    matrix: NDArray[Any], junk: NDArray[np.bool_], first_query: int, matches: Matches
) -> NDArray[np.int64]:
    """Return the 0-based ranks of the correct images of a chunk [q, G], ascending within each query."""
    from genreid.evaluation import counting  # noqa: PLC0415 (numba is slow to import)

    kept = matrix.dtype in {np.dtype(np.float32), np.dtype(np.float64)}
    wide = np.dtype(np.float32 if matrix.dtype == np.float16 else np.float64)
    distances = read_only(np.ascontiguousarray(matrix, matrix.dtype if kept else wide))
    pairs = matches.correct  # its lists are this chunk's own: long ones are sorted in place
    for row in np.flatnonzero(np.diff(pairs.start) > counting.FEW):
        images = pairs.image[pairs.start[row] : pairs.start[row + 1]]
        images[:] = images[np.argsort(distances[row, images], kind="stable")]
    mask = np.where(junk if junk.any() else junk[:0], np.nan, 0.0).astype(distances.dtype)
    nearer = np.zeros(len(pairs.image), np.int64)

    def count(first: int, last: int) -> int:
        return counting.count_in_distances(distances, mask, matches.own, pairs, (first, last), nearer)

    bad = [first for first in in_threads(count, len(distances)) if first >= 0]
    if bad:
        column = int(np.flatnonzero(np.isnan(distances[min(bad)]))[0])
        where = f"row {first_query + min(bad)} (query), column {column} (gallery)"
        msg = f"distances: NaN in {where}; expected numbers"
        raise ValueError(msg)
    return nearer + _places(pairs)


def _rank_by_features(
    embeddings: tuple[NDArray[np.float32], NDArray[np.float32]],
    norms: tuple[NDArray[np.float64], NDArray[np.float64]],
    chunk: slice,
    matches: Matches,
) -> NDArray[np.int64]:
    """Return the 0-based ranks of a chunk's correct images, ascending within each query."""
    from genreid.evaluation import counting  # noqa: PLC0415 (numba is slow to import)

    query, gallery = embeddings[0][chunk], embeddings[1]
    query_norm = norms[0][chunk]
    pairs = matches.correct
    distance = counting.pair_distances(query, gallery, pairs)
    order = np.lexsort((pairs.image, distance, pairs.query))
    correct = counting.Correct(pairs.start, pairs.image[order], distance[order])
    nearer = np.zeros(len(pairs.image), np.int64)
    for first in range(0, len(gallery), TILE_WIDTH):
        columns = slice(first, first + TILE_WIDTH)
        tile = counting.Tile(
            products=query @ gallery[columns].T,
            query=query,
            query_norm=query_norm,
            gallery=gallery[columns],
            gallery_norm=norms[1][columns],
            first=first,
            tolerance=_tolerance(query_norm, norms[1][columns], query.shape[1]),
        )

        def count(begin: int, end: int, tile: counting.Tile = tile) -> None:
            counting.count_in_tile(tile, matches.own, correct, (begin, end), nearer)

        in_threads(count, len(query))
    return nearer + _places(pairs)


def _tolerance(query_norm: NDArray[np.float64], gallery_norm: NDArray[np.float64], width: int) -> float:
    """Return how far |q|^2 + |g|^2 - 2 qg can be from the true squared distance (qg: float32 product)."""
    relative = min(width, ROUNDING_SIGMAS * width**0.5) + 2.0
    largest = gallery_norm.max(initial=0.0, where=gallery_norm < np.inf)  # infinite: junk
    return float(2.0 * relative * 2.0**-24 * np.sqrt(query_norm.max() * largest))


def _places(pairs: Pairs) -> NDArray[np.int64]:
    """Return the place of each entry within its query's list: as many correct images come before it."""
    return np.arange(len(pairs.image)) - pairs.start[pairs.query]


def named_norms(features: FeatureSet, name: str) -> NDArray[np.float64]:
    """Return the squared lengths of embeddings, float64 [N].

    Args:
        features: N images.
        name: What the set is called in the message.

    Raises:
        ValueError: If a row is not finite; names it and its set.
    """
    try:
        return features.squared_norms()
    except ValueError as error:
        msg = f"{name}: {error}"
        raise ValueError(msg) from error
