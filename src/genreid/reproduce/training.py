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
from genreid.methods import METHODS, load
from genreid.reproduce.code import mark_run
from genreid.reproduce.paper import Training
from genreid.reproduce.plan import RowPlan
from genreid.reproduce.rows import PAPERS
from genreid.runs.checkpoint import DamagedCheckpointError, checkpoint_folders, verified_state
from genreid.runs.loop import Outcome, Session
from genreid.runs.run import Run
from genreid.runs.run_options import RunOptions

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
        return _train(plan, training, replace(plan.options, max_minutes=left))
    except ValueError as error:  # what other commands call --out lies below --runs here
        raise ValueError(str(error).replace("give another --out", "give another --runs")) from error


def _expect_the_same_start(run: Path, other: Path, start: Training) -> None:
    """Refuse to go on with a run whose copy of an earlier run's stage is not what that run holds now."""
    there = finished(other, start)
    if there is None:
        return
    for folder in checkpoint_folders(Run(run).stage(there.stage)):
        state = _whole(folder)
        if state is not None and state["sha256"]["networks.safetensors"] != there.sha256:
            msg = (
                f"{run} began with another network than {other} holds now: that run was made anew since. "
                f"Delete {run} to make it from the new one, or give another --runs"
            )
            raise ValueError(msg)


def _train(plan: RowPlan, training: Training, options: RunOptions) -> Outcome:
    """Train a run in its folder."""
    start = None if training.start is None else plan.folder_of(training.start)
    job, config = PAPERS[plan.row.paper].request(plan, training, start)
    outcome: Outcome = load(METHODS[training.method].train)(job, options, config)
    return outcome


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
    return finished_stage(run, training.evaluated or METHODS[training.method].evaluated)


def finished_stage(run: Path, stages: Sequence[str]) -> Finished | None:
    """Return the last checkpoint of a stage; None if the stage is not finished.

    Args:
        run: The run folder.
        stages: The first of them that has a checkpoint.
    """
    for stage in stages:
        for folder in checkpoint_folders(Run(run).stage(stage)):
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


def _make_masks(plan: RowPlan, training: Training, session: Session) -> bool:
    """Make the masks that a run asks for and that are missing; False: stopped before all were there.

    Masks that were given are taken as they are.
    """
    if not training.needs_masks or plan.job.masks is not None:
        return True
    source, target = plan.row.source, plan.row.target
    people = training_people(plan.data[source], plan.row.source_split)
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
