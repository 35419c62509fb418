"""Batches of P groups with Z images each: a pure function of (groups, seed, step)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from genreid.data.sampling import epoch_indices, step_generator


class GroupedRows(NamedTuple):
    """Images of a batch, group after group.

    Attributes:
        rows: [P * Z] int64 rows of the image set.
        labels: [P * Z] int64 group of each.
    """

    rows: Tensor
    labels: Tensor


@dataclass(frozen=True)
class GroupPlan:
    """How a batch is put together.

    Attributes:
        groups: P, groups in a batch.
        images: Z, images of each, 2 or more.
        seed: Seed of the run.
        stream: Name of what is drawn: different streams are independent.
        other_cameras: Prefer images of other cameras than that of a group's first image.
    """

    groups: int
    images: int
    seed: int
    stream: str
    other_cameras: bool = True


@dataclass(frozen=True)
class Groups:
    """Images that belong together, such as clusters; those with a single image are left out.

    Attributes:
        members: Rows of each group that can be drawn, int64.
        labels: Group of each of `members`.
        cameras: [N] int64 camera of every row.
    """

    members: tuple[Tensor, ...]
    labels: tuple[int, ...]
    cameras: Tensor

    @classmethod
    def of(cls, labels: Tensor, cameras: Tensor) -> Self:
        """Gather the rows of each group.

        Args:
            labels: [N] int64 group of each row; below 0: in no group.
            cameras: [N] int64 camera of each row.
        """
        found = list(_groups_of_two(labels.cpu()))
        return cls(
            tuple(rows for _label, rows in found), tuple(label for label, _rows in found), cameras.cpu()
        )

    def __len__(self) -> int:
        return len(self.members)

    def draw(self, plan: GroupPlan, step: int) -> GroupedRows:
        """Return the batch of one step.

        Every group is drawn once before any is drawn again. Of a group, one image is drawn at random and
        Z - 1 others: of other cameras where there are such and the plan asks for them; without repetition
        where they are enough (spec baselines H1).

        Args:
            plan: Sizes, seed, stream.
            step: Step of the stage, from 0.
        """
        generator = step_generator(step, plan.seed, f"{plan.stream}/images")
        chosen = epoch_indices(len(self), plan.groups, step, plan.seed, plan.stream).tolist()
        rows = [self._draw_one(self.members[group], plan, generator) for group in chosen]
        labels = torch.tensor([self.labels[group] for group in chosen])
        return GroupedRows(torch.cat(rows), labels.repeat_interleave(plan.images))

    def _draw_one(self, members: Tensor, plan: GroupPlan, generator: torch.Generator) -> Tensor:
        """Draw Z images of a group."""
        place = int(torch.randint(len(members), (1,), generator=generator))
        first = members[place]
        others = torch.cat((members[:place], members[place + 1 :]))
        if plan.other_cameras:
            elsewhere = others[self.cameras[others] != self.cameras[first]]
            others = elsewhere if len(elsewhere) else others
        wanted = plan.images - 1
        if len(others) >= wanted:
            order = torch.randperm(len(others), generator=generator)[:wanted]
        else:
            order = torch.randint(len(others), (wanted,), generator=generator)
        return torch.cat((first[None], others[order]))


def _groups_of_two(labels: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield label and rows of each group of two images or more, by rising label."""
    order = torch.argsort(labels, stable=True)
    values, counts = torch.unique_consecutive(labels[order], return_counts=True)
    for label, rows in zip(values.tolist(), torch.split(order, counts.tolist()), strict=True):
        if label >= 0 and len(rows) > 1:
            yield label, rows
