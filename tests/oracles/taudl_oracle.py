"""TAUDL in slow loops, from spec baselines C4 to C8; nothing of genreid is imported."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, label: int) -> Tensor:
    """-log of the softmax of one image at its tracklet."""
    return torch.log(torch.exp(logits - logits.max()).sum()) + logits.max() - logits[label]


def pctd(logits: Sequence[Tensor], labels: Sequence[Tensor], *, mean: bool = False) -> Tensor:
    """C4: for each camera the mean cross entropy of its images, summed over cameras."""
    total = torch.zeros((), dtype=torch.float64)
    for scores, wanted in zip(logits, labels, strict=True):
        losses = [cross_entropy(row, int(label)) for row, label in zip(scores, wanted, strict=True)]
        total = total + sum(losses, torch.zeros((), dtype=torch.float64)) / len(losses)
    return total / len(logits) if mean else total


def ccta(
    tracklets: Tensor, cameras: Sequence[int], neighbours: int, spread: float = 8.0, *, detached: bool = False
) -> Tensor:
    """C5: mean_i -log(sum over the K nearest of other cameras of a_ij / sum over all j of a_ij)."""
    count = len(tracklets)
    losses = []
    for i in range(count):
        distances = [
            torch.sqrt(((tracklets[i] - tracklets[j]) ** 2).sum()) if i != j else None for j in range(count)
        ]
        affinity = [
            torch.exp(-d / spread) if d is not None else torch.ones((), dtype=torch.float64)
            for d in distances
        ]
        elsewhere = [j for j in range(count) if cameras[j] != cameras[i]]
        nearest = sorted(elsewhere, key=lambda j: -float(affinity[j].detach()))[:neighbours]
        above = torch.stack([affinity[j].detach() if detached else affinity[j] for j in nearest]).sum()
        losses.append(-torch.log(above / torch.stack(affinity).sum()))
    return torch.stack(losses).mean()


def rate(step: int, total: int, start: float) -> float:
    """C7: constant to epoch 100 of 200, then lr * 0.001^((e - 100) / 50)."""
    epoch = 200 * step / total
    return start if epoch < 100 else start * math.pow(0.001, (epoch - 100) / 50)
