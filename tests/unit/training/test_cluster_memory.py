"""The memory: how the centres follow, and that a checkpoint of another round can be loaded."""

import pytest
import torch
from torch.nn import functional as F

from genreid.training.cluster_memory import ClusterMemory, follow_all, follow_hardest
from tests.drawn_tensors import normal
from tests.oracles import cluster_oracle as oracle

LABELS = torch.tensor([3, 0, 3, 3, 4, 0, 3, 4])


def units(label: str, count: int) -> torch.Tensor:
    return F.normalize(normal(label, count, 7), dim=1)


@pytest.mark.parametrize("momentum", [0.1, 0.5, 0.0])
def test_the_centres_follow_every_image_in_order(momentum: float) -> None:
    embedding, centroids = units("f", 8), units("c", 5)
    before = centroids.clone()
    moved = follow_all(centroids, embedding, LABELS, momentum)
    expected = oracle.momentum_update(centroids.numpy(), embedding.numpy(), LABELS.tolist(), momentum)
    torch.testing.assert_close(moved, torch.from_numpy(expected), rtol=1e-10, atol=1e-12)
    assert torch.equal(centroids, before)
    assert torch.equal(moved[1:3], before[1:3]), "clusters that are not in the batch stay"


@pytest.mark.parametrize("momentum", [0.1, 0.5])
def test_the_centres_follow_the_hardest_image(momentum: float) -> None:
    embedding, centroids = units("f", 8), units("c", 5)
    moved = follow_hardest(centroids, embedding, LABELS, momentum)
    expected = oracle.hard_update(centroids.numpy(), embedding.numpy(), LABELS.tolist(), momentum)
    torch.testing.assert_close(moved, torch.from_numpy(expected), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("rule", "follow"), [("momentum", follow_all), ("hard", follow_hardest)])
def test_the_rule_is_obeyed(rule: str, follow: object) -> None:
    memory = ClusterMemory(10, 7).double()
    memory.fill(torch.arange(10) % 5, units("c", 5))
    memory.update(units("f", 8), LABELS, 0.3, rule)  # type: ignore[arg-type]
    assert callable(follow)
    assert torch.equal(memory.centroids, follow(units("c", 5), units("f", 8), LABELS, 0.3))


def test_a_memory_of_another_round_is_loaded() -> None:
    """The number of clusters differs from round to round."""
    full, fresh = ClusterMemory(10, 7), ClusterMemory(10, 7)
    assert fresh.labels.tolist() == [-1] * 10
    full.fill(torch.arange(10) % 5, units("c", 5).float())
    fresh.load_state_dict(full.state_dict())
    assert torch.equal(fresh.labels, full.labels)
    assert torch.equal(fresh.centroids, full.centroids)
    full.fill(torch.arange(10) % 3, units("d", 3).float())
    fresh.load_state_dict(full.state_dict())
    assert fresh.centroids.shape == (3, 7)
