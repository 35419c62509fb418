"""What a run takes from an earlier one: a finished stage, or the backbone that it starts from."""

import shutil
from pathlib import Path

from torch import nn

from genreid.training.checkpoint import load_newest
from genreid.training.run_folder import has_dgnet, load_appearance, load_reid_network


def take_over_stage(other: Path, run: Path, stage: str) -> None:
    """Copy a finished stage of another run, so that this run folder stands alone.

    A run that has the stage already keeps its own.

    Args:
        other: Run folder to take it from.
        run: Run folder to put it into.
        stage: Name of the stage, such as `identity`.

    Raises:
        ValueError: If that run has not finished this stage.
    """
    folder = run / "checkpoints" / stage
    if load_newest(folder) is not None:
        return
    found = load_newest(other / "checkpoints" / stage)
    if found is None or not found.state.finished:
        msg = f"{other} has no finished stage {stage!r} to take over; finish that run first"
        raise ValueError(msg)
    name = f"{found.state.step:08d}"
    draft = folder / f".draft-{name}"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(other / "checkpoints" / stage / name, draft)
    draft.rename(folder / name)


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
