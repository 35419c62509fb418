"""Batch-norm statistics re-estimated on images of another place: a control, and a useful trick of its own.

No weight changes. A network trained in one camera network keeps the means and variances of that network's
images; averaging them anew over unlabelled images of the target is adaptive batch normalisation (Li et al.,
arXiv:1603.04779). Spec cr-gan K measures it beside CR-GAN: how much of a gain is the statistics' alone?
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from genreid.data.augment import to_float
from genreid.data.bank import ImageBank
from genreid.data.decode import Kind
from genreid.data.load import open_dataset
from genreid.data.progress import progress_of
from genreid.features.networks import TrainedNetwork, read_images
from genreid.models.precision import Compute

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BnEstimation:
    """Which images the statistics are taken from.

    Attributes:
        images: Images drawn at random without repetition, or None for all; spec cr-gan K used 3,840.
        batch_size: Images of one batch; the statistics are averages of batches.
        seed: Of the draw and of what falls into one batch.
        format: Format of the folder they lie in; default: recognised from the tree.
        pattern: Its pattern, for the format `folder`.
    """

    images: int | None = 3840
    batch_size: int = 64
    seed: int = 0
    format: str | None = None
    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 2 or (self.images is not None and self.images < 2):
            msg = (
                f"batch-norm statistics of {self.images} images in batches of {self.batch_size}: "
                "expected 2 or more of both"
            )
            raise ValueError(msg)

    def draw(self, count: int) -> Tensor:
        """Return which of `count` images are used, in the order in which they fall into batches.

        Args:
            count: Images there are.

        Returns:
            int64 [min(count, images)], no number twice.
        """
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self.seed))
        return order if self.images is None else order[: self.images]


class BnImages(NamedTuple):
    """A data set, and how its images are decoded.

    Attributes:
        folder: The data set; its identities are not looked at.
        size: Height and width that the network was trained on.
        kind: How images are resized.
    """

    folder: Path
    size: tuple[int, int]
    kind: Kind = "image"


def reestimate_from_folder(
    network: TrainedNetwork, images: BnImages, compute: Compute, estimation: BnEstimation
) -> int:
    """Re-estimate a network's batch-norm statistics on the training images of a data set.

    Args:
        network: On the device of `compute`; its statistics are replaced in place.
        images: The data set.
        compute: Device and arithmetic.
        estimation: How many images, which, and how the folder is read.

    Returns:
        The number of images used.

    Raises:
        ValueError: If the data set does not fit its format or has no training images that can be read, or
            the network has no batch norm.
    """
    train = open_dataset(images.folder, estimation.format, estimation.pattern).train
    if not train:
        msg = f"--bn-statistics {images.folder}: the data set has no training images; give one that has"
        raise ValueError(msg)
    drawn = [train[row].path for row in estimation.draw(len(train)).tolist()]
    bank = ImageBank.build(drawn, images.size, images.kind)
    return reestimate_bn_statistics(network, bank, bank.readable_indices, compute, estimation.batch_size)


def reestimate_bn_statistics(
    network: TrainedNetwork, bank: ImageBank, rows: Tensor, compute: Compute, batch_size: int = 64
) -> int:
    """Replace every batch norm's running mean and variance by the averages over some images.

    Each batch counts the same (torch's `momentum=None`): the running mean becomes the average of the batches'
    means, the running variance that of their unbiased variances. All of `rows` are used: they are cut into
    batches that differ by one image at most. While it lasts, batch norms normalise with the batch's own
    statistics, as in training; dropout stays off. Weights and every module's mode are left as they were.

    Args:
        network: On the device of `compute`; changed in place.
        bank: The images.
        rows: Rows of the bank to use, int64 [N], in the order in which they fall into batches.
        compute: Device and arithmetic.
        batch_size: Largest number of images in a batch.

    Returns:
        The number of images used.

    Raises:
        ValueError: If there are fewer than two images, or the network has no batch norm.
    """
    norms = _batch_norms(network)
    if len(rows) < 2:
        msg = f"batch-norm statistics need at least 2 readable images, got {len(rows)}"
        raise ValueError(msg)
    batches = rows.tensor_split(_batch_count(len(rows), batch_size))
    with (
        torch.no_grad(),
        _averaging(network, norms),
        progress_of("batch-norm statistics", len(rows)) as advance,
    ):
        for batch in batches:
            images = to_float(bank.gather(batch, compute.device))
            with compute.autocast():
                read_images(network, images.contiguous(memory_format=torch.channels_last))
            advance(len(batch))
    logger.info("batch-norm statistics are averages over %d images in %d batches", len(rows), len(batches))
    return len(rows)


def _batch_count(images: int, batch_size: int) -> int:
    """Return how many batches there are; none holds a single image, whose variance would be undefined."""
    return max(1, min(-(-images // batch_size), images // 2))


def _batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """Return the layers whose statistics are averages over images; refuse a network without any."""
    norms = [
        module
        for module in network.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]
    if not norms:
        msg = (
            "this network has no batch norm, so there is nothing to re-estimate; type --bn-statistics stored"
        )
        raise ValueError(msg)
    return norms


@contextmanager
def _averaging(network: nn.Module, norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Let only the batch norms learn, by equal averages from nothing; afterwards all modes are as before."""
    modes = [(module, module.training) for module in network.modules()]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
