"""Batch norms in groups: what calls of the network on one group after the other give, to the last digits."""

import copy

import pytest
import torch
from torch import Tensor, nn

from genreid.models.batch_groups import batch_norm_groups
from genreid.models.frozen import frozen_call
from tests.drawn_tensors import fill, normal


def small_network() -> nn.Sequential:
    """A convolution and a linear layer, each with a batch norm."""
    layers = (
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 5),
        nn.BatchNorm1d(5),
    )
    network = nn.Sequential(*layers).double()
    fill(network, "groups")
    return network


def both(training: bool, count: int) -> tuple[nn.Module, nn.Module, Tensor]:
    """A network, its twin, and images."""
    network = small_network().train(training)
    return network, copy.deepcopy(network), normal("images", count, 3, 5, 5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("count", [3, 9, 11])
def test_groups_are_calls_one_after_the_other(training: bool, count: int) -> None:
    network, twin, images = both(training, count)
    weights = normal("weights", count, 5)
    with batch_norm_groups(network, 3):
        together = network(images)
    apart = torch.cat([twin(group) for group in torch.split(images, 3)])
    torch.testing.assert_close(together, apart, rtol=1e-12, atol=1e-12)
    torch.autograd.backward((together * weights).sum())
    torch.autograd.backward((apart * weights).sum())
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-10)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-12, atol=1e-12)


def test_a_frozen_call_has_groups_too() -> None:
    network, twin, images = both(training=True, count=6)
    before = copy.deepcopy(network.state_dict())
    with batch_norm_groups(network, 3):
        together = frozen_call(network, images)
    torch.testing.assert_close(together, torch.cat([twin(group) for group in torch.split(images, 3)]))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_afterwards_all_images_are_one_batch_again() -> None:
    network, twin, images = both(training=True, count=6)
    with pytest.raises(ZeroDivisionError), batch_norm_groups(network, 3):
        raise ZeroDivisionError
    assert torch.equal(network(images), twin(images))
