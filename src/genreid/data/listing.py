"""Finding image files in folders, in a fixed order, without opening one."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from genreid.data.mask_paths import RECORD_NAME

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""Lower-case endings of names that are taken for images; other files are passed over."""


def is_image_name(name: str) -> bool:
    """Return whether a file's `name` ends like an image's."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - ten times faster than Path


def list_images(folder: Path) -> list[Path]:
    """Return the image files directly in `folder`, sorted by name; an absent folder has none.

    A link that leads nowhere is listed, so that it is named as unreadable later and not dropped in silence.
    """
    return sorted(_images_of(folder))


def walk_images(folder: Path) -> Iterator[Path]:
    """Yield the image files anywhere below `folder`, one folder after the other.

    Links to folders are followed, each folder once, so that a link to a folder above does no harm. Folders
    whose name begins with a dot are passed over, and so are folders of masks that `genreid mask` has made.
    """
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(place)  # noqa: PTH116 - os.walk gives text
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if RECORD_NAME in names and Path(place) != folder:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if is_image_name(name))


def first_image_names(folder: Path, count: int) -> list[str]:
    """Return the names of some image files of `folder`, at most `count`, in the order of the file system."""
    return [path.name for path in islice(_images_of(folder), count)]


def _images_of(folder: Path) -> Iterator[Path]:
    """Yield the image files of one folder in the order of the file system."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            # in this order: of links that lead to each other `is_file` raises
            if is_image_name(entry.name) and (entry.is_symlink() or entry.is_file()):
                yield folder / entry.name
