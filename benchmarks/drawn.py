"""Images that need no data set: JPEG crops on disk, and labelled image sets in memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from genreid.data.bank import ImageBank
from genreid.data.batch import ImageSet
from genreid.training.crgan_stages import Domains


def draw_crops(folder: Path, count: int) -> Path:
    """Write smooth coloured noise as JPEG crops of 128x64, Market-1501's size, and return the folder."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (16, 8, 3), dtype=np.uint8))
        coarse.resize((64, 128), Image.Resampling.BICUBIC).save(folder / f"{number:05d}.jpg")
    return folder


def drawn_set(size: Sequence[int], classes: int, count: int = 256, *, masks: bool = False) -> ImageSet:
    """Return images of noise, in memory: what they show does not change the time of a step."""
    height, width = size
    random = np.random.default_rng(classes)
    images = random.integers(0, 256, (count, 3, height, width), dtype=np.uint8)
    paths = tuple(Path(f"{row}.jpg") for row in range(count))
    return ImageSet(
        ImageBank(paths, images, {}),
        ImageBank(paths, (images[:, :1] > 127).astype(np.uint8), {}) if masks else None,
        torch.arange(count) % classes,
        tuple(range(1, classes + 1)),
        torch.arange(count),
        "drawn",
    )


def drawn_domains(size: Sequence[int], people: int, cameras: int) -> Domains:
    """Return a source and a target with masks."""
    return Domains(
        drawn_set(size, people, max(256, people), masks=True),
        drawn_set(size, cameras, masks=True),
        cameras_known=True,
    )
