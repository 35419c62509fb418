"""`genreid train taudl`: a re-id network that learns from people who are known within each camera only."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from genreid.features.options import Stage
from genreid.pipelines.target_images import DataChoice, begin_stage, expect_a_run, open_own_images
from genreid.training.configs import TaudlConfig
from genreid.training.earlier_run import start_backbone_from
from genreid.training.loop import Outcome, Session, run_stage
from genreid.training.precision import choose_compute
from genreid.training.run_folder import job_record, open_run
from genreid.training.run_log import RunLog
from genreid.training.run_options import RunOptions
from genreid.training.taudl_stage import TaudlBench, taudl_stage


@dataclass(frozen=True, slots=True)
class TaudlJob:
    """Learn people across cameras, given which images of one camera show one person (so not label-free)."""

    data: Path
    """Data set; its training images are used, their cameras, and their identities within each camera."""
    out: Path
    """Run folder; a run that is there is resumed."""
    format: str | None = None
    """Format of the data set such as `msmt17:train` (default: recognised)."""
    pattern: str | None = None
    """Format `folder`: where identity and camera stand in a path; see `genreid data check`."""
    init: Path | None = None
    """Another run whose re-id network is started from (default: the backbone's own weights)."""
    init_stage: Stage | None = None
    """--init: its `pretrained` network (stage I) or its `adapted` one (default: the last that exists)."""

    def __post_init__(self) -> None:
        """Refuse what would do nothing."""
        expect_a_run(self.init, self.init_stage)


def train_taudl(job: TaudlJob, options: RunOptions, config: TaudlConfig) -> Outcome:
    """Train TAUDL, from where the run folder stands.

    Args:
        job: Data set, run folder, start.
        options: Seed, device, precision, time limit, people held out.
        config: All settings.

    Returns:
        Whether the run is finished, or the time limit or a signal stopped it at a checkpoint.

    Raises:
        ValueError: If the folder or the settings do not fit, or cameras or people are not known.
    """
    compute = choose_compute(options.device, options.precision)
    choice = DataChoice(job.data, job.format, job.pattern, options.holdout)
    own = open_own_images(choice, config.image.size)
    more = {"seed": options.seed, "holdout": options.holdout, "precision": compute.name}
    open_run(job.out, config, {**job_record(job), **more})
    own.images.to_device(compute.device)
    backbone = config.backbone if job.init is None else replace(config.backbone, weights="none")
    bench = TaudlBench(backbone, config.taudl, own.images, own.pids, options.seed, compute)
    start = None if job.init is None else partial(start_backbone_from, run=job.init, stage=job.init_stage)
    session = Session(job.out, options.seed, options.max_minutes)
    with RunLog(job.out) as log:
        finished = run_taudl(bench, start, session, log)
    return session.end(finished=finished)


def run_taudl(
    bench: TaudlBench, start: Callable[[nn.Module], object] | None, session: Session, log: RunLog
) -> bool:
    """Run the stage `taudl` from its newest checkpoint, or from its start.

    Args:
        bench: Settings, images, seed, device.
        start: Gives the backbone its first weights; None: it has them.
        session: Where, for how long.
        log: Where loss terms go.

    Returns:
        True if the stage is finished, False if the session has to stop before.

    Raises:
        ValueError: If cameras or people are not known.
    """
    stage = taudl_stage(bench)
    begin_stage(stage, bench, start, session.run)
    return run_stage(stage, session, log)
