"""What Cluster Contrast and TAUDL share: a target's own images, and how a stage on them begins."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genreid.data.batch import ImageSet, open_image_set
from genreid.data.holdout import holdout
from genreid.data.load import load_dataset
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import Sample
from genreid.features.bn_statistics import BnEstimation, reestimate_bn_statistics
from genreid.features.options import Stage as NetworkStage
from genreid.models.neck import NeckNetwork
from genreid.training.checkpoint import load_newest
from genreid.training.cluster_stage import ClusterBench
from genreid.training.loop import Stage
from genreid.training.taudl_stage import TaudlBench


class DataChoice(NamedTuple):
    """Which images of which data set.

    Attributes:
        data: Its folder.
        format: Its format; None: recognised.
        pattern: Format `folder`: where identity and camera stand in a path.
        held_out: People, the last in sorted order, that are left out.
    """

    data: Path
    format: str | None
    pattern: str | None
    held_out: int


class OwnImages(NamedTuple):
    """A target's training images.

    Attributes:
        images: Decoded, classified by camera.
        pids: [N] int64 person of each, as its name says.
    """

    images: ImageSet
    pids: Tensor


def open_own_images(choice: DataChoice, size: tuple[int, int]) -> OwnImages:
    """Open the training images of a data set.

    Args:
        choice: Which ones.
        size: Height and width in pixels.

    Raises:
        ValueError: If there are none, or none can be read.
    """
    dataset = load_dataset(choice.data, choice.format, ReaderOptions(pattern=choice.pattern))
    samples = holdout(dataset.train, choice.held_out).training
    if not samples:
        msg = (
            f"{choice.data}: no training images, which are what is learnt from; "
            f"`genreid data check {choice.data}` says what is there"
        )
        raise ValueError(msg)
    cameras = [sample.training_camid for sample in samples]
    return OwnImages(open_image_set(samples, cameras, size, dataset.root, None), pids_of(samples))


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


def begin_stage(
    stage: Stage, bench: ClusterBench | TaudlBench, start: Callable[[nn.Module], object] | None, run: Path
) -> None:
    """Give a stage that has no checkpoint yet its first weights and statistics.

    Args:
        stage: Its network is changed in place.
        bench: Images, settings, seed, device.
        start: Gives the backbone its first weights; None: it has them.
        run: The run folder.
    """
    if load_newest(run / "checkpoints" / stage.name) is not None:
        return
    network = stage.network("identity", NeckNetwork)
    if start is not None:
        start(network.backbone)
    if bench.config.statistics == "target":
        usable, estimation = bench.images.usable, BnEstimation(seed=bench.seed)
        drawn = usable[estimation.draw(len(usable))]
        reestimate_bn_statistics(network, bench.images.bank, drawn, bench.compute, estimation.batch_size)
