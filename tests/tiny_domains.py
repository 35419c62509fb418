"""Labelled image sets in memory, without files, for the stages of training."""

from pathlib import Path

import numpy as np
import torch

from genreid.data.bank import ImageBank
from genreid.data.batch import ImageSet
from genreid.training.crgan_stages import Domains


def image_set(
    label: str, count: int = 10, classes: int = 3, size: tuple[int, int] = (32, 16), *, masks: bool = True
) -> ImageSet:
    """Images of noise around a colour of their class; a mask is where the image's first channel is bright."""
    random = np.random.default_rng(list(label.encode()))
    labels = torch.arange(count) % classes
    colours = random.integers(60, 196, (classes, 3, 1, 1))
    noise = random.integers(-60, 60, (count, 3, *size))
    images = (colours[labels.numpy()] + noise).astype(np.uint8)
    paths = tuple(Path(f"{label}{row}.jpg") for row in range(count))
    return ImageSet(
        ImageBank(paths, images, {}),
        ImageBank(paths, (images[:, :1] > 128).astype(np.uint8), {}) if masks else None,
        labels,
        tuple(range(1, classes + 1)),
        torch.arange(count),
        f"fingerprint of {label}",
    )


def domains(*, masks: bool = True, cameras_known: bool = True) -> Domains:
    """Five source people, three target cameras."""
    return Domains(
        image_set("source", 11, 5, masks=masks), image_set("target", 9, 3, masks=masks), cameras_known
    )
