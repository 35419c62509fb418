"""Pairs of images whose codes are swapped (DG-Net), each with another image of the same person."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from genreid.data.batch import BatchPlan, ImageSet
from genreid.data.sampling import step_generator

_ATTEMPTS = 64
"""Draws for a partner of another person; all miss only where nearly all images show one person."""


class RealPairs(NamedTuple):
    """B pairs (a, b): image i and image B + i are swapped with each other.

    Attributes:
        images: [2B, 3, H, W] float32 in [-1, 1]: all a, then all b.
        positives: Another image of the same person as each, augmented on its own; the same shape.
        labels: [2B] int64 class of each person.
    """

    images: Tensor
    positives: Tensor
    labels: Tensor


@dataclass(frozen=True)
class SwapSource:
    """Labelled images, from which pairs are drawn.

    Attributes:
        images: The images.
        different_people: Draw pairs of two people only (the paper's y_i != y_j); False: any two images, as
            the published code does (spec dg-net F1).
    """

    images: ImageSet
    different_people: bool = False

    def pairs(self, plan: BatchPlan, step: int, device: torch.device) -> RealPairs:
        """Return the pairs of one step: a pure function of the plan and the step.

        Args:
            plan: Number of pairs B, seed, stream, augmentation.
            step: Step of the stage, from 0.
            device: Where the batch is wanted.
        """
        generator = step_generator(step, plan.seed, f"{plan.stream}/partners")
        first = self.images.rows(_named(plan, "a"), step)
        second = self.images.rows(_named(plan, "b"), step)
        if self.different_people:
            second = self._of_other_people(first, second, generator)
        rows = torch.cat((first, second))
        real = self.images.take(rows, _named(plan, "real"), step, device)
        others = self._another_of_the_person(rows, generator)
        positives = self.images.take(others, _named(plan, "positive"), step, device)
        return RealPairs(real.images, positives.images, real.labels)

    @cached_property
    def _people(self) -> "_People":
        """The images in order of the person, made once."""
        usable, labels = self.images.usable, self.images.labels
        order = usable[torch.argsort(labels[usable], stable=True)]
        counts = torch.bincount(labels[usable], minlength=len(self.images.classes))
        place = torch.zeros(len(labels), dtype=torch.int64)
        place[order] = torch.arange(len(order))
        return _People(order, counts.cumsum(0) - counts, counts, place)

    def _another_of_the_person(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return a random other image of each one's person; the image itself if there is no other."""
        people, labels = self._people, self.images.labels[rows]
        start, count = people.start[labels], people.size[labels]
        own = people.place[rows] - start
        step = (torch.rand(len(rows), generator=generator) * (count - 1)).long() + (count > 1)
        return people.order[start + (own + step) % count]

    def _of_other_people(self, first: Tensor, second: Tensor, generator: torch.Generator) -> Tensor:
        """Draw those of `second` anew that show the same person as their partner."""
        labels, usable = self.images.labels, self.images.usable
        for _ in range(_ATTEMPTS):
            same = labels[first] == labels[second]
            if not same.any():
                return second
            drawn = torch.randint(len(usable), (len(second),), generator=generator)
            second = torch.where(same, usable[drawn], second)
        return second


class _People(NamedTuple):
    """Rows sorted by person: person k has order[start[k] : start[k] + size[k]]; place is order's inverse."""

    order: Tensor
    start: Tensor
    size: Tensor
    place: Tensor


def _named(plan: BatchPlan, part: str) -> BatchPlan:
    """Return the plan with random numbers of its own."""
    return BatchPlan(plan.size, plan.seed, f"{plan.stream}/{part}", plan.crop_padding, plan.crop_fill)
