"""Adversarial loss of CR-GAN: least squares (equation 4 with the LSGAN of the paper's section 4.1)."""

from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return mean((D(real) - 1)^2) + mean(D(fake)^2), a scalar >= 0 (spec/cr-gan.md E11, J1).

    Args:
        real: Scores of real target images, any shape.
        fake: Scores of renderings, any shape.
    """
    return (real - 1).square().mean() + fake.square().mean()


def generator_loss(fake: Tensor) -> Tensor:
    """Return mean((D(fake) - 1)^2), a scalar >= 0 (spec/cr-gan.md E11, J1).

    Args:
        fake: Scores of renderings, any shape.
    """
    return (fake - 1).square().mean()
