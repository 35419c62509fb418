"""What a likeness means for one network on one kind of images: thresholds, and a probability.

Probability. From all pairs of the same person (every person counting 1) and of strangers (together as much),
isotonic regression gives the share p of the same person at each likeness; one more pair of strangers at 1 and
one more person at -1, whom nobody has seen, keep it off 0 and 1. p / (1 - p) is how many times as likely a
likeness is for the same person as for strangers. In a gallery of n images of which r are expected to show the
query's person, the odds that an image with this likeness is one are that times r / (n - r). r is half of the
`partners` that people had on average where this was measured: as if every second query were of somebody who
is not there. In a large gallery the same likeness so means less, as it must: 1 pair of strangers in 1,000 are
100 strangers among 100,000.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from genreid.data.sample import UNKNOWN_CAMID
from genreid.data.whole_file import write_whole
from genreid.runs.config_file import config_from_dict, config_to_dict
from genreid.search.gallery import deciding
from genreid.search.rates import (
    BINS,
    PairScores,
    edge,
    people_for_false_matches,
    people_for_identification,
)

logger = logging.getLogger(__name__)

FOLDER = "calibration"
"""Folder of a run where its calibrations lie."""
FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4)
"""Rates of pairs for which thresholds are given where there are people enough."""
FALSE_IDENTIFICATION_RATE = 0.01
"""Share of searches for people who are not there that may find somebody: decides `unknown`."""
CAMERA_RATE = 1e-3
"""False-match rate of the thresholds for each pair of cameras."""
SIZES = tuple(round(10 ** (step / 3)) for step in range(6, 22))
"""Sizes of galleries for which a threshold is kept: 100, 215, 464, 1,000, ... 10 millions."""
_HALF = 0.5
_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A likeness from on which two images are taken for one person, and how often that is wrong."""

    threshold: float
    """Likeness, -1 to 1."""
    false_match_rate: float
    """Share of pairs of strangers at or above it."""
    false_positive_identification_rate: float | None = None
    """Share of searches for people not in a gallery of `size` images that find somebody; None: not known."""
    size: int | None = None
    """Images in that gallery."""
    true_match_rate: float
    """Share of pairs of one person, by two cameras, at or above it."""
    interval: tuple[float, float]
    """95 % interval of the rate that was asked for; people are left out one by one."""
    pairs: int
    """Pairs of strangers that were compared."""
    people: int
    """People that they show."""


