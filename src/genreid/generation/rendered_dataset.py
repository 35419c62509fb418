"""A data set of rendered people: every source image in the context of one target image, or of several.

The paper makes its renderings while it trains and keeps none; a dump of them (spec cr-gan E32) is what its
tables 1 and 4 measure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genreid.data.augment import to_float
from genreid.data.batch import ImageSet
from genreid.data.sample import Sample
from genreid.data.sampling import epoch_indices
from genreid.generation.dataset import (
    DatasetOrder,
    Generated,
    fingerprint_of,
    relative_name,
    write_dataset,
)
from genreid.generation.dataset_plan import BLOCK, Planned, name_picture
from genreid.generation.renderings import to_uint8
from genreid.models.crgan import ConditionPair, PairRenderer
from genreid.models.precision import Compute

COLUMNS = ("file", "source", "source_pid", "source_camid", "target", "target_camid")
"""Columns of manifest.csv; both real images are named relative to their own data set."""
_VERSION = 1
"""Grows when the same settings give other pictures."""


@dataclass(frozen=True)
class Side:
    """The images of one domain.

    Attributes:
        samples: The images.
        images: The same, decoded, with their masks if the renderer looks at masks; only `usable` rows are
            rendered.
        root: The data set's folder.
        masks: The folder of the masks; None: there are none.
    """

    samples: tuple[Sample, ...]
    images: ImageSet
    root: Path
    masks: Path | None = None


@dataclass(frozen=True)
class Rendering:
    """What is rendered, and by what.

    Attributes:
        network: Renders a pair of batches; in evaluation mode, on the device of `compute`.
        name: Its name, such as `crgan` or `composite`.
        source: People to render.
        target: Images whose contexts are wanted; nothing is known of their people.
        compute: Device and arithmetic.
    """

    network: PairRenderer
    name: str
    source: Side
    target: Side
    compute: Compute


def render_dataset(
    rendering: Rendering, order: DatasetOrder, contexts: int = 1, *, shown: bool = True
) -> Generated:
    """Write a data set of source people in the contexts of target images.

    Every usable source image is rendered in `contexts` target images, which walk through shuffled epochs, so
    that each is used equally often. Picture i of M source images shows source image i modulo M. It is
    labelled with the source person, and with the camera of the target image. Going on, and growing: as
    `write_dataset`.

    Args:
        rendering: What is rendered, and by what.
        order: Where to, which; its count must be `contexts` times the usable source images.
        contexts: Target images for each source image.
        shown: Whether progress is shown.

    Raises:
        ValueError: If the folder holds something else, pictures made with other settings, or more of them.
        OSError: If the disk does not take a file.
    """
    assert order.count == contexts * len(rendering.source.images.usable)
    return write_dataset(_Renderings(rendering, order), order, shown=shown)


class _Renderings:
    """Makes the pictures block by block."""

    columns = COLUMNS

    def __init__(self, rendering: Rendering, order: DatasetOrder) -> None:
        self.rendering, self.order = rendering, order

    @property
    def settings(self) -> Mapping[str, Any]:
        """Renderer, source, target, size."""
        source, target = self.rendering.source.images, self.rendering.target.images
        height, width = source.bank.height_width
        return {
            "version": _VERSION,
            "renderer": self.rendering.name,
            "networks": fingerprint_of(self.rendering.network),
            "source": source.fingerprint,
            "target": target.fingerprint,
            "readable": [len(source.usable), len(target.usable)],
            "height": height,
            "width": width,
        }

    @property
    def notes(self) -> Mapping[str, Any]:
        """Where images and masks are, and how they were resized."""
        source, target = self.rendering.source, self.rendering.target
        return {
            "data": str(source.root.resolve()),
            "target_data": str(target.root.resolve()),
            "masks": {
                name: str(side.masks.resolve())
                for name, side in (("source", source), ("target", target))
                if side.masks is not None
            },
            "kind": source.images.kind,
        }

    def planned(self, block: int) -> Sequence[Planned]:
        """Return the pictures of a block, in order."""
        source, target = self.rendering.source.samples, self.rendering.target.samples
        rows, contexts = (part.tolist() for part in self._rows(block))
        return [
            name_picture(BLOCK * block + number, source[row], target[context])
            for number, (row, context) in enumerate(zip(rows, contexts, strict=True))
        ]

    def line(self, picture: Planned) -> Sequence[str | int]:
        """Return both real images, with the person of the source image and both cameras."""
        source, target = picture.appearance, picture.structure
        return [
            relative_name(source, self.rendering.source.root),
            source.pid,
            source.training_camid,
            relative_name(target, self.rendering.target.root),
            target.training_camid,
        ]

    def prepare(self, pictures: int, *, shown: bool) -> None:  # noqa: ARG002 - a `Maker`'s
        """Put the images on the device."""
        for side in (self.rendering.source, self.rendering.target):
            side.images.to_device(self.rendering.compute.device)

    def make(self, block: int) -> NDArray[np.uint8]:
        """Return all pictures of a block: uint8 [N, 3, H, W]."""
        compute = self.rendering.compute
        rows, contexts = self._rows(block)
        source, source_masks = _real(self.rendering.source.images, rows, compute.device)
        target, target_masks = _real(self.rendering.target.images, contexts, compute.device)
        pair = ConditionPair(source, target, source_masks, target_masks)
        with torch.no_grad(), compute.autocast():
            images = self.rendering.network(pair).image
        return to_uint8(images, truncated=self.order.as_published).cpu().contiguous().numpy()

    def _rows(self, block: int) -> tuple[Tensor, Tensor]:
        """Return the rows of both domains that a block's pictures are made of."""
        people, contexts = self.rendering.source.images.usable, self.rendering.target.images.usable
        numbers = torch.arange(BLOCK * block, min(BLOCK * (block + 1), self.order.count))
        drawn = epoch_indices(len(contexts), BLOCK, block, self.order.seed, "generate/target")
        return people[numbers % len(people)], contexts[drawn[: len(numbers)]]


def _real(images: ImageSet, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return real images in [-1, 1], channels last, and their masks; without masks, empty ones."""
    batch = to_float(images.bank.gather(rows, device)).contiguous(memory_format=torch.channels_last)
    empty = torch.zeros_like(batch[:, :1])
    return batch, empty if images.masks is None else images.masks.gather(rows, device).float()
