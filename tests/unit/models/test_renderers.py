"""Renderers without a network: every pixel against the oracle, and what is promised of them in words."""

import pytest
import torch

from genreid.models.compositing import move_colours, paint_over
from genreid.models.crgan import compose
from genreid.models.renderers import ColourTransfer, Composite, CutAndPaste, Untouched
from tests.drawn_tensors import pair
from tests.oracles import compositing_oracle as oracle


@pytest.mark.parametrize("erase", [False, True])
def test_cut_and_paste_is_the_generators_equation_with_another_residual(erase: bool) -> None:
    given = pair((16, 8))
    made = CutAndPaste(erase_target=erase)(given)
    canvas = given.target * (1 - given.target_mask) if erase else given.target
    expected = given.source_mask * given.source + (1 - given.source_mask) * canvas  # spec D
    torch.testing.assert_close(made.image, expected, rtol=0, atol=1e-15)
    blend = compose(given.source, canvas, 1 - given.source_mask)
    assert all(torch.equal(a, b) for a, b in zip(made, blend, strict=True))
    assert not list(CutAndPaste().parameters())


def test_cut_and_paste_leaves_the_targets_person_by_default() -> None:
    given = pair((16, 8))
    assert torch.equal(CutAndPaste()(given).image, CutAndPaste(erase_target=False)(given).image)
    assert not torch.equal(CutAndPaste()(given).image, CutAndPaste(erase_target=True)(given).image)


def test_untouched_gives_the_source_back() -> None:
    given = pair((16, 8))
    made = Untouched()(given)
    assert torch.equal(made.image, given.source)
    assert not made.context_mask.any()
    assert made.context_mask.shape == given.source_mask.shape
    assert made.residual.shape == given.source.shape


@pytest.mark.parametrize("size", [(16, 8), (40, 20), (24, 11)])
def test_colours_are_moved_as_the_oracle_moves_them(size: tuple[int, int]) -> None:
    given = pair(size)
    expected = oracle.moved_colours(given.source, given.target)
    torch.testing.assert_close(move_colours(given.source, given.target), expected, rtol=0, atol=1e-12)
    made = ColourTransfer()(given)
    torch.testing.assert_close(made.image, expected, rtol=0, atol=1e-12)
    assert not made.context_mask.any()


def test_moved_colours_have_the_moments_of_the_target() -> None:
    given = pair((16, 8))
    source, target = 0.3 * given.source, 0.3 * given.target  # so small that nothing is clamped
    moved = move_colours(source, target)
    for image, wanted in zip(moved, target, strict=True):
        torch.testing.assert_close(image.mean((1, 2)), wanted.mean((1, 2)))
        torch.testing.assert_close(image.std((1, 2)), wanted.std((1, 2)))


def test_an_image_of_one_colour_takes_the_target_mean_and_stays_finite() -> None:
    target = pair((16, 8)).target * 0.3
    moved = move_colours(torch.full_like(target, 0.5), target)
    torch.testing.assert_close(moved, target.mean((2, 3), keepdim=True).expand_as(moved))


def test_hardly_any_deviation_is_not_blown_up() -> None:
    given = pair((16, 8))
    flat = 0.2 + 1e-4 * given.source  # its deviation is below the least one, 1e-3
    moved = move_colours(flat, given.target)
    torch.testing.assert_close(moved, oracle.moved_colours(flat, given.target), rtol=0, atol=1e-12)
    spread, wanted = (part.std((2, 3), correction=0) for part in (flat, given.target))
    torch.testing.assert_close(moved.std((2, 3), correction=0), spread / 1e-3 * wanted)


def test_hardly_any_background_gives_hardly_any_paint() -> None:
    """One pixel of background in a square of 33 x 33 weighs less than the least weight, 1e-3."""
    images = torch.full((1, 3, 128, 64), 0.5, dtype=torch.float64)
    masks = torch.ones(1, 1, 128, 64, dtype=torch.float64)
    masks[..., 64, 32] = 0
    painted = paint_over(images, masks)
    torch.testing.assert_close(
        painted[0, :, 60, 30], torch.full((3,), 0.5 / 33**2 / 1e-3, dtype=torch.float64)
    )
    assert painted[0, :, 64, 32].tolist() == [0.5] * 3
    assert not painted[0, :, 40, 32].any()


@pytest.mark.parametrize("size", [(16, 8), (40, 20), (24, 11)])
def test_people_are_painted_over_as_the_oracle_does(size: tuple[int, int]) -> None:
    given = pair(size)
    expected = oracle.painted_over(given.target, given.target_mask)
    torch.testing.assert_close(paint_over(given.target, given.target_mask), expected, rtol=0, atol=1e-12)


def test_paint_is_grey_where_no_background_is_near() -> None:
    given = pair((16, 8))
    everywhere = torch.ones_like(given.target_mask)
    assert not paint_over(given.target, everywhere).any()
    nowhere = torch.zeros_like(given.target_mask)
    assert torch.equal(paint_over(given.target, nowhere), given.target)


@pytest.mark.parametrize("size", [(16, 8), (40, 20)])
def test_the_composition_is_the_oracles(size: tuple[int, int]) -> None:
    given = pair(size)
    made = Composite()(given)
    background = oracle.painted_over(given.target, given.target_mask)
    person = oracle.moved_colours(given.source, given.target)
    expected = given.source_mask * person + (1 - given.source_mask) * background  # spec D2
    torch.testing.assert_close(made.image, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(made.residual, background, rtol=0, atol=1e-12)
    assert torch.equal(made.context_mask, 1 - given.source_mask)


def test_renderers_say_what_they_need() -> None:
    assert (CutAndPaste.needs_masks, Composite.needs_masks) == (True, True)
    assert (ColourTransfer.needs_masks, Untouched.needs_masks) == (False, False)
    assert not any(k.is_trained for k in (CutAndPaste(), Composite(), ColourTransfer(), Untouched()))
