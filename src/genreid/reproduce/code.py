"""Which code made a row: fingerprints of what trains and of what ranks, and the marks that training leaves.

A fingerprint is that of a row's own method: of what its pipeline imports, without other methods' modules and
readers of other data sets. The machinery of rows does not count: what it asked for stands in the file.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from genreid.data.whole_file import write_whole
from genreid.evaluation.provenance import source_commit
from genreid.methods import METHOD_OF_PAPER, METHODS, module_of
from genreid.reproduce.code_fingerprint import code_fingerprint
from genreid.reproduce.paper import Training
from genreid.reproduce.published import FORMATS
from genreid.runs.run_folder import has_begun

_EVALUATION = (
    "genreid.pipelines.evaluate",
    "genreid.features.extract",
    "genreid.features.halves",
    "genreid.evaluation.ranking",
    "genreid.evaluation.bootstrap",
)
_READERS = tuple(
    dict.fromkeys(f"genreid.data.{name.replace('-', '_')}" for names in FORMATS.values() for name in names)
)
"""What reads the data sets of rows; others come and go."""
_UNUSED = (
    "genreid.data.load",  # it chooses among all readers
    "genreid.methods",  # a card decides no figure
    "genreid.data.progress",  # progress, logs and pictures decide no figure
    "genreid.runs.run_log",
    "genreid.generation.renderings",
    "genreid.pipelines.generate_sheets",
    *(module_of(method.recipes) for method in METHODS.values()),  # the settings stand in the file
    "genreid.evaluation.records",
    "genreid.evaluation.reranking",  # rows are not re-ranked
    "genreid.masks.make",  # a fingerprint of the masks themselves stands in the file
    "genreid.masks.blazepose",
)
"""Modules that are imported on the way and play no part in any row."""
_UNKNOWN: Mapping[str, str | None] = {"code": None, "commit": None, "device": None}


@cache
def evaluation_code(paper: str, source: Path | None = None) -> str:
    """Return the fingerprint of the code that ranks a paper's rows; read once in a process.

    Args:
        paper: Whose rows.
        source: The folder that holds the package; default: this package's own.
    """
    return code_fingerprint((*_EVALUATION, *_READERS), _without(METHOD_OF_PAPER[paper].modules), source)


@cache
def training_code(method: str, source: Path | None = None) -> str:
    """Return the fingerprint of the code that trains a run; read once in a process.

    Args:
        method: Of a `Training`.
        source: The folder that holds the package; default: this package's own.
    """
    card = METHODS[method]
    return code_fingerprint((module_of(card.train), *_READERS), _without(card.modules), source)


def _without(own: tuple[str, ...]) -> tuple[str, ...]:
    """Return what plays no part where a method's own modules are at work."""
    others = (name for method in METHODS.values() for name in method.modules if name not in own)
    return *_UNUSED, *others


def mark_run(run: Path, training: Training, device: str) -> None:
    """Note beside a run folder what trains it from now on; a run that changing code trained shows it.

    Args:
        run: The run folder.
        training: What is trained there.
        device: The GPU's name, or `cpu`.
    """
    now = {
        "code": training_code(training.method),
        "commit": source_commit() or None,
        "device": device,
    }
    before = _marks(run) or [dict(_UNKNOWN)] if has_begun(run) else []
    if not before or any(before[-1].get(name) != now[name] for name in ("code", "device")):
        write_whole(_mark(run), json.dumps([*before, now], indent=1) + "\n")


def makers_of_run(run: Path) -> list[dict[str, str | None]]:
    """Return what trained a run, oldest first: `code`, a fingerprint, `commit` and `device`.

    More than one: code or device changed before the run was finished. None: not known.

    Args:
        run: The run folder.
    """
    return _marks(run) or [dict(_UNKNOWN)]


def _marks(run: Path) -> list[dict[str, str | None]]:
    """Return the marks of a run, oldest first."""
    found: list[dict[str, str | None]] = []
    return json.loads(_mark(run).read_text(encoding="utf-8")) if _mark(run).is_file() else found


def _mark(run: Path) -> Path:
    """Return the file of a run's marks; the folder itself has to be empty before the run begins."""
    return run.with_name(f"{run.name}.code.json")
