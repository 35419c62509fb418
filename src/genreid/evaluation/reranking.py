"""k-reciprocal re-ranking (Zhong et al., CVPR 2017, section 3): images with the same neighbours move nearer.

    d*(p, g) = (1 - lambda) d_J(p, g) + lambda d(p, g)                     section 3.5

d_J is the Jaccard distance of the k-reciprocal encodings of all queries and gallery images together
(`neighbours/`), d the squared Euclidean distance divided by p's largest to any image, queries among them, as
in the published code, of which all published figures are; the paper leaves the scale of d open.

Queries see each other and junk is left out beforehand: re-ranked figures use the test set as a whole, and
stand beside others of that kind only.

Encodings are sparse and distances are made for some queries at a time, so memory grows with the number of
images, not with its square. This module imports numba and faiss; import it only where lists are re-ranked.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from genreid.evaluation.matches import Labels
from genreid.evaluation.ranking import Ranking, named_norms, rank_by_chunks
from genreid.features.feature_set import FeatureSet
from genreid.neighbours.compiled import compile_loop
from genreid.neighbours.jaccard import jaccard_distances
from genreid.neighbours.nearest import farthest, nearest
from genreid.neighbours.reciprocal import ReciprocalConfig, encode
from genreid.neighbours.threads import in_threads

DISTANCES_AT_ONCE = 2**24
"""Distances in a chunk of queries: 64 MB."""


@dataclass(frozen=True, kw_only=True)
class RerankingConfig:
    """The numbers of re-ranking; the defaults are the paper's for Market-1501.

    Raises:
        ValueError: If a number is out of its range.
    """

    k1: int = 20
    """Neighbours in a k-reciprocal list, 1 or more."""
    k2: int = 6
    """Neighbours over which encodings are averaged, 1 or more; 1: not averaged."""
    original_weight: float = 0.3
    """Lambda, 0 to 1: share of the original distance."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        ReciprocalConfig(k1=self.k1, k2=self.k2)
        if not 0 <= self.original_weight <= 1:
            msg = f"original_weight (lambda) must be from 0 to 1, got {self.original_weight}"
            raise ValueError(msg)


def rerank(query: FeatureSet, gallery: FeatureSet, config: RerankingConfig | None = None) -> Ranking:
    """Rank a gallery for every query by re-ranked distances.

    Args:
        query: Q images.
        gallery: G images, embedded by the same network; junk (pid -1) takes no part.
        config: The numbers; None: the paper's.

    Returns:
        The scores, in the protocol of `rank`.

    Raises:
        ValueError: If the widths differ, a row is not finite, a set is empty, or no query has a correct
            gallery image.
    """
    labels = Labels(query.pid, gallery.pid, query.camid, gallery.camid)
    named_norms(query, "query"), named_norms(gallery, "gallery")  # names a row that is not finite
    if labels.junk.all():
        msg = f"the gallery's {len(gallery)} images are junk (pid -1); expected some to rank"
        raise ValueError(msg)
    if labels.junk.any():
        gallery = gallery.select(~labels.junk)
        labels = Labels(query.pid, gallery.pid, query.camid, gallery.camid)
    distances_of = reranked_distances(query.embedding, gallery.embedding, config or RerankingConfig())
    return rank_by_chunks(distances_of, labels, max(1, DISTANCES_AT_ONCE // len(gallery)))


def reranked_distances(
    query: NDArray[np.float32], gallery: NDArray[np.float32], config: RerankingConfig
) -> "Reranker":
    """Prepare re-ranked distances: find neighbours and encode.

    Memory: a copy of both embeddings, and some hundred bytes for each image.

    Args:
        query: float32 [Q, D].
        gallery: float32 [G, D].
        config: The numbers.

    Returns:
        A callable that gives the distances d* of consecutive queries, float32 [q, G], 0 to 1.

    Raises:
        ValueError: If the widths differ or a row is not finite.
    """
    if query.shape[1] != gallery.shape[1]:
        msg = (
            f"queries have {query.shape[1]} dimensions, the gallery {gallery.shape[1]}; "
            "expected both from one network with the same pooling"
        )
        raise ValueError(msg)
    embedding = np.concatenate([query, gallery])
    lists = ReciprocalConfig(k1=config.k1, k2=config.k2)
    neighbours = nearest(embedding, lists.columns)
    scale = farthest(embedding)
    codes = encode(embedding, neighbours, lists, scale)
    return Reranker(embedding, len(query), codes, scale, config.original_weight)


class Reranker:
    """Gives re-ranked distances d* of consecutive queries: `reranker(slice(0, 100))` is float32 [100, G]."""

    def __init__(
        self,
        embedding: NDArray[np.float32],
        queries: int,
        codes: csr_array,
        scale: NDArray[np.float32],
        original_weight: float,
    ) -> None:
        """Keep what the distances are made of.

        Args:
            embedding: float32 [Q + G, D], queries before gallery.
            queries: Q.
            codes: Of `encode`, [Q + G, Q + G].
            scale: Of `farthest`, float32 [Q + G].
            original_weight: Lambda, 0 to 1.
        """
        self._query, self._gallery = embedding[:queries], embedding[queries:]
        self._query_codes, self._gallery_codes = codes[:queries], codes[queries:].tocsc()
        self._share = np.float32(original_weight)
        norms = np.einsum("nd,nd->n", embedding, embedding)
        self._query_norm, self._gallery_norm = norms[:queries], norms[queries:]
        tiny = np.float32(1e-12)  # all images are the same one
        self._factor = np.divide(self._share, np.maximum(scale[:queries], tiny), dtype=np.float32)

    def __call__(self, chunk: slice) -> NDArray[np.float32]:
        """Return the distances of the queries in `chunk` to the whole gallery, from 0 to 1."""
        distances = np.asarray(self._query[chunk] @ self._gallery.T, np.float32)
        jaccard = jaccard_distances(self._query_codes[chunk], self._gallery_codes)
        sparse = jaccard.indptr, jaccard.indices, jaccard.data
        scales = self._query_norm[chunk], self._gallery_norm, self._factor[chunk]

        def blend(first: int, last: int) -> None:
            _blend(distances, scales, sparse, self._share, (first, last))

        in_threads(blend, len(distances))
        return distances


@compile_loop
def _blend(
    products: NDArray[np.float32],
    scales: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
    jaccard: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    share: np.float32,
    rows: tuple[int, int],
) -> None:
    """Turn inner products [q, G] into distances d*, in place, for rows first to last + 1.

    `scales` are the squared lengths of queries and gallery, and lambda over each query's largest distance.
    """
    query_norm, gallery_norm, factor = scales
    starts, columns, values = jaccard
    rest = np.float32(1) - share
    for row in range(rows[0], rows[1]):
        own, by = query_norm[row], factor[row]
        for i in range(products.shape[1]):
            squared = own + gallery_norm[i] - np.float32(2) * products[row, i]
            products[row, i] = by * max(squared, np.float32(0)) + rest
        for entry in range(starts[row], starts[row + 1]):
            products[row, columns[entry]] -= rest * (np.float32(1) - values[entry])
