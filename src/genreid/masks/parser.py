"""What turns crops into person masks: the border of every parser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MASK_THRESHOLD = 0.5
"""A pixel belongs to a person from this probability on (CR-GAN's masks are binary, spec E8)."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One image of a person, as a parser sees it.

    Attributes:
        name: The image's path relative to its data set's folder: parsers that read files go by it.
        pixels: uint8 [H,W,3], RGB.
    """

    name: Path
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PersonMask:
    """What a parser found in one crop.

    Attributes:
        probability: float32 [H,W] in [0,1], of the crop's own size: how sure a pixel belongs to a person.
        people: How many people the mask covers, where the parser knows.
        presence: How sure the parser is, in [0,1], that there is a person at all, where it knows.
    """

    probability: NDArray[np.float32]
    people: int | None = None
    presence: float | None = None

    def binary(self) -> NDArray[np.uint8]:
        """Return the mask as uint8 [H,W] of 0 and 1."""
        return (self.probability >= MASK_THRESHOLD).astype(np.uint8)


class PersonParser(Protocol):
    """Finds the person in crops.

    A parser is sent to other processes, so it must be light and picklable: heavy things are loaded at the
    first call of `parse`.
    """

    def describe(self) -> Mapping[str, str]:
        """Return what decides the masks: `parser` (its name), and versions or hashes of what it uses."""
        ...

    def parse(self, crops: Sequence[Crop]) -> list[PersonMask]:
        """Return the mask of every crop, in order.

        Args:
            crops: Images of any sizes, each [H,W,3] uint8.

        Raises:
            ValueError: If one of the crops cannot be parsed; says which and why.
        """
        ...
