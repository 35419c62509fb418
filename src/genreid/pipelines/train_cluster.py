"""`genreid train cluster`: a re-id network that learns from the unlabelled images of one data set."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from genreid.features.options import Stage
from genreid.pipelines.target_images import DataChoice, begin_stage, expect_a_run, open_own_images
from genreid.training.cluster_stage import ClusterBench, cluster_stage
from genreid.training.configs import ClusterConfig
from genreid.training.earlier_run import start_backbone_from
from genreid.training.loop import Outcome, Session, run_stage
from genreid.training.precision import choose_compute
from genreid.training.run_folder import job_record, open_run
from genreid.training.run_log import RunLog
from genreid.training.run_options import RunOptions


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """Learn to tell people apart from unlabelled images: cluster them, learn the clusters, again."""

    data: Path
    """Data set; its training images are used, and of their names only the camera, if it is known."""
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
    diagnose: bool = False
    """Say how pure the clusters are, where people are known; not to be used for choosing anything."""

    def __post_init__(self) -> None:
        """Refuse what would do nothing."""
        expect_a_run(self.init, self.init_stage)


def train_cluster(job: ClusterJob, options: RunOptions, config: ClusterConfig) -> Outcome:
    """Train Cluster Contrast, from where the run folder stands.

    Args:
        job: Data set, run folder, start.
        options: Seed, device, precision, time limit, people held out.
        config: All settings.

    Returns:
        Whether the run is finished, or the time limit or a signal stopped it at a checkpoint.

    Raises:
        ValueError: If the folder or the settings do not fit, or a round's clusters tell nothing apart.
    """
    compute = choose_compute(options.device, options.precision)
    choice = DataChoice(job.data, job.format, job.pattern, options.holdout)
    own = open_own_images(choice, config.image.size)
    more = {"seed": options.seed, "holdout": options.holdout, "precision": compute.name}
    open_run(job.out, config, {**job_record(job), **more})
    own.images.to_device(compute.device)
    backbone = config.backbone if job.init is None else replace(config.backbone, weights="none")
    pids = own.pids if job.diagnose else None
    bench = ClusterBench(backbone, config.cluster, own.images, pids, options.seed, compute)
    start = None if job.init is None else partial(start_backbone_from, run=job.init, stage=job.init_stage)
    session = Session(job.out, options.seed, options.max_minutes)
    with RunLog(job.out) as log:
        finished = run_cluster(bench, start, session, log)
    return session.end(finished=finished)


def run_cluster(
    bench: ClusterBench, start: Callable[[nn.Module], object] | None, session: Session, log: RunLog
) -> bool:
    """Run the stage `cluster` from its newest checkpoint, or from its start.

    Args:
        bench: Settings, images, seed, device.
        start: Gives the backbone its first weights; None: it has them.
        session: Where, for how long.
        log: Where loss terms and rounds go; the rounds' stage is called `cluster_rounds`.

    Returns:
        True if the stage is finished, False if the session has to stop before.

    Raises:
        ValueError: If a round's clusters tell nothing apart.
    """
    stage = cluster_stage(bench, lambda step, values: log.write("cluster_rounds", step, values))
    begin_stage(stage, bench, start, session.run)
    return run_stage(stage, session, log)
