"""A run folder: what was asked for, and the networks that came of it.

RUN/config.yaml is the resolved configuration, RUN/job.json what else was asked for (folders, seed, renderer).
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from genreid import __version__
from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.models.crgan import CutAndPaste, Generator, GeneratorConfig, Untouched
from genreid.models.dgnet import (
    AppearanceConfig,
    AppearanceEncoder,
    Decoder,
    DecoderConfig,
    DgnetNetworks,
    StructureConfig,
    StructureEncoder,
    build_appearance_encoder,
)
from genreid.models.neck import NeckConfig, build_neck_network
from genreid.training.checkpoint import Checkpoint, checkpoint_folders, load_newest
from genreid.training.config_file import (
    ConfigT,
    config_from_dict,
    config_to_dict,
    merge_mappings,
    read_yaml_mapping,
    save_config,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)
NetworkT = TypeVar("NetworkT", bound=nn.Module)

STAGE_FOLDERS = {"pretrained": ("identity",), "adapted": ("taudl", "cluster", "finetuning")}
"""`--stage` of the FEATURE OPTIONS -> the stages of training whose network it means, the last first."""

TAUDL_USES = "which images of one camera show one person (no label across cameras)"
"""What TAUDL knows of the target beyond unlabelled images; it is said wherever a figure of it stands."""

APPEARANCE_STAGES = ("offline", "dgnet")
"""Stages of training that hold an E_a, the last first."""


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
class LoadedAppearance:
    """DG-Net's re-id network, which is E_a, out of a run folder, in evaluation mode.

    Attributes:
        network: E_a.
        size: Height and width of the images that it was trained on.
        stage: `dgnet`, or `offline` where a new E_a was trained on a finished generator (section 4.3).
        step: Iterations of training that it has seen in this stage.
    """

    network: AppearanceEncoder
    size: tuple[int, int]
    stage: str
    step: int


@dataclass(frozen=True)
class LoadedDgnet:
    """DG-Net's generating networks out of a run folder, in evaluation mode.

    Attributes:
        networks: E_a, E_s and G, trained together.
        size: Height and width of the images that they were trained on.
        step: Iterations of training that they have seen.
    """

    networks: DgnetNetworks
    size: tuple[int, int]
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
        for folder in STAGE_FOLDERS[name]:
            checkpoint = load_newest(run / "checkpoints" / folder)
            if checkpoint is not None:
                network = rebuild_reid_network(checkpoint)
                if folder == "taudl":
                    logger.warning("%s: trained with TAUDL, which uses %s", run, TAUDL_USES)
                return LoadedNetwork(network, _size(checkpoint), name, checkpoint.state.step)
    known = [
        name
        for name, folders in STAGE_FOLDERS.items()
        if any((run / "checkpoints" / folder).exists() for folder in folders)
    ]
    remedy = "make one with `genreid train baseline` or `genreid adapt`"
    if has_dgnet(run):
        remedy = "leave out --stage for DG-Net's own network"
    msg = (
        f"{run} holds no {stage or 're-id'} network ({', '.join(known) or 'no checkpoints at all'}); {remedy}"
    )
    raise ValueError(msg)


def rebuild_reid_network(checkpoint: Checkpoint) -> ReidNetwork:
    """Build the re-id network of a checkpoint and load its weights.

    Args:
        checkpoint: Of stage `identity`, `finetuning`, `cluster` or `taudl`.

    Returns:
        The network in evaluation mode, channels last.
    """
    facts = checkpoint.state.facts
    _warn_unless_finished(checkpoint)
    config = config_from_dict(
        BackboneConfig, {**config_to_dict(BackboneConfig()), **facts["backbone"], "weights": "none"}
    )
    if "neck" in facts:
        network: ReidNetwork = build_neck_network(config, _config_of(NeckConfig(), facts["neck"]))
    else:
        network = build_reid_network(config, facts["num_classes"])
    network.load_state_dict(checkpoint.network("identity"))
    return network.to(memory_format=torch.channels_last).eval()


def has_dgnet(run: Path) -> bool:
    """Tell whether DG-Net, beyond its teacher, was trained in a run folder.

    Args:
        run: The run folder; it need not exist.
    """
    return bool(checkpoint_folders(run / "checkpoints" / "dgnet"))


def load_dgnet(run: Path) -> LoadedDgnet:
    """Load DG-Net's E_a, E_s and G, as they were trained together.

    Args:
        run: Folder of `genreid train dgnet`.

    Raises:
        ValueError: If the run holds none; says what to type.
    """
    checkpoint = load_newest(run / "checkpoints" / "dgnet")
    if checkpoint is None:
        raise _no_dgnet(run)
    _warn_unless_finished(checkpoint)
    facts = checkpoint.state.facts
    appearance = _rebuild_appearance(checkpoint)
    structure = StructureEncoder(_config_of(StructureConfig(), facts["structure"]))
    decoder = Decoder(
        _config_of(DecoderConfig(), facts["decoder"]), structure.out_channels, appearance.feature_channels
    )
    structure.load_state_dict(checkpoint.network("structure"))
    decoder.load_state_dict(checkpoint.network("decoder"))
    networks = DgnetNetworks(appearance, _ready(structure), _ready(decoder))
    return LoadedDgnet(networks, _size(checkpoint), checkpoint.state.step)


def load_appearance(run: Path) -> LoadedAppearance:
    """Load the E_a that a DG-Net run recognises people with: of offline feeding where there is one.

    Args:
        run: Folder of `genreid train dgnet`.

    Raises:
        ValueError: If the run holds none; says what to type.
    """
    for stage in APPEARANCE_STAGES:
        checkpoint = load_newest(run / "checkpoints" / stage)
        if checkpoint is not None:
            _warn_unless_finished(checkpoint)
            network = _rebuild_appearance(checkpoint)
            return LoadedAppearance(network, _size(checkpoint), stage, checkpoint.state.step)
    raise _no_dgnet(run)


def _no_dgnet(run: Path) -> ValueError:
    """Say that a run holds no DG-Net, and what it holds."""
    known = sorted(path.parent.name for path in (run / "checkpoints").glob("*/[0-9]*"))
    stages = ", ".join(dict.fromkeys(known)) or "no checkpoints at all"
    return ValueError(
        f"{run} holds no DG-Net ({stages}); make one with `genreid train dgnet --data DIR --out {run}`"
    )


def _rebuild_appearance(checkpoint: Checkpoint) -> AppearanceEncoder:
    """Build the E_a of a checkpoint and load its weights; in evaluation mode, channels last."""
    facts = checkpoint.state.facts
    described = merge_mappings(facts["appearance"], {"backbone": {"weights": "none"}})
    network = build_appearance_encoder(_config_of(AppearanceConfig(), described), facts["num_classes"])
    network.load_state_dict(checkpoint.network("appearance"))
    return _ready(network)


def _config_of(defaults: ConfigT, facts: Mapping[str, Any]) -> ConfigT:
    """Return a configuration that a checkpoint describes; what it does not know yet has its default."""
    return config_from_dict(type(defaults), merge_mappings(config_to_dict(defaults), facts))


def _ready(network: NetworkT) -> NetworkT:
    """Return a network in evaluation mode, channels last."""
    return network.to(memory_format=torch.channels_last).eval()


def _warn_unless_finished(checkpoint: Checkpoint) -> None:
    """Warn of a checkpoint from the middle of its stage."""
    state = checkpoint.state
    if not state.finished:
        logger.warning("stage %s is at step %d of %d", state.stage, state.step, state.iterations)


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
