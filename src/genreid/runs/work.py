"""One process at work on a run folder: what every training command begins with."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from genreid.models.precision import Compute
from genreid.runs.loop import Session
from genreid.runs.run_folder import job_record, open_run
from genreid.runs.run_log import RunLog
from genreid.runs.run_options import RunOptions

try:
    import fcntl
except ImportError:  # no such thing as a lock that dies with its process
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)


class Job(Protocol):
    """The options of a training command: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    command: ClassVar[str]
    """The command that it is, such as `train dgnet`."""

    @property
    def out(self) -> Path:
        """The run folder."""


class Work(NamedTuple):
    """What a stage needs of the process that runs it.

    Attributes:
        session: Where, for how long, with which seed.
        log: Where the loss terms go.
    """

    session: Session
    log: RunLog


@contextmanager
def work_on(job: Job, options: RunOptions, config: "DataclassInstance", compute: Compute) -> Iterator[Work]:
    """Open a run folder for this process alone, and its log.

    Args:
        job: The command's own options; its `out` is the run folder, made or gone on with.
        options: Seed, time limit, people held out.
        config: All settings.
        compute: Device and arithmetic.

    Yields:
        Session and log.

    Raises:
        ValueError: If the folder belongs to a run with other settings, or another process works on it.
    """
    expect_one_process()
    more = {"command": job.command, "recipe": options.recipe, "seed": options.seed}
    more |= {"holdout": options.holdout, "precision": compute.name}
    with _alone(job.out):
        open_run(job.out, config, {**job_record(job), **more})
        with RunLog(job.out) as log:
            session = Session(job.out, options.seed, options.max_minutes, options.checkpoint_minutes)
            session.verify = options.verify
            yield Work(session, log)


def expect_one_process() -> None:
    """Refuse to be one of several processes that a launcher such as torchrun has started.

    Raises:
        ValueError: If there are several.
    """
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes not in {"", "1"}:
        msg = (
            f"WORLD_SIZE is {processes}: training in several processes is not there yet, and all would write "
            "the same run folder; start the command once, without torchrun"
        )
        raise ValueError(msg)


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Keep other processes from working on a run: the folder is locked, and free when this process ends."""
    run.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    folder = os.open(run, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(folder)
        msg = f"{run}: another process works on this run; wait for it, or stop it and type the command again"
        raise ValueError(msg) from error
    except OSError as error:
        logger.debug("%s: this file system knows no locks: %s", run, error)
    try:
        yield
    finally:
        os.close(folder)
