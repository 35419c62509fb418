"""`genreid import dgnet`: a run folder out of the weights that DG-Net's authors released."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from genreid.data.whole_file import sha256_of
from genreid.models.backbone import build_reid_network
from genreid.models.dgnet import Decoder, ScaleDiscriminator, StructureEncoder, build_appearance_encoder
from genreid.models.released_dgnet import (
    Taken,
    discriminator_config,
    fill_networks,
    generator_configs,
    head_widths,
    read_released,
)
from genreid.runs.checkpoint import CheckpointState, save_checkpoint
from genreid.runs.config_file import config_to_dict, flatten, read_yaml_mapping
from genreid.runs.run import Run
from genreid.runs.run_folder import has_begun, job_record, open_run
from genreid.training.dgnet_config import DgnetConfig

logger = logging.getLogger(__name__)

_REPRODUCED = {
    "ID_style": "AB", "norm_id": False, "pool": "max", "single": "gray",
    "gen.activ": "lrelu", "gen.dec": "basic", "gen.mlp_norm": "none", "gen.n_downsample": 2, "gen.n_res": 4,
    "gen.non_local": 0, "gen.pad_type": "reflect", "gen.tanh": False,
    "dis.activ": "lrelu", "dis.n_layer": 2, "dis.n_res": 4, "dis.non_local": 0, "dis.norm": "none",
    "dis.pad_type": "reflect",
}  # fmt: skip
"""Settings of the authors' config.yaml -> the values that this package's networks are."""


@dataclass(frozen=True, slots=True)
class ImportDgnetJob:
    """The files that the authors' program wrote."""

    command: ClassVar[str] = "import dgnet"
    """What a run folder remembers of who made it."""

    generator: Path
    """gen_*.pt: E_s and G."""
    identity: Path
    """id_*.pt: E_a with both heads."""
    out: Path
    """Run folder; it must be new."""
    discriminator: Path | None = None
    """dis_*.pt: D; nothing that is there needs it."""
    teacher: Path | None = None
    """net_last.pth of the network that labelled generated images, its opts.yaml beside it."""
    config: Path | None = None
    """config.yaml of the training (default: as published)."""


class Imported(NamedTuple):
    """What was imported.

    Attributes:
        people: How many people the networks were trained on.
        iterations: How long.
        files: Option -> what became of the tensors of its file.
    """

    people: int
    iterations: int
    files: Mapping[str, Taken]


def import_dgnet(job: ImportDgnetJob) -> Imported:
    """Make a run folder as if `genreid train dgnet` had ended with these weights.

    Args:
        job: The files and the folder.

    Raises:
        ValueError: If a file is not what it should be (its tensors are named), the training had settings that
            this package does not know, or the folder is not new.
    """
    if has_begun(job.out):
        msg = f"{job.out} holds a run already; give --out a new folder"
        raise ValueError(msg)
    given = {name: getattr(job, name) for name in ("generator", "identity", "discriminator", "teacher")}
    paths: dict[str, Path] = {name: path for name, path in given.items() if path is not None}
    states = {name: read_released(path) for name, path in paths.items()}
    theirs = {} if job.config is None else flatten(read_yaml_mapping(job.config))
    people = head_widths(states["identity"], job.identity).num_classes
    _expect_reproduced(theirs, people, job.config)
    config = _settings(theirs, states, paths)
    networks = _build(config, states, people)
    files = {name: fill_networks(networks[name], state, paths[name]) for name, state in states.items()}
    for name, taken in files.items():
        _warn_of_attention(paths[name], taken)
    open_run(job.out, config, {**job_record(job), "command": job.command})
    facts = {
        "num_classes": people,
        "size": list(config.image.size),
        "kind": config.image.kind,
        "imported": {name: {"file": path.name, "sha256": sha256_of(path)} for name, path in paths.items()},
    }
    if "teacher" in states:
        backbone = config.teacher.backbone
        described = {"name": backbone.name, "last_stride": backbone.last_stride}
        more = {"backbone": {**described, "bottleneck": backbone.bottleneck}}
        length = config.teacher.identity.iterations
        _save(job.out, CheckpointState("identity", length, length, {**facts, **more}), networks["teacher"])
    more = {name: config_to_dict(getattr(config, name)) for name in ("appearance", "structure", "decoder")}
    trained = networks["identity"] | networks["generator"]
    if "discriminator" in states:
        more["discriminator"] = config_to_dict(config.discriminator)
        trained |= networks["discriminator"]
    step = _iterations(paths, config)
    length = max(step, config.training.iterations)
    _save(job.out, CheckpointState("dgnet", step, length, {**facts, **more}), trained)
    return Imported(people, step, files)


