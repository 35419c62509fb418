"""The trained networks of a run folder, rebuilt from its checkpoints."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import nn

from genreid.data.decode import Kind
from genreid.methods import STAGES, stages_that_leave
from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
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
from genreid.runs.checkpoint import Checkpoint, checkpoint_folders, load_newest, stage_folders
from genreid.runs.config_file import config_of, merge_mappings
from genreid.runs.own_files import expect_own_files
from genreid.runs.rebuild import LARGEST_SIDE, rebuilt, trusting_nothing
from genreid.runs.run import Run

logger = logging.getLogger(__name__)
NetworkT = TypeVar("NetworkT", bound=nn.Module)

IMAGE_KINDS = ("image", "image_bicubic")
STAGE_FOLDERS = {name: stages_that_leave(name) for name in ("pretrained", "adapted")}
"""`--stage` of the FEATURE OPTIONS -> the stages of training whose network it means, the last first."""


@dataclass(frozen=True)
class LoadedNetwork:
    """A re-id network out of a run folder, in evaluation mode.

    Attributes:
        network: The network.
        size: Height and width of the images that it was trained on.
        kind: How they were resized.
        stage: `pretrained` or `adapted`.
        training: The stage of training that made it, such as `finetuning` or `cluster`.
        step: Iterations of training that it has seen in this stage.
    """

    network: ReidNetwork
    size: tuple[int, int]
    kind: Kind
    stage: str
    training: str
    step: int


@dataclass(frozen=True)
class LoadedAppearance:
    """DG-Net's re-id network, which is E_a, out of a run folder, in evaluation mode.

    Attributes:
        network: E_a.
        size: Height and width of the images that it was trained on.
        kind: How they were resized.
        stage: `dgnet`, or `offline` where a new E_a was trained on a finished generator (section 4.3).
        step: Iterations of training that it has seen in this stage.
    """

    network: AppearanceEncoder
    size: tuple[int, int]
    kind: Kind
    stage: str
    step: int


@dataclass(frozen=True)
class LoadedDgnet:
    """DG-Net's generating networks out of a run folder, in evaluation mode.

    Attributes:
        networks: E_a, E_s and G, trained together.
        size: Height and width of the images that they were trained on.
        kind: How they were resized.
        step: Iterations of training that they have seen.
    """

    networks: DgnetNetworks
    size: tuple[int, int]
    kind: Kind
    step: int


def load_reid_network(run: Path, stage: str | None = None) -> LoadedNetwork:
    """Load a re-id network from a run folder.

    Args:
        run: The run folder.
        stage: `pretrained`, `adapted`, or None for the last that exists.

    Raises:
        ValueError: If there is no such network; the message says what is there.
    """
    expect_own_files(run)
    for name in ("adapted", "pretrained") if stage is None else (stage,):
        for folder in STAGE_FOLDERS[name]:
            checkpoint = load_newest(Run(run).stage(folder))
            if checkpoint is not None:
                network = rebuild_reid_network(checkpoint)
                card = STAGES[folder]
                if card.uses:
                    logger.warning("%s: trained with %s, which uses %s", run, card.title, card.uses)
                size, kind = size_of(checkpoint), kind_of(checkpoint)
                return LoadedNetwork(network, size, kind, name, folder, checkpoint.state.step)
    known = [
        name
        for name, folders in STAGE_FOLDERS.items()
        if any(checkpoint_folders(Run(run).stage(folder)) for folder in folders)
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

    Raises:
        ValueError: If the checkpoint does not describe the network that it holds.
    """
    facts = checkpoint.state.facts
    warn_unless_finished(checkpoint)
    size = size_of(checkpoint)

    def make() -> ReidNetwork:
        config = config_of(BackboneConfig(), {**facts["backbone"], "weights": "none"})
        if "neck" in facts:
            return build_neck_network(config, config_of(NeckConfig(), facts["neck"]), size)
        return build_reid_network(config, facts["num_classes"], size)

    return ready(rebuilt(checkpoint, "identity", make))


def has_dgnet(run: Path) -> bool:
    """Tell whether DG-Net, beyond its teacher, was trained in a run folder.

    Args:
        run: The run folder; it need not exist.
    """
    return bool(checkpoint_folders(Run(run).stage("dgnet")))


