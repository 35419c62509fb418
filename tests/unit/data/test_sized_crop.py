"""Crops of random size and shape."""

import pytest
import torch
from torch.nn import functional as F

from genreid.data.sized_crop import SizedCrop, random_sized_crop
from tests.drawn_tensors import normal


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramp(height: int = 64, width: int = 32) -> torch.Tensor:
    """An image whose channels are the row, the column and 1, at pixel centres."""
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack((rows, columns, torch.ones(height, width)))


def test_rectangles_have_the_size_and_shape_asked_for() -> None:
    """On a ramp, the slope tells how tall and wide the rectangle was."""
    images = ramp().expand(500, -1, -1, -1)
    crops = random_sized_crop(images, SizedCrop(), generator())
    assert crops.shape == images.shape
    tall = 64 * (crops[:, 0, 40, 16] - crops[:, 0, 20, 16]) / 20
    wide = 32 * (crops[:, 1, 32, 20] - crops[:, 1, 32, 10]) / 10
    assert torch.allclose(tall, tall.round(), atol=1e-2)
    assert torch.allclose(wide, wide.round(), atol=1e-2)
    share, aspect = tall * wide / (64 * 32), tall / wide
    assert share.min() > 0.6
    assert share.max() <= 1.001
    assert aspect.min() > 1.9
    assert aspect.max() < 3.15
    assert share.std() > 0.05
    top = crops[:, 0, 20, 16] - (20.5 / 64) * tall
    assert top.min() > -0.01
    assert (top + tall).max() < 64.01
    assert top.max() > 3


def test_it_is_a_crop_stretched_bilinearly() -> None:
    image = normal("image", 1, 3, 64, 32)
    crop = random_sized_crop(image, SizedCrop((0.7, 0.7), (2.5, 2.5)), generator(3))
    tall, wide = round((0.7 * 64 * 32 * 2.5) ** 0.5), round((0.7 * 64 * 32 / 2.5) ** 0.5)
    gaps = []
    for top in range(64 - tall + 1):
        for left in range(32 - wide + 1):
            part = image[:, :, top : top + tall, left : left + wide]
            stretched = F.interpolate(part, (64, 32), mode="bilinear", align_corners=False)
            gaps.append((stretched - crop)[:, :, 1:-1, 1:-1].abs().max().item())
    assert min(gaps) == pytest.approx(0, abs=1e-5)


def test_nothing_that_fits_leaves_the_image_whole() -> None:
    image = normal("image", 4, 3, 32, 32).float()
    whole = random_sized_crop(image, SizedCrop((0.9, 1.0), (3.0, 4.0)), generator())
    torch.testing.assert_close(whole, image, rtol=1e-4, atol=1e-4)


def test_it_is_pure() -> None:
    image = normal("image", 4, 3, 64, 32).float()
    one = random_sized_crop(image, SizedCrop(), generator(1))
    assert torch.equal(one, random_sized_crop(image, SizedCrop(), generator(1)))
    assert not torch.equal(one, random_sized_crop(image, SizedCrop(), generator(2)))
