"""Open-set identification: how many known people are found while people who are not there raise few alarms.

Every query is asked twice (leave one person out): as somebody unknown, with all images of its person taken
out of the gallery, and, if the gallery has a correct image, as somebody known, with the whole gallery under
the protocol of `data/protocol.py`. At a threshold t on the likeness (cosine)

    FPIR(t) = share of all queries of people whose nearest image of anybody else is at or above t
    TPIR(t) = share of valid queries whose nearest image is correct and at or above t (that is, at rank 1)

(ISO/IEC 19795-1; of equal likeness the wrong image counts as the nearer). t is the lowest likeness that
occurs with FPIR(t) not above what is asked for. Intervals leave out one person after the other (jackknife).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genreid.data.protocol import is_junk, is_own_camera, is_person
from genreid.features.feature_set import FeatureSet

RATES = (0.001, 0.01, 0.1)
"""False-positive identification rates."""
FEWEST_ALARMS = 3
"""Queries that must be allowed to raise a false alarm, or a rate cannot be told from none (rule of three)."""
_QUERIES_AT_ONCE = 256
_NORMAL_95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class OpenSet:
    """What is found at one rate of false alarms."""

    false_positive_identification_rate: float
    """The rate that was asked for."""
    true_positive_identification_rate: float | None
    """Share of valid queries; None: too few queries for so small a rate."""
    threshold: float | None
    """Likeness."""
    interval: tuple[float, float] | None
    """95 % interval of the true-positive identification rate; people are left out one by one."""
    queries_needed: int
    """Queries of people without which the rate is not given."""
    queries: int
    """Queries of people."""
    gallery: int
    """Gallery images; a query's own person's are taken out of it."""


@dataclass(frozen=True)
class BestLikeness:
    """The nearest images of each query of somebody, as likeness.

    Attributes:
        person: int64 [Q]: pid.
        right: float64 [Q]: the nearest correct image; -inf without one.
        wrong: float64 [Q]: the nearest image of anybody else.
        gallery: Images that are ranked.
    """

    person: NDArray[np.int64]
    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    gallery: int


def open_set(query: FeatureSet, gallery: FeatureSet) -> tuple[OpenSet, ...]:
    """Return what is found at 0.1, 1 and 10 % of false alarms.

    Args:
        query: Embeddings of unit length.
        gallery: Those of the gallery.

    Raises:
        ValueError: If no query has a correct gallery image, or there is nobody else.
    """
    best = best_likeness(query, gallery)
    return tuple(at_rate(best, rate) for rate in RATES)


def best_likeness(query: FeatureSet, gallery: FeatureSet) -> BestLikeness:
    """Look for the nearest correct and the nearest wrong image of each query that shows somebody.

    Args:
        query: Embeddings of unit length.
        gallery: Those of the gallery.

    Raises:
        ValueError: If no query has a correct gallery image, or there is nobody else.
    """
    asked = query.select(is_person(query.pid))
    ranked = gallery.select(~is_junk(gallery.pid))
    right, wrong = (np.full(len(asked), -np.inf) for _ in range(2))
    for start in range(0, len(asked), _QUERIES_AT_ONCE):
        rows = slice(start, start + _QUERIES_AT_ONCE)
        likeness = (asked.embedding[rows] @ ranked.embedding.T).astype(np.float64)
        own = asked.pid[rows, None] == ranked.pid
        correct = own & ~is_own_camera(asked.camid[rows, None], ranked.camid)
        right[rows] = np.where(correct, likeness, -np.inf).max(axis=1, initial=-np.inf)
        wrong[rows] = np.where(own, -np.inf, likeness).max(axis=1, initial=-np.inf)
    if not np.isfinite(right).any() or not np.isfinite(wrong).all():
        msg = "open set: expected queries with a correct gallery image, and images of other people for each"
        raise ValueError(msg)
    return BestLikeness(asked.pid, right, wrong, len(ranked))


def at_rate(best: BestLikeness, rate: float) -> OpenSet:
    """Return what is found at one rate of false alarms.

    Args:
        best: The nearest images of each query.
        rate: False-positive identification rate, 0 to 1.
    """
    queries = len(best.wrong)
    needed = int(np.ceil(FEWEST_ALARMS / rate))
    found, threshold, interval = None, None, None
    if queries >= needed:
        threshold = threshold_at(best, rate)
        valid = np.isfinite(best.right)
        hits = valid & (best.right >= threshold) & (best.right > best.wrong)
        found = float(hits.sum() / valid.sum())
        interval = _interval(found, best.person[valid], hits[valid])
    return OpenSet(
        false_positive_identification_rate=rate,
        true_positive_identification_rate=found,
        threshold=threshold,
        interval=interval,
        queries_needed=needed,
        queries=queries,
        gallery=best.gallery,
    )


def threshold_at(best: BestLikeness, rate: float) -> float:
    """Return the lowest likeness that occurs at which the FPIR is not above a rate; above all if none is.

    Args:
        best: The nearest images of each query.
        rate: 0 to 1.
    """
    alarms = np.sort(best.wrong)
    values = np.unique(np.concatenate([best.wrong, best.right[np.isfinite(best.right)]]))
    rates = (len(alarms) - np.searchsorted(alarms, values, "left")) / len(alarms)
    allowed = np.flatnonzero(rates <= rate)
    return float(values[allowed[0]]) if allowed.size else float(np.nextafter(values[-1], np.inf))


def _interval(found: float, person: NDArray[np.int64], hits: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the interval of a share of queries, from what it is without each person in turn."""
    number = np.unique(person, return_inverse=True)[1]
    asked, right = np.bincount(number), np.bincount(number, hits)
    if len(asked) < 2:
        return 0.0, 1.0
    without = (right.sum() - right) / (len(person) - asked)
    spread = np.sqrt((len(asked) - 1) / len(asked) * np.sum((without - without.mean()) ** 2))
    return max(0.0, float(found - _NORMAL_95 * spread)), min(1.0, float(found + _NORMAL_95 * spread))
