"""`genreid train cluster`: a re-id network that learns from the unlabelled images of one data set."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from genreid.data.batch import open_image_set
from genreid.data.holdout import holdout
from genreid.data.load import load_dataset
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import Sample
from genreid.features.bn_statistics import BnEstimation, reestimate_bn_statistics
from genreid.models.neck import NeckNetwork
from genreid.training.checkpoint import load_newest
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
    """Another run whose last re-id network is started from (default: the backbone's own weights)."""
    diagnose: bool = False
    """Say how pure the clusters are, where people are known; not to be used for choosing anything."""


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
    dataset = load_dataset(job.data, job.format, ReaderOptions(pattern=job.pattern))
    samples = holdout(dataset.train, options.holdout).training
    if not samples:
        msg = f"{job.data}: no training images, which are what is learnt from; `genreid data check` it"
        raise ValueError(msg)
    more = {"seed": options.seed, "holdout": options.holdout, "precision": compute.name}
    open_run(job.out, config, {**job_record(job), **more})
    cameras = [sample.training_camid for sample in samples]
    images = open_image_set(samples, cameras, config.image.size, dataset.root, None)
    images.to_device(compute.device)
    backbone = config.backbone if job.init is None else replace(config.backbone, weights="none")
    pids = pids_of(samples) if job.diagnose else None
    bench = ClusterBench(backbone, config.cluster, images, pids, options.seed, compute)
    start = None if job.init is None else partial(start_backbone_from, run=job.init)
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
    if load_newest(session.run / "checkpoints" / stage.name) is None:
        network = stage.network("identity", NeckNetwork)
        if start is not None:
            start(network.backbone)
        if bench.config.statistics == "target":
            usable, estimation = bench.images.usable, BnEstimation(seed=bench.seed)
            drawn = usable[estimation.draw(len(usable))]
            reestimate_bn_statistics(network, bench.images.bank, drawn, bench.compute, estimation.batch_size)
    return run_stage(stage, session, log)


def pids_of(samples: tuple[Sample, ...]) -> torch.Tensor:
    """Return the person of each sample, [N] int64.

    Args:
        samples: Images, labelled or not.
    """
    return torch.tensor([sample.pid for sample in samples], dtype=torch.int64)
