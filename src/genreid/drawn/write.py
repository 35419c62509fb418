"""A synthetic data set on disk: Market-1501's tree, person masks beside it, and what it was made with."""

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.data.box_folders import GALLERY, QUERY, TRAIN
from genreid.data.mask_paths import mask_path
from genreid.data.progress import progress_of
from genreid.data.whole_file import write_whole
from genreid.drawn.camera import jpeg
from genreid.drawn.picture import place_of, take_picture
from genreid.drawn.plan import Planned, Synthesis, plan

MANIFEST = "synthetic.json"
"""File in the data set's folder that says what it was made with."""
VERSION = 3
"""Grows when the same options give other pictures."""


class Written(NamedTuple):
    """What `synthesize` did.

    Attributes:
        images: Number of images in the data set.
        kept: How many of them were there from a run that was broken off.
    """

    images: int
    kept: int


def synthesize(root: Path, masks: Path, synthesis: Synthesis, *, shown: bool = True) -> Written:
    """Write a data set and its masks; a run that was broken off goes on with the same command.

    Args:
        root: The data set's folder; it is made.
        masks: Folder of the masks: the same relative paths, PNG of one bit a pixel.
        synthesis: What to make.
        shown: Whether progress is shown.

    Raises:
        ValueError: If the folder holds another data set, or the masks would lie among the images.
        OSError: If the disk does not take a file.
    """
    _claim(root, masks, synthesis)
    planned = plan(synthesis)
    for folder in (TRAIN, QUERY, GALLERY):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (masks / folder).mkdir(parents=True, exist_ok=True)
    kept = 0
    with progress_of("drawing people", len(planned), shown=shown) as advance:
        for item in planned:
            kept += not _write(root, masks, synthesis, item)
            advance(1)
    return Written(len(planned), kept)


def _claim(root: Path, masks: Path, synthesis: Synthesis) -> None:
    """Leave a note of what is made, or compare with the one that is there."""
    folders = [root / name for name in (TRAIN, QUERY, GALLERY)]
    if any(masks.absolute().is_relative_to(folder.absolute()) for folder in folders) or masks == root:
        message = f"the masks' folder {masks} lies among the images of {root}; choose another with --masks"
        raise ValueError(message)
    text = json.dumps({"version": VERSION, **asdict(synthesis)}, indent=1) + "\n"
    note = root / MANIFEST
    if note.is_file() and note.read_text(encoding="utf-8") == text:
        return
    if note.exists() or any(folder.is_dir() and any(folder.iterdir()) for folder in folders):
        what = f"made with other options (see {note})" if note.exists() else "of another origin"
        message = f"{root} holds a data set {what}; choose an empty folder, or delete that one first"
        raise ValueError(message)
    root.mkdir(parents=True, exist_ok=True)
    write_whole(note, text)


def _write(root: Path, masks: Path, synthesis: Synthesis, item: Planned) -> bool:
    """Write an image and its mask; return False where both are there."""
    image = root / item.folder / item.name
    mask = mask_path(masks, root, image)
    if image.is_file() and mask.is_file():
        return False
    picture = take_picture(synthesis.studio, item.shot)
    quality = place_of(synthesis.studio, item.shot.camid).look.quality
    write_whole(mask, _one_bit_png(picture.mask))
    write_whole(image, jpeg(picture.pixels, quality))
    return True


def _one_bit_png(mask: NDArray[np.uint8]) -> bytes:
    """Return a mask as a PNG file of one bit a pixel."""
    encoded = io.BytesIO()
    Image.fromarray(mask != 0).save(encoded, format="PNG")
    return encoded.getvalue()
