"""One iteration of training a re-id network: stage I on real images, stage III on renderings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from genreid.losses.identity import identity_loss
from genreid.models.backbone import ReidNetwork
from genreid.models.layers import at_least_float32
from genreid.models.precision import Compute
from genreid.training.optimizers import SgdConfig
from genreid.training.schedules import step_decay, warm_up
from genreid.training.update import Update, scale_learning_rate


@dataclass(frozen=True, kw_only=True)
class IdentityConfig:
    """Training of a re-id network by classifying people."""

    iterations: int = 30_000
    """Iterations."""
    batch: int = 32
    """Images in a batch."""
    sgd: SgdConfig = field(default_factory=SgdConfig)
    """Optimiser."""
    label_smoothing: float = 0.0
    """Share of the target's mass spread evenly over all people."""
    crop_padding: int = 0
    """Pixels by which an image may be shifted; CR-GAN: none, flips only."""
    crop_fill: float = 0.0
    """Value of the pixels that a shift brings in, from -1 (black) to 1; 0 = mid grey."""
    warm_up: float = 0.0
    """Share of the stage in which the loss's weight rises from a tenth to 1; CR-GAN: none."""
    batch_norm: Literal["train", "frozen"] = "train"
    """`train`: statistics of the batch, running averages updated; `frozen`: the stored statistics stay."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if (
            self.iterations < 1
            or self.batch < 1
            or not 0 <= self.label_smoothing < 1
            or self.crop_padding < 0
        ):
            msg = (
                "identity training: iterations and batch >= 1, label_smoothing in [0, 1), crop_padding >= 0, "
                f"got {self.iterations}, {self.batch}, {self.label_smoothing}, {self.crop_padding}"
            )
            raise ValueError(msg)
        if not -1 <= self.crop_fill <= 1 or not 0 <= self.warm_up < 1:
            msg = (
                "identity training: crop_fill in [-1, 1] and warm_up in [0, 1), "
                f"got {self.crop_fill}, {self.warm_up}"
            )
            raise ValueError(msg)
        if self.batch_norm not in {"train", "frozen"}:
            msg = f"identity training: batch_norm is 'train' or 'frozen', got {self.batch_norm!r}"
            raise ValueError(msg)


@dataclass(frozen=True)
class IdentitySetup:
    """All that stays the same from one iteration to the next.

    Attributes:
        network: The re-id network.
        optimizer: Its SGD, of `make_sgd`.
        config: Settings.
        compute: Device and arithmetic.
    """

    network: ReidNetwork
    optimizer: torch.optim.Optimizer
    config: IdentityConfig
    compute: Compute


def identity_step(setup: IdentitySetup, images: Tensor, labels: Tensor, step: int) -> Mapping[str, Tensor]:
    """Classify a batch of people and take one step of SGD.

    Args:
        setup: Network, optimiser, settings.
        images: [B, 3, H, W] in [-1, 1]: real images, or renderings.
        labels: [B] int64 class of each person.
        step: Number of the iteration, from 0: it sets the learning rate.

    Returns:
        `identity`, the loss, and `accuracy`, the share of the batch that is classified right.
    """
    config = setup.config
    scale_learning_rate(setup.optimizer, step_decay(step, config.iterations, 1.0, config.sgd.drop_at))
    set_training_mode(setup.network, config.batch_norm)
    weight = warm_up(step, config.iterations, config.warm_up)
    with Update(setup.optimizer) as learning:
        with setup.compute.autocast():
            logits = setup.network(images).logits
        logits = at_least_float32(logits)
        loss = identity_loss(logits, labels, config.label_smoothing)
        learning.learn({"identity": loss}, {"identity": weight})
    accuracy = (logits.detach().argmax(dim=1) == labels).float().mean()
    return learning.terms | {"accuracy": accuracy}


def set_training_mode(network: nn.Module, batch_norm: str) -> None:
    """Put a network into training mode; with `frozen`, its batch normalisations stay in evaluation mode.

    Args:
        network: The network to change.
        batch_norm: `train` or `frozen`.
    """
    network.train()
    if batch_norm == "frozen":
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()
