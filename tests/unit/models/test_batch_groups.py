"""Batch norms in groups: what calls of the network on one group after the other give, to the last digits."""

import copy

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from genreid.models.batch_groups import group_batch_norms
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
    group_batch_norms(network, 3)
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
    group_batch_norms(network, 3)
    together = frozen_call(network, images)
    torch.testing.assert_close(together, torch.cat([twin(group) for group in torch.split(images, 3)]))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_names_parameters_and_statistics_stay() -> None:
    """A checkpoint from before opens, and an optimiser that was made before goes on."""
    network = small_network().eval()
    before, parameters = network.state_dict(keep_vars=True), list(network.parameters())
    group_batch_norms(network, 3)
    after = network.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[name] is value for name, value in before.items())
    assert all(one is other for one, other in zip(network.parameters(), parameters, strict=True))
    assert not any(module.training for module in network.modules())
    network.load_state_dict(small_network().state_dict())


def test_groups_can_be_given_another_size() -> None:
    network, twin, images = both(training=True, count=6)
    group_batch_norms(network, 3)
    group_batch_norms(network, 2)
    apart = torch.cat([twin(group) for group in torch.split(images, 2)])
    torch.testing.assert_close(network(images), apart, rtol=1e-12, atol=1e-12)
    group_batch_norms(network, 6)
    torch.testing.assert_close(network(images), twin(images), rtol=1e-12, atol=1e-12)


def test_timms_batch_norm_keeps_its_activation() -> None:
    norm = BatchNormAct2d(4, eps=1e-3, momentum=0.25, act_layer=nn.SiLU)
    network, images = nn.Sequential(norm), normal("maps", 6, 4, 3, 3).float()
    twin = copy.deepcopy(network)
    group_batch_norms(network, 3)
    assert isinstance(network[0], BatchNormAct2d)
    assert torch.equal(network(images), torch.cat([twin(group) for group in torch.split(images, 3)]))
    for name, value in network.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name


def test_a_norm_that_cannot_have_groups_is_named() -> None:
    network = nn.Sequential(nn.SyncBatchNorm(4))
    with pytest.raises(ValueError, match=r"got a SyncBatchNorm, expected one of .*separate_forwards false"):
        group_batch_norms(network, 3)
