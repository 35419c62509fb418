"""One iteration of TAUDL (spec baselines C4 to C7)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genreid.losses.taudl import ccta_loss, pctd_loss
from genreid.models.backbone import ReidNetwork
from genreid.models.layers import at_least_float32
from genreid.models.precision import Compute
from genreid.training.schedules import hold_then_fall
from genreid.training.taudl_config import TaudlTraining
from genreid.training.update import Update, scale_learning_rate


@dataclass(frozen=True)
class TaudlSetup:
    """All that stays the same from one iteration to the next.

    Attributes:
        network: The re-id network; its embedding is learnt.
        heads: A classifier for each camera.
        optimizer: Adam of both.
        config: Settings.
        compute: Device and arithmetic.
    """

    network: ReidNetwork
    heads: nn.ModuleList
    optimizer: torch.optim.Optimizer
    config: TaudlTraining
    compute: Compute


def taudl_step(setup: TaudlSetup, images: Tensor, labels: Tensor, step: int) -> Mapping[str, Tensor]:
    """Tell each camera's tracklets apart, associate them across cameras, and take one step of Adam.

    Each camera's images have batch-norm statistics of their own (spec C4).

    Args:
        setup: Network, classifiers, optimiser, settings.
        images: [B, 3, H, W] in [-1, 1]: as many of each camera, camera after camera, tracklet after tracklet.
        labels: [B] int64 tracklet within its camera.
        step: Number of the iteration, from 0: it sets the learning rate.

    Returns:
        `discrimination` (PCTD), `association` (CCTA), and `accuracy`, the share that is classified right.
    """
    config, count = setup.config, len(setup.heads)
    scale_learning_rate(setup.optimizer, hold_then_fall(step, config.iterations, 1.0, config.hold))
    setup.network.train()
    share = len(images) // count
    weights = {"discrimination": 1 - config.association, "association": config.association}
    with Update(setup.optimizer) as learning:
        with setup.compute.autocast():
            embeddings = [setup.network.embed(part) for part in torch.split(images, share)]
            scores = [head(part) for head, part in zip(setup.heads, embeddings, strict=True)]
        logits, wanted = [at_least_float32(part) for part in scores], torch.split(labels, share)
        discrimination = pctd_loss(logits, wanted, config.discrimination)

        whole = at_least_float32(torch.cat(embeddings))
        tracklets = whole.view(-1, config.images, whole.shape[1]).mean(dim=1)
        numbers = _cameras(len(tracklets), count, interleaved=config.ccta.interleaved_cameras)
        association = ccta_loss(tracklets, numbers.to(whole.device), count // 2, config.ccta)
        learning.learn({"discrimination": discrimination, "association": association}, weights)
    right = [part.detach().argmax(dim=1) == target for part, target in zip(logits, wanted, strict=True)]
    return learning.terms | {"accuracy": torch.cat(right).float().mean()}


def _cameras(tracklets: int, count: int, *, interleaved: bool) -> Tensor:
    """Return the camera of each tracklet; interleaved: in the order of the release's sampler (spec C8b)."""
    numbers = torch.arange(tracklets)
    return numbers % count if interleaved else numbers // (tracklets // count)
