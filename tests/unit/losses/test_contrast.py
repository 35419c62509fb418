"""Contrastive loss against a loop over the pairs, and by hand."""

import pytest
import torch

from genreid.losses.contrast import attraction_loss, repulsion_loss
from tests.drawn_tensors import normal
from tests.oracles import spgan_oracle as oracle


@pytest.mark.parametrize("margin", [0.7, 2.0])
def test_losses_are_the_equations(margin: float) -> None:
    first, second = (torch.nn.functional.normalize(normal(name, 6, 4)) for name in ("first", "second"))
    assert attraction_loss(first, second).item() == pytest.approx(
        oracle.attraction(first, second).item(), rel=1e-12
    )
    found = repulsion_loss(first, second, margin).item()
    assert found == pytest.approx(oracle.repulsion(first, second, margin).item(), rel=1e-12)


def test_values_by_hand() -> None:
    """At right angles: d2 = 2, and (2 - sqrt(2))^2; beyond the margin nothing; equal ones cost m^2."""
    x, y = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    assert attraction_loss(x, y).item() == 2
    assert repulsion_loss(x, y, 2.0).item() == pytest.approx((2 - 2**0.5) ** 2, rel=1e-5)
    assert repulsion_loss(x, y, 1.4).item() == 0
    assert repulsion_loss(x, x, 2.0).item() == pytest.approx((2 - 1e-3) ** 2, rel=1e-12)


def test_equal_embeddings_have_a_finite_gradient() -> None:
    x = torch.tensor([[1.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(repulsion_loss(x, x.detach().clone(), 2.0), x)
    assert gradient.isfinite().all()
