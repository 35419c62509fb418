"""Loss curves out of RUN/metrics.jsonl, also where the file is cut off or the run was resumed."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from genreid.data.plain_file import read_plain

_LARGEST = 1e30
_NO_TERMS = {"stage", "step", "seconds"}


class Point(NamedTuple):
    """A point of a curve.

    Attributes:
        x: Such as the iteration.
        y: Such as the loss.
    """

    x: float
    y: float


@dataclass(frozen=True)
class LossLog:
    """What a run wrote while it trained.

    Attributes:
        stages: Stage -> loss term -> points by rising step; both in the order of the file.
        seconds: Time between the start of each session and its last line, added up.
        notes: What was left out and why, a sentence each.
    """

    stages: Mapping[str, Mapping[str, tuple[Point, ...]]]
    seconds: float
    notes: tuple[str, ...]


class _Line(NamedTuple):
    """One line of the file."""

    step: int
    terms: dict[str, float]


def read_loss_log(path: Path) -> LossLog:
    """Read RUN/metrics.jsonl.

    A run that is resumed goes back to its last checkpoint. Steps that were done again replace those from
    before; so do the lines of a stage that was begun anew.

    Args:
        path: The file; where there is none, the log is empty and says so.
    """
    try:
        text = read_plain(path).decode("utf-8", "replace")
    except ValueError as error:
        return LossLog({}, 0.0, (f"No loss terms: {str(error).removeprefix(f'{path}: ')}.",))
    except OSError as error:
        why = "there is no metrics.jsonl" if isinstance(error, FileNotFoundError) else str(error.strerror)
        return LossLog({}, 0.0, (f"No loss terms: {why}.",))
    lines = text.splitlines()
    cut_off = bool(lines) and not text.endswith("\n") and _parse(lines[-1]) is None
    stages: dict[str, list[_Line]] = defaultdict(list)
    seconds, before = 0.0, 0.0
    bad = repeated = 0
    for line in lines[: len(lines) - cut_off]:
        content = _parse(line)
        if content is None:
            bad += bool(line.strip())
            continue
        now = _number(content.get("seconds")) or 0.0
        seconds += before if now < before else 0.0
        before = now
        there = stages[str(content["stage"])]
        while there and there[-1].step >= content["step"]:
            there.pop()
            repeated += 1
        there.append(_Line(content["step"], _terms(content)))
    notes = _notes(bad=bad, repeated=repeated, cut_off=cut_off, empty=not stages)
    return LossLog({name: _curves(there) for name, there in stages.items()}, seconds + before, notes)


def _parse(line: str) -> dict[str, Any] | None:
    """Return a line of the file, or None if it is none."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("stage"), str):
        return None
    step = content.get("step")
    return content if isinstance(step, int) and not isinstance(step, bool) and 0 <= step < 2**53 else None


def _terms(content: Mapping[str, object]) -> dict[str, float]:
    """Return the loss terms of a line that are finite numbers."""
    numbers = {name: _number(value) for name, value in content.items() if name not in _NO_TERMS}
    return {name: value for name, value in numbers.items() if value is not None}


def _number(value: object) -> float | None:
    """Return a number that can be drawn, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _LARGEST else None  # NaN is not


def _curves(lines: list[_Line]) -> dict[str, tuple[Point, ...]]:
    """Return the points of each term."""
    curves: dict[str, list[Point]] = defaultdict(list)
    for line in lines:
        for name, value in line.terms.items():
            curves[name].append(Point(line.step, value))
    return {name: tuple(points) for name, points in curves.items()}


def _notes(*, bad: int, repeated: int, cut_off: bool, empty: bool) -> tuple[str, ...]:
    """Say what was left out."""
    notes = []
    if empty:
        notes.append("No loss terms: metrics.jsonl holds no line that can be read.")
    if cut_off:
        notes.append("The last line of metrics.jsonl is cut off and left out.")
    if bad:
        notes.append(f"{bad} lines of metrics.jsonl cannot be read and are left out.")
    if repeated:
        notes.append(
            f"The run was resumed: {repeated} lines of steps that were done again are replaced by later ones."
        )
    return tuple(notes)
