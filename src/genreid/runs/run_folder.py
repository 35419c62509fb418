"""A run folder: what was asked for, and whether a command may go on with it.

RUN/config.yaml is the resolved configuration, RUN/job.json what else was asked for (folders, seed, renderer).
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from genreid import __version__
from genreid.data.plain_file import read_json_object, read_text
from genreid.data.whole_file import write_whole
from genreid.methods import METHODS, STAGES
from genreid.runs.checkpoint import checkpoint_folders, listed, stage_folders
from genreid.runs.config_file import config_to_dict, flatten, read_yaml_mapping, save_config
from genreid.runs.own_files import expect_own_files
from genreid.runs.run import CONFIG, JOB, Run

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

STAGES_OF_SETTINGS: Mapping[str, tuple[str, ...]] = {
    **{
        setting: tuple(other.name for other in STAGES.values() if setting in other.settings)
        for stage in STAGES.values()
        for setting in stage.settings
    },
    **{setting: () for method in METHODS.values() for setting in method.free},
}
"""First part of a setting's name -> the stages that it is of: it may change until one of them has a
checkpoint. A setting that is not here may not change once any stage has one."""

_PART = re.compile(r"\.(config\.yaml|job\.json|pixels\.json)\.([\w-]+-)?[0-9]+\.part")
_ANEW = (
    "delete it and type the command that made the run again, with the same options: it writes the file anew, "
    "and every checkpoint stays"
)
_BEFORE = {"kind": "image", "image.resampling": "bilinear", "teacher.image.resampling": "bilinear"}
"""A newer setting, or fact of a checkpoint -> what it was before it could be set."""


def open_run(run: Path, config: "DataclassInstance", job: Mapping[str, Any]) -> None:
    """Make a run folder, or make sure that the one there was begun with the same settings.

    Settings count from the first checkpoint on, those of a stage from that stage's first: a command that
    failed before can be mended and given again. Of a run whose config.yaml or job.json is gone, the stages
    themselves tell whether they are of these data and settings.

    Args:
        run: The folder.
        config: The resolved configuration.
        job: What else was asked for; JSON values only.

    Raises:
        ValueError: If the folder belongs to a run with other settings (the differences are named), holds
            something else, or has a link that leads out of it.
    """
    expect_own_files(run)
    job = json.loads(json.dumps(dict(job)))
    if not has_begun(run):
        _expect_room(run, config)
        _record(run, config, job)
        return
    missing = [name for name in (CONFIG, JOB) if not (run / name).exists()]
    record = {} if JOB in missing else read_job(run)
    settings = {} if CONFIG in missing else read_config(run)
    _expect_the_same_command(run, record, job)
    now = {**flatten(config_to_dict(config)), **job}
    before = as_it_was({**flatten(settings), **record}, now)
    changed = [name for name in now if name in before and before[name] != now[name] and name != "recipe"]
    fixed = [name for name in changed if _is_fixed(run, name)]
    if fixed:
        lines = "\n".join(f"  {name}: {before[name]} there, {now[name]} now" for name in fixed)
        recipe = record.get("recipe")
        begun = f" (--recipe {recipe})" if recipe != job.get("recipe") else ""
        msg = (
            f"{run} was begun with other settings{begun}:\n{lines}\n"
            "resume with the same, or give another --out"
        )
        raise ValueError(msg)
    for name in changed:
        logger.info("%s: %s instead of %s from now on", name, now[name], before[name])
    if missing:
        logger.warning("%s: no %s: written anew as this command has it", run, " and no ".join(missing))
    if changed or missing:
        _record(run, config, {**record, **job})


def _expect_the_same_command(run: Path, record: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    """Refuse a run that another command began: its folder would tell of both and be of neither."""
    there, here = record.get("command"), job.get("command")
    if None not in (there, here) and there != here:
        msg = (
            f"{run} is a run of `genreid {there}`, this is `genreid {here}`: give another --out. To start "
            f"from its network, name {run} with --init (`genreid train`) or --pretrained (`genreid adapt`)"
        )
        raise ValueError(msg)


def _is_fixed(run: Path, name: str) -> bool:
    """Tell whether a setting may no longer change, since what it is of has begun."""
    stages = STAGES_OF_SETTINGS.get(name.split(".", maxsplit=1)[0])
    return stages is None or any(has_begun(run, stage) for stage in stages)


def has_begun(run: Path, stage: str = "*") -> bool:
    """Tell whether a stage of a run has a checkpoint.

    Args:
        run: The run folder; it need not exist.
        stage: Its name; default: any.
    """
    return bool(stage_folders(run) if stage == "*" else checkpoint_folders(Run(run).stage(stage)))


def _expect_room(run: Path, config: "DataclassInstance") -> None:
    """Refuse a folder that holds something else; what a killed process left of ours is none."""
    names = {path.name for path in listed(run)}
    for name in filter(_PART.fullmatch, names):
        (run / name).unlink()
    strangers = {name for name in names if not _PART.fullmatch(name)}
    begun = JOB in strangers or not strangers
    if not begun and not (strangers == {CONFIG} and _may_be_ours(Run(run).config, config)):
        msg = f"{run} is not empty and holds no run; give --out a new or empty folder"
        raise ValueError(msg)


def _may_be_ours(path: Path, config: "DataclassInstance") -> bool:
    """Tell whether a run was killed after it wrote this config.yaml: it has all sections, or is empty."""
    try:
        found = read_yaml_mapping(path)
    except ValueError:
        return False
    return not found or found.keys() >= config_to_dict(config).keys()


def _record(run: Path, config: "DataclassInstance", job: Mapping[str, Any]) -> None:
    """Write what a run was asked for."""
    save_config(Run(run).config, config)
    record = {**job, "version": __version__, "torch": torch.__version__}
    record["config_end"] = next(reversed(flatten(config_to_dict(config))))  # a file that is cut off lacks it
    write_whole(Run(run).job, json.dumps(record, indent=1) + "\n", lasting=True)


def as_it_was(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of an older version with what newer ones were then.

    Args:
        before: Settings by dotted name.
        now: Those of today.
    """
    return {**{name: value for name, value in _BEFORE.items() if name in now}, **before}


