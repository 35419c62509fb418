"""`genreid train taudl`: a re-id network that learns from people who are known within each camera only."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from genreid.features.options import Stage
from genreid.pipelines.target_images import (
    Following,
    OwnImages,
    TargetWork,
    expect_a_run,
    open_target,
    run_on_target,
)
from genreid.runs.loop import Outcome
from genreid.runs.run_options import RunOptions
from genreid.training.taudl_config import TaudlConfig, TaudlTraining
from genreid.training.taudl_stage import TaudlBench, expect_tracklets, taudl_stage


@dataclass(frozen=True, slots=True)
class TaudlJob:
    """Learn people across cameras, given which images of one camera show one person (so not label-free)."""

    command: ClassVar[str] = "train taudl"
    """What a run folder remembers of who made it."""

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
    with open_target(job, options, config) as at:
        finished = run_taudl(at, config.taudl)
    return at.work.session.end(finished=finished)


def run_taudl(at: TargetWork, config: TaudlTraining) -> bool:
    """Run the stage `taudl` from its newest checkpoint, or from its start.

    Args:
        at: Images, backbone, start, session, log.
        config: Settings.

    Returns:
        True if the stage is finished, False if the session has to stop before.

    Raises:
        ValueError: If cameras or people are not known.
    """
    stage = taudl_stage(TaudlBench(at.backbone, config, *at.own, at.seed, at.compute))
    return run_on_target(stage, at, own_statistics=config.statistics == "target")


def _expect_tracklets(own: OwnImages, config: TaudlTraining) -> None:
    """Refuse images without cameras or people."""
    expect_tracklets(*own, config)


AFTER_ADAPT = Following(run_taudl, _expect_tracklets)
"""`genreid adapt --then taudl`."""
