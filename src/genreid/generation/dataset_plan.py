"""Which images a generated data set is mixed from: picture i is a pure function of (people, seed, i)."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from genreid.data.batch import ImageSet
from genreid.data.sample import UNKNOWN_CAMID, Sample
from genreid.data.sampling import epoch_indices, step_generator

BLOCK = 64
"""Pictures that are generated together, always the same ones, so that a resumed run gives the same bytes."""


@dataclass(frozen=True)
class People:
    """The real images that a data set is mixed from.

    Attributes:
        samples: Images of labelled people.
        images: The same, decoded; only its `usable` rows are mixed.
        root: The data set's folder.
    """

    samples: tuple[Sample, ...]
    images: ImageSet
    root: Path

    def __post_init__(self) -> None:
        """Check that there is somebody to mix with."""
        if len(set(self.pids.tolist())) < 2:
            msg = f"{self.root}: two people with readable images are needed; `genreid data check` says more"
            raise ValueError(msg)

    @cached_property
    def pids(self) -> Tensor:
        """The person of each usable row: int64 [M]."""
        return torch.tensor([self.samples[row].pid for row in self.images.usable.tolist()])


class Mixture(NamedTuple):
    """Places in a list of images that some pictures are mixed from.

    Attributes:
        appearance: int64 [BLOCK], who gives clothes and colours, and so the label.
        structure: int64 [BLOCK], who gives pose, body and background; another person,
            but where people may be mixed with themselves.
    """

    appearance: Tensor
    structure: Tensor


def mixture(pids: Tensor, seed: int, block: int, *, themselves: bool = False) -> Mixture:
    """Return what the pictures BLOCK * block and following are mixed from.

    Appearances and structures each walk through shuffled epochs, so that every image is used equally often.
    Where both would show one person, the structure is drawn anew among the images of all others, if people
    are not to be mixed with themselves.

    Args:
        pids: int64 [N], the person of each image; two people or more.
        seed: Seed of the data set.
        block: Number of the block, from 0.
        themselves: Whether a person may be mixed with himself.
    """
    appearance = epoch_indices(len(pids), BLOCK, block, seed, "generate/appearance")
    structure = epoch_indices(len(pids), BLOCK, block, seed, "generate/structure").clone()
    if themselves:
        return Mixture(appearance, structure)
    for place in (pids[appearance] == pids[structure]).nonzero().flatten().tolist():
        others = (pids != pids[appearance[place]]).nonzero().flatten()
        generator = step_generator(BLOCK * block + place, seed, "generate/another")
        structure[place] = others[torch.randint(len(others), (), generator=generator)]
    return Mixture(appearance, structure)


class Planned(NamedTuple):
    """One picture of a data set.

    Attributes:
        number: Its number, from 0.
        name: Name of its file.
        appearance: The real image that gives the appearance; CR-GAN: the source person.
        structure: The real image that gives the structure; CR-GAN: the target image that gives the context.
    """

    number: int
    name: str
    appearance: Sample
    structure: Sample


def planned_block(people: People, seed: int, block: int, *, themselves: bool = False) -> list[Planned]:
    """Return the pictures of a block, in order.

    Args:
        people: The real images.
        seed: Seed of the data set.
        block: Number of the block, from 0.
        themselves: Whether a person may be mixed with himself.
    """
    places = mixture(people.pids, seed, block, themselves=themselves)
    rows = (people.images.usable[part].tolist() for part in places)
    pairs = zip(*rows, strict=True)
    return [
        name_picture(BLOCK * block + number, people.samples[a], people.samples[s])
        for number, (a, s) in enumerate(pairs)
    ]


def name_picture(number: int, appearance: Sample, structure: Sample) -> Planned:
    """Name a picture as Market-1501 does, with the appearance's person and the structure's camera.

    Args:
        number: Its number, from 0.
        appearance: The real image of the person whom it shows.
        structure: The real image whose background it shows.
    """
    # 0 stands for a camera that nobody knows: the name must have one
    camera = 0 if structure.training_camid == UNKNOWN_CAMID else structure.training_camid
    return Planned(number, f"{appearance.pid:04d}_c{camera}s1_{number:06d}_00.jpg", appearance, structure)
