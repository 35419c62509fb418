"""How often strangers are taken for the same person: false-match and false-positive identification rates.

Likenesses (cosines) are counted in bins of 1/8,192; a threshold is the lower edge of a bin, and a likeness is
at or above it exactly if its bin is.

- False-match rate (FMR): of all pairs of images of different people, the share at or above the threshold.
- False-positive identification rate (FPIR) of a gallery of n images: the share of searches for people who are
  not in it that find somebody at or above the threshold (ISO/IEC 19795-1). A search of probe i finds somebody
  among n of the M_i images of other people, drawn at random, k_i of which are at or above it, with the chance
  1 - C(M_i - k_i, n) / C(M_i, n); the FPIR is its mean over the probes. For galleries beyond the smallest M_i
  it is 1 - (1 - FPIR of that size)^(n / size): larger galleries as several of that size. Since probes differ,
  and 1 - (1 - f)^r is concave in f, this errs on the safe side (Jensen).

An interval is the delete-one-person jackknife's on the logarithm: every person is left out once, as probe and
as part of the gallery, which counts all that hangs on one person once (Efron and Stein, Ann. Stat. 9, 1981).
Fewer than 3/rate people (pairs of people, for the FMR) show nothing: not even without any false match would
95 % be sure that the rate is kept (rule of three, Hanley and Lippman-Hand, JAMA 249, 1983).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genreid.data.protocol import is_own_camera, is_person
from genreid.features.feature_set import FeatureSet

BINS = 16_384
"""Of equal width, from -1 to 1."""
RULE_OF_THREE = 3.0
"""Expected false alarms below which nothing is said."""
NORMAL_95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""
TAIL_PAIRS = 2_000_000
"""So many of the most alike pairs of strangers, about, are kept one by one; the others are counted."""
ROWS_AT_ONCE = 512


class Estimate(NamedTuple):
    """A rate.

    Attributes:
        rate: 0 to 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    rate: float
    low: float
    high: float


