"""`genreid train baseline`: a re-id network that learns to classify the people of one data set."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from genreid.data.batch import open_image_set
from genreid.data.load import open_dataset
from genreid.data.training_people import training_people
from genreid.models.backbone import ReidNetwork
from genreid.models.precision import choose_compute
from genreid.runs.checkpoint import load_newest
from genreid.runs.earlier_run import start_backbone_from
from genreid.runs.loop import Outcome, run_stage
from genreid.runs.run import Run
from genreid.runs.run_images import note_images
from genreid.runs.run_options import RunOptions
from genreid.runs.work import work_on
from genreid.training.baseline_config import BaselineConfig
from genreid.training.identity_stage import identity_stage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BaselineJob:
    """Train a re-id network on labelled people."""

    command: ClassVar[str] = "train baseline"
    """What a run folder remembers of who made it."""

    data: Path
    """Labelled data set; its training images are used."""
    out: Path
    """Run folder; a run that is there is resumed."""
    format: str | None = None
    """Format of the data set such as `msmt17:train` (default: recognised)."""
    pattern: str | None = None
    """Format `folder`: where identity and camera stand in a path; see `genreid data check`."""
    split: Literal["train", "all"] = "train"
    """`all`: train, query and gallery together, junk and distractors left out."""
    init: Path | None = None
    """Another run whose re-id network's backbone is started from."""


def train_baseline(job: BaselineJob, options: RunOptions, config: BaselineConfig) -> Outcome:
    """Train the baseline, from where the run folder stands.

    Args:
        job: Data set and run folder.
        options: Seed, device, precision, time limit, people held out.
        config: All settings.

    Returns:
        Whether the run is finished, or the time limit or a signal stopped it at a checkpoint.

    Raises:
        ValueError: If the folder or the settings do not fit.
    """
    compute = choose_compute(options.device, options.precision)
    dataset = open_dataset(job.data, job.format, job.pattern)
    samples = training_people(dataset, job.split, options.holdout)
    with work_on(job, options, config, compute) as work:
        pids = [sample.pid for sample in samples]
        images = open_image_set(samples, pids, config.image.size, dataset.root, kind=config.image.kind)
        note_images(work.session, images)
        images.to_device(compute.device)
        stage = identity_stage(config, images, options.seed, compute)
        if job.init is not None and load_newest(Run(job.out).stage(stage.name)) is None:
            start_backbone_from(stage.network("identity", ReidNetwork).backbone, job.init)
        finished = run_stage(stage, *work)
    return work.session.end(finished=finished)
