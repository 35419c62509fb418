"""A result file, `results/*.json`: rows with an entry for each seed, and what they were made by."""

import contextlib
import io
import json
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from genreid.cli.main import main as genreid
from genreid.training.config_file import read_yaml_mapping
from genreid.training.run_folder import read_job

FIGURES = ("rank1", "mAP", "mAP_trapezoid", "mINP")
"""What an entry holds of a ranking, as fractions."""


def read_results(path: Path) -> dict[str, Any]:
    """Return a result file, or an empty one.

    Args:
        path: The file.
    """
    if not path.exists():
        return {"rows": {}}
    content = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def seeds_of(content: dict[str, Any], name: str, seed: int) -> list[dict[str, Any]]:
    """Return what a file holds of one row and seed.

    Args:
        content: The file's content.
        name: The row.
        seed: The seed.
    """
    return [entry for entry in content["rows"].get(name, {}).get("seeds", []) if entry["seed"] == seed]


def entry_of(seed: int, figures: dict[str, Any], minutes: float) -> dict[str, Any]:
    """Return the entry of one seed.

    Args:
        seed: The seed.
        figures: What `genreid evaluate --json` says.
        minutes: Of training and evaluation.
    """
    rounded = {name: round(float(figures[name]), 5) for name in FIGURES}
    return {"seed": seed, **rounded, "minutes": round(minutes, 1)}


def add_entry(path: Path, name: str, entry: dict[str, Any], config: dict[str, Any] | None) -> None:
    """Add a seed to a row and write the file, with commit and hardware.

    Args:
        path: The file.
        name: The row.
        entry: Of `entry_of`.
        config: What the rows were made with; None keeps what is there.
    """
    content = read_results(path)
    content["rows"].setdefault(name, {"seeds": []})["seeds"].append(entry)
    content["commit"] = commit()
    if config is not None:
        content["config"] = config
    content["hardware"] = {
        "machine": platform.machine(),
        "cpu_threads": torch.get_num_threads(),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def run_command(words: Sequence[object]) -> None:
    """Run `genreid WORDS`, as a user would type it.

    Args:
        words: What stands behind `genreid`.

    Raises:
        RuntimeError: If the command fails.
    """
    typed = [str(word) for word in words]
    if genreid(typed) != 0:
        msg = f"genreid {' '.join(typed)} failed"
        raise RuntimeError(msg)


def evaluated(run: Path, words: Sequence[object]) -> dict[str, Any]:
    """Run `genreid evaluate RUN WORDS --json` and return its figures, as fractions.

    Args:
        run: The run folder.
        words: The other options, `--data` among them.

    Raises:
        RuntimeError: If the command fails.
    """
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run_command(["evaluate", run, *words, "--json"])
    figures = json.loads(printed.getvalue())
    assert isinstance(figures, dict)
    return figures


def recorded_settings(run: Path) -> dict[str, Any]:
    """Return the settings of a run, without the paths of this machine.

    Args:
        run: The run folder.
    """
    job = read_job(run)
    return {
        "settings": read_yaml_mapping(run / "config.yaml"),
        "precision": job["precision"],
        "version": job["version"],
    }


def stage_minutes(run: Path) -> dict[str, float]:
    """Return how long each stage of a run trained, from its log.

    Args:
        run: The run folder.
    """
    minutes: dict[str, float] = {}
    before = 0.0
    for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        step_seconds = entry["seconds"] - before if entry["seconds"] >= before else entry["seconds"]
        minutes[entry["stage"]] = minutes.get(entry["stage"], 0.0) + step_seconds / 60
        before = entry["seconds"]
    return minutes


def commit() -> str:
    """Return the commit that the figures are made with."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.strip()
