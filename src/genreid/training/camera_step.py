"""One iteration of training CR-GAN's camera discriminator on real target images (stage I)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from genreid.losses.camera import camera_loss
from genreid.models.crgan import CameraDiscriminator
from genreid.models.precision import Compute
from genreid.training.update import Update, set_learning_rate


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """Training of the camera discriminator D_cam (stage I)."""

    iterations: int = 30_000
    """Iterations."""
    batch: int = 32
    """Target images in a batch."""
    learning_rate: float = 2e-4
    """Adam's rate (not stated in the paper)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.iterations < 1 or self.batch < 1 or self.learning_rate <= 0:
            got = f"{self.iterations}, {self.batch}, {self.learning_rate}"
            msg = f"camera training: iterations, batch and learning_rate must be positive, got {got}"
            raise ValueError(msg)


@dataclass(frozen=True)
class CameraSetup:
    """All that stays the same from one iteration to the next.

    Attributes:
        network: D_cam.
        optimizer: Adam of D_cam.
        config: Settings.
        compute: Device and arithmetic.
    """

    network: CameraDiscriminator
    optimizer: torch.optim.Optimizer
    config: CameraConfig
    compute: Compute


def camera_step(setup: CameraSetup, images: Tensor, cameras: Tensor) -> Mapping[str, Tensor]:
    """Classify the cameras of a batch of target images and take one step of Adam.

    Args:
        setup: Network, optimiser, settings.
        images: [B, 3, H, W] in [-1, 1], real target images.
        cameras: [B] int64 class of each image's camera.

    Returns:
        `camera`, the loss, and `accuracy`, the share of the batch that is classified right.
    """
    set_learning_rate(setup.optimizer, setup.config.learning_rate)
    setup.network.train()
    with Update(setup.optimizer) as learning:
        with setup.compute.autocast():
            logits = setup.network(images)
        learning.learn({"camera": camera_loss(logits, cameras)})
    accuracy = (logits.detach().argmax(dim=1) == cameras).float().mean()
    return learning.terms | {"accuracy": accuracy}
