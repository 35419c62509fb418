"""Does a network help on these cameras? What embeddings of images say, with labels or without.

Everything is made of the likeness (cosine) of all pairs of images. An image's own camera is told apart only
where cameras are known, and people only where they are labelled.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genreid.data.protocol import is_person
from genreid.data.sample import UNKNOWN_CAMID
from genreid.features.feature_set import FeatureSet
from genreid.search.rates import BINS, bin_of, edge

DUPLICATE = 0.999
"""Likeness from which on two images are near-duplicates."""
SHOWN = 12
"""Examples of each kind that are named."""
QUANTILES = (0.01, 0.5, 0.99, 0.999)
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How alike the pairs of one kind are."""

    pairs: int
    """Number of pairs."""
    quantiles: tuple[float, ...]
    """Likeness below which 1, 50, 99 and 99.9 % of them lie; to 1/8,192."""
    at_threshold: int | None
    """Pairs at or above the threshold; None: there is none."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two images, people or cameras."""

    first: str
    """Name of the one."""
    second: str
    """Name of the other."""
    likeness: float
    """Cosine; of people and cameras the mean over their pairs of images."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found."""

    images: int
    """Images looked at."""
    people: int
    """Labelled people among them; 0: nobody is labelled."""
    threshold: float | None
    """Likeness from which on two images are taken for one person."""
    spreads: dict[str, Spread]
    """`same_camera` and `other_camera`; with labels each of `same_person_...` and `strangers_...`."""
    false_merges: float | None
    """Share of pairs of strangers at or above the threshold."""
    cameras: tuple[Pair, ...]
    """Pairs of cameras, the most alike first: mean likeness of their images."""
    matches_nothing: tuple[Pair, ...]
    """Images and what is nearest to them by another camera (any, if cameras are unknown): the least alike."""
    nothing_near: int | None
    """Images with nothing at or above the threshold by another camera."""
    duplicates: tuple[Pair, ...]
    """Near-duplicates, the most alike first."""
    near_duplicates: int
    """How many pairs there are."""
    split_people: tuple[Pair, ...]
    """People whose images fall apart into groups that nothing at or above the threshold joins: two images."""
    split: int
    """How many people."""
    merged_people: tuple[Pair, ...]
    """Pairs of people with the highest mean likeness."""


def inspect(features: FeatureSet, threshold: float | None = None) -> Inspection:
    """Look at images.

    Args:
        features: M images of unit length, some thousands at most; pid of unlabelled ones is -1 or 0.
        threshold: Likeness from which on two images are taken for one person; None: not calibrated.

    Raises:
        ValueError: If there are fewer than two images.
    """
    if len(features) < 2:
        msg = f"{len(features)} images: expected 2 or more, to compare them"
        raise ValueError(msg)
    embedding = np.ascontiguousarray(features.embedding)
    labelled = is_person(features.pid)
    histograms: dict[str, NDArray[np.int64]] = {}
    nearest = np.full(len(features), -1, np.int64)
    likeness = np.full(len(features), -np.inf, np.float32)
    duplicates: list[tuple[float, int, int]] = []
    for start, block in _blocks(embedding):
        rows = np.arange(start, start + len(block))
        same = _same_camera(features.camid[rows], features.camid)
        other = np.where(same | (rows[:, None] == np.arange(len(features))), -np.inf, block)
        nearest[rows], likeness[rows] = other.argmax(axis=1), other.max(axis=1)
        later = rows[:, None] < np.arange(len(features))
        bins = bin_of(block)
        for name, chosen in _kinds(features, rows, same, labelled):
            counted = np.bincount(bins[later & chosen], minlength=BINS)
            histograms[name] = histograms.get(name, np.zeros(BINS, np.int64)) + counted
        first, second = np.nonzero(later & (block >= DUPLICATE))
        duplicates += [(float(block[a, b]), int(rows[a]), int(b)) for a, b in zip(first, second, strict=True)]
    spreads = {name: _spread(one, threshold) for name, one in histograms.items() if one.sum()}
    strangers = [one for name, one in spreads.items() if name.startswith("strangers")]
    merged = sum(one.at_threshold or 0 for one in strangers)
    alone = np.argsort(likeness, kind="stable")[:SHOWN]
    split = _split_people(features, threshold)
    return Inspection(
        images=len(features),
        people=len(np.unique(features.pid[labelled])),
        threshold=threshold,
        spreads=spreads,
        false_merges=merged / sum(one.pairs for one in strangers)
        if strangers and threshold is not None
        else None,
        cameras=tuple(_cameras(features)),
        matches_nothing=tuple(
            _pair(features, row, int(nearest[row]), float(likeness[row]))
            for row in alone.tolist()
            if np.isfinite(likeness[row])
        ),
        nothing_near=None if threshold is None else int(np.count_nonzero(likeness < threshold)),
        duplicates=tuple(
            _pair(features, a, b, value) for value, a, b in sorted(duplicates, reverse=True)[:SHOWN]
        ),
        near_duplicates=len(duplicates),
        split_people=split[:SHOWN],
        split=len(split),
        merged_people=tuple(_merged(features)),
    )


