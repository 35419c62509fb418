"""Camera loss (equation 5) and identity loss (equation 7) against a loop over the classes."""

import math

import pytest
import torch

from genreid.losses.camera import camera_loss
from genreid.losses.identity import identity_loss
from tests.drawn_tensors import normal
from tests.oracles import crgan_oracle as oracle

CLASSES = [2, 0, 4, 4, 1]


def test_losses_are_the_equations() -> None:
    logits = 3 * normal("logits", 5, 6)
    expected = oracle.cross_entropy(logits.numpy(), CLASSES)
    assert camera_loss(logits, torch.tensor(CLASSES)).item() == pytest.approx(expected, rel=1e-12)
    assert identity_loss(logits, torch.tensor(CLASSES)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing(smoothing: float) -> None:
    logits = 3 * normal("logits", 5, 6)
    expected = oracle.cross_entropy(logits.numpy(), CLASSES, smoothing)
    ours = identity_loss(logits, torch.tensor(CLASSES), smoothing).item()
    assert ours == pytest.approx(expected, rel=1e-12)


def test_values_by_hand() -> None:
    """Equal scores: log of the number of classes; a certain and right answer: 0."""
    classes = torch.tensor([0, 3])
    assert camera_loss(torch.zeros(2, 6), classes).item() == pytest.approx(math.log(6))
    assert identity_loss(torch.zeros(2, 751), classes).item() == pytest.approx(math.log(751))
    certain = torch.full((2, 6), -1e4)
    certain[[0, 1], classes] = 1e4
    assert camera_loss(certain, classes).item() == 0
    assert identity_loss(certain, classes).item() == 0


def test_gradient_pushes_the_right_class_up() -> None:
    logits = torch.zeros(1, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(identity_loss(logits, torch.tensor([1])), logits)
    assert gradient.tolist() == [[0.25, -0.75, 0.25, 0.25]]
