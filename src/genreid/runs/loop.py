"""The loop that every stage of every method runs in: steps, logs, checkpoints, clean stops.

Everything random in step t follows from (seed, stage, t): batches, augmentation, and through the global
generators, which are seeded anew at each step, dropout and noise. So nothing of it needs to be stored, and a
run that is killed and resumed ends in the same weights.
"""

import hashlib
import json
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from genreid.data.progress import progress_of
from genreid.runs.checkpoint import (
    Checkpoint,
    CheckpointState,
    delete_drafts,
    load_newest,
    restore_optimizer,
    save_checkpoint,
)
from genreid.runs.config_file import flatten
from genreid.runs.rebuild import trusting_nothing
from genreid.runs.run import Run
from genreid.runs.run_folder import as_it_was
from genreid.runs.run_log import RunLog

logger = logging.getLogger(__name__)
NetworkT = TypeVar("NetworkT", bound=nn.Module)
BatchT = TypeVar("BatchT")

_START_ANEW = (
    "A run keeps its settings: start anew in another --out, with --precision fp32 or a smaller learning "
    "rate; finished stages are taken over by `adapt --pretrained RUN` and `train dgnet --teacher-run RUN`"
)
STOP_SIGNALS = [signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""What asks a run to save and stop: Ctrl-C, a scheduler, a terminal that closes."""
LOG_EVERY = 20
"""Steps between two looks at the loss terms: each look makes the host wait for the device."""


@dataclass(frozen=True)
class Stage(Generic[BatchT]):
    """One stage of a method, ready to run.

    Attributes:
        name: Such as `identity`, `rendering`.
        iterations: Length of the stage.
        draw: Returns the batch of iteration t, on the device: a pure function of t, and of what `begin` left.
        learn: Takes the batch and t, updates the networks, returns the loss terms as scalars on the device.
        networks: What is trained, by name; it is what a checkpoint holds.
        optimizers: By name.
        facts: What a checkpoint must know to rebuild the networks.
        checkpoint_every: Iterations between two checkpoints that are written whatever the time; 0: none are.
        begin: Called with t before the batch is drawn, where the drawing depends on what has been learnt, as
            on clusters of the images; None: it does not.
    """

    name: str
    iterations: int
    draw: Callable[[int], BatchT]
    learn: Callable[[BatchT, int], Mapping[str, Tensor]]
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    facts: Mapping[str, Any]
    checkpoint_every: int = 0
    begin: Callable[[int], None] | None = None

    def network(self, name: str, kind: type[NetworkT]) -> NetworkT:
        """Return one of the networks with its type.

        Args:
            name: Its name in this stage.
            kind: What it is.
        """
        network = self.networks[name]
        assert isinstance(network, kind)
        return network


class Outcome(Enum):
    """How one process's work on a run ended."""

    FINISHED = "finished"
    OUT_OF_TIME = "out of time"
    INTERRUPTED = "interrupted"


@dataclass
class Session:
    """One process working on a run.

    Attributes:
        run: The run folder.
        seed: Seed of the run.
        max_minutes: Stop cleanly at a checkpoint after so long; None = never.
        checkpoint_minutes: Minutes between two checkpoints; 0: one whenever the loss terms are looked at.
        verify: Whether files are looked at whose pixels the cache has.
        stop_reason: Why the run shall stop; empty = it shall not.
        interrupted: Whether a signal asked for it.
        started: When the process began to work, on the monotonic clock.
    """

    run: Path
    seed: int = 0
    max_minutes: float | None = None
    checkpoint_minutes: float = 5.0
    verify: bool = False
    stop_reason: str = ""
    interrupted: bool = False
    started: float = field(default_factory=time.monotonic)

    def must_stop(self) -> bool:
        """Tell whether time is up or somebody asked the process to end."""
        if self.max_minutes is not None and time.monotonic() - self.started > 60 * self.max_minutes:
            self.stop_reason = self.stop_reason or f"--max-minutes {self.max_minutes:g} is over"
        return bool(self.stop_reason)

    def end(self, *, finished: bool) -> Outcome:
        """Tell the user and the caller how the work ended.

        Args:
            finished: Whether the run has all of its stages.
        """
        words = "finished" if finished else f"stopped at a checkpoint, since {self.stop_reason}"
        more = "" if finished else "; the same command resumes it"
        logger.info("%s: %s%s", self.run, words, more)
        if finished:
            return Outcome.FINISHED
        return Outcome.INTERRUPTED if self.interrupted else Outcome.OUT_OF_TIME

    @contextmanager
    def catching_signals(self) -> Iterator[None]:
        """Turn the first SIGINT, SIGTERM or SIGHUP into a clean stop; a second one ends the process at once.

        What is ignored stays so: SIGHUP is under `nohup`.
        """

        def ask(number: int, _frame: FrameType | None) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            name = signal.Signals(number).name
            self.stop_reason = self.stop_reason or f"{name} was received"
            logger.warning("%s was received: saving, then stopping; once more to stop without saving", name)

        caught = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, ask) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_stage(stage: Stage[BatchT], session: Session, log: RunLog) -> bool:
    """Run a stage to its end, from its newest checkpoint if there is one.

    Args:
        stage: The stage; its networks and optimisers are restored and changed in place.
        session: Where, for how long, with which seed.
        log: Where the loss terms go.

    Returns:
        True if the stage is finished, False if the session has to stop before.

    Raises:
        FloatingPointError: If a loss term or a weight is not finite; the message names step, terms and last
            checkpoint.
    """
    folder = Run(session.run).stage(stage.name)
    first = step = saved = _restore(stage, folder)
    pending: list[Mapping[str, Tensor]] = []
    last_save = time.monotonic()
    with session.catching_signals(), progress_of(stage.name, stage.iterations, done=step) as advance:
        stopping = False
        while step < stage.iterations and not (stopping and step > first):  # no session without a step
            seed_everything(session.seed, stage.name, step)
            if stage.begin is not None:
                stage.begin(step)
            batch = stage.draw(step)
            pending.append(stage.learn(batch, step))
            step += 1
            stopping = session.must_stop()  # asked once, so that no step ends the loop unread
            due = stage.checkpoint_every > 0 and step % stage.checkpoint_every == 0
            due = due or time.monotonic() - last_save > 60 * session.checkpoint_minutes > 0
            if len(pending) == LOG_EVERY or step == stage.iterations or stopping or due:
                values = _read(pending, stage.name, step, folder)
                log.write(stage.name, step, values)
                terms = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
                advance(len(pending), terms)
                pending = []
                if due or session.checkpoint_minutes == 0:
                    saved, last_save = _save(stage, step, folder), time.monotonic()
        if step > saved:
            _save(stage, step, folder)  # while signals are caught: none may cut it off
    return step >= stage.iterations


