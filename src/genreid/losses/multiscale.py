"""Adversarial loss of DG-Net (equation 7) over the scales of its discriminator."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from genreid.losses import adversarial

AdversarialForm = Literal["lsgan", "log"]
"""`lsgan`: least squares, as the published code; `log`: equation 7 as it stands in the paper."""


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor], form: AdversarialForm) -> Tensor:
    """Return the discriminator's loss, summed over scales (spec dg-net F5).

    `lsgan`: mean((D(x) - 1)^2) + mean(D(G)^2); `log`: mean(-log s(D(x))) + mean(-log(1 - s(D(G)))), where s
    is the logistic function.

    Args:
        real: One score map of real images for each scale.
        fake: The same of generated images.
        form: Which of the two.
    """
    if form == "lsgan":
        terms = [adversarial.discriminator_loss(x, g) for x, g in zip(real, fake, strict=True)]
    else:
        terms = [F.softplus(-x).mean() + F.softplus(g).mean() for x, g in zip(real, fake, strict=True)]
    return torch.stack(terms).sum()


def generator_loss(fake: Sequence[Tensor], form: AdversarialForm) -> Tensor:
    """Return the generator's loss, summed over scales (spec dg-net F5).

    `lsgan`: 2 mean((D(G) - 1)^2); `log`: mean(-log s(D(G))), the form of equation 7 whose gradient does not
    vanish while the discriminator wins.

    Args:
        fake: One score map of generated images for each scale.
        form: Which of the two.
    """
    if form == "lsgan":
        return torch.stack([2 * adversarial.generator_loss(scores) for scores in fake]).sum()
    return torch.stack([F.softplus(-scores).mean() for scores in fake]).sum()
