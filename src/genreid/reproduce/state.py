"""Result files later on: whether they are still what this code would make, and how long rows took.

A file is stale if the code that trained or ranked it, what the row is, or the settings of its recipe have
changed since. Changed code that was seen to give the same outcome bit for bit does not count.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from genreid.features.options import Mirror
from genreid.reproduce.code import evaluation_code, training_code
from genreid.reproduce.file import RowFile, definition_of, matters, read_rows, with_own_changes
from genreid.reproduce.paper import Row
from genreid.reproduce.rows import ROWS
from genreid.runs.config_file import config_to_dict, flatten
from genreid.runs.run_folder import as_it_was

_ANOTHER = "the row is another one now"
TRIALS = "same_outcome.json"
"""File beside the result files that says which versions of the code give the same outcome."""


def stale_reason(file: RowFile) -> str:
    """Say why a result file is not what this code would make.

    Args:
        file: A result file.

    Returns:
        A few words; empty: it is not stale.
    """
    row, content = ROWS[file.content["row"]], file.content
    if "definition" not in content:
        return "the file is of an older form"
    was, now = {"mirror": _mirror_before(row), **content["definition"]}, definition_of(row)
    if was != now:
        return f"mirror is {now['mirror']} now" if {**was, "mirror": row.mirror} == now else _ANOTHER
    for gain in content["gains"]:
        control = ROWS[gain["over"]]
        if gain.get("mirror", _mirror_before(control)) != control.mirror:
            return f"mirror of its control {control.variant} is {control.mirror} now"
    trials = read_trials(_results_of(file.path) / TRIALS)
    where = (content["recipe"], content["hardware"]["device"], content["precision"])
    for part in _code_of(file):
        if part.was is None:
            return f"code of {part.what} is not known"
        if part.was != part.now and (*where, part.kind, part.was, part.now) not in trials:
            return f"code of {part.what} changed since"
    return recipe_changes(row, content["recipe"], content["config"])


def _mirror_before(row: Row) -> Mirror:
    """Return how a row was ranked before files said it: by the default of its kind of network."""
    return "on" if row.training.method == "dgnet" else "off"


def _results_of(path: Path) -> Path:
    """Return the folder of all results that a file lies in, by PAPER/DATA/FILE; else its own."""
    return path.parents[2] if len(path.parents) > 2 else path.parent


def rests_on_a_trial(file: RowFile) -> bool:
    """Tell whether the code of a file has changed since; if it is not stale, a trial says it does not matter.

    Args:
        file: A result file.
    """
    return any(part.was != part.now for part in _code_of(file))


class _Code(NamedTuple):
    """What a part of a row was made by, and what would make it now: fingerprints."""

    what: str
    kind: str
    was: str | None
    now: str


def _code_of(file: RowFile) -> Iterator[_Code]:
    """Yield the code that ranked a row, and that which trained each of its runs and of its controls'."""
    row, content = ROWS[file.content["row"]], file.content
    paper = row.paper
    yield _Code("the evaluation", f"{paper} evaluation", content["code"], evaluation_code(paper))
    yield from _code_of_runs(row, content["runs"])
    for gain in content["gains"]:  # what a gain is over counts as much
        yield from _code_of_runs(ROWS[gain["over"]], gain.get("runs", {}))


def _code_of_runs(row: Row, makers: Mapping[str, Any]) -> Iterator[_Code]:
    """Yield the code that trained each run of a row, as far as its makers are told."""
    for training in row.training.chain:
        now = training_code(training.method)
        for maker in makers.get(training.name, ()):
            kind = f"{row.paper} {training.method}"
            yield _Code(f"the run {training.name}", kind, maker["code"], now)


Trials = frozenset[tuple[str, ...]]
"""Recipe, device, arithmetic; what code is of, its fingerprint before, and one of the same outcome."""


@cache
def read_trials(path: Path) -> Trials:
    """Return which versions of the code were seen to give the same networks and figures, bit for bit.

    Args:
        path: What `python -m evidence.same_outcome` has written; it need not be there.
    """
    if not path.is_file():
        return frozenset()
    trials = json.loads(path.read_text(encoding="utf-8"))
    return frozenset(
        (trial["recipe"], trial["device"], trial["precision"], kind, *codes)
        for trial in trials
        for kind, codes in trial["codes"].items()
    )


def recipe_changes(row: Row, recipe: str, settings: Mapping[str, Any]) -> str:
    """Say in which settings a recipe is not what a row was made with.

    Args:
        row: The row.
        recipe: Name of the recipe; settings of one's own, such as `compact+1a2b3c`, are never out of date.
        settings: What the row was made with.

    Returns:
        A few words; empty: it is the same.
    """
    make = row.recipes.get(recipe)
    if make is None:
        return ""
    now = flatten(config_to_dict(with_own_changes(row, make())))
    before = as_it_was(flatten(settings), now)
    # a setting that is newer than the row had its default then
    changed = [name for name in now if matters(name, row) and before.get(name, now[name]) != now[name]]
    return f"recipe changed since: {', '.join(changed[:3])}" if changed else ""


@dataclass(frozen=True)
class Measurement:
    """How long a row took somewhere.

    Attributes:
        recipe: The recipe.
        device: The GPU's name, or `cpu`.
        minutes: Of training and evaluation.
    """

    recipe: str
    device: str
    minutes: float


def measurements(folder: Path) -> Mapping[str, tuple[Measurement, ...]]:
    """Return how long each row took, by its name.

    Args:
        folder: Where result files are.
    """
    found: dict[str, tuple[Measurement, ...]] = {}
    for _, content in read_rows(folder):
        one = Measurement(content["recipe"], trained_on(content), float(content["minutes"]))
        found[content["row"]] = (*found.get(content["row"], ()), one)
    return found


def trained_on(content: Mapping[str, Any]) -> str:
    """Return the device, or devices, that trained a row's runs: a GPU's name, or `cpu`.

    Args:
        content: What a result file holds.
    """
    makers = [maker for makers in content.get("runs", {}).values() for maker in makers]
    known = dict.fromkeys(maker["device"] for maker in makers if maker.get("device"))
    return " and ".join(known) or content["hardware"]["device"]
