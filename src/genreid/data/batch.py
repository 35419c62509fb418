"""Labelled images of one domain, and the batch of a training step drawn from them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from genreid.data.augment import random_crop, random_flip, to_float
from genreid.data.bank import ImageBank
from genreid.data.decode import Kind
from genreid.data.mask_check import expect_useful_masks
from genreid.data.mask_paths import mask_path
from genreid.data.sample import Sample
from genreid.data.sampling import epoch_indices, step_generator


class Batch(NamedTuple):
    """What a training step is given of one domain.

    Attributes:
        images: [B, 3, H, W] float32 in [-1, 1], channels last in memory.
        masks: [B, 1, H, W] float32, 1 = person; None where the domain was opened without masks.
        labels: [B] int64: the class of the person, or of the camera.
    """

    images: Tensor
    masks: Tensor | None
    labels: Tensor


@dataclass(frozen=True)
class BatchPlan:
    """How the batches of a stage are drawn.

    Attributes:
        size: Images in a batch.
        seed: Seed of the run.
        stream: Name of the stage and domain: different streams are independent.
        crop_padding: Pixels by which an image may be shifted; 0 = no shift.
        crop_fill: Value of the pixels that a shift brings in, in [-1, 1]; `edge`: of the outermost ones.
    """

    size: int
    seed: int
    stream: str
    crop_padding: int = 0
    crop_fill: float | Literal["edge"] = 0.0


@dataclass(frozen=True)
class ImageSet:
    """Decoded images of one domain with a class for each.

    Attributes:
        bank: The images.
        masks: Their person masks, row by row; None if nobody asked for masks.
        labels: [N] int64 class of each row, from 0.
        classes: The pid or camid of each class, ascending.
        usable: [M] int64 rows whose image, and mask if there are any, could be read.
        fingerprint: SHA-256 of the relative paths and labels: the same data give the same text anywhere.
        kind: How the images were resized.
    """

    bank: ImageBank
    masks: ImageBank | None
    labels: Tensor
    classes: tuple[int, ...]
    usable: Tensor
    fingerprint: str
    kind: Kind = "image"

    def batch(self, plan: BatchPlan, step: int, device: torch.device) -> Batch:
        """Return the batch of one step: a pure function of the plan and the step.

        Args:
            plan: Size, seed, stream and augmentation.
            step: Step of the stage, from 0.
            device: Where the batch is wanted.
        """
        return self.take(self.rows(plan, step), plan, step, device)

    def rows(self, plan: BatchPlan, step: int) -> Tensor:
        """Return which images make up the batch of one step: int64 [B].

        Args:
            plan: Size, seed, stream.
            step: Step of the stage, from 0.
        """
        return self.usable[epoch_indices(len(self.usable), plan.size, step, plan.seed, plan.stream)]

    def take(self, rows: Tensor, plan: BatchPlan, step: int, device: torch.device) -> Batch:
        """Return chosen images, augmented.

        Args:
            rows: int64 [B] of `usable`.
            plan: Seed, stream and augmentation; its size is not looked at.
            step: Step of the stage: the augmentation is a pure function of the plan and the step.
            device: Where the batch is wanted.
        """
        generator = step_generator(step, plan.seed, plan.stream)
        images = to_float(self.bank.gather(rows, device))
        masks = None if self.masks is None else self.masks.gather(rows, device).float()
        images, masks = random_flip(images, masks, generator)
        if plan.crop_padding > 0:
            images, masks = _shifted(images, masks, plan, generator)
        images = images.contiguous(memory_format=torch.channels_last)
        return Batch(images, masks, self.labels[rows].to(device, non_blocking=True))

    def to_device(self, device: torch.device) -> None:
        """Keep the images on an accelerator if they fit.

        Args:
            device: Where batches will be wanted.
        """
        self.bank.to_device(device)
        if self.masks is not None:
            self.masks.to_device(device)


def _shifted(
    images: Tensor, masks: Tensor | None, plan: BatchPlan, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Shift images, and their masks with them; what comes into a mask is background."""
    if plan.crop_fill == "edge":
        if masks is not None:
            msg = "crop_fill 'edge' would stretch the masks; give a number from -1 to 1"
            raise ValueError(msg)
        return random_crop(images, plan.crop_padding, generator, "edge"), None
    images = images - plan.crop_fill  # so that 0, which masks are padded with, stands for the fill
    whole = images if masks is None else torch.cat((images, masks), dim=1)  # they move together
    whole = random_crop(whole, plan.crop_padding, generator)
    return whole[:, :3] + plan.crop_fill, None if masks is None else whole[:, 3:]


def open_image_set(
    samples: Sequence[Sample],
    classes_of: Sequence[int],
    size: tuple[int, int],
    root: Path,
    masks_root: Path | None = None,
    kind: Kind = "image",
) -> ImageSet:
    """Decode the images of a domain, and their masks, into memory-mapped banks.

    Args:
        samples: The images.
        classes_of: The pid or camid that each image is to be classified as.
        size: Height and width in pixels.
        root: The data set's folder, to which mask paths are relative.
        masks_root: The folder of the masks; None = none are needed.
        kind: How images are resized.

    Raises:
        ValueError: If there is no readable image, or masks are missing.
    """
    paths = [sample.path for sample in samples]
    bank = ImageBank.build(paths, size, kind)
    masks = None
    if masks_root is not None:
        # an unreadable image has no mask; its row is never drawn, so any mask file will do in its place
        mask_files = [mask_path(masks_root, root, path) for path in paths]
        readable = bank.readable_indices.tolist()
        if readable:
            stand_in = mask_files[readable[0]]
            unreadable = set(range(len(paths))) - set(readable)
            mask_files = [stand_in if row in unreadable else file for row, file in enumerate(mask_files)]
        masks = ImageBank.build(mask_files, size, kind="mask")
    if len(bank.readable_indices) == 0:
        msg = f"{root}: none of {len(paths)} images could be read; `genreid data check {root}` says why"
        raise ValueError(msg)
    usable = bank.readable_indices
    if masks is not None and masks_root is not None:
        expect_useful_masks(bank, masks, root, masks_root)
        usable = usable[torch.isin(usable, masks.readable_indices)]
    classes = tuple(sorted(set(classes_of)))
    number = {value: index for index, value in enumerate(classes)}
    labels = torch.tensor([number[value] for value in classes_of], dtype=torch.int64)
    return ImageSet(bank, masks, labels, classes, usable, _fingerprint(paths, classes_of, root), kind)


def _fingerprint(paths: Sequence[Path], labels: Sequence[int], root: Path) -> str:
    """Hash the relative paths with their labels."""
    digest = hashlib.sha256()
    for path, label in zip(paths, labels, strict=True):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        digest.update(f"{name}\t{label}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
