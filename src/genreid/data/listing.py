"""Finding image files in folders, in a fixed order, without opening one."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from genreid.data.mask_paths import RECORD_NAME

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"}
)
"""Lower-case endings of names that are taken for images; `files_seen` counts and names other files."""
_LEAVINGS = frozenset(
    {
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "@eadir",
        "#recycle",
        "$recycle.bin",
        "lost+found",
    }
    | {"system volume information", "icon\r"}
)


def is_leaving(name: str) -> bool:
    """Tell whether a file or folder was left by an operating system, an archive or a tool; or is hidden.

    Args:
        name: Its own name, without folders.
    """
    return name.startswith(".") or name.lower() in _LEAVINGS


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

    Links to folders are followed, each folder once, so that a link to a folder above does no harm. What is
    hidden or was left by a system (`is_leaving`) is no image, and no folder of masks is a folder of images.
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
        folders[:] = sorted(name for name in folders if not is_leaving(name))
        yield from (
            Path(place, name) for name in sorted(names) if is_image_name(name) and not is_leaving(name)
        )


def first_image_names(folder: Path, count: int) -> list[str]:
    """Return the names of some image files of `folder`, at most `count`, in the order of the file system."""
    return [path.name for path in islice(_images_of(folder), count)]


def _images_of(folder: Path) -> Iterator[Path]:
    """Yield the image files of one folder in the order of the file system."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_image_name(entry.name) or is_leaving(entry.name):
                continue
            # in this order: of links that lead to each other `is_file` raises
            if entry.is_symlink() or entry.is_file():
                yield folder / entry.name
