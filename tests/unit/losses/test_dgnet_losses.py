"""DG-Net's reconstruction, adversarial and gradient penalties against their equations, number by number."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from genreid.losses.gradient_penalty import gradient_penalty
from genreid.losses.multiscale import AdversarialForm, discriminator_loss, generator_loss
from genreid.losses.reconstruction import reconstruction_loss
from tests.drawn_tensors import normal

SCALES = [(3, 1, 8, 4), (3, 1, 4, 2), (3, 1, 2, 1)]


def scores(label: str) -> list[Tensor]:
    return [normal(f"{label}/{number}", *shape) for number, shape in enumerate(SCALES)]


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# Reconstruction: equations 1, 2, 4, 5


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 8), (2, 6, 2, 1)])
def test_reconstruction_is_the_mean_absolute_difference(shape: tuple[int, ...]) -> None:
    made, wanted = normal("made", *shape), normal("wanted", *shape)
    pairs = zip(made.flatten().tolist(), wanted.flatten().tolist(), strict=True)
    expected = mean([abs(one - other) for one, other in pairs])
    assert reconstruction_loss(made, wanted).item() == pytest.approx(expected, rel=1e-12)
    assert reconstruction_loss(wanted, made).item() == pytest.approx(expected, rel=1e-12)
    assert reconstruction_loss(made, made).item() == 0


def test_reconstruction_is_taken_in_float32() -> None:
    """In bfloat16, 256 - 255 is 1 but a mean of 300 of them is not."""
    made = torch.full((301,), 2.0, dtype=torch.bfloat16)
    wanted = torch.full((301,), 1.0)
    wanted[0] = 1.5
    loss = reconstruction_loss(made, wanted)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(300.5 / 301, rel=1e-6)


# Adversarial: equation 7, as least squares and as it stands


@pytest.mark.parametrize("form", ["lsgan", "log"])
def test_the_discriminators_loss_is_summed_over_scales(form: AdversarialForm) -> None:
    real, fake = scores("real"), scores("fake")
    expected = 0.0
    for x, g in zip(real, fake, strict=True):
        if form == "lsgan":
            expected += mean([(value - 1) ** 2 for value in x.flatten().tolist()])
            expected += mean([value**2 for value in g.flatten().tolist()])
        else:
            expected += mean([-math.log(logistic(value)) for value in x.flatten().tolist()])
            expected += mean([-math.log(1 - logistic(value)) for value in g.flatten().tolist()])
    assert discriminator_loss(real, fake, form).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", ["lsgan", "log"])
def test_the_generators_loss_is_summed_over_scales(form: AdversarialForm) -> None:
    fake = scores("fake")
    expected = 0.0
    for g in fake:
        values = g.flatten().tolist()
        if form == "lsgan":
            expected += 2 * mean([(value - 1) ** 2 for value in values])
        else:
            expected += mean([-math.log(logistic(value)) for value in values])
    assert generator_loss(fake, form).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", ["lsgan", "log"])
def test_the_adversaries_pull_in_opposite_directions(form: AdversarialForm) -> None:
    fake = [torch.zeros(2, 1, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    real = [torch.full((2, 1, 3, 2), 0.5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    for g in torch.autograd.grad(generator_loss(fake, form), fake):
        assert (g < 0).all(), "the generator wants higher scores"
    shifted = [scores + 0.5 for scores in fake]
    for g in torch.autograd.grad(discriminator_loss(real, shifted, form), fake):
        assert (g > 0).all(), "the discriminator wants them lower"
    for x in torch.autograd.grad(discriminator_loss(real, fake, form), real):
        assert (x < 0).all(), "and those of real images higher"


# R1


def literal_penalty(judges: Sequence[Callable[[Tensor], Tensor]], images: Tensor) -> float:
    """Over scales, the sum of the batch's mean of all pixels' squared slopes, by central differences."""
    total = 0.0
    for judge in judges:
        squares = 0.0
        for place in np.ndindex(*images.shape):
            more, less = images.clone(), images.clone()
            more[place] += 0.5
            less[place] -= 0.5
            squares += float(judge(more).sum() - judge(less).sum()) ** 2  # exact for squares and cubes of 1
        total += squares / len(images)
    return total


def test_the_penalty_is_that_of_each_scale_alone() -> None:
    """Scores are quadratic, so central differences are exact."""
    images = normal("images", 2, 3, 4, 2).requires_grad_()
    judges: list[Callable[[Tensor], Tensor]] = [
        lambda x: 0.3 * x.square().sum(1, keepdim=True),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False).square().mean(1, keepdim=True),
        lambda x: x[:, :1, :2] * x[:, 1:2, 2:],
    ]
    found = gradient_penalty([judge(images) for judge in judges], images)
    assert found.item() == pytest.approx(literal_penalty(judges, images.detach()), rel=1e-9)


def test_the_penalty_of_a_line_is_its_squared_slope() -> None:
    """D(x) = w . x: |w|^2 a scale, whatever the images; d / d w = 2 w."""
    slope = normal("slope", 3, 4, 2).requires_grad_()
    for batch in (1, 5):
        images = normal("images", batch, 3, 4, 2).requires_grad_()
        line = (images * slope).sum((1, 2, 3))
        penalty = gradient_penalty([line, 2 * line], images)
        expected = 5 * slope.square().sum()  # 1 + 2^2, not (1 + 2)^2
        torch.testing.assert_close(penalty, expected, rtol=1e-12, atol=0)
        (found,) = torch.autograd.grad(penalty, slope)
        torch.testing.assert_close(found, 10 * slope.detach(), rtol=1e-12, atol=0)