def _expect_reproduced(theirs: Mapping[str, Any], people: int, path: Path | None) -> None:
    """Refuse a training whose settings make other networks than this package has."""
    expected = {**_REPRODUCED, "ID_class": people}
    wrong = [
        f"{name} {theirs[name]} (expected {value})"
        for name, value in expected.items()
        if name in theirs and theirs[name] != value
    ]
    if wrong:
        msg = f"{path}: these settings are not those of the published networks and files: {', '.join(wrong)}"
        raise ValueError(msg)


def _settings(
    theirs: Mapping[str, Any], states: Mapping[str, Mapping[str, Tensor]], paths: Mapping[str, Path]
) -> DgnetConfig:
    """Return the published settings, with what the authors' config.yaml and the files' widths say."""
    base = DgnetConfig()
    height, width = theirs.get("crop_image_height", 256), theirs.get("crop_image_width", 128)
    image = replace(base.image, height=int(height), width=int(width))
    stride = int(theirs.get("ID_stride", base.appearance.backbone.last_stride))
    head = head_widths(states["identity"], paths["identity"])
    structure, decoder = generator_configs(states["generator"], paths["generator"])
    config = replace(
        base,
        image=image,
        appearance=replace(
            base.appearance,
            backbone=replace(base.appearance.backbone, last_stride=stride),
            head_width=head.width,
        ),
        structure=structure,
        decoder=decoder,
        training=replace(base.training, iterations=int(theirs.get("max_iter", base.training.iterations))),
        teacher=replace(base.teacher, image=image),
    )
    if "discriminator" in states:
        discriminator = discriminator_config(states["discriminator"], paths["discriminator"])
        config = replace(config, discriminator=discriminator)
    if "teacher" in states:
        known = head_widths(states["teacher"], paths["teacher"], teacher=True)
        if known.num_classes != head.num_classes:
            msg = (
                f"{paths['teacher']} knows {known.num_classes} people and {paths['identity']} "
                f"{head.num_classes}; expected the teacher of the same people"
            )
            raise ValueError(msg)
        stride = _stride_of_teacher(paths["teacher"])
        backbone = replace(config.teacher.backbone, last_stride=stride, bottleneck=known.width)
        config = replace(config, teacher=replace(config.teacher, backbone=backbone))
    return config


def _stride_of_teacher(path: Path) -> int:
    """Return the teacher's last stride, which its options tell: 2 where they do not."""
    options = path.with_name("opts.yaml")
    if not options.is_file():
        msg = (
            f"{path}: there is no opts.yaml beside it, and the weights do not tell the teacher's stride; "
            "put the one that came with it there, or one with the line `stride: 1` or `stride: 2`"
        )
        raise ValueError(msg)
    return int(read_yaml_mapping(options).get("stride", 2))


def _build(
    config: DgnetConfig, states: Mapping[str, Mapping[str, Tensor]], people: int
) -> dict[str, dict[str, nn.Module]]:
    """Build the networks that each file holds, with random weights."""
    backbone = replace(config.appearance.backbone, weights="none")
    appearance = build_appearance_encoder(replace(config.appearance, backbone=backbone), people)
    structure = StructureEncoder(config.structure)
    decoder = Decoder(config.decoder, structure.out_channels, appearance.feature_channels)
    networks: dict[str, dict[str, nn.Module]] = {
        "generator": {"structure": structure, "decoder": decoder},
        "identity": {"appearance": appearance},
    }
    if "discriminator" in states:
        networks["discriminator"] = {"discriminator": ScaleDiscriminator(config.discriminator)}
    if "teacher" in states:
        teacher = replace(config.teacher.backbone, weights="none")
        networks["teacher"] = {"identity": build_reid_network(teacher, people)}
    return networks


def _warn_of_attention(path: Path, taken: Taken) -> None:
    """Say so where a block that is left out was at work while the network was trained."""
    if taken.attention > 0:
        logger.warning(
            "%s: its blocks of attention (.nonloc.) were at work in training, |gamma| up to %.3g, and are "
            "left out, as in the authors' own tools: pictures differ from those that the training saw",
            path,
            taken.attention,
        )


def _iterations(paths: Mapping[str, Path], config: DgnetConfig) -> int:
    """Return after how many iterations the files were written: their names tell; else, the whole length."""
    numbers = {
        int(found[1])
        for name in ("generator", "identity")
        if (found := re.search(r"_(\d{8})$", paths[name].stem)) is not None
    }
    if len(numbers) > 1:
        logger.warning(
            "%s and %s are of different iterations", paths["generator"].name, paths["identity"].name
        )
    return max(numbers, default=config.training.iterations)


def _save(run: Path, state: CheckpointState, networks: Mapping[str, nn.Module]) -> None:
    """Write the checkpoint of a stage."""
    save_checkpoint(Run(run).stage(state.stage), state, networks, {})
