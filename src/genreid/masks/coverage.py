"""How much of each image its mask covers, and which masks a person should look at."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EMPTY_SHARE = 0.02
"""A mask that covers less of its image is called empty."""
FULL_SHARE = 0.95
"""A mask that covers more of its image is called full."""
UNSURE_PRESENCE = 0.1
"""A parser that gives less than this to there being a person is called unsure."""
PERSON_SHARE = 0.04
"""A connected part that covers less of the image is no second person, but a piece of the first."""
PERSON_HEIGHT = 0.4
"""A connected part that reaches over less of the image's height is no second person either."""
WORST = 5
"""How many examples are named of each kind."""
_ESTIMATE_ROWS = 128


@dataclass(frozen=True, slots=True)
class ImageCoverage:
    """What is known of one mask.

    Attributes:
        name: The image's path relative to its data set's folder, with forward slashes.
        share: Share of the image that the mask covers, in [0,1].
        people: How many people it covers, as the parser says or as `estimate_people` guesses: one torn in two
            may count as two.
        presence: The parser's own certainty that there is a person, in [0,1], where it has one.
    """

    name: str
    share: float
    people: int
    presence: float | None = None


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """The masks of a data set in a few figures, and at most five examples of each kind, the worst first.

    Attributes:
        images: How many masks were looked at.
        mean_share: Mean share of the image that the mask covers; None without masks.
        empty: How many cover less than 2 % of their image.
        full: How many cover more than 95 %.
        several: How many show several people as far as is known. Where the parser does not say, these are the
            masks in several parts as large as a person: people apart, or one person torn in two; people who
            touch are not noticed.
        unsure: To how many the parser gave less than 0.1 for a person; None where no parser said.
        smallest: The masks with the least share.
        largest: The masks with the greatest share.
        crowded: Masks of several people.
        least_sure: Masks that count as unsure.
    """

    images: int
    mean_share: float | None
    empty: int
    full: int
    several: int
    unsure: int | None
    smallest: tuple[ImageCoverage, ...]
    largest: tuple[ImageCoverage, ...]
    crowded: tuple[ImageCoverage, ...]
    least_sure: tuple[ImageCoverage, ...]

    def to_json(self) -> dict[str, object]:
        """Return the report as a dictionary of plain values, the keys as above."""
        return asdict(self)


def measure_coverage(
    name: str, mask: NDArray[np.uint8], people: int | None = None, presence: float | None = None
) -> ImageCoverage:
    """Return the coverage of one mask.

    Args:
        name: The image's relative path.
        mask: uint8 [H,W] of 0 and 1.
        people: How many people the parser found; None where it does not know: then it is estimated.
        presence: The parser's certainty; None where it has none.
    """
    known = estimate_people(mask) if people is None else people
    return ImageCoverage(name, round(float(mask.mean()), 4), known, presence)


def summarise_coverage(masks: Sequence[ImageCoverage]) -> CoverageReport:
    """Return the report on the masks of a data set.

    Args:
        masks: One entry for each mask.
    """
    by_share = sorted(masks, key=lambda mask: mask.share)
    several = sorted((mask for mask in masks if mask.people > 1), key=lambda mask: -mask.people)
    scored = sorted((mask.presence, mask.name, mask) for mask in masks if mask.presence is not None)
    unsure = [mask for presence, _, mask in scored if presence < UNSURE_PRESENCE]
    return CoverageReport(
        images=len(masks),
        mean_share=round(math.fsum(mask.share for mask in masks) / len(masks), 4) if masks else None,
        empty=sum(mask.share < EMPTY_SHARE for mask in masks),
        full=sum(mask.share > FULL_SHARE for mask in masks),
        several=len(several),
        unsure=len(unsure) if scored else None,
        smallest=tuple(by_share[:WORST]),
        largest=tuple(by_share[::-1][:WORST]),
        crowded=tuple(several[:WORST]),
        least_sure=tuple(unsure[:WORST]),
    )


def estimate_people(mask: NDArray[np.uint8]) -> int:
    """Return how many people a mask seems to cover: how many of its connected parts are as large as a person.

    A part counts that covers 4 % of the image and reaches over 40 % of its height: legs that a rail cuts off
    do not, a second person side by side does. It is a guess: people who touch are one part, and a mask torn
    from top to bottom is two. On Market-1501, by eye, most of the few masks it marks are torn, of bad crops.

    Args:
        mask: uint8 [H,W] of 0 and 1.
    """
    step = max(1, mask.shape[0] // _ESTIMATE_ROWS)
    small = mask[::step, ::step]
    least_area, least_height = PERSON_SHARE * small.size, PERSON_HEIGHT * small.shape[0]
    parts = connected_parts(small)
    return sum(part.area >= least_area and part.bottom - part.top >= least_height for part in parts)


@dataclass(slots=True)
class Part:
    """One connected part of a mask.

    Attributes:
        area: Its pixels.
        top: Its first row.
        bottom: The row after its last.
        joined: The part that took it up, where it turned out to be a piece of another.
    """

    area: int
    top: int
    bottom: int
    joined: "Part | None" = None

    def whole(self) -> "Part":
        """Return the part that this one belongs to now."""
        part = self
        while part.joined is not None:
            part = part.joined
        return part

    def take_up(self, other: "Part") -> None:
        """Make another whole part a piece of this one.

        Args:
            other: A part that belongs to no other; this one itself is passed over.
        """
        if other is not self:
            self.area += other.area
            self.top, self.bottom = min(self.top, other.top), max(self.bottom, other.bottom)
            other.joined = self


def connected_parts(mask: NDArray[np.uint8]) -> list[Part]:
    """Return the 8-connected parts of a mask, in the order of their last pieces' first pixels.

    Each run of a row joins the parts of the runs it touches in the row above: a few hundred steps for a crop.

    Args:
        mask: uint8 [H,W] of 0 and 1.
    """
    parts: list[Part] = []
    above: list[tuple[int, int, Part]] = []
    for row, runs in enumerate(_runs_by_row(mask)):
        here = [(start, stop, Part(stop - start, row, row + 1)) for start, stop in runs]
        for start, stop, part in here:
            for first, last, other in above:
                if first <= stop and last >= start:
                    part.take_up(other.whole())
        parts += [part for _, _, part in here]
        above = here
    return [part for part in parts if part.joined is None]


def _runs_by_row(mask: NDArray[np.uint8]) -> Iterator[list[tuple[int, int]]]:
    """Yield the runs of ones of every row, as first column and column after the last."""
    height, width = mask.shape
    framed = np.zeros((height, width + 2), np.int8)
    framed[:, 1:-1] = mask
    rows, edges = np.nonzero(np.diff(framed))
    limits = np.searchsorted(rows, np.arange(height + 1)).tolist()
    columns = edges.tolist()
    for first, last in pairwise(limits):
        yield list(zip(columns[first:last:2], columns[first + 1 : last : 2], strict=True))
