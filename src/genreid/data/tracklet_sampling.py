"""Tracklets: the images of one person in one camera; and batches of as many of them from every camera."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from genreid.data.sampling import epoch_indices, step_generator


class TrackletRows(NamedTuple):
    """Images of a batch: camera after camera, tracklet after tracklet.

    Attributes:
        rows: [T * k * n] int64 rows of the image set.
        labels: [T * k * n] int64 tracklet within its camera.
    """

    rows: Tensor
    labels: Tensor


@dataclass(frozen=True)
class TrackletPlan:
    """How a batch is put together.

    Attributes:
        tracklets: k, tracklets of each camera.
        images: n, images of each tracklet.
        seed: Seed of the run.
        stream: Name of what is drawn: different streams are independent.
    """

    tracklets: int
    images: int
    seed: int
    stream: str


@dataclass(frozen=True)
class Tracklets:
    """What each camera has of each person; which tracklets of two cameras belong together is not known.

    Attributes:
        cameras: For each camera, the rows of each of its tracklets.
    """

    cameras: tuple[tuple[Tensor, ...], ...]

    @classmethod
    def of(cls, pids: Tensor, cameras: Tensor, usable: Tensor) -> Self:
        """Gather the tracklets of every camera; junk, distractors and unreadable images are left out.

        Args:
            pids: [N] int64 person of each row; 0 and below: nobody.
            cameras: [N] int64 camera of each row, from 0.
            usable: [M] int64 rows that can be read.
        """
        rows = usable[pids[usable] > 0]
        found = []
        for camera in torch.unique(cameras[rows]).tolist():
            here = rows[cameras[rows] == camera]
            people = pids[here]
            found.append(tuple(here[people == pid] for pid in torch.unique(people).tolist()))
        return cls(tuple(found))

    @property
    def counts(self) -> tuple[int, ...]:
        """Tracklets of each camera."""
        return tuple(len(tracklets) for tracklets in self.cameras)

    def draw(self, plan: TrackletPlan, step: int) -> TrackletRows:
        """Return the batch of one step: a pure function of the plan and the step.

        Each camera's tracklets are all drawn once before any is drawn again; a tracklet's images without
        repetition where it has n (spec baselines C7).

        Args:
            plan: Sizes, seed, stream.
            step: Step of the stage, from 0.
        """
        generator = step_generator(step, plan.seed, f"{plan.stream}/images")
        rows: list[Tensor] = []
        labels: list[Tensor] = []
        for camera, tracklets in enumerate(self.cameras):
            stream = f"{plan.stream}/camera {camera}"
            chosen = epoch_indices(len(tracklets), plan.tracklets, step, plan.seed, stream)
            rows += [_some(tracklets[index], plan.images, generator) for index in chosen.tolist()]
            labels.append(chosen.repeat_interleave(plan.images))
        return TrackletRows(torch.cat(rows), torch.cat(labels))


def _some(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw some rows, without repetition where there are enough."""
    if len(rows) >= count:
        return rows[torch.randperm(len(rows), generator=generator)[:count]]
    return rows[torch.randint(len(rows), (count,), generator=generator)]
