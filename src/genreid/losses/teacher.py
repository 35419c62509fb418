"""Primary feature learning of DG-Net (equation 8): how generated images are labelled and count."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

LabelStyle = Literal["soft", "pseudo", "conditional", "lsro", "two_label"]
"""How generated images are labelled: by the teacher's distribution (the method), its best guess, the person
who gives the appearance, all people alike (LSRO), or the teacher's weighing of the two who were mixed."""


class Parents(NamedTuple):
    """The two people a generated image was made of.

    Attributes:
        appearance: [B] int64 class of the person who gives the appearance.
        structure: [B] int64 class of the person who gives the structure.
    """

    appearance: Tensor
    structure: Tensor


def soft_labels(teacher: Tensor, parents: Parents, style: LabelStyle) -> Tensor:
    """Return the distribution over people that a generated image is labelled with (spec dg-net F8).

    Args:
        teacher: [B, K] q, the teacher's probabilities; each row sums to 1.
        parents: Who was mixed.
        style: Which labels; only `soft`, `pseudo` and `two_label` look at the teacher.

    Returns:
        [B, K], each row of sum 1.
    """
    people = teacher.shape[1]
    if style == "soft":
        return teacher
    if style == "lsro":
        return torch.full_like(teacher, 1 / people)
    if style == "two_label":
        both = F.one_hot(parents.appearance, people) | F.one_hot(parents.structure, people)
        kept = (teacher + torch.finfo(teacher.dtype).tiny) * both
        return kept / kept.sum(dim=1, keepdim=True)
    classes = parents.appearance if style == "conditional" else teacher.argmax(dim=1)
    return F.one_hot(classes, people).to(teacher.dtype)


def primary_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return KL(q || p), summed over people and averaged over the batch: a scalar >= 0 (equation 8).

    Args:
        logits: [B, K] the primary head's scores; p is their softmax.
        labels: [B, K] q, of `soft_labels`.
    """
    return F.kl_div(logits.log_softmax(dim=1), labels, reduction="batchmean")
