"""Which code made a row: fingerprints of what trains and of what ranks, and the marks that training leaves.

The machinery of rows itself does not count: what it asked for stands in the result file.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from genreid.data.whole_file import write_whole
from genreid.evaluation.provenance import source_commit
from genreid.reproduce.code_fingerprint import code_fingerprint
from genreid.reproduce.published import PaperName
from genreid.reproduce.rows import Training
from genreid.training.checkpoint import checkpoint_folders

_PIPELINES = {
    "baseline": "genreid.pipelines.train_baseline",
    "adapt": "genreid.pipelines.adapt",
    "taudl": "genreid.pipelines.train_taudl",
    "dgnet": "genreid.pipelines.train_dgnet",
}
_EVALUATION = (
    "genreid.pipelines.evaluate",
    "genreid.features.extract",
    "genreid.features.halves",
    "genreid.evaluation.ranking",
    "genreid.evaluation.bootstrap",
)
_UNUSED = {
    "all": (  # progress, logs and pictures decide no figure; nor does a method that is not run
        "genreid.data.progress",
        "genreid.training.progress",
        "genreid.training.run_log",
        "genreid.generation.renderings",
        "genreid.pipelines.generate_sheets",
        "genreid.training.cluster_stage",
        "genreid.evaluation.records",
    ),
    "crgan": ("genreid.models.dgnet", "genreid.models.appearance"),
    "dgnet": ("genreid.models.crgan",),
    "adapt": (
        "genreid.pipelines.train_cluster",
        "genreid.pipelines.train_taudl",
        "genreid.pipelines.target_images",
        "genreid.training.taudl_stage",
        "genreid.masks.make",  # a fingerprint of the masks themselves stands in the file
        "genreid.masks.blazepose",
    ),
}

_UNKNOWN: Mapping[str, str | None] = {"code": None, "commit": None, "device": None}


@cache
def evaluation_code(paper: PaperName, source: Path | None = None) -> str:
    """Return the fingerprint of the code that ranks a paper's rows; read once in a process.

    Args:
        paper: Whose rows.
        source: The folder that holds the package; default: this package's own.
    """
    return code_fingerprint(_EVALUATION, (*_UNUSED["all"], *_UNUSED[paper]), source)


@cache
def training_code(method: str, paper: PaperName, source: Path | None = None) -> str:
    """Return the fingerprint of the code that trains a run; read once in a process.

    Args:
        method: Of a `Training`.
        paper: For whose rows.
        source: The folder that holds the package; default: this package's own.
    """
    unused = (*_UNUSED["all"], *_UNUSED[paper], *(_UNUSED["adapt"] if method != "taudl" else ()))
    return code_fingerprint((_PIPELINES[method],), unused, source)


def mark_run(run: Path, training: Training, paper: PaperName, device: str) -> None:
    """Note beside a run folder what trains it from now on; a run that changing code trained shows it.

    Args:
        run: The run folder.
        training: What is trained there.
        paper: For whose rows.
        device: The GPU's name, or `cpu`.
    """
    now = {
        "code": training_code(training.method, paper),
        "commit": source_commit() or None,
        "device": device,
    }
    begun = any(checkpoint_folders(stage) for stage in (run / "checkpoints").glob("*"))
    before = _marks(run) or [dict(_UNKNOWN)] if begun else []
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
