"""A run folder as the report sees it; whatever is missing or damaged becomes a sentence, not an error."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from genreid.data.plain_file import read_json_object, read_plain
from genreid.evaluation.records import FOLDER, EvaluationRecord, read_records
from genreid.methods import METHODS
from genreid.report.loss_log import LossLog, read_loss_log
from genreid.report.pictures import PICTURE_ENDINGS, is_drawn
from genreid.runs.config_file import flatten, read_yaml_mapping
from genreid.runs.own_files import expect_own_files
from genreid.runs.run import CHECKPOINTS, CONFIG, IMAGES, JOB, METRICS, Run

PARTS = (JOB, CONFIG, METRICS, CHECKPOINTS, IMAGES, FOLDER)
"""What a run folder may hold; one of these makes a folder a run."""
_LARGEST_TEXT = 1_000_000
_MOST_STAGES = 50
_FOLDER_KEYS = ("source", "target", "data")
_TITLES = {method.command: method.title for method in METHODS.values()}
_NO_OPTIONS = {"version", "torch", "commit", "command", "recipe", "config_end"}


class StageProgress(NamedTuple):
    """How far a stage of training is.

    Attributes:
        name: Name of the stage.
        step: Iterations that its newest checkpoint has seen.
        iterations: Length of the stage; 0 if nobody knows.
    """

    name: str
    step: int
    iterations: int


@dataclass(frozen=True)
class RunFolder:
    """All that a report tells of a run.

    Attributes:
        path: The folder.
        label: A short name that no other run of the report has.
        job: What was asked for, as job.json has it.
        config: config.yaml as text.
        settings: Its leaves by dotted name, as text.
        stages: Checkpoints, in the order of training.
        log: Loss terms.
        pictures: Files in images/.
        records: Evaluations.
        problems: What is missing or damaged, a sentence each.
    """

    path: Path
    label: str
    job: Mapping[str, Any]
    config: str
    settings: Mapping[str, str]
    stages: tuple[StageProgress, ...]
    log: LossLog
    pictures: tuple[Path, ...]
    records: tuple[EvaluationRecord, ...]
    problems: tuple[str, ...]

    @property
    def method(self) -> str:
        """What trained it, in words."""
        return _TITLES.get(self._verb, "Training")

    @property
    def _verb(self) -> str:
        """The command that made it; empty if the folder does not tell, or tells of none that there is."""
        verb = self.job.get("command")
        return verb if isinstance(verb, str) and verb in _TITLES else ""

    @property
    def command(self) -> str:
        """A command line that does the run again, as far as the folder tells; empty if it does not."""
        if not self._verb:
            return ""
        words = ["genreid", *self._verb.split()]
        for name, value in self.job.items():
            if name not in _NO_OPTIONS and isinstance(value, str | int | float) and value != "":
                words += [f"--{name.replace('_', '-')}", str(value)]
        return shlex.join([*words, "--config", f"{self.path}/config.yaml", "--out", "NEW_RUN"])

    @property
    def drawn(self) -> bool:
        """Whether none of the people it was trained on exists (`genreid data synthesize`)."""
        folders = [self.job[key] for key in _FOLDER_KEYS if isinstance(self.job.get(key), str)]
        return bool(folders) and all(is_drawn(Path(folder)) for folder in folders)

    @property
    def test_set(self) -> str:
        """The data set that it is to be measured on: the target, or where it was trained."""
        found = [self.job[key] for key in ("target", "data") if isinstance(self.job.get(key), str)]
        return str(found[0]) if found else "DIR"


def read_runs(paths: Sequence[Path]) -> tuple[RunFolder, ...]:
    """Read run folders.

    Args:
        paths: One folder or more; the same folder given twice counts once.

    Raises:
        ValueError: If there is no such folder, or it holds nothing that a run has, or a link that leads out.
    """
    unique = list({path.resolve(): path for path in paths}.values())
    for path in unique:
        if not path.is_dir() or not any((path / part).exists() for part in PARTS):
            what = "no run folder" if path.is_dir() else "no folder"
            msg = f"{path} is {what}; give the --out of `genreid train` or `genreid adapt`"
            raise ValueError(msg)
        expect_own_files(path)
    return tuple(
        _read_run(path, label)
        for path, label in zip(unique, short_labels([path.resolve() for path in unique]), strict=True)
    )


def short_labels(paths: Sequence[Path]) -> list[str]:
    """Return for each path its last folders, as many as it takes to tell all of them apart.

    Args:
        paths: Absolute paths that differ.
    """
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def _read_run(path: Path, label: str) -> RunFolder:
    """Read one run folder."""
    problems: list[str] = []
    log = read_loss_log(Run(path).metrics)
    config = _read_text(Run(path).config, problems)
    found = read_records(path)
    pictures = [item for item in _listed(Run(path).images) if item.suffix.lower() in PICTURE_ENDINGS]
    return RunFolder(
        path=path,
        label=label,
        job=_read_job(Run(path).job, problems),
        config=config,
        settings=_settings(Run(path).config, problems) if config else {},
        stages=_in_order(_read_stages(Run(path).checkpoints, problems), tuple(log.stages)),
        log=log,
        pictures=tuple(pictures),
        records=found.records,
        problems=(*problems, *found.problems),
    )


def _read_text(path: Path, problems: list[str]) -> str:
    """Return a text file, or nothing and a problem."""
    try:
        return read_plain(path, _LARGEST_TEXT).decode("utf-8", "replace")
    except ValueError:
        problems.append(f"{path.name} is too large to be shown, or no plain file.")
        return ""
    except OSError as error:
        problems.append(f"{path.name}: {(error.strerror or 'cannot be read').lower()}.")
        return ""


def _read_job(path: Path, problems: list[str]) -> dict[str, Any]:
    """Return job.json, or nothing and a problem."""
    if not _read_text(path, problems):
        return {}
    try:
        return read_json_object(path, _LARGEST_TEXT)
    except ValueError:
        problems.append(f"{path.name} is damaged.")
        return {}


def _settings(path: Path, problems: list[str]) -> dict[str, str]:
    """Return the settings by dotted name, as YAML writes them."""
    try:
        settings = flatten(read_yaml_mapping(path)).items()
        return {name: v if isinstance(v, str) else json.dumps(v, default=str) for name, v in settings}
    except (OSError, ValueError, RecursionError):
        problems.append(f"{path.name} is no YAML mapping.")
        return {}


def _read_stages(folder: Path, problems: list[str]) -> dict[str, StageProgress]:
    """Return the stages that have a checkpoint; tensors are not looked at."""
    stages = {}
    folders = _listed(folder)
    if len(folders) > _MOST_STAGES:
        problems.append(f"checkpoints has {len(folders):,} stages; the first {_MOST_STAGES} are shown.")
    for stage in folders[:_MOST_STAGES]:
        numbered = [item for item in _listed(stage) if re.fullmatch("[0-9]{8,}", item.name)]
        if not numbered:
            continue
        newest = max(numbered, key=lambda item: int(item.name))
        try:
            iterations = int(read_json_object(newest / "state.json")["iterations"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            unread = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
            what = "cannot be read" if unread else "is damaged"
            problems.append(f"{CHECKPOINTS}/{stage.name}/{newest.name} {what}.")
            iterations = 0
        stages[stage.name] = StageProgress(stage.name, int(newest.name), iterations)
    return stages


def _in_order(stages: Mapping[str, StageProgress], logged: Sequence[str]) -> tuple[StageProgress, ...]:
    """Return the stages in the order of metrics.jsonl; those that it does not name stand first."""
    order = {name: place for place, name in enumerate(logged)}
    return tuple(sorted(stages.values(), key=lambda stage: order.get(stage.name, -1)))


def _listed(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted; nothing if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
