"""`genreid train cluster`: a re-id network that learns from the unlabelled images of one data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from genreid.features.options import Stage
from genreid.pipelines.target_images import Following, TargetWork, expect_a_run, open_target, run_on_target
from genreid.runs.loop import Outcome
from genreid.runs.run_options import RunOptions
from genreid.training.cluster_config import ClusterConfig, ClusterTraining
from genreid.training.cluster_stage import ClusterBench, cluster_stage


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """Learn to tell people apart from unlabelled images: cluster them, learn the clusters, again."""

    command: ClassVar[str] = "train cluster"
    """What a run folder remembers of who made it."""

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
    with open_target(job, options, config) as at:
        finished = run_cluster(at._replace(diagnose=job.diagnose), config.cluster)
    return at.work.session.end(finished=finished)


def run_cluster(at: TargetWork, config: ClusterTraining) -> bool:
    """Run the stage `cluster` from its newest checkpoint, or from its start.

    Args:
        at: Images, backbone, start, session, and the log; rounds go there as `cluster_rounds`.
        config: Settings.

    Returns:
        True if the stage is finished, False if the session has to stop before.

    Raises:
        ValueError: If a round's clusters tell nothing apart.
    """
    pids, log = at.own.pids if at.diagnose else None, at.work.log
    bench = ClusterBench(at.backbone, config, at.own.images, pids, at.seed, at.compute)
    stage = cluster_stage(bench, lambda step, values: log.write("cluster_rounds", step, values))
    return run_on_target(stage, at, own_statistics=config.statistics == "target")


AFTER_ADAPT = Following(run_cluster)
"""`genreid adapt --then cluster`."""
