"""A frozen call: gradients for the input alone, no statistics kept, and the very numbers of a deep copy."""

import copy

import pytest
import torch
from torch import Tensor, nn

from genreid.models.frozen import frozen_call
from tests.drawn_tensors import fill, normal


class Small(nn.Module):
    """A convolution, a batch norm, and an option."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def forward(self, images: Tensor, *, factor: float = 1.0) -> Tensor:
        maps: Tensor = self.layers(images)
        return factor * maps.square()


@pytest.fixture
def network() -> nn.Module:
    return fill(Small().double(), "small")


@pytest.mark.parametrize("training", [True, False])
def test_it_says_what_a_copy_would_say(network: nn.Module, training: bool) -> None:
    network.train(training)
    images = normal("images", 4, 3, 5, 5)
    twin = copy.deepcopy(network)
    assert torch.equal(frozen_call(network, images, {"factor": 2.0}), twin(images, factor=2.0))


def test_statistics_stay_and_so_do_weights(network: nn.Module) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    frozen_call(network, normal("images", 4, 3, 5, 5))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network(normal("images", 4, 3, 5, 5))
    assert int(network.state_dict()["layers.1.num_batches_tracked"]) == 1, "a plain call counts"


def test_the_input_gets_a_gradient_and_the_parameters_none(network: nn.Module) -> None:
    images = normal("images", 4, 3, 5, 5).requires_grad_()
    result = frozen_call(network, images).sum()
    result.backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in network.parameters())
    twin = copy.deepcopy(network)
    again = images.detach().clone().requires_grad_()
    twin(again).sum().backward()
    torch.testing.assert_close(images.grad, again.grad, rtol=1e-12, atol=1e-14)


def test_an_update_before_the_backward_pass_does_not_go_unseen(network: nn.Module) -> None:
    """The parameters are shared, not copied, and autograd notices."""
    images = normal("images", 4, 3, 5, 5).requires_grad_()
    result = frozen_call(network, images).sum()
    with torch.no_grad():
        next(network.parameters()).mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward()
