"""TAUDL's losses against loops, and the release's two mistakes."""

import pytest
import torch
from torch import Tensor

from genreid.losses.taudl import CctaConfig, ccta_loss, pctd_loss
from tests.drawn_tensors import normal
from tests.oracles import taudl_oracle as oracle

CAMERAS = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])


def tracklets() -> Tensor:
    return 3 * normal("tracklets", 9, 6)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_discrimination_is_the_loop(reduction: str) -> None:
    logits = [normal(f"logits {camera}", 4, 3 + camera) for camera in range(3)]
    labels = [torch.tensor([0, 2, 1, 1]), torch.tensor([3, 0, 0, 1]), torch.tensor([4, 4, 1, 0])]
    loss = pctd_loss(logits, labels, reduction)  # type: ignore[arg-type]
    expected = oracle.pctd(logits, labels, mean=reduction == "mean")
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("neighbours", [1, 2, 4])
@pytest.mark.parametrize("spread", [8.0, 2.0])
@pytest.mark.parametrize("detached", [False, True])
def test_association_is_the_loop_and_so_is_its_gradient(
    neighbours: int, spread: float, detached: bool
) -> None:
    ours, theirs = tracklets().requires_grad_(), tracklets().requires_grad_()
    loss = ccta_loss(ours, CAMERAS, neighbours, CctaConfig(spread=spread, detach_numerator=detached))
    expected = oracle.ccta(theirs, CAMERAS.tolist(), neighbours, spread, detached=detached)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    torch.autograd.backward([loss, expected])
    assert ours.grad is not None
    assert theirs.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-8, atol=1e-10)


def test_a_detached_numerator_only_pushes_apart() -> None:
    """The release's gradient is that of mean_i log sum_j a_ij, whoever is near (spec C8)."""
    ours, theirs = tracklets().requires_grad_(), tracklets().requires_grad_()
    torch.autograd.backward(ccta_loss(ours, CAMERAS, 1, CctaConfig(detach_numerator=True)))
    apart = (
        torch.exp(-torch.cdist(theirs, theirs, compute_mode="donot_use_mm_for_euclid_dist") / 8).sum(1).log()
    )
    torch.autograd.backward(apart.mean())
    assert ours.grad is not None
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_association_pulls_the_nearest_of_another_camera() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [9.0, 9.0]], dtype=torch.float64)
    points.requires_grad_()
    torch.autograd.backward(ccta_loss(points, torch.tensor([0, 1, 1, 2]), 1, CctaConfig()))
    assert points.grad is not None
    moved = points.detach() - 0.1 * points.grad
    assert (moved[0] - moved[1]).norm() < 1.0


def test_equal_tracklets_have_finite_gradients() -> None:
    points = torch.zeros(4, 3).requires_grad_()
    torch.autograd.backward(ccta_loss(points, torch.tensor([0, 0, 1, 1]), 1, CctaConfig()))
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()


def test_a_spread_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="spread must be above 0, got 0"):
        CctaConfig(spread=0)
