"""The memory of Cluster Contrast: which image is in which cluster, and the clusters' centres (spec H1)."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ClusterMemory(nn.Module):
    """What a round has found, kept with the networks, so that a checkpoint in the middle of a round has it.

    Args:
        rows: N, images of the data set.
        width: D, width of the embedding.

    Attributes:
        labels: [N] int64 cluster of each row; -1: an outlier, or unreadable.
        centroids: [K, D] of unit length; K differs from round to round.
    """

    labels: Tensor
    centroids: Tensor

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.register_buffer("labels", torch.full((rows,), -1))
        self.register_buffer("centroids", torch.zeros(0, width))

    def fill(self, labels: Tensor, centroids: Tensor) -> None:
        """Begin a round.

        Args:
            labels: [N] int64.
            centroids: [K, D] of unit length.
        """
        device = self.labels.device
        self.labels, self.centroids = labels.to(device), centroids.to(device)

    def update(
        self, embedding: Tensor, labels: Tensor, momentum: float, rule: Literal["momentum", "hard"]
    ) -> None:
        """Let the centres follow a batch.

        Args:
            embedding: [B, D] of unit length, without gradient.
            labels: [B] int64 cluster of each image.
            momentum: Share of the old centre that is kept.
            rule: `momentum`: every image, in order; `hard`: the least similar of each cluster.
        """
        follow = follow_all if rule == "momentum" else follow_hardest
        self.centroids = follow(self.centroids, embedding, labels, momentum)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        *arguments: Any,  # noqa: ANN401
    ) -> None:
        """Take as many clusters as the checkpoint has."""
        centroids = state_dict[f"{prefix}centroids"]
        self.centroids = self.centroids.new_empty(centroids.shape)
        super()._load_from_state_dict(state_dict, prefix, *arguments)


@torch.no_grad()
def follow_all(centroids: Tensor, embedding: Tensor, labels: Tensor, momentum: float) -> Tensor:
    """For every image in order: c_y <- m c_y + (1 - m) f, back to unit length.

    Clusters do not touch each other, so the first images of all are done together, then the second ones.

    Args:
        centroids: [K, D] of unit length; left as they are.
        embedding: [B, D] of unit length.
        labels: [B] int64, better on the CPU, or the host has to wait for the device.
        momentum: m.

    Returns:
        New centres, [K, D].
    """
    result = centroids.clone()
    turns = _turns(labels.cpu())
    for turn in range(int(turns.max()) + 1):
        now = (turns == turn).nonzero().squeeze(1)
        clusters, seen = labels[now].to(result.device), embedding[now.to(result.device)]
        result[clusters] = F.normalize(momentum * result[clusters] + (1 - momentum) * seen, dim=1)
    return result


@torch.no_grad()
def follow_hardest(centroids: Tensor, embedding: Tensor, labels: Tensor, momentum: float) -> Tensor:
    """For every cluster of the batch: c_y <- m c_y + (1 - m) f of its least similar image, to unit length.

    Args:
        centroids: [K, D] of unit length; left as they are.
        embedding: [B, D] of unit length.
        labels: [B] int64.
        momentum: m.

    Returns:
        New centres, [K, D].
    """
    result, places = centroids.clone(), labels.to(centroids.device)
    cosines = (embedding * centroids[places]).sum(dim=1)
    same = places[:, None] == places[None, :]
    hardest = torch.where(same, cosines[None, :], torch.inf).argmin(dim=1)  # equal for all of a cluster
    moved = momentum * centroids[places] + (1 - momentum) * embedding[hardest]
    result[places] = F.normalize(moved, dim=1)
    return result


def _turns(labels: Tensor) -> Tensor:
    """Return for each image how many of its cluster stand before it in the batch."""
    same = labels[:, None] == labels[None, :]
    return same.tril(-1).sum(dim=1)
