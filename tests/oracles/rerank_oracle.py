"""Re-ranked distances from their definition, dense, in float64 (Zhong et al., CVPR 2017, section 3.5).

Nothing is taken from the package. The original distance is the squared Euclidean one divided by the row's
largest, over queries and gallery together, as in the published code.
"""

import numpy as np
from numpy.typing import NDArray

from tests.oracles.jaccard_oracle import Matrix, encoding, jaccard, squared_distances


def reranked(
    query: NDArray[np.float32], gallery: NDArray[np.float32], k1: int = 20, k2: int = 6, share: float = 0.3
) -> Matrix:
    """Distances [Q, G]."""
    original = squared_distances(np.concatenate([query, gallery]))
    original /= original.max(1, keepdims=True)
    half = int(np.around(k1 / 2)) + 1
    mixed = (1 - share) * jaccard(encoding(original, k1 + 1, half, k2)) + share * original
    return np.asarray(mixed[: len(query), len(query) :])
