"""A run folder: what was asked for, and the networks that came of it.

RUN/config.yaml is the resolved configuration, RUN/job.json what else was asked for (folders, seed, renderer).
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from genreid import __version__
from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.models.crgan import CutAndPaste, Generator, GeneratorConfig, Untouched
from genreid.training.checkpoint import Checkpoint, load_newest
from genreid.training.config_file import config_from_dict, config_to_dict, read_yaml_mapping, save_config

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

STAGE_FOLDERS = {"pretrained": "identity", "adapted": "finetuning"}
"""`--stage` of the FEATURE OPTIONS -> the stage of training whose network it means."""


@dataclass(frozen=True)
class LoadedNetwork:
    """A re-id network out of a run folder, in evaluation mode.

    Attributes:
        network: The network.
        size: Height and width of the images that it was trained on.
        stage: `pretrained` or `adapted`.
        step: Iterations of training that it has seen in this stage.
    """

    network: ReidNetwork
    size: tuple[int, int]
    stage: str
    step: int


@dataclass(frozen=True)
class LoadedRenderer:
    """A renderer out of a run folder, in evaluation mode.

    Attributes:
        network: Takes a `ConditionPair`, gives a `Rendering`.
        size: Height and width of the images.
        name: `crgan`, `crgan_single`, `cut_paste` or `none`.
    """

    network: nn.Module
    size: tuple[int, int]
    name: str


def open_run(run: Path, config: "DataclassInstance", job: Mapping[str, Any]) -> None:
    """Make a run folder, or make sure that the one there was begun with the same settings.

    Settings count from the first checkpoint on: a command that failed before can be mended and given again.

    Args:
        run: The folder.
        config: The resolved configuration.
        job: What else was asked for; JSON values only.

    Raises:
        ValueError: If the folder belongs to a run with other settings; the differences are named.
    """
    job = json.loads(json.dumps(dict(job)))
    if not any((run / "checkpoints").glob("*/[0-9]*")):
        if run.exists() and any(run.iterdir()) and not (run / "job.json").exists():
            msg = f"{run} is not empty and holds no run; give --out a new or empty folder"
            raise ValueError(msg)
        run.mkdir(parents=True, exist_ok=True)
        save_config(run / "config.yaml", config)
        record = {**job, "version": __version__, "torch": torch.__version__}
        (run / "job.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return
    before = {**flatten(read_yaml_mapping(run / "config.yaml")), **read_job(run)}
    now = {**flatten(config_to_dict(config)), **job}
    changed = [name for name in now if name in before and before[name] != now[name]]
    if changed:
        lines = "\n".join(f"  {name}: {before[name]} there, {now[name]} now" for name in changed)
        msg = f"{run} was begun with other settings:\n{lines}\nresume with the same, or give another --out"
        raise ValueError(msg)


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


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted name.

    Args:
        tree: Mappings in mappings.
        prefix: Put before each name.
    """
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return leaves


def load_reid_network(run: Path, stage: str | None = None) -> LoadedNetwork:
    """Load a re-id network from a run folder.

    Args:
        run: The run folder.
        stage: `pretrained`, `adapted`, or None for the last that exists.

    Raises:
        ValueError: If there is no such network; the message says what is there.
    """
    for name in ("adapted", "pretrained") if stage is None else (stage,):
        checkpoint = load_newest(run / "checkpoints" / STAGE_FOLDERS[name])
        if checkpoint is not None:
            return LoadedNetwork(
                rebuild_reid_network(checkpoint), _size(checkpoint), name, checkpoint.state.step
            )
    known = [name for name, folder in STAGE_FOLDERS.items() if (run / "checkpoints" / folder).exists()]
    msg = (
        f"{run} holds no {stage or 're-id'} network ({', '.join(known) or 'no checkpoints at all'}); "
        "make one with `genreid train baseline` or `genreid adapt`"
    )
    raise ValueError(msg)


def rebuild_reid_network(checkpoint: Checkpoint) -> ReidNetwork:
    """Build the re-id network of a checkpoint and load its weights.

    Args:
        checkpoint: Of stage `identity` or `finetuning`.

    Returns:
        The network in evaluation mode, channels last.
    """
    facts = checkpoint.state.facts
    if not checkpoint.state.finished:
        logger.warning(
            "stage %s is at step %d of %d",
            checkpoint.state.stage,
            checkpoint.state.step,
            checkpoint.state.iterations,
        )
    config = config_from_dict(
        BackboneConfig, {**config_to_dict(BackboneConfig()), **facts["backbone"], "weights": "none"}
    )
    network = build_reid_network(config, facts["num_classes"])
    network.load_state_dict(checkpoint.network("identity"))
    return network.to(memory_format=torch.channels_last).eval()


def load_renderer(run: Path) -> LoadedRenderer:
    """Load what made stage III's images from a run folder.

    Args:
        run: The run folder of `genreid adapt`.

    Raises:
        ValueError: If the run has no renderer yet.
    """
    job = read_job(run)
    config = flatten(read_yaml_mapping(run / "config.yaml"))
    name = str(job.get("renderer", "crgan"))
    size = (int(config["image.height"]), int(config["image.width"]))
    if name == "cut_paste":
        return LoadedRenderer(CutAndPaste(erase_target=bool(config["stage3.erase_target"])), size, name)
    if name == "none":
        return LoadedRenderer(Untouched(), size, name)
    checkpoint = load_newest(run / "checkpoints" / "rendering")
    if checkpoint is None:
        msg = f"{run} holds no generator yet; stage II of `genreid adapt --out {run}` makes it"
        raise ValueError(msg)
    generator = Generator(config_from_dict(GeneratorConfig, checkpoint.state.facts["generator"]), *size)
    generator.load_state_dict(checkpoint.network("generator"))
    return LoadedRenderer(generator.to(memory_format=torch.channels_last).eval(), size, name)


def read_job(run: Path) -> dict[str, Any]:
    """Return what a run was asked to do, as JSON values.

    Args:
        run: The run folder.

    Raises:
        ValueError: If it is no run folder.
    """
    path = run / "job.json"
    if not path.exists():
        msg = f"{run} is no run folder (no job.json); give the --out of `genreid train` or `genreid adapt`"
        raise ValueError(msg)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(record, dict)
    return record


def _size(checkpoint: Checkpoint) -> tuple[int, int]:
    """Return height and width of the images that a checkpoint was made with."""
    height, width = checkpoint.state.facts["size"]
    return int(height), int(width)
