"""An iteration of training a re-id network: loss, optimiser, learning rate, batch norms."""

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.models.precision import Compute
from genreid.training.identity_step import IdentityConfig, IdentitySetup, identity_step, set_training_mode
from genreid.training.optimizers import SgdConfig, make_sgd
from tests.drawn_tensors import fill, normal
from tests.oracles import crgan_oracle as oracle

LABELS = torch.tensor([2, 0, 4, 4])
SGD = SgdConfig(backbone_rate=0.02, classifier_rate=0.1, momentum=0.9, weight_decay=0.01, drop_at=(0.5,))
CONFIG = IdentityConfig(iterations=4, sgd=SGD)


def make_setup(config: IdentityConfig = CONFIG, *, bf16: bool = False) -> IdentitySetup:
    network = build_reid_network(BackboneConfig("test_resnet", weights="none"), 5).double()
    fill(network, "identity")
    if bf16:
        network.float()
    return IdentitySetup(
        network, make_sgd(network, config.sgd), config, Compute(torch.device("cpu"), bf16=bf16)
    )


def images(step: int = 0) -> Tensor:
    return torch.tanh(normal(f"images {step}", 4, 3, 64, 32))


@pytest.mark.parametrize(("smoothing", "warm_up"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.75)])
def test_four_iterations_are_sgd_on_the_cross_entropy(smoothing: float, warm_up: float) -> None:
    """A warm-up scales what is learnt from, not what is reported."""
    setup = make_setup(replace(CONFIG, label_smoothing=smoothing, warm_up=warm_up))
    twin = make_setup().network
    copies: dict[str, Tensor] = dict(twin.named_parameters())
    literal = oracle.LiteralNesterov(copies, 0.9, 0.01)
    for step in range(4):
        terms = identity_step(setup, images(step), LABELS, step)
        twin.train().zero_grad()
        logits = twin(images(step)).logits
        expected = oracle.cross_entropy(logits.detach().numpy(), LABELS.tolist(), smoothing)
        assert terms["identity"].item() == pytest.approx(expected, rel=1e-9)
        assert terms["accuracy"].item() == pytest.approx((logits.argmax(1) == LABELS).double().mean().item())
        wanted = torch.full_like(logits, smoothing / 5)
        wanted[range(4), LABELS] += 1 - smoothing
        weight = min(1.0, 0.1 + 0.3 * step) if warm_up else 1.0
        torch.autograd.backward(-weight * (wanted * torch.log_softmax(logits, 1)).sum(1).mean())
        factor = 1.0 if step < 2 else 0.1
        literal.step({n: factor * (0.1 if n.startswith("classifier") else 0.02) for n in copies})
    for name, parameter in setup.network.named_parameters():
        torch.testing.assert_close(parameter, copies[name], rtol=1e-8, atol=1e-10, msg=f"{name} differs")


def norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("batch_norm", ["train", "frozen"])
def test_statistics_of_batch_norms(batch_norm: Literal["train", "frozen"]) -> None:
    setup = make_setup(replace(CONFIG, batch_norm=batch_norm))
    first = norms(setup.network)[0]
    assert first.running_mean is not None
    before = first.running_mean.clone()
    scale = first.weight.detach().clone()
    identity_step(setup, images(), LABELS, 0)
    assert torch.equal(first.running_mean, before) == (batch_norm == "frozen")
    assert not torch.equal(first.weight, scale), "its scale learns in both cases"


def test_set_training_mode() -> None:
    network = make_setup().network.eval()
    set_training_mode(network, "frozen")
    assert network.training
    assert norms(network)
    assert not any(norm.training for norm in norms(network))
    set_training_mode(network, "train")
    assert all(module.training for module in network.modules())


def test_bf16_keeps_loss_and_weights_in_float32() -> None:
    exact, rounded = make_setup(), make_setup(bf16=True)
    expected = identity_step(exact, images(), LABELS, 0)
    terms = identity_step(rounded, images().float(), LABELS, 0)
    assert terms["identity"].dtype == torch.float32
    assert terms["identity"].item() == pytest.approx(expected["identity"].item(), rel=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in rounded.network.parameters())


def test_settings() -> None:
    """Spec E18: 30,000 iterations of batch 32, flips only; no label smoothing, batch norms trained."""
    assert IdentityConfig() == IdentityConfig(
        iterations=30_000,
        batch=32,
        sgd=SgdConfig(),
        label_smoothing=0.0,
        crop_padding=0,
        crop_fill=0.0,
        warm_up=0.0,
        batch_norm="train",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"iterations": 0},
        {"batch": 0},
        {"label_smoothing": 1.0},
        {"crop_padding": -1},
        {"crop_fill": -1.5},
        {"warm_up": 1.0},
        {"batch_norm": "some"},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"identity training: .*{next(iter(wrong))}"):
        IdentityConfig(**wrong)
