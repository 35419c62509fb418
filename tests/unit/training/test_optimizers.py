"""Optimisers against their formulas: three steps, every weight."""

import pytest
import torch

from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.training.optimizers import SgdConfig, make_adam, make_sgd
from genreid.training.update import scale_learning_rate, set_learning_rate
from tests.drawn_tensors import fill, normal, weights_of
from tests.oracles.crgan_oracle import LiteralAdam, LiteralNesterov


def build(bottleneck: int = 0) -> ReidNetwork:
    config = BackboneConfig("test_resnet", weights="none", bottleneck=bottleneck)
    network = build_reid_network(config, 5).double()
    fill(network, "identity")
    return network


def give_gradients(network: torch.nn.Module, copies: dict[str, torch.Tensor], step: int) -> None:
    """The same gradients to both; small ones among them, so that Adam's epsilon counts."""
    for name, parameter in network.named_parameters():
        gradient = normal(f"{step}/{name}", *parameter.shape)
        gradient = gradient * 10.0 ** (-8 * normal(f"{step}/{name}/scale", *parameter.shape).abs())
        parameter.grad = gradient
        copies[name].grad = gradient.clone()


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_sgd_is_nesterovs_with_a_rate_for_each_part(momentum: float) -> None:
    network = build()
    config = SgdConfig(backbone_rate=0.03, classifier_rate=0.2, momentum=momentum, weight_decay=0.01)
    optimizer = make_sgd(network, config)
    copies = {name: value.detach().clone() for name, value in network.named_parameters()}
    literal = LiteralNesterov(copies, momentum, 0.01)
    for step, factor in enumerate((1.0, 1.0, 0.1)):
        give_gradients(network, copies, step)
        scale_learning_rate(optimizer, factor)
        optimizer.step()
        literal.step({n: factor * (0.2 if n.startswith("classifier") else 0.03) for n in copies})
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, copies[name], rtol=1e-12, atol=1e-14)


def test_sgd_without_momentum() -> None:
    network = build()
    optimizer = make_sgd(network, SgdConfig(momentum=0.0, weight_decay=0.0))
    before = weights_of(network)
    give_gradients(network, {name: value.clone() for name, value in before.items()}, 0)
    optimizer.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter, before[name] - 0.01 * parameter.grad, rtol=0, atol=1e-15)


@pytest.mark.parametrize("bottleneck", [0, 8])
def test_every_parameter_is_in_one_group(bottleneck: int) -> None:
    network = build(bottleneck)
    groups = make_sgd(network, SgdConfig()).param_groups
    ids = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(ids) == sorted(id(parameter) for parameter in network.parameters())
    assert {id(p) for p in groups[0]["params"]} == {id(p) for p in network.backbone.parameters()}
    assert [group["base_lr"] for group in groups] == [0.01, 0.01]


@pytest.mark.parametrize("betas", [(0.5, 0.999), (0.9, 0.99)])
def test_adam_is_its_papers(betas: tuple[float, float]) -> None:
    network = build()
    optimizer = make_adam(network, 1e-3, betas)
    copies = {name: value.detach().clone() for name, value in network.named_parameters()}
    literal = LiteralAdam(copies, betas)
    for step, rate in enumerate((1e-3, 1e-3, 5e-4)):
        give_gradients(network, copies, step)
        set_learning_rate(optimizer, rate)
        optimizer.step()
        literal.step(rate)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter, copies[name], rtol=0, atol=1e-10)


def test_settings() -> None:
    assert SgdConfig() == SgdConfig(
        backbone_rate=0.01, classifier_rate=0.01, momentum=0.9, weight_decay=5e-4, drop_at=(0.5,)
    )
    with pytest.raises(ValueError, match="sgd: rates and weight_decay"):
        SgdConfig(momentum=1.0)
    for rates in ((-1.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, -1.0)):
        with pytest.raises(ValueError, match="sgd: rates and weight_decay"):
            SgdConfig(backbone_rate=rates[0], classifier_rate=rates[1], weight_decay=rates[2])
