"""The one update that every step is made of: whose gradient, of what, when the optimisers step."""

from weakref import ReferenceType, ref

import pytest
import torch
from torch import Tensor, nn

from genreid.training.optimizers import make_adam
from genreid.training.update import Update, weigh
from tests.drawn_tensors import fill, normal, weights_of


def pair() -> tuple[nn.Linear, nn.Linear]:
    """Two networks, the second reading what the first writes."""
    networks = nn.Linear(3, 4).double(), nn.Linear(4, 2).double()
    for name, network in zip("ab", networks, strict=True):
        fill(network, name)
    return networks


def plain(network: nn.Module, weight_decay: float = 0.0) -> torch.optim.SGD:
    return torch.optim.SGD(network.parameters(), lr=0.5, weight_decay=weight_decay)


def test_a_step_is_down_the_gradient_of_the_weighted_sum() -> None:
    first, second = pair()
    inputs, weights = normal("inputs", 5, 3), {"square": 2.0, "mean": -3.0, "not there": 7.0}
    with torch.enable_grad():
        found = second(first(inputs))
        total = 2 * found.square().sum() - 3 * found.mean()
        expected = [
            parameter.detach() - 0.5 * slope
            for parameter, slope in zip(
                second.parameters(), torch.autograd.grad(total, list(second.parameters())), strict=True
            )
        ]
    with Update(plain(second)) as update:
        found = second(first(inputs))
        losses = {"square": found.square().sum(), "mean": found.mean()}
        assert weigh(losses, weights).item() == pytest.approx(total.item())
        update.learn(losses, weights)
    for parameter, wanted in zip(second.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.detach(), wanted, rtol=1e-12, atol=1e-12)
    assert list(update.terms) == ["square", "mean"]
    assert all(update.terms[name].item() == losses[name].item() for name in losses)
    assert all(term.grad_fn is None for term in update.terms.values())


def test_without_weights_every_loss_counts_once() -> None:
    (one, _), (other, _) = pair(), pair()
    for network, weights in ((one, None), (other, {"a": 1.0, "b": 1.0})):
        with Update(plain(network)) as update:
            found = network(normal("inputs", 5, 3))
            update.learn({"a": found.square().mean(), "b": found.exp().mean()}, weights)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_nobody_else_learns() -> None:
    """The first network is reached by the loss; its gradient is not even computed."""
    first, second = pair()
    before = weights_of(first)
    with Update(plain(second)) as update:
        update.learn({"loss": second(first(normal("inputs", 5, 3))).square().sum()})
    assert all(torch.equal(value, before[name]) for name, value in first.state_dict().items())
    assert all(parameter.grad is None for parameter in first.parameters())


def test_gradients_of_parts_add_up_and_those_of_the_last_update_do_not_count() -> None:
    together, apart = pair(), pair()
    inputs = normal("inputs", 5, 3)
    for step in range(2):
        with Update(*map(plain, together)) as update:
            found = together[1](together[0](inputs + step))
            update.learn({"a": found.square().sum(), "b": found.mean()})
        with Update(*map(plain, apart)) as update:
            update.learn({"a": apart[1](apart[0](inputs + step)).square().sum()})
            update.learn({"b": apart[1](apart[0](inputs + step)).mean()})
        assert list(update.terms) == ["a", "b"]
    for one, other in zip(together, apart, strict=True):
        for parameter, twin in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(parameter, twin, rtol=1e-12, atol=1e-12)


def test_the_penalty_acts_on_what_no_loss_reaches() -> None:
    first, second = pair()
    before = weights_of(second)
    with Update(plain(first), plain(second, weight_decay=0.25)) as update:
        update.learn({"loss": first(normal("inputs", 5, 3)).square().sum()})
    for name, value in second.state_dict().items():
        torch.testing.assert_close(value, before[name] * (1 - 0.5 * 0.25), rtol=1e-12, atol=0)


def test_a_frozen_parameter_stays_and_needs_no_gradient() -> None:
    network, _ = pair()
    network.bias.requires_grad = False
    before = weights_of(network)
    with Update(make_adam(network, 0.1, (0.9, 0.999))) as update:
        update.learn({"loss": network(normal("inputs", 5, 3)).square().sum()})
    assert torch.equal(network.bias, before["bias"])
    assert network.bias.grad is None
    assert not torch.equal(network.weight, before["weight"])


def test_after_an_error_nobody_steps() -> None:
    network, _ = pair()
    before = weights_of(network)

    def fail() -> None:
        with Update(plain(network)) as update:
            update.learn({"loss": network(normal("inputs", 5, 3)).square().sum()})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_maps_of_one_part_are_gone_before_the_next_begins() -> None:
    """The gradient is that of a sum; its parts are added up so that one part's maps alone are in memory."""
    network, _ = pair()
    maps: list[ReferenceType[Tensor]] = []
    with Update(plain(network)) as update:
        for name in ("identity", "adversarial", "primary"):
            assert all(kept() is None for kept in maps), f"maps of an earlier part while {name} is computed"
            made = network.weight.exp()  # backward needs it, so the graph holds it
            maps.append(ref(made))
            losses = {name: made.square().sum()}
            del made
            update.learn(losses)
    assert len(maps) == len(update.terms) == 3
