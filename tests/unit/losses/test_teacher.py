"""Labels of generated images and equation 8, against loops over images and people."""

import math

import pytest
import torch
from torch import Tensor

from genreid.losses.teacher import LabelStyle, Parents, primary_loss, soft_labels
from tests.drawn_tensors import normal

PEOPLE = 5
TEACHER = normal("teacher", 6, PEOPLE).softmax(dim=1)
PARENTS = Parents(torch.tensor([0, 1, 2, 3, 4, 2]), torch.tensor([1, 1, 0, 2, 3, 2]))


def literal_labels(style: str) -> list[list[float]]:
    """What each style says of each image, one person at a time."""
    rows = []
    for q, i, j in zip(
        TEACHER.tolist(), PARENTS.appearance.tolist(), PARENTS.structure.tolist(), strict=True
    ):
        of_two = sum(q[k] for k in {i, j})
        rows.append(
            {
                "soft": q,
                "pseudo": [float(value == max(q)) for value in q],
                "conditional": [float(k == i) for k in range(PEOPLE)],
                "lsro": [1 / PEOPLE] * PEOPLE,
                "two_label": [q[k] / of_two if k in {i, j} else 0.0 for k in range(PEOPLE)],
            }[style]
        )
    return rows


@pytest.mark.parametrize("style", ["soft", "pseudo", "conditional", "lsro", "two_label"])
def test_labels_are_what_their_style_says(style: LabelStyle) -> None:
    labels = soft_labels(TEACHER, PARENTS, style)
    assert labels.dtype == TEACHER.dtype
    torch.testing.assert_close(labels, torch.tensor(literal_labels(style)).double(), rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(labels.sum(1), torch.ones(6).double(), rtol=1e-12, atol=0)


def test_two_people_of_whom_the_teacher_thinks_nothing_share_the_label() -> None:
    """Also where the teacher's probabilities of both are 0 in float32."""
    teacher = torch.tensor([[1.0, 0.0, 0.0]])
    labels = soft_labels(teacher, Parents(torch.tensor([1]), torch.tensor([2])), "two_label")
    assert labels.tolist() == [[0.0, 0.5, 0.5]]


def divergence(logits: Tensor, labels: Tensor) -> float:
    """Equation 8: mean over images of - sum_k q_k log(p_k / q_k)."""
    total = 0.0
    for scores, q in zip(logits.tolist(), labels.tolist(), strict=True):
        whole = sum(math.exp(score) for score in scores)
        p = [math.exp(score) / whole for score in scores]
        total -= sum(q_k * math.log(p_k / q_k) for p_k, q_k in zip(p, q, strict=True) if q_k > 0)
    return total / len(logits)


@pytest.mark.parametrize("style", ["soft", "pseudo", "conditional", "lsro", "two_label"])
def test_the_primary_loss_is_equation_8(style: LabelStyle) -> None:
    logits = 2 * normal("logits", 6, PEOPLE)
    labels = soft_labels(TEACHER, PARENTS, style)
    assert primary_loss(logits, labels).item() == pytest.approx(divergence(logits, labels), rel=1e-10)


def test_a_student_that_agrees_has_nothing_to_learn() -> None:
    logits = TEACHER.log().requires_grad_()
    loss = primary_loss(logits, TEACHER)
    assert loss.item() == pytest.approx(0, abs=1e-15)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.abs().max() < 1e-15
    assert primary_loss(logits + 3 * normal("other", 6, PEOPLE), TEACHER).item() > 0.1


def test_the_gradient_is_p_minus_q() -> None:
    logits = normal("logits", 6, PEOPLE).requires_grad_()
    (gradient,) = torch.autograd.grad(primary_loss(logits, TEACHER), logits)
    torch.testing.assert_close(gradient, (logits.detach().softmax(1) - TEACHER) / 6, rtol=1e-10, atol=1e-14)
