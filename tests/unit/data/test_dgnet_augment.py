"""What DG-Net does to images before it reads them: edge crops and random erasing (spec dg-net F1)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genreid.data.augment import Erasing, random_crop, random_erasing
from genreid.data.batch import BatchPlan
from tests.drawn_tensors import normal
from tests.tiny_domains import image_set

CPU = torch.device("cpu")
ATTEMPTS = 100


def generator(seed: int = 0) -> torch.Generator:
    """Return random numbers."""
    return torch.Generator().manual_seed(seed)


# Edge crop


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), padding=st.integers(1, 4))
def test_what_an_edge_crop_brings_in_is_the_outermost_pixel(seed: int, padding: int) -> None:
    images = normal("images", 5, 3, 4, 3)
    cropped = random_crop(images, padding, generator(seed), "edge")
    top, left = torch.randint(0, 2 * padding + 1, (2, 5), generator=generator(seed)).tolist()
    for n in range(5):
        for i in range(4):
            for j in range(3):
                row = min(max(i + top[n] - padding, 0), 3)
                column = min(max(j + left[n] - padding, 0), 2)
                assert torch.equal(cropped[n, :, i, j], images[n, :, row, column])


def test_the_plan_passes_its_fill_on() -> None:
    """Edge: no value that the image does not have; a number: exactly that number comes in."""
    images = image_set("source", masks=False)
    plans = {fill: BatchPlan(5, 0, "x", 6, fill) for fill in ("edge", 0.5, -1.0)}
    batches = {fill: images.batch(plan, 0, CPU).images for fill, plan in plans.items()}
    for n, image in enumerate(batches["edge"]):
        row = images.rows(plans["edge"], 0)[n]
        known = set(images.bank.gather(row[None], CPU).flatten().tolist())
        assert {round(127.5 * (value + 1)) for value in image.flatten().tolist()} <= known
    for fill in (0.5, -1.0):
        brought_in = (batches[fill] == fill).all(1).sum((1, 2))
        assert (brought_in > 0).float().mean() > 0.7
        inside = batches[fill] != fill
        torch.testing.assert_close(batches[fill][inside], batches["edge"][inside], rtol=0, atol=1e-6)


def test_edges_would_stretch_masks() -> None:
    with pytest.raises(ValueError, match=r"crop_fill 'edge' would stretch the masks; give a number"):
        image_set("source").batch(BatchPlan(4, 0, "x", 2, "edge"), 0, CPU)


# Random erasing


def boxes(before: Tensor, after: Tensor) -> list[tuple[int, int, int, int] | None]:
    """Top, left, height and width of what was erased of each image; it must be a full rectangle."""
    found: list[tuple[int, int, int, int] | None] = []
    for one, other in zip(before, after, strict=True):
        gone = (one != other).any(0)
        if not gone.any():
            found.append(None)
            continue
        rows, columns = gone.any(1).nonzero().flatten().tolist(), gone.any(0).nonzero().flatten().tolist()
        box = rows[0], columns[0], rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        assert int(gone.sum()) == box[2] * box[3], "no full rectangle"
        found.append(box)
    return found


def test_the_published_numbers() -> None:
    assert Erasing() == Erasing(probability=0.5, area=(0.02, 0.4), aspect=(0.3, 1 / 0.3), fill=0.0)


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5, 1.0])
def test_as_many_images_lose_a_rectangle_as_asked_for(probability: float) -> None:
    count = 4000
    images = torch.ones(count, 1, 16, 8)
    erased = random_erasing(images, Erasing(probability), generator())
    share = (erased == 0).flatten(1).any(1).float().mean().item()
    assert abs(share - probability) <= 4 * math.sqrt(probability * (1 - probability) / count)


def test_rectangles_are_whole_inside_and_of_the_asked_size() -> None:
    height, width = 64, 32
    images = 1 + normal("images", 400, 3, height, width).abs()
    erased = random_erasing(images, Erasing(1.0), generator())
    areas, aspects = [], []
    for box in boxes(images, erased):
        assert box is not None
        top, left, tall, wide = box
        assert 0 <= top <= height - tall
        assert 0 <= left <= width - wide
        areas.append(tall * wide / (height * width))
        aspects.append(tall / wide)
    assert 0.017 < min(areas) < 0.035
    assert 0.37 < max(areas) < 0.42
    assert 0.28 < min(aspects) < 0.4
    assert 2.8 < max(aspects) < 3.8
    assert (erased[erased != images] == 0).all()


def test_rectangles_lie_anywhere() -> None:
    """Also at the very borders."""
    images = torch.ones(3000, 1, 16, 8)
    kept = random_erasing(images, Erasing(1.0, area=(0.05, 0.1)), generator()).mean(0)[0]
    assert kept.max() < 1, "some pixel is never erased"
    assert kept[:4].mean().item() == pytest.approx(kept[-4:].mean().item(), abs=0.03)
    assert kept[:, :2].mean().item() == pytest.approx(kept[:, -2:].mean().item(), abs=0.03)


def literal(images: Tensor, erasing: Erasing, draws: Tensor) -> Tensor:
    """One image and one attempt after the other, on the same random numbers."""
    erased = images.clone()
    height, width = images.shape[2:]
    for n in range(len(images)):
        if float(draws[4, n, 0]) >= erasing.probability:
            continue
        for attempt in range(ATTEMPTS):
            u = draws[:, n, attempt].tolist()
            area = (erasing.area[0] + (erasing.area[1] - erasing.area[0]) * u[0]) * height * width
            aspect = erasing.aspect[0] + (erasing.aspect[1] - erasing.aspect[0]) * u[1]
            tall, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if tall < height and wide < width:
                top, left = math.floor(u[2] * (height - tall + 1)), math.floor(u[3] * (width - wide + 1))
                erased[n, :, top : top + tall, left : left + wide] = erasing.fill
                break
    return erased


@pytest.mark.parametrize("size", [(16, 8), (64, 32), (7, 9)])
@pytest.mark.parametrize("erasing", [Erasing(), Erasing(0.9, (0.1, 0.9), (0.3, 5.0), 0.25)])
def test_erasing_is_the_literal_loop(size: tuple[int, int], erasing: Erasing) -> None:
    images = normal("images", 200, 2, *size).float()
    draws = torch.rand(5, 200, ATTEMPTS, generator=generator(5))
    assert torch.equal(random_erasing(images, erasing, generator(5)), literal(images, erasing, draws))


def test_what_never_fits_is_left_out() -> None:
    """A strip of one row: no rectangle is lower than it."""
    images = torch.ones(50, 1, 1, 20)
    assert torch.equal(random_erasing(images, Erasing(1.0, area=(0.5, 0.9)), generator()), images)


def test_erasing_is_a_function_of_its_generator_and_leaves_the_images() -> None:
    images = normal("images", 8, 3, 16, 8)
    before = images.clone()
    first = random_erasing(images, Erasing(), generator(1))
    assert torch.equal(images, before)
    assert torch.equal(random_erasing(images, Erasing(), generator(1)), first)
    assert not torch.equal(random_erasing(images, Erasing(), generator(2)), first)
    assert first.dtype == images.dtype