def load_dgnet(run: Path) -> LoadedDgnet:
    """Load DG-Net's E_a, E_s and G, as they were trained together.

    Args:
        run: Folder of `genreid train dgnet`.

    Raises:
        ValueError: If the run holds none; says what to type.
    """
    expect_own_files(run)
    checkpoint = load_newest(Run(run).stage("dgnet"))
    if checkpoint is None:
        raise _no_dgnet(run)
    warn_unless_finished(checkpoint)
    facts = checkpoint.state.facts
    appearance = _rebuild_appearance(checkpoint)
    structure = rebuilt(
        checkpoint, "structure", lambda: StructureEncoder(config_of(StructureConfig(), facts["structure"]))
    )
    channels = (structure.out_channels, appearance.feature_channels)
    decoder = rebuilt(
        checkpoint, "decoder", lambda: Decoder(config_of(DecoderConfig(), facts["decoder"]), *channels)
    )
    networks = DgnetNetworks(appearance, ready(structure), ready(decoder))
    return LoadedDgnet(networks, size_of(checkpoint), kind_of(checkpoint), checkpoint.state.step)


def load_appearance(run: Path) -> LoadedAppearance:
    """Load the E_a that a DG-Net run recognises people with: of offline feeding where there is one.

    Args:
        run: Folder of `genreid train dgnet`.

    Raises:
        ValueError: If the run holds none; says what to type.
    """
    expect_own_files(run)
    for stage in stages_that_leave("appearance"):
        checkpoint = load_newest(Run(run).stage(stage))
        if checkpoint is not None:
            warn_unless_finished(checkpoint)
            network = _rebuild_appearance(checkpoint)
            size, kind = size_of(checkpoint), kind_of(checkpoint)
            return LoadedAppearance(network, size, kind, stage, checkpoint.state.step)
    raise _no_dgnet(run)


def _no_dgnet(run: Path) -> ValueError:
    """Say that a run holds no DG-Net, and what it holds."""
    stages = ", ".join(path.name for path in stage_folders(run)) or "no checkpoints at all"
    return ValueError(
        f"{run} holds no DG-Net ({stages}); make one with `genreid train dgnet --data DIR --out NEW_RUN`"
    )


def _rebuild_appearance(checkpoint: Checkpoint) -> AppearanceEncoder:
    """Build the E_a of a checkpoint and load its weights; in evaluation mode, channels last."""
    facts = checkpoint.state.facts

    def make() -> AppearanceEncoder:
        described = merge_mappings(facts["appearance"], {"backbone": {"weights": "none"}})
        config = config_of(AppearanceConfig(), described)
        return build_appearance_encoder(config, facts["num_classes"], size_of(checkpoint))

    return ready(rebuilt(checkpoint, "appearance", make))


def ready(network: NetworkT) -> NetworkT:
    """Return a network in evaluation mode, channels last.

    Args:
        network: It is changed in place.
    """
    return network.to(memory_format=torch.channels_last).eval()


def warn_unless_finished(checkpoint: Checkpoint) -> None:
    """Warn of a checkpoint from the middle of its stage.

    Args:
        checkpoint: That which is used.
    """
    state = checkpoint.state
    if not state.finished:
        logger.warning("stage %s is at step %d of %d", state.stage, state.step, state.iterations)


def size_of(checkpoint: Checkpoint) -> tuple[int, int]:
    """Return height and width of the images that a checkpoint was made with.

    Args:
        checkpoint: Of any stage.
    """
    with trusting_nothing(checkpoint):
        height, width = (int(side) for side in checkpoint.state.facts["size"])
        if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
            msg = f"images of {height} x {width} pixels"
            raise TypeError(msg)
        return height, width


def kind_of(checkpoint: Checkpoint) -> Kind:
    """Return how the images that a checkpoint was made with were resized; bilinearly by older versions.

    Args:
        checkpoint: Of any stage.
    """
    kind = checkpoint.state.facts.get("kind", "image")
    with trusting_nothing(checkpoint):
        if kind not in IMAGE_KINDS:
            msg = f"kind {kind!r}"
            raise TypeError(msg)
    return cast(Kind, kind)
