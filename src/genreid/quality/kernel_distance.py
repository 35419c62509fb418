"""KID: the squared maximum mean discrepancy of two sets of features under k(x, y) = (x.y / D + 1)^3.

Binkowski et al., "Demystifying MMD GANs", ICLR 2018, with its unbiased estimator, averaged over 100 subsets
of 1,000 images. It may be a little below 0 for sets that are alike.
"""

import numpy as np
from numpy.typing import NDArray

from genreid.quality.images import UnmeasurableError

SUBSETS = 100
SUBSET_IMAGES = 1000


def kernel_distance(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    subsets: int = SUBSETS,
    images: int = SUBSET_IMAGES,
) -> float:
    """Return the distance of two sets of features.

    Args:
        first: float32 [N, D].
        second: float32 [M, D].
        subsets: How often some of both are drawn; always the same ones.
        images: Images of a subset, without repetition.

    Raises:
        UnmeasurableError: As `expect_subset`.
    """
    expect_subset(len(first), len(second), images)
    random = np.random.default_rng(0)
    drawn = (
        (
            first[random.choice(len(first), images, replace=False)],
            second[random.choice(len(second), images, replace=False)],
        )
        for _ in range(subsets)
    )
    return float(np.mean([squared_discrepancy(*pair) for pair in drawn]))


def expect_subset(generated: int, real: int, images: int = SUBSET_IMAGES) -> None:
    """Refuse sets that have fewer images than a subset.

    Args:
        generated: Number of generated images.
        real: Number of real ones.
        images: Of a subset.

    Raises:
        UnmeasurableError: If a set has fewer.
    """
    if min(generated, real) < images:
        msg = (
            f"subsets of {images:,} images need as many on both sides, got {generated} generated and "
            f"{real} real ones; measure more images"
        )
        raise UnmeasurableError(msg)


def squared_discrepancy(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy of two sets of one size.

    Args:
        first: float32 [N, D].
        second: float32 [N, D].
    """
    count = len(first)
    assert len(second) == count
    a, b = first.astype(np.float64), second.astype(np.float64)
    within = [kernel.sum() - np.trace(kernel) for kernel in (_kernel(a, a), _kernel(b, b))]
    return float(sum(within) / (count * (count - 1)) - 2 * _kernel(a, b).mean())


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return k(x, y) of all pairs."""
    result: NDArray[np.float64] = (a @ b.T / a.shape[1] + 1) ** 3
    return result
