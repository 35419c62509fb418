"""Ranking from its definitions: one query at a time, the whole list sorted, every image looked at.

Slow and obvious; nothing is taken from the package. Spec G2-G4 (evaluation.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class OracleRanking:
    """What the slow way finds."""

    cmc: list[float] = field(default_factory=list)
    average_precision: list[float | None] = field(default_factory=list)
    average_precision_trapezoid: list[float | None] = field(default_factory=list)
    inverse_negative_penalty: list[float | None] = field(default_factory=list)
    without_match: list[int] = field(default_factory=list)
    gallery: int = 0

    @property
    def valid(self) -> int:
        return len(self.average_precision) - len(self.without_match)


def mean(values: Sequence[float | None]) -> float:
    """Mean over the queries that have a score."""
    scored = [value for value in values if value is not None]
    return sum(scored) / len(scored)


def filtered_list(
    distances: Sequence[Any], pid: int, camid: int, gallery_pids: Sequence[int], gallery_camids: Sequence[int]
) -> list[bool]:
    """Right or wrong, nearest first, of the gallery images that count for one query."""
    order = sorted(range(len(gallery_pids)), key=lambda g: (distances[g], g))  # ties: gallery order
    marks = []
    for g in order:
        if gallery_pids[g] == -1:
            continue  # junk: neither right nor wrong
        same_person = gallery_pids[g] == pid and pid > 0  # a distractor (0) is always wrong
        if same_person and gallery_camids[g] == camid and camid != -1:
            continue  # the query's own camera; unknown cameras are nobody's own
        marks.append(same_person)
    return marks


def rank_by_definition(
    distances: Sequence[Sequence[Any]],
    query_pids: Sequence[int],
    gallery_pids: Sequence[int],
    query_camids: Sequence[int],
    gallery_camids: Sequence[int],
) -> OracleRanking:
    """Score all queries."""
    result = OracleRanking(gallery=sum(pid != -1 for pid in gallery_pids))
    first_ranks = []
    for q, row in enumerate(distances):
        marks = filtered_list(row, query_pids[q], query_camids[q], gallery_pids, gallery_camids)
        ranks = [place for place, right in enumerate(marks) if right]  # from 0
        if not ranks:
            result.without_match.append(q)
            for scores in (
                result.average_precision,
                result.average_precision_trapezoid,
                result.inverse_negative_penalty,
            ):
                scores.append(None)
            continue
        rectangles, trapezoids = [], []
        for i, rank in enumerate(ranks):
            precision = (i + 1) / (rank + 1)
            precision_before = i / rank if rank > 0 else 1.0
            rectangles.append(precision)
            trapezoids.append((precision + precision_before) / 2)
        result.average_precision.append(sum(rectangles) / len(ranks))
        result.average_precision_trapezoid.append(sum(trapezoids) / len(ranks))
        result.inverse_negative_penalty.append(len(ranks) / (ranks[-1] + 1))
        first_ranks.append(ranks[0])
    for k in range(1, min(50, result.gallery) + 1):
        found = sum(rank < k for rank in first_ranks)
        result.cmc.append(found / len(first_ranks) if first_ranks else 0.0)
    return result
