"""The contrast with cluster centres against a loop."""

import pytest
import torch
from torch.nn import functional as F

from genreid.losses.cluster import cluster_contrast_loss
from tests.drawn_tensors import normal
from tests.oracles import cluster_oracle as oracle

LABELS = torch.tensor([3, 0, 0, 4, 2, 3])


def units(label: str, count: int) -> torch.Tensor:
    return F.normalize(normal(label, count, 7), dim=1)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_it_is_the_loop(temperature: float) -> None:
    embedding, centroids = units("f", 6), units("c", 5)
    loss = cluster_contrast_loss(embedding, centroids, LABELS, temperature)
    expected = oracle.contrast(embedding.numpy(), centroids.numpy(), LABELS.tolist(), temperature)
    assert loss.item() == pytest.approx(expected, rel=1e-10)


def test_only_the_embedding_is_learnt_by_gradient() -> None:
    embedding, centroids = units("f", 6).requires_grad_(), units("c", 5).requires_grad_()
    torch.autograd.backward(cluster_contrast_loss(embedding, centroids, LABELS, 0.05))
    assert embedding.grad is not None
    assert embedding.grad.abs().sum() > 0
    assert centroids.grad is None


def test_at_the_own_centre_it_is_nearly_nothing() -> None:
    centroids = torch.eye(5, 7, dtype=torch.float64)
    loss = cluster_contrast_loss(centroids[LABELS], centroids, LABELS, 0.05)
    assert loss.item() == pytest.approx(4 * 2.718281828**-20, rel=1e-5)