class Strangers(NamedTuple):
    """The most alike pairs of images of different people.

    Attributes:
        first: int64 [T], image of each pair.
        second: int64 [T], the other image.
        bin: int64 [T], where the pair's likeness lies; every pair from the bin `least` on is here.
        least: The lowest bin that is complete.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    bin: NDArray[np.int64]
    least: int

    def at(self, threshold: int) -> "Strangers":
        """Return the pairs at or above a bin.

        Args:
            threshold: The bin, from `least` on.
        """
        assert threshold >= self.least, (threshold, self.least)
        kept = self.bin >= threshold
        return Strangers(self.first[kept], self.second[kept], self.bin[kept], threshold)


@dataclass(frozen=True)
class PairScores:
    """All pairs of images of labelled people, by likeness.

    Attributes:
        person: int64 [M], 0 to P - 1: whom each image shows.
        camid: int64 [M].
        same: float64 [BINS]: pairs of one person by two cameras (or one unknown), every person counting 1.
        strangers: int64 [BINS]: pairs of different people.
        tail: The most alike of these.
        seen_twice: People with a pair in `same`.
        partners: Mean number of other images of the person, by other cameras, over all images.
        listed: None: every pair was compared. Else float64 [P]: pairs of strangers that show each person.
    """

    person: NDArray[np.int64]
    camid: NDArray[np.int64]
    same: NDArray[np.float64]
    strangers: NDArray[np.int64]
    tail: Strangers
    seen_twice: int
    partners: float
    listed: NDArray[np.float64] | None = None

    @property
    def people(self) -> int:
        """P."""
        return len(self.images)

    @cached_property
    def images(self) -> NDArray[np.int64]:
        """int64 [P]: images of each person."""
        return np.bincount(self.person)

    @property
    def pairs(self) -> int:
        """Pairs of different people."""
        return int(self.strangers.sum())

    @cached_property
    def others(self) -> NDArray[np.int64]:
        """int64 [M]: M_i, images of other people than the one that image i shows."""
        return len(self.person) - self.images[self.person]

    @cached_property
    def largest_gallery(self) -> int:
        """Images in the largest gallery whose rate is measured and not extended: the smallest M_i."""
        return int(self.others.min())

    def true_match_rate(self, threshold: int) -> float:
        """Return the share of pairs of one person at or above a bin; NaN if there are none.

        Args:
            threshold: The bin.
        """
        total = self.same.sum()
        return float(self.same[threshold:].sum() / total) if total else float("nan")

    def false_match_rate(self, threshold: int) -> Estimate:
        """Return the FMR at a bin, with its interval where the pairs are kept one by one (else NaN).

        Args:
            threshold: The bin.
        """
        total = self.pairs
        rate = float(self.strangers[threshold:].sum() / total)
        if threshold < self.tail.least:
            return Estimate(rate, float("nan"), float("nan"))
        tail = self.tail.at(threshold)
        ends = np.concatenate([self.person[tail.first], self.person[tail.second]])
        matched = np.bincount(ends, minlength=self.people)
        compared = self.images * (len(self.person) - self.images) if self.listed is None else self.listed
        left = total - compared
        without = np.divide(len(tail.bin) - matched, left, out=np.full(self.people, rate), where=left > 0)
        return _jackknife(rate, without)

    def identification_rate(self, threshold: int, size: int) -> Estimate:
        """Return the FPIR at a bin, with its interval.

        Args:
            threshold: The bin, from `tail.least` on.
            size: n, images in the gallery.
        """
        measured = min(size, self.largest_gallery)
        tail = self.tail.at(threshold)
        probes = np.concatenate([tail.first, tail.second])
        whom = self.person[np.concatenate([tail.second, tail.first])]
        alarms = np.bincount(probes, minlength=len(self.person))
        loud = np.flatnonzero(alarms)
        number = np.full(len(self.person), -1)
        number[loud] = np.arange(len(loud))
        by_person = np.zeros((len(loud), self.people))
        np.add.at(by_person, (number[probes], whom), 1)
        found, others = alarms[loud].astype(float), self.others[loud].astype(float)
        chance = _chance(found, others, measured)
        rate = chance.sum() / len(self.person)
        left_out = _chance(found[:, None] - by_person, others[:, None] - self.images, measured)
        left_out[np.arange(len(loud)), self.person[loud]] = 0  # who is left out is no probe either
        without = left_out.sum(axis=0) / (len(self.person) - self.images)
        extended = size / measured
        return _jackknife(_extend(float(rate), extended), _extend(without, extended))

    def threshold_for_false_matches(self, rate: float) -> int:
        """Return the lowest bin at which the FMR is not above a rate.

        Args:
            rate: 0 to 1.
        """
        above = np.cumsum(self.strangers[::-1])[::-1]  # pairs at or above each bin
        allowed = np.flatnonzero(above <= rate * self.pairs)
        return int(allowed[0]) if allowed.size else BINS

    def threshold_for_identification(self, rate: float, size: int) -> int:
        """Return the lowest bin (of those kept one by one) at which the FPIR is not above a rate.

        Args:
            rate: 0 to 1.
            size: Images in the gallery.
        """
        low, high = self.tail.least, BINS  # the FPIR never rises with the threshold
        while low < high:
            middle = (low + high) // 2
            if self._rate_alone(middle, size) <= rate:
                high = middle
            else:
                low = middle + 1
        return low

    def _rate_alone(self, threshold: int, size: int) -> float:
        """Return the FPIR without an interval."""
        measured = min(size, self.largest_gallery)
        tail = self.tail.at(threshold)
        alarms = np.bincount(np.concatenate([tail.first, tail.second]), minlength=len(self.person))
        rate = _chance(alarms.astype(float), self.others.astype(float), measured).mean()
        return float(_extend(float(rate), size / measured))


def compare_all(features: FeatureSet) -> PairScores:
    """Compare every image of labelled people with every other one.

    Args:
        features: M images of unit length; junk and distractors must have been left out.

    Raises:
        ValueError: If there are fewer than two people.
    """
    assert bool(is_person(features.pid).all()), "junk and distractors show nobody in particular"
    pids, person = np.unique(features.pid, return_inverse=True)
    if len(pids) < 2:
        msg = f"images of {len(pids)} labelled people: expected 2 or more, to compare strangers"
        raise ValueError(msg)
    embedding, camid = np.ascontiguousarray(features.embedding), features.camid
    own = np.bincount(person)
    least = _least_bin(embedding, person)
    strangers = np.zeros(BINS, np.int64)
    tail: list[NDArray[np.int64]] = []
    same: list[NDArray[np.int64]] = []
    for start in range(0, len(person), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        bins = bin_of(embedding[rows] @ embedding[start:].T)
        later = np.triu(np.ones(bins.shape, bool), 1)
        apart = later & (person[rows, None] != person[None, start:])
        strangers += np.bincount(bins[apart], minlength=BINS)
        near = np.nonzero(apart & (bins >= least))
        tail.append(np.stack([near[0] + start, near[1] + start, bins[near]]))
        other = later & ~apart & ~is_own_camera(camid[rows, None], camid[None, start:])
        pairs = np.nonzero(other & (person[rows, None] == person[None, start:]))
        same.append(np.stack([person[pairs[0] + start], bins[pairs]]))
    whose, bins = np.concatenate(same, axis=1)
    first, second, kept = np.concatenate(tail, axis=1)
    each = np.bincount(whose, minlength=len(own))
    histogram = np.bincount(bins, 1 / each[whose], minlength=BINS)
    return PairScores(
        person,
        camid,
        histogram.astype(np.float64),
        strangers,
        Strangers(first, second, kept, least),
        int(np.count_nonzero(each)),
        2 * len(whose) / len(person),
    )


def compare_listed(
    likeness: NDArray[np.float32], same: NDArray[np.bool_], images: NDArray[np.int64]
) -> PairScores:
    """Count pairs that somebody has labelled; people are what pairs of one person hang together.

    Args:
        likeness: float32 [N], of each pair.
        same: bool [N], whether it shows one person.
        images: int64 [N,2], which two images it is of, from 0.

    Raises:
        ValueError: If there are no pairs of strangers, or pairs contradict each other.
    """
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    count = int(images.max()) + 1
    links = coo_array((np.ones(int(same.sum())), tuple(images[same].T)), shape=(count, count))
    person = connected_components(links, directed=False)[1].astype(np.int64)
    apart = images[~same]
    if not len(apart):
        msg = "no pair of strangers among the pairs: expected some with `same` 0"
        raise ValueError(msg)
    wrong = np.flatnonzero(person[apart[:, 0]] == person[apart[:, 1]])
    if wrong.size:
        msg = (
            f"pair {int(np.flatnonzero(~same)[wrong[0]]) + 1} says strangers, and other pairs say that they "
            "are one person; mend one of them"
        )
        raise ValueError(msg)
    bins = bin_of(likeness)
    whose = person[images[same][:, 0]]
    each = np.bincount(whose, minlength=int(person.max()) + 1)
    return PairScores(
        person,
        np.full(count, -1),
        np.bincount(bins[same], 1 / each[whose], minlength=BINS).astype(np.float64),
        np.bincount(bins[~same], minlength=BINS),
        Strangers(apart[:, 0], apart[:, 1], bins[~same], 0),
        int(np.count_nonzero(each)),
        2 * int(same.sum()) / count,
        np.bincount(person[apart].ravel(), minlength=len(each)).astype(float),
    )


def people_for_false_matches(rate: float) -> int:
    """Return how many people are needed to say something about an FMR: P (P - 1) / 2 >= 3 / rate.

    Args:
        rate: 0 to 1.
    """
    return int(np.ceil((1 + np.sqrt(1 + 8 * RULE_OF_THREE / rate)) / 2))


def people_for_identification(rate: float, size: int, images_each: float) -> int:
    """Return how many people are needed to say something about an FPIR.

    With P people and m images of each, a gallery of m (P - 1) images is measured and the asked one may be
    n / that times as large: P >= 3 / (1 - (1 - rate)^min(1, m (P - 1) / n)).

    Args:
        rate: 0 to 1.
        size: n, images in the gallery.
        images_each: m.
    """

    def is_enough(people: int) -> bool:
        measured = min(1.0, images_each * (people - 1) / size)
        return bool(people * -np.expm1(measured * np.log1p(-rate)) >= RULE_OF_THREE)

    return _first(is_enough)


def bin_of(likeness: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the bin of each likeness, 0 to BINS - 1.

    Args:
        likeness: Any shape, -1 to 1.
    """
    return np.clip(((likeness + 1) * (BINS // 2)).astype(np.int64), 0, BINS - 1)


def edge(threshold: int) -> float:
    """Return the likeness at the lower edge of a bin.

    Args:
        threshold: The bin.
    """
    return threshold / (BINS // 2) - 1


def _first(is_enough: Callable[[int], bool]) -> int:
    """Return the smallest number from 2 that is enough; all larger ones are."""
    high = 2
    while not is_enough(high):
        high *= 2
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _least_bin(embedding: NDArray[np.float32], person: NDArray[np.int64]) -> int:
    """Return the bin from which on about `TAIL_PAIRS` pairs of strangers lie, guessed from 2,000 images."""
    pairs = len(person) ** 2 / 2
    if pairs <= TAIL_PAIRS:
        return 0
    drawn = np.random.default_rng(0).choice(len(person), min(2000, len(person)), replace=False)
    bins = bin_of(embedding[drawn] @ embedding[drawn].T)
    return int(np.quantile(bins[person[drawn, None] != person[drawn]], 1 - TAIL_PAIRS / pairs))


def _chance(found: NDArray[np.float64], others: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return 1 - C(M - k, n) / C(M, n): k of M are loud; the chance that one of n drawn is."""
    from scipy.special import gammaln  # noqa: PLC0415 - slow to import

    size_each = np.minimum(size, others)
    quiet = others - found - size_each
    safe = np.maximum(quiet, 0)
    silent = np.exp(
        gammaln(others - found + 1)
        - gammaln(safe + 1)
        - gammaln(others + 1)
        + gammaln(others - size_each + 1)
    )
    return np.where(found <= 0, 0.0, np.where(quiet < 0, 1.0, 1 - silent))


def _extend(rate: NDArray[np.float64] | float, times: float) -> NDArray[np.float64]:
    """Return the rate of several galleries together."""
    return -np.expm1(times * np.log1p(-np.minimum(rate, 1 - 1e-12)))


def _jackknife(rate: NDArray[np.float64] | float, without: NDArray[np.float64]) -> Estimate:
    """Return a rate with its interval, from what it is without each person in turn."""
    people, value = len(without), float(rate)
    if value <= 0:
        return Estimate(value, 0.0, float("nan"))
    spread = np.sqrt((people - 1) / people * np.sum((without - without.mean()) ** 2))
    factor = np.exp(NORMAL_95 * spread / value)
    return Estimate(value, float(value / factor), min(1.0, float(value * factor)))