@dataclass(frozen=True, kw_only=True)
class CameraThreshold:
    """The threshold for one false match in 1,000 pairs of strangers seen by two cameras (or one)."""

    cameras: tuple[int, int]
    """The two cameras."""
    threshold: float
    """Likeness."""
    pairs: int
    """Pairs of strangers."""
    people: int
    """People whom one of the cameras saw."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was measured with one network.

    Raises:
        ValueError: If the map does not rise.
    """

    features: Mapping[str, str]
    """Which network, and how its embeddings are made."""
    people: int
    """People that were compared."""
    images: int
    """Images of them."""
    pairs: int
    """Pairs of strangers."""
    partners: float
    """Other images of the same person by other cameras, on average."""
    false_matches: tuple[Threshold, ...]
    """For rates of pairs."""
    identification: tuple[Threshold, ...]
    """For galleries of rising size."""
    cameras: tuple[CameraThreshold, ...] = ()
    """For pairs of cameras."""
    likeness: tuple[float, ...]
    """Where the map to `odds` has its corners, rising."""
    log_odds: tuple[float, ...]
    """How many times as likely there for the same person as for strangers: natural logarithm, rising."""
    data: str = ""
    """What it was measured on."""
    made_by: Mapping[str, str] = field(default_factory=dict)
    """Version and commit of the package."""

    def __post_init__(self) -> None:
        """Refuse a map that cannot be one."""
        rising = all(np.all(np.diff(line) >= 0) for line in (self.likeness, self.log_odds))
        if not self.likeness or len(self.likeness) != len(self.log_odds) or not rising:
            msg = "likeness and log_odds: expected two lists of the same length that rise"
            raise ValueError(msg)

    @classmethod
    def measure(
        cls, scores: PairScores, features: Mapping[str, str], data: str, made_by: Mapping[str, str]
    ) -> Self:
        """Make thresholds and map of pairs that were compared.

        Args:
            scores: The pairs.
            features: Metadata of the embeddings.
            data: What they are of.
            made_by: Version and commit of the package.

        Raises:
            ValueError: If there are too few people; says how many are needed.
        """
        needed = people_for_false_matches(FALSE_MATCH_RATES[0])
        if scores.people < needed or not scores.seen_twice:
            msg = (
                f"{data}: {scores.people} people, {scores.seen_twice} of them seen by two cameras; a "
                f"threshold for even one false match in 100 pairs needs {needed} people, one in 1,000 "
                f"{people_for_false_matches(1e-3)}, some of them seen twice: label more"
            )
            raise ValueError(msg)
        likeness, log_odds = likelihood_ratio(scores)
        return cls(
            features=deciding(features),
            people=scores.people,
            images=len(scores.person),
            pairs=scores.pairs,
            partners=round(scores.partners, _DIGITS),
            false_matches=tuple(_for_pairs(scores)),
            identification=tuple(_for_sizes(scores)),
            cameras=tuple(_for_cameras(scores)),
            likeness=likeness,
            log_odds=log_odds,
            data=data,
            made_by=made_by,
        )

    @classmethod
    def of_run(cls, run: Path, metadata: Mapping[str, str]) -> Self | None:
        """Read the calibration of a run that was made with a network just like this one.

        Args:
            run: The run folder.
            metadata: Of the embeddings that shall be judged.

        Returns:
            None if there is none; a warning says so if there is one of another network or other options.

        Raises:
            ValueError: If the file is damaged.
        """
        path = run / FOLDER / f"{_name(deciding(metadata))}.json"
        if path.is_file():
            return config_from_dict(cls, json.loads(path.read_text(encoding="utf-8")), source=str(path))
        if any((run / FOLDER).glob("*.json")):
            logger.warning(
                "%s was calibrated with other weights, mirror setting or pooling than these embeddings have, "
                "so that is stale; `genreid calibrate` with these options makes it anew",
                run,
            )
        return None

    def save(self, run: Path) -> Path:
        """Keep it with a run; one of the same network is replaced.

        Args:
            run: The run folder.

        Returns:
            The file.
        """
        path = run / FOLDER / f"{_name(self.features)}.json"
        write_whole(path, json.dumps(config_to_dict(self), indent=1) + "\n")
        return path

    def threshold_for(self, size: int) -> float | None:
        """Return the likeness below which somebody is unknown; None if too few people were measured.

        Args:
            size: Images in the gallery: the threshold is that of the next larger size that was kept.
        """
        return next(
            (one.threshold for one in self.identification if one.size is not None and one.size >= size), None
        )

    def threshold_at(self, rate: float) -> float | None:
        """Return the likeness for a false-match rate of pairs; None if too few people were measured.

        Args:
            rate: One of `FALSE_MATCH_RATES`.
        """
        wanted = FALSE_MATCH_RATES.index(rate)
        return self.false_matches[wanted].threshold if wanted < len(self.false_matches) else None

    def probability(self, likeness: float, size: int) -> float:
        """Return the probability that an image of a gallery shows the query's person.

        Args:
            likeness: Of the two.
            size: Images in the gallery, 1 or more.

        Returns:
            Above 0, below 1; rises with the likeness, falls with the size.
        """
        expected = min(_HALF * self.partners, _HALF * size)
        log_odds = float(np.interp(likeness, self.likeness, self.log_odds))
        return float(1 / (1 + np.exp(-log_odds) * (size - expected) / expected))


