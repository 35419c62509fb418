"""Least-squares adversarial losses against a loop over the scores."""

import pytest
import torch

from genreid.losses.adversarial import discriminator_loss, generator_loss
from tests.drawn_tensors import normal
from tests.oracles import crgan_oracle as oracle


@pytest.mark.parametrize("shape", [(3, 1, 5, 4), (2, 1, 1, 1), (7,)])
def test_losses_are_the_equations(shape: tuple[int, ...]) -> None:
    real, fake = normal("real", *shape), normal("fake", *shape)
    ours = discriminator_loss(real, fake).item()
    assert ours == pytest.approx(oracle.adversarial_discriminator(real.numpy(), fake.numpy()), rel=1e-12)
    assert generator_loss(fake).item() == pytest.approx(oracle.adversarial_generator(fake.numpy()), rel=1e-12)


def test_values_by_hand() -> None:
    """(0.75 - 1)^2 + 0.5^2 = 0.3125; swapping real and fake gives another number."""
    real, fake = torch.full((2, 1, 3, 2), 0.75), torch.full((2, 1, 3, 2), 0.5)
    assert discriminator_loss(real, fake).item() == 0.3125
    assert discriminator_loss(fake, real).item() == 0.8125
    assert generator_loss(fake).item() == 0.25


def test_best_and_worst() -> None:
    ones, zeros = torch.ones(4, 1, 2, 2), torch.zeros(4, 1, 2, 2)
    assert discriminator_loss(ones, zeros).item() == 0
    assert discriminator_loss(zeros, ones).item() == 2
    assert generator_loss(ones).item() == 0
    assert generator_loss(zeros).item() == 1


def test_gradients_point_to_the_targets() -> None:
    real, fake = (torch.full((2, 1, 2, 2), 0.5, requires_grad=True) for _ in range(2))
    to_real, to_fake = torch.autograd.grad(discriminator_loss(real, fake), (real, fake))
    assert (to_real == -1 / 8).all()  # 2 (0.5 - 1) / 8 scores
    assert (to_fake == 1 / 8).all()
    (to_generator,) = torch.autograd.grad(generator_loss(fake), fake)
    assert (to_generator == -1 / 8).all()
