"""What a run takes from an earlier one: a finished stage, or the backbone that it starts from."""

import logging
import shutil
from pathlib import Path
from typing import Any

from torch import nn

from genreid.runs.checkpoint import (
    FILES,
    Checkpoint,
    DamagedCheckpointError,
    checkpoint_beside,
    load_newest,
)
from genreid.runs.loop import Stage, differences
from genreid.runs.own_files import expect_own_files
from genreid.runs.run import Run
from genreid.runs.trained_networks import has_dgnet, load_appearance, load_reid_network

logger = logging.getLogger(__name__)


def take_over_stage(other: Path, run: Path, stage: Stage[Any], option: str) -> None:
    """Copy a finished stage of another run, so that this run folder stands alone.

    A run that has the stage already keeps its own.

    Args:
        other: Run folder to take it from.
        run: Run folder to put it into.
        stage: The stage, as it would be run here.
        option: The option that named the other run, for errors.

    Raises:
        ValueError: If that run has not finished this stage, or its stage is of other data or settings.
    """
    lines = _would_not_fit(other, run, stage)
    if lines is None:
        msg = f"{option} {other} has no finished stage {stage.name!r} to take over; finish that run first"
        raise ValueError(msg)
    if lines:
        msg = (
            f"{option} {other}: its stage {stage.name!r} is of other data or settings:\n{lines}\n"
            f"give the same ones here, or leave {option} out"
        )
        raise ValueError(msg)
    _copy(other, run, stage)


def take_over_if_it_fits(other: Path, run: Path, stage: Stage[Any]) -> None:
    """Copy a stage of another run if it is finished and just what this run would make.

    Args:
        other: Run folder to take it from.
        run: Run folder to put it into.
        stage: The stage, as it would be run here.
    """
    if _would_not_fit(other, run, stage) == "":
        _copy(other, run, stage)


def _would_not_fit(other: Path, run: Path, stage: Stage[Any]) -> str | None:
    """Say in what another run's stage is not this one; None: it is not finished there."""
    if _own(run, stage) is not None:
        return ""
    expect_own_files(other)
    found = load_newest(Run(other).stage(stage.name))
    return differences(stage, found) if found is not None and found.state.finished else None


def _copy(other: Path, run: Path, stage: Stage[Any]) -> None:
    """Copy another run's newest checkpoint of a stage, if this run has none."""
    if _own(run, stage) is not None:
        return
    found = load_newest(Run(other).stage(stage.name))
    assert found is not None, stage.name
    name = f"{found.state.step:08d}"
    with checkpoint_beside(Run(run).stage(stage.name) / name, stage.name) as draft:
        for file in FILES:  # each with the mode of any new file
            shutil.copyfile(Run(other).stage(stage.name) / name / file, draft / file)


def _own(run: Path, stage: Stage[Any]) -> Checkpoint | None:
    """Return the run's own newest checkpoint of a stage; None, too, if all are damaged."""
    try:
        return load_newest(Run(run).stage(stage.name))
    except DamagedCheckpointError as error:
        logger.warning("%s; it is taken from the other run again", str(error).split("; ", maxsplit=1)[0])
        return None


def start_backbone_from(backbone: nn.Module, run: Path, stage: str | None = None) -> None:
    """Give a backbone the weights of another run's re-id network.

    Args:
        backbone: The backbone to change in place.
        run: Run folder of `genreid train` or `genreid adapt`; of DG-Net E_a's backbone is taken.
        stage: `pretrained` or `adapted`; None: the last that the run has made.

    Raises:
        ValueError: If that run has no re-id network, or one with another backbone.
    """
    ends_in_dgnet = stage is None and has_dgnet(run)
    loaded = load_appearance(run) if ends_in_dgnet else load_reid_network(run, stage)
    other = loaded.network.backbone
    shapes = [{name: value.shape for name, value in net.state_dict().items()} for net in (backbone, other)]
    if shapes[0] != shapes[1]:
        msg = f"--init {run}: that run has another backbone; give the same backbone.name here"
        raise ValueError(msg)
    backbone.load_state_dict(other.state_dict())