def job_record(job: "DataclassInstance") -> dict[str, Any]:
    """Return what a run folder remembers of what it was asked for: folders with their whole paths.

    Args:
        job: A command's own options; its `out` is the run folder itself.
    """
    return {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in asdict(job).items()
        if name != "out"
    }


def read_job(run: Path) -> dict[str, Any]:
    """Return what a run was asked to do, as JSON values.

    Args:
        run: The run folder.

    Raises:
        ValueError: If it is no run folder, has a link that leads out of it, or its job.json is damaged.
    """
    expect_own_files(run)
    path = Run(run).job
    if not path.exists():
        msg = f"{run} is no run folder (no job.json); give the --out of `genreid train` or `genreid adapt`"
        if has_begun(run):
            msg = f"{run} has checkpoints and no job.json; {_ANEW.removeprefix('delete it and ')}"
        raise ValueError(msg)
    try:
        return read_json_object(path)
    except ValueError as error:
        msg = f"{path} is damaged: {str(error).removeprefix(f'{path}: ')}; {_ANEW}"
        raise ValueError(msg) from error


def read_config(run: Path) -> dict[str, Any]:
    """Return the settings that a run has written down.

    Args:
        run: The run folder.

    Raises:
        FileNotFoundError: If there is no config.yaml.
        ValueError: If it is empty, cut short or no YAML.
    """
    path = Run(run).config
    try:
        settings, why = read_yaml_mapping(path), "it is empty or cut off"
    except ValueError as error:
        settings, why = {}, str(error).removeprefix(f"{path}: ")
    last = read_job(run).get("config_end") if Run(run).job.exists() else None
    cut_off = settings and not read_text(path).endswith("\n")
    if not settings or cut_off or (last is not None and last not in flatten(settings)):
        msg = f"{path} is damaged: {why}; {_ANEW}"
        raise ValueError(msg)
    return settings
