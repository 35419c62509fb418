"""DG-Net's "SSIM" (table 2), which is a dissimilarity: higher is more varied (spec evaluation G7).

(1 - SSIM) / 2 in Lab colours with a data range of 100 and windows of 7 x 7 pixels of equal weight, between
random images of one person: 10 pairs a person, 5 times over.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genreid.data.progress import progress_of
from genreid.quality.images import Images, UnmeasurableError, batches
from genreid.quality.ssim import similarity_of_means

WINDOW = 7
PAIRS, ROUNDS = 10, 5
DATA_RANGE = 100.0
TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
"""Linear sRGB -> CIE XYZ (ITU-R BT.709, white D65)."""
WHITE = (0.95047, 1.0, 1.08883)


def mean_dssim_lab(images: Images, pids: Sequence[int]) -> float:
    """Return the mean over random pairs of images of one person; always the same pairs.

    Args:
        images: Of one size.
        pids: The person of each.

    Raises:
        UnmeasurableError: If nobody has two images.
    """
    images.at_least(WINDOW, "its windows")
    pairs = same_person_pairs(pids)
    found = []
    with progress_of("dissimilarity in Lab: pairs", len(pairs)) as advance:
        for places in batches(len(pairs)):
            sides = [images.grey_levels(side) / 255 for side in pairs[places].T]
            found.append(dssim_lab(*sides).numpy())
            advance(len(places))
    return float(np.concatenate(found).astype(np.float64).mean())


def same_person_pairs(pids: Sequence[int]) -> Tensor:
    """Return 50 pairs of different images of each person who has two or more: int64 [P, 2].

    Args:
        pids: The person of each image.

    Raises:
        UnmeasurableError: If nobody has.
    """
    people: dict[int, list[int]] = {}
    for place, pid in enumerate(pids):
        people.setdefault(pid, []).append(place)
    random = np.random.default_rng(0)
    pairs = [
        random.choice(places, 2, replace=False)
        for _, places in sorted(people.items())
        if len(places) > 1
        for _ in range(PAIRS * ROUNDS)
    ]
    if not pairs:
        msg = "no person has two generated images; measure more images"
        raise UnmeasurableError(msg)
    return torch.from_numpy(np.stack(pairs))


def dssim_lab(first: Tensor, second: Tensor) -> Tensor:
    """Return (1 - SSIM) / 2 of each pair in Lab colours: [B], 0 to 1.

    Args:
        first: sRGB [B, 3, H, W] from 0 to 1.
        second: The same.
    """
    window = torch.full((WINDOW,), 1 / WINDOW, dtype=first.dtype)
    pixels = WINDOW * WINDOW
    scales = (DATA_RANGE, pixels / (pixels - 1))
    return (1 - similarity_of_means(lab(first), lab(second), window, scales)) / 2


def lab(images: Tensor) -> Tensor:
    """Return CIE Lab of sRGB under D65: L from 0 to 100.

    Args:
        images: [B, 3, H, W] from 0 to 1.
    """
    linear = torch.where(images > 0.04045, ((images + 0.055) / 1.055) ** 2.4, images / 12.92)
    to_xyz = torch.tensor(TO_XYZ, dtype=images.dtype)
    xyz = torch.einsum("ij,bjhw->bihw", to_xyz, linear) / torch.tensor(WHITE, dtype=images.dtype).view(
        3, 1, 1
    )
    f = torch.where(xyz > 0.008856, xyz.clamp(min=1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)
