"""The context loss against a loop over the pixels, and where it is zero."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from genreid.losses.context import ContextTargets, context_loss
from tests.drawn_tensors import normal, pair
from tests.oracles import crgan_oracle as oracle

Norm = Literal["mse", "l2norm"]
NORMS: list[Norm] = ["mse", "l2norm"]


def targets(label: str = "pair") -> ContextTargets:
    given = pair((8, 6), batch=3, label=label)
    return ContextTargets(given.source, given.target, given.source_mask, 1 - given.source_mask)


def rendering() -> Tensor:
    return torch.tanh(normal("rendering", 3, 3, 8, 6))


@pytest.mark.parametrize("norm", NORMS)
def test_the_loss_is_equation_6(norm: Norm) -> None:
    wanted, image = targets(), rendering()
    images = [part.numpy() for part in (image, wanted.source, wanted.target)]
    expected = oracle.context(images, wanted.foreground.numpy(), wanted.background.numpy(), norm)
    assert context_loss(image, wanted, norm).item() == pytest.approx(expected, rel=1e-12)


def test_mse_is_the_reading_by_default() -> None:
    assert torch.equal(context_loss(rendering(), targets()), context_loss(rendering(), targets(), "mse"))


def test_values_by_hand() -> None:
    """Half the pixels are person: 0.5 off there, 1 off elsewhere: (0.25 + 1) / 2; roots: per image."""
    zeros = torch.zeros(2, 3, 4, 4)
    person = torch.zeros(2, 1, 4, 4)
    person[:, :, :2] = 1
    wanted = ContextTargets(zeros + 0.5, zeros - 1, person, 1 - person)
    assert context_loss(zeros, wanted).item() == 0.625
    by_norm = context_loss(zeros, wanted, "l2norm").item()
    assert by_norm == pytest.approx((0.125**0.5) + (0.5**0.5), rel=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_zero_if_and_only_if_person_and_background_are_right(norm: Norm) -> None:
    wanted = targets()
    right = wanted.foreground * wanted.source + wanted.background * wanted.target
    assert context_loss(right, wanted, norm).item() == pytest.approx(0, abs=1e-100)
    for row in range(8):
        for column in range(6):
            wrong = right.clone()
            wrong[1, 2, row, column] += 1e-3
            assert context_loss(wrong, wanted, norm).item() > 1e-9


def test_pixels_outside_both_masks_count_nothing() -> None:
    wanted = targets()
    nowhere = wanted._replace(background=torch.zeros_like(wanted.background))
    other = torch.where(wanted.foreground.bool(), rendering(), -rendering())
    assert torch.equal(context_loss(rendering(), nowhere), context_loss(other, nowhere))


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_are_finite_even_at_zero(norm: Norm) -> None:
    wanted = targets()
    right = (wanted.foreground * wanted.source + wanted.background * wanted.target).requires_grad_()
    (gradient,) = torch.autograd.grad(context_loss(right, wanted, norm), right)
    assert gradient.isfinite().all()
    single = ContextTargets(*(part.float() for part in wanted))
    image = right.detach().float().requires_grad_()
    (gradient,) = torch.autograd.grad(context_loss(image, single, norm), image)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("norm", NORMS)
def test_gradient_is_that_of_the_equation(norm: Norm) -> None:
    wanted = targets()
    image = rendering().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: context_loss(x, wanted, norm), image)
