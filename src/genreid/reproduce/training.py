"""The training of a row: each of its runs from where its folder stands, and the masks that are missing."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from genreid.data.mask_paths import mask_path
from genreid.data.training_people import training_people
from genreid.masks.blazepose import load_blazepose
from genreid.masks.make import make_masks
from genreid.pipelines.adapt import AdaptJob, adapt
from genreid.pipelines.train_baseline import BaselineJob, train_baseline
from genreid.pipelines.train_dgnet import DgnetJob, train_dgnet
from genreid.pipelines.train_taudl import TaudlJob, train_taudl
from genreid.reproduce.code import mark_run
from genreid.reproduce.plan import RowPlan, source_split, with_changes
from genreid.reproduce.rows import Training
from genreid.training.checkpoint import DamagedCheckpointError, checkpoint_folders, verified_state
from genreid.training.crgan_stages import RENDERERS
from genreid.training.dgnet_config import DgnetConfig
from genreid.training.loop import Outcome, Session
from genreid.training.methods import METHODS
from genreid.training.run_options import RunOptions
from genreid.training.taudl_config import TaudlConfig

logger = logging.getLogger(__name__)


def train(plan: RowPlan, training: Training, max_minutes: float | None) -> Outcome:
    """Train one run of a row, from where its folder stands.

    A finished run is only looked at: whether it is of these data and settings.

    Args:
        plan: The row.
        training: Which of its runs; those that it starts from are finished.
        max_minutes: Stop after so long; None: never.

    Raises:
        ValueError: If data, masks or settings do not fit together, or are others than when the run began, or
            what it started from has been made anew since.
    """
    out = plan.folder_of(training)
    session = Session(out, max_minutes=max_minutes)
    if not _make_masks(plan, training, session):
        return session.end(finished=False)
    left = None if max_minutes is None else max(0.0, max_minutes - (time.monotonic() - session.started) / 60)
    if training.start is not None:
        _expect_the_same_start(out, plan.folder_of(training.start), training.start)
    if finished(out, training) is None:
        mark_run(out, training, plan.device)
    try:
        return _train(plan, training, out, replace(plan.options, max_minutes=left))
    except ValueError as error:  # what other commands call --out lies below --runs here
        raise ValueError(str(error).replace("give another --out", "give another --runs")) from error


def _expect_the_same_start(run: Path, other: Path, start: Training) -> None:
    """Refuse to go on with a run whose copy of an earlier run's stage is not what that run holds now."""
    there = finished(other, start)
    if there is None:
        return
    for folder in checkpoint_folders(run / "checkpoints" / there.stage):
        state = _whole(folder)
        if state is not None and state["sha256"]["networks.safetensors"] != there.sha256:
            msg = (
                f"{run} began with another network than {other} holds now: that run was made anew since. "
                f"Delete {run} to make it from the new one, or give another --runs"
            )
            raise ValueError(msg)


def _train(plan: RowPlan, training: Training, out: Path, options: RunOptions) -> Outcome:
    """Train a run in the folder `out`."""
    start = None if training.start is None else plan.folder_of(training.start)
    if isinstance(plan.config, DgnetConfig):
        whole = with_changes(plan.config, training.changes)
        source = plan.path_of(plan.row.source)
        if training.method == "baseline":
            return train_baseline(BaselineJob(data=source, out=out), options, whole.teacher)
        return train_dgnet(DgnetJob(data=source, out=out, teacher_run=start), options, whole)
    config = with_changes(plan.config, training.changes)
    if training.method == "baseline":
        source, split = plan.path_of(plan.row.source), source_split(plan.row)
        return train_baseline(BaselineJob(data=source, out=out, split=split), options, config.baseline)
    if training.method == "taudl":
        backbone = replace(config.backbone, dropout=0.0, bottleneck=0)
        settings = TaudlConfig(image=config.image, backbone=backbone, taudl=config.taudl)
        job = TaudlJob(data=plan.path_of(plan.row.target), out=out, init=start)
        return train_taudl(job, options, settings)
    return adapt(_adapt_job(plan, training, start), options, config)


class Finished(NamedTuple):
    """The checkpoint of a finished run whose network is evaluated.

    Attributes:
        stage: Its stage, such as `finetuning`.
        step: Iterations of that stage.
        sha256: Of the file of its networks.
    """

    stage: str
    step: int
    sha256: str

    def as_text(self) -> dict[str, str]:
        """Return it as a result file has it."""
        return {"stage": self.stage, "step": str(self.step), "sha256": self.sha256}


def finished(run: Path, training: Training) -> Finished | None:
    """Return what is evaluated of a run; None if the run is not finished.

    Args:
        run: The run folder.
        training: What was to be trained there.
    """
    return finished_stage(run, METHODS[training.method].evaluated)


def finished_stage(run: Path, stages: Sequence[str]) -> Finished | None:
    """Return the last checkpoint of a stage; None if the stage is not finished.

    Args:
        run: The run folder.
        stages: The first of them that has a checkpoint.
    """
    for stage in stages:
        for folder in checkpoint_folders(run / "checkpoints" / stage):
            state = _whole(folder)
            if state is None:
                continue  # damaged; the one before counts, as in training
            if state["step"] < state["iterations"]:
                return None
            return Finished(stage, state["step"], state["sha256"]["networks.safetensors"])
    return None


def _whole(checkpoint: Path) -> Mapping[str, Any] | None:
    """Return what a checkpoint's `state.json` says; None if any of its files is damaged."""
    try:
        return verified_state(checkpoint)
    except DamagedCheckpointError:
        return None


def _adapt_job(plan: RowPlan, training: Training, start: Path | None) -> AdaptJob:
    """Return what `genreid adapt` is asked for; the masks are those of all rows."""
    source, target = plan.row.source, plan.row.target
    job = AdaptJob(
        source=plan.path_of(source),
        target=plan.path_of(target),
        out=plan.folder_of(training),
        source_split=source_split(plan.row),
        renderer=training.renderer,
        pretrained=start,
    )
    if not RENDERERS[training.renderer].kind.needs_masks:
        return job
    return replace(job, source_masks=plan.masks_of(source), target_masks=plan.masks_of(target))


def _make_masks(plan: RowPlan, training: Training, session: Session) -> bool:
    """Make the masks that a run asks for and that are missing; False: stopped before all were there.

    Masks that were given are taken as they are.
    """
    needs_masks = training.method == "adapt" and RENDERERS[training.renderer].kind.needs_masks
    if not needs_masks or plan.job.masks is not None:
        return True
    source, target = plan.row.source, plan.row.target
    people = training_people(plan.data[source], source_split(plan.row))
    for name, samples in ((source, people), (target, plan.data[target].train)):
        masks, root = plan.masks_of(name), plan.data[name].root
        if all(mask_path(masks, root, sample.path).is_file() for sample in samples):
            continue
        with session.catching_signals():
            parser = load_blazepose(plan.job.parser_model)
            made = make_masks(samples, root, masks, parser, must_stop=session.must_stop)
        if made.missing:
            return False
    return True
