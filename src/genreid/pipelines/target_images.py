"""What methods that learn from a target's own images share: those images, and how a stage on them begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from genreid.data.batch import ImageSet, open_image_set
from genreid.data.holdout import holdout
from genreid.data.image_config import ImageConfig
from genreid.data.load import open_dataset
from genreid.data.sample import Sample
from genreid.features.bn_statistics import BnEstimation, reestimate_bn_statistics
from genreid.features.options import Stage as NetworkStage
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import NeckNetwork
from genreid.models.precision import Compute, choose_compute
from genreid.runs.checkpoint import load_newest
from genreid.runs.earlier_run import start_backbone_from
from genreid.runs.loop import Stage, run_stage
from genreid.runs.run import Run
from genreid.runs.run_images import note_images
from genreid.runs.run_options import RunOptions
from genreid.runs.work import Job, Work, work_on

Start = Callable[[nn.Module], object]
"""Gives a backbone its first weights."""


class TargetJob(Job, Protocol):
    """What such a command is asked for."""

    @property
    def data(self) -> Path:
        """Data set."""

    @property
    def format(self) -> str | None:
        """Its format; None: recognised."""

    @property
    def pattern(self) -> str | None:
        """Format `folder`: where identity and camera stand in a path."""

    @property
    def init(self) -> Path | None:
        """Run whose network is started from; None: the backbone's own weights."""

    @property
    def init_stage(self) -> NetworkStage | None:
        """Which of its networks."""


class TargetConfig(Protocol):
    """Settings of such a command: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def image(self) -> ImageConfig:
        """Image size."""

    @property
    def backbone(self) -> BackboneConfig:
        """Backbone, and its weights."""


class OwnImages(NamedTuple):
    """A target's training images.

    Attributes:
        images: Decoded, classified by camera.
        pids: [N] int64 person of each, as its name says.
    """

    images: ImageSet
    pids: Tensor


class TargetWork(NamedTuple):
    """All that a stage on a target's own images begins with.

    Attributes:
        own: The images.
        backbone: Which one, and its weights.
        start: What gives the backbone its first weights; None: it has them.
        compute: Device and arithmetic.
        work: Session and log.
        diagnose: Whether it may be said how well what was found fits the people.
    """

    own: OwnImages
    backbone: BackboneConfig
    start: Start | None
    compute: Compute
    work: Work
    diagnose: bool = False

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.work.session.seed


class Following(NamedTuple):
    """A stage that may go on with an adapted network (`genreid adapt --then`).

    Attributes:
        run: Takes all that it begins with, and its settings; returns whether it is finished.
        expect: Refuses images that cannot serve, hours before it begins; None: all can.
    """

    run: Callable[[TargetWork, Any], bool]
    expect: Callable[[OwnImages, Any], object] | None = None


@contextmanager
def open_target(job: TargetJob, options: RunOptions, config: TargetConfig) -> Iterator[TargetWork]:
    """Open a run that learns from a target's own images.

    Args:
        job: Data set, run folder, start.
        options: Seed, device, precision, time limit, people held out.
        config: All settings.

    Yields:
        Images, backbone, session, log.

    Raises:
        ValueError: If the folder or the settings do not fit.
    """
    compute = choose_compute(options.device, options.precision)
    own = _open_own_images(job, options.holdout, config.image)
    with work_on(job, options, config, compute) as work:
        note_images(work.session, own.images)
        own.images.to_device(compute.device)
        if job.init is None:
            yield TargetWork(own, config.backbone, None, compute, work)
            return
        start = partial(start_backbone_from, run=job.init, stage=job.init_stage)
        yield TargetWork(own, replace(config.backbone, weights="none"), start, compute, work)


def _open_own_images(job: TargetJob, held_out: int, image: ImageConfig) -> OwnImages:
    """Open the training images of a data set, but for those of the last people."""
    dataset = open_dataset(job.data, job.format, job.pattern)
    samples = holdout(dataset.train, held_out).training
    if not samples:
        msg = (
            f"{job.data}: no training images, which are what is learnt from; "
            f"`genreid data check {job.data}` says what is there"
        )
        raise ValueError(msg)
    cameras = [sample.training_camid for sample in samples]
    images = open_image_set(samples, cameras, image.size, dataset.root, kind=image.kind)
    return OwnImages(images, pids_of(samples))


def pids_of(samples: tuple[Sample, ...]) -> Tensor:
    """Return the person of each sample, [N] int64.

    Args:
        samples: Images, labelled or not.
    """
    return torch.tensor([sample.pid for sample in samples], dtype=torch.int64)


def expect_a_run(init: Path | None, stage: NetworkStage | None) -> None:
    """Refuse a stage of no run.

    Args:
        init: Run to start from, if any.
        stage: Which of its networks.

    Raises:
        ValueError: If a stage is asked for, and no run.
    """
    if stage is not None and init is None:
        msg = f"--init-stage {stage} says which network of --init RUN to start from: give --init, too"
        raise ValueError(msg)


def run_on_target(stage: Stage[Any], at: TargetWork, *, own_statistics: bool) -> bool:
    """Run a stage from its newest checkpoint, or from its first weights and statistics.

    Args:
        stage: Its network `identity` is changed in place.
        at: Images, start, session, log.
        own_statistics: Whether batch norms begin with statistics of these images.

    Returns:
        True if the stage is finished, False if the session has to stop before.
    """
    if load_newest(Run(at.work.session.run).stage(stage.name)) is None:
        network, images = stage.network("identity", NeckNetwork), at.own.images
        if at.start is not None:
            at.start(network.backbone)
        if own_statistics:
            estimation = BnEstimation(seed=at.seed)
            drawn = images.usable[estimation.draw(len(images.usable))]
            reestimate_bn_statistics(network, images.bank, drawn, at.compute, estimation.batch_size)
    return run_stage(stage, *at.work)