def seed_everything(seed: int, stage: str, step: int) -> None:
    """Seed torch's global generators for one step.

    Args:
        seed: Seed of the run.
        stage: Name of the stage.
        step: Number of the iteration.
    """
    digest = hashlib.sha256(f"{seed}/{stage}/{step}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def differences(stage: Stage[Any], checkpoint: Checkpoint) -> str:
    """Say in what a checkpoint is not of this stage: of other data, networks or settings.

    Args:
        stage: The stage, as it would be run now.
        checkpoint: Of a stage of this name.

    Returns:
        One line for each fact; empty = the stage can go on from this checkpoint.
    """
    here = flatten(json.loads(json.dumps({"iterations": stage.iterations, **stage.facts})))
    there = as_it_was(flatten({"iterations": checkpoint.state.iterations, **checkpoint.state.facts}), here)
    # a checkpoint of an older version lacks newer settings: it was made with what are their defaults today
    changed = [name for name, value in here.items() if name in there and there[name] != value]
    return "\n".join(f"  {name}: {there[name]} there, {here[name]} now" for name in changed)


def _restore(stage: Stage[Any], folder: Path) -> int:
    """Load the newest whole checkpoint into the stage and return its step, 0 if there is none."""
    delete_drafts(folder)
    checkpoint = load_newest(folder)
    if checkpoint is None:
        return 0
    lines = differences(stage, checkpoint)
    if lines:
        msg = f"{folder} is of other data or settings:\n{lines}\nuse the first ones, or another --out"
        raise ValueError(msg)
    with trusting_nothing(checkpoint):
        for name, network in stage.networks.items():
            network.load_state_dict(checkpoint.network(name))
        for name, optimizer in stage.optimizers.items():
            restore_optimizer(optimizer, checkpoint, name)
    if not checkpoint.state.finished:
        logger.info("%s: resumed at step %d of %d", stage.name, checkpoint.state.step, stage.iterations)
    return checkpoint.state.step


def _save(stage: Stage[Any], step: int, folder: Path) -> int:
    """Write a checkpoint and return its step; weights that are not finite are not kept."""
    values = [
        value
        for network in stage.networks.values()
        for value in network.state_dict().values()
        if value.is_floating_point()
    ]
    if not torch.stack([value.isfinite().all() for value in values]).all():
        msg = (
            f"stage {stage.name}: weights are not finite after step {step - 1}, though its losses were; the "
            f"last good checkpoint is the newest in {folder}. {_START_ANEW}"
        )
        raise FloatingPointError(msg)
    state = CheckpointState(stage.name, step, stage.iterations, dict(stage.facts))
    save_checkpoint(folder, state, stage.networks, stage.optimizers)
    return step


def _read(pending: list[Mapping[str, Tensor]], stage: str, step: int, folder: Path) -> dict[str, float]:
    """Fetch the terms of the last steps at once, check them and return the mean of each."""
    values = iter(torch.stack([term.float() for terms in pending for term in terms.values()]).cpu().tolist())
    lines = [{name: next(values) for name in terms} for terms in pending]
    for row, line in enumerate(lines):
        if not all(math.isfinite(value) for value in line.values()):
            terms = ", ".join(f"{name} {value:g}" for name, value in line.items())
            msg = (
                f"stage {stage}: a loss is not finite at step {step - len(pending) + row} ({terms}); the "
                f"last good checkpoint is the newest in {folder}. {_START_ANEW}"
            )
            raise FloatingPointError(msg)
    # a term may be there in some of the steps only: its ramp began, or it is computed now and then
    names = dict.fromkeys(name for line in lines for name in line)
    return {name: fmean(line[name] for line in lines if name in line) for name in names}
