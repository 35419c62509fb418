"""Flips and crops of whole batches, against loops over images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from genreid.data.augment import random_crop, random_flip, to_float

IMAGES = torch.arange(16 * 3 * 6 * 5).reshape(16, 3, 6, 5).remainder(251).to(torch.uint8)
MASKS = IMAGES[:, :1] % 2


def generator(seed: int = 0) -> torch.Generator:
    """Return random numbers."""
    return torch.Generator().manual_seed(seed)


def test_to_float_is_exact_at_both_ends() -> None:
    values = to_float(torch.tensor([0, 255, 51], dtype=torch.uint8).reshape(3, 1, 1, 1))
    assert values.dtype == torch.float32
    assert values.flatten()[:2].tolist() == [-1.0, 1.0]
    assert float(values[2]) == pytest.approx(-0.6)
    with pytest.raises(ValueError, match="uint8"):
        to_float(values)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6))
def test_flip_turns_images_and_masks_together(seed: int) -> None:
    flipped = random_flip(IMAGES, MASKS, generator(seed))
    assert flipped.masks is not None
    for row in range(len(IMAGES)):
        turned = torch.equal(flipped.images[row], IMAGES[row].flip(2))
        assert turned or torch.equal(flipped.images[row], IMAGES[row])
        assert torch.equal(flipped.masks[row], MASKS[row].flip(2) if turned else MASKS[row])
    assert torch.equal(flipped.images, random_flip(IMAGES, None, generator(seed)).images)


def test_half_of_the_images_are_turned() -> None:
    images = torch.arange(2.0).expand(20_000, 1, 1, 2)
    share = random_flip(images, None, generator()).images[:, 0, 0, 0].mean()
    assert abs(float(share) - 0.5) < 0.015


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), padding=st.integers(0, 3), fill=st.integers(0, 255))
def test_crop_is_a_window_of_the_padded_image(seed: int, padding: int, fill: int) -> None:
    cropped = random_crop(IMAGES, padding, generator(seed), fill=fill)
    top, left = torch.randint(0, 2 * padding + 1, (2, len(IMAGES)), generator=generator(seed))
    padded = F.pad(IMAGES, (padding,) * 4, value=fill)
    for row in range(len(IMAGES)):
        window = padded[row, :, top[row] : top[row] + 6, left[row] : left[row] + 5]
        assert torch.equal(cropped[row], window)
    assert cropped.dtype == torch.uint8
    assert cropped.is_contiguous()


def test_every_place_of_the_window_occurs() -> None:
    images = torch.zeros(4000, 1, 3, 3)
    images[:, :, 1, 1] = 1
    where = random_crop(images, 1, generator()).flatten(1).argmax(1)
    counts = torch.bincount(where, minlength=9)
    assert counts.shape == (9,)
    assert int(counts.min()) > 350


def test_callers_images_are_not_touched() -> None:
    before = IMAGES.clone()
    random_crop(IMAGES, 0, generator()).zero_()
    to_float(IMAGES)
    assert torch.equal(before, IMAGES)