def likelihood_ratio(scores: PairScores) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return where the map from likeness to log odds has its corners, and the log odds there.

    Args:
        scores: Pairs, some of the same person among them.
    """
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - slow to import

    same, strangers = scores.same / scores.same.sum(), scores.strangers / scores.pairs
    same[0] += 1 / scores.seen_twice
    strangers[BINS - 1] += 2 / (scores.people * (scores.people - 1))
    used = np.flatnonzero((same > 0) | (strangers > 0))
    weight = (same + strangers)[used]
    shares = IsotonicRegression().fit_transform(used, same[used] / weight, sample_weight=weight)
    first = np.flatnonzero(np.diff(shares, prepend=-1.0) > 0)
    last = np.append(first[1:] - 1, len(shares) - 1)
    corners = np.unique(np.concatenate([first, last]))
    middles = (used[corners] + _HALF) / (BINS // 2) - 1
    odds = np.log(shares[corners]) - np.log1p(-shares[corners])
    return tuple(np.round(middles, _DIGITS).tolist()), tuple(np.round(odds, _DIGITS).tolist())


def identification_at(scores: PairScores, size: int, rate: float = FALSE_IDENTIFICATION_RATE) -> Threshold:
    """Return the threshold for a false-positive identification rate at a size of gallery.

    Args:
        scores: The pairs; every pair must have been compared.
        size: Images in the gallery.
        rate: 0 to 1.

    Raises:
        ValueError: If there are too few people; says how many are needed.
    """
    if scores.listed is not None:
        msg = "listed pairs are no searches: a false-positive identification rate needs --data"
        raise ValueError(msg)
    needed = people_for_identification(rate, size, len(scores.person) / scores.people)
    if scores.people < needed:
        msg = (
            f"{scores.people} people are too few for a false-positive identification rate of {rate:.1%} in a "
            f"gallery of {size:,} images: {needed:,} are needed, with as many images of each"
        )
        raise ValueError(msg)
    bin_ = scores.threshold_for_identification(rate, size)
    estimate = scores.identification_rate(bin_, size)
    return Threshold(
        threshold=round(edge(bin_), _DIGITS),
        false_match_rate=scores.false_match_rate(bin_).rate,
        false_positive_identification_rate=estimate.rate,
        size=size,
        true_match_rate=scores.true_match_rate(bin_),
        interval=(estimate.low, estimate.high),
        pairs=scores.pairs,
        people=scores.people,
    )


def _for_sizes(scores: PairScores) -> Iterator[Threshold]:
    """Yield thresholds for galleries of rising size, as far as there are people enough."""
    if scores.listed is not None:
        return
    for size in SIZES:
        try:
            yield identification_at(scores, size)
        except ValueError:
            return


def _for_pairs(scores: PairScores) -> Iterator[Threshold]:
    """Yield thresholds for false-match rates, as far as there are people enough."""
    for rate in FALSE_MATCH_RATES:
        if scores.people < people_for_false_matches(rate):
            return
        bin_ = scores.threshold_for_false_matches(rate)
        estimate = scores.false_match_rate(bin_)
        yield Threshold(
            threshold=round(edge(bin_), _DIGITS),
            false_match_rate=estimate.rate,
            true_match_rate=scores.true_match_rate(bin_),
            interval=(estimate.low, estimate.high),
            pairs=scores.pairs,
            people=scores.people,
        )


def _for_cameras(scores: PairScores) -> Iterator[CameraThreshold]:
    """Yield the threshold of each pair of cameras with people enough."""
    known = sorted(set(scores.camid.tolist()) - {UNKNOWN_CAMID})
    seen = np.zeros((scores.people, len(known)), np.int64)
    for column, camera in enumerate(known):
        seen[:, column] = np.bincount(scores.person[scores.camid == camera], minlength=scores.people)
    first, second = scores.camid[scores.tail.first], scores.camid[scores.tail.second]
    for column, one in enumerate(known):
        for other_column, other in list(enumerate(known))[column:]:
            here, there = seen[:, column], seen[:, other_column]
            pairs = int(here.sum() * there.sum() - here @ there) // (1 + (one == other))
            people = int(np.count_nonzero(here + there))
            allowed = int(CAMERA_RATE * pairs)
            if people < people_for_false_matches(CAMERA_RATE):
                continue
            both = ((first == one) & (second == other)) | ((first == other) & (second == one))
            bins = np.sort(scores.tail.bin[both])[::-1]
            if len(bins) > allowed:  # otherwise it lies where pairs are counted, but not kept
                yield CameraThreshold(
                    cameras=(one, other),
                    threshold=round(edge(int(bins[allowed]) + 1), _DIGITS),
                    pairs=pairs,
                    people=people,
                )


def _name(features: Mapping[str, str]) -> str:
    """Return the name of the file for a network and its options."""
    text = json.dumps(dict(features), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
