"""The Frechet distance of two sets of features, each taken as a normal distribution.

    d = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

Heusel et al., NeurIPS 2017, equation 6. Of Inception's features it is FID.
"""

import numpy as np
from numpy.typing import NDArray

from genreid.quality.images import UnmeasurableError


def frechet_distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the distance of two sets of features.

    The trace of (C_1 C_2)^(1/2) is that of (R C_2 R)^(1/2) with R = C_1^(1/2), which is symmetric: no complex
    numbers arise, and no matrix needs a small addition to its diagonal.

    Args:
        first: float32 [N, D].
        second: float32 [M, D].

    Raises:
        UnmeasurableError: As `expect_full_rank`.
    """
    expect_full_rank(len(first), len(second), first.shape[1])
    a, b = first.astype(np.float64), second.astype(np.float64)
    shift = a.mean(axis=0) - b.mean(axis=0)
    first_covariance, second_covariance = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(first_covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    between = np.linalg.eigvalsh(root @ second_covariance @ root)
    trace = np.trace(first_covariance) + np.trace(second_covariance)
    return float(shift @ shift + trace - 2 * np.sqrt(between.clip(min=0)).sum())


def expect_full_rank(generated: int, real: int, width: int) -> None:
    """Refuse sets whose covariances have no full rank: the distance would tell of the number of images.

    Args:
        generated: Number of generated images.
        real: Number of real ones.
        width: D.

    Raises:
        UnmeasurableError: If a set has no more than D images.
    """
    if min(generated, real) <= width:
        msg = (
            f"a covariance of {width} features needs more than {width} images on both sides, got {generated} "
            f"generated and {real} real ones; measure more images"
        )
        raise UnmeasurableError(msg)