def _blocks(embedding: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the likeness of some rows to all."""
    for start in range(0, len(embedding), _ROWS_AT_ONCE):
        yield start, embedding[start : start + _ROWS_AT_ONCE] @ embedding.T


def _same_camera(rows: NDArray[np.int64], all_: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which pairs are of one camera that is known."""
    same: NDArray[np.bool_] = (rows[:, None] == all_) & (rows[:, None] != UNKNOWN_CAMID)
    return same


def _kinds(
    features: FeatureSet, rows: NDArray[np.int64], same: NDArray[np.bool_], labelled: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the kinds of pairs that are counted apart."""
    yield "same_camera", same
    yield "other_camera", ~same
    if labelled.any():
        both = labelled[rows, None] & labelled
        person = features.pid[rows, None] == features.pid
        for name, who in (("same_person", person & both), ("strangers", ~person & both)):
            yield f"{name}_same_camera", who & same
            yield f"{name}_other_camera", who & ~same


def _spread(histogram: NDArray[np.int64], threshold: float | None) -> Spread:
    """Summarise counts of likeness."""
    total = np.cumsum(histogram)
    places = np.searchsorted(total, [share * total[-1] for share in QUANTILES])
    above = (
        None if threshold is None else int(histogram[int(bin_of(np.array(threshold, np.float32))) :].sum())
    )
    return Spread(pairs=int(total[-1]), quantiles=tuple(edge(int(one)) for one in places), at_threshold=above)


def _cameras(features: FeatureSet) -> Iterator[Pair]:
    """Yield pairs of cameras; the mean likeness of their images is the product of their mean embeddings."""
    known = sorted(set(features.camid.tolist()) - {UNKNOWN_CAMID})
    if len(known) < 2:
        return
    means = np.stack(
        [features.embedding[features.camid == one].mean(axis=0, dtype=np.float64) for one in known]
    )
    alike = means @ means.T
    pairs = [(float(alike[a, b]), a, b) for a in range(len(known)) for b in range(a + 1, len(known))]
    for value, one, other in sorted(pairs, key=lambda pair: -pair[0]):
        yield Pair(first=str(known[one]), second=str(known[other]), likeness=round(value, 4))


def _split_people(features: FeatureSet, threshold: float | None) -> tuple[Pair, ...]:
    """Return people whose images fall apart, the most distant first."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    if threshold is None:
        return ()
    found = []
    for pid in np.unique(features.pid[is_person(features.pid)]).tolist():
        rows = np.flatnonzero(features.pid == pid)
        alike = features.embedding[rows] @ features.embedding[rows].T
        groups, group = connected_components(alike >= threshold, directed=False)
        if groups > 1:
            apart = np.where(group[:, None] != group, alike, -np.inf)
            first, second = np.unravel_index(int(apart.argmax()), apart.shape)
            found.append(_pair(features, int(rows[first]), int(rows[second]), float(apart.max())))
    return tuple(sorted(found, key=lambda pair: pair.likeness))


def _merged(features: FeatureSet) -> Iterator[Pair]:
    """Yield the pairs of people that are most alike on average."""
    known = is_person(features.pid)
    pids, number = np.unique(features.pid[known], return_inverse=True)
    if len(pids) < 2:
        return
    sums = np.zeros((len(pids), features.embedding.shape[1]))
    np.add.at(sums, number, features.embedding[known])
    means = sums / np.bincount(number)[:, None]
    alike = np.triu(means @ means.T, 1) + np.tril(np.full((len(pids),) * 2, -np.inf))
    for place in np.argsort(-alike, axis=None, kind="stable")[:SHOWN]:
        one, other = np.unravel_index(place, alike.shape)
        if np.isfinite(alike[one, other]):
            likeness = round(float(alike[one, other]), 4)
            yield Pair(first=str(pids[one]), second=str(pids[other]), likeness=likeness)


def _pair(features: FeatureSet, first: int, second: int, likeness: float) -> Pair:
    """Name two images."""
    paths = features.paths or tuple(f"row {row}" for row in range(len(features)))
    return Pair(first=paths[first], second=paths[second], likeness=round(likeness, 4))
