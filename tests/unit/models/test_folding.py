"""A frozen network without batch normalisations computes what the network in evaluation mode computes."""

import copy

import pytest
import torch
from torch import Tensor, nn

from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.models.folding import fold_batch_norm
from tests.drawn_tensors import fill, normal


def build(name: str) -> ReidNetwork:
    network = build_reid_network(BackboneConfig(name, weights="none"), 5)
    fill(network, "identity")  # statistics, scales and shifts that are not 0 and 1
    return network


def norms(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "tf_efficientnet_lite0", "resnet18"])
def test_the_folded_network_computes_the_same(name: str) -> None:
    network = build(name)
    folded = fold_batch_norm(network)
    network.eval()
    images = torch.tanh(normal("images", 3, 3, 64, 32)).float().requires_grad_()
    ours, theirs = folded(images), network(images)
    scale = theirs.embedding.abs().max().item()
    torch.testing.assert_close(ours.embedding, theirs.embedding, rtol=1e-4, atol=1e-5 * scale)
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=1e-4, atol=1e-5 * scale)
    cotangent = normal("cotangent", 3, 5).float()
    (gradient,) = torch.autograd.grad((ours.logits * cotangent).sum(), images)
    (expected,) = torch.autograd.grad((theirs.logits * cotangent).sum(), images)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    assert norms(network)
    assert not norms(folded)


def test_the_network_itself_is_left_as_it_is() -> None:
    network = build("test_resnet").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold_batch_norm(network)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_folded_network_is_frozen_and_in_evaluation_mode() -> None:
    folded = fold_batch_norm(build("test_resnet").train())
    assert not any(m.training for m in folded.modules() if not isinstance(m, nn.Identity))
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    images = torch.rand(2, 3, 64, 32, requires_grad=True)
    torch.autograd.backward(folded(images).logits.sum())
    assert images.grad is not None
    assert images.grad.any()


class NormFirst(nn.Module):
    """A network whose first normalisation is fed by the image, and whose second by a sum."""

    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.fed = nn.BatchNorm2d(4)
        self.unfed = nn.BatchNorm2d(4)

    def forward_features(self, images: Tensor) -> Tensor:
        maps = self.conv(self.first(images))
        output: Tensor = self.unfed(self.fed(maps).relu() + 1)
        return output


def test_a_norm_that_no_convolution_feeds_stays() -> None:
    statistics = build("test_resnet")
    network = copy.deepcopy(statistics)
    network.backbone = NormFirst()
    network.classifier = nn.Linear(4, 5)
    fill(network, "norm first")
    folded = fold_batch_norm(network)
    assert len(norms(network)) == 3
    assert len(norms(folded)) == 2
    images = torch.rand(2, 3, 16, 8)
    torch.testing.assert_close(folded(images).logits, network.eval()(images).logits, rtol=1e-4, atol=1e-5)
