"""One iteration of Cluster Contrast (spec baselines H1)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from genreid.losses.cluster import cluster_contrast_loss
from genreid.models.backbone import ReidNetwork
from genreid.models.layers import at_least_float32
from genreid.models.precision import Compute
from genreid.training.cluster_config import ClusterTraining
from genreid.training.cluster_memory import ClusterMemory
from genreid.training.schedules import step_decay
from genreid.training.update import Update, scale_learning_rate


@dataclass(frozen=True)
class ClusterSetup:
    """All that stays the same from one iteration to the next.

    Attributes:
        network: The re-id network; its embedding is learnt.
        memory: Labels and centres of the round.
        optimizer: Adam of the network.
        config: Settings.
        compute: Device and arithmetic.
    """

    network: ReidNetwork
    memory: ClusterMemory
    optimizer: torch.optim.Optimizer
    config: ClusterTraining
    compute: Compute


def cluster_step(setup: ClusterSetup, images: Tensor, labels: Tensor, step: int) -> Mapping[str, Tensor]:
    """Pull a batch to its clusters' centres, take one step of Adam, and let the centres follow.

    Args:
        setup: Network, memory, optimiser, settings.
        images: [B, 3, H, W] in [-1, 1], cluster after cluster: neighbours share batch-norm statistics.
        labels: [B] int64 cluster of each image, better on the CPU, or the host has to wait for the device.
        step: Number of the iteration, from 0, through all rounds: it sets the learning rate.

    Returns:
        `contrast`, the loss, and `accuracy`, the share of the batch whose own centre is the nearest.
    """
    config, memory = setup.config, setup.memory
    scale_learning_rate(setup.optimizer, step_decay(step, config.total, 1.0, config.drop_at))
    setup.network.train()
    with Update(setup.optimizer) as learning:
        with setup.compute.autocast():
            groups = [setup.network.embed(group) for group in torch.split(images, config.batch_norm_group)]
        embedding = F.normalize(at_least_float32(torch.cat(groups)), dim=1)
        wanted = labels.to(embedding.device, non_blocking=True)
        loss = cluster_contrast_loss(embedding, memory.centroids, wanted, config.temperature)
        learning.learn({"contrast": loss})
    seen = embedding.detach()
    accuracy = ((seen @ memory.centroids.T).argmax(dim=1) == wanted).float().mean()
    memory.update(seen, labels, config.momentum, config.update)
    return learning.terms | {"accuracy": accuracy}
