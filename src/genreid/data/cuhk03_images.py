"""Writing the images inside `cuhk-03.mat` out once, as PNG files in the cache."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from genreid.data.cache import cache_root, private_folder
from genreid.data.decode import UInt8
from genreid.data.leftovers import part_of
from genreid.data.progress import progress_of

if TYPE_CHECKING:
    import h5py

VERSION = 1
"""Raised when the written files change."""
SHOTS_OF_A_VIEW = 5
LARGEST_CELL = 150_000_000
"""Bytes of one image, or of a table of references; a file of a few kilobytes can declare any size."""
WRITTEN_TOGETHER = 256

Person = tuple[int, int]
"""Camera pair and number of the person in it, both from 1."""


def written_images(mat: Path, boxes: str, cache_dir: Path | None = None) -> Path:
    """Return the folder of the images of a release, which is written if it is not there.

    Args:
        mat: The file `cuhk-03.mat`.
        boxes: `detected` or `labeled`.
        cache_dir: Where such folders are kept; default: `cuhk03` in the cache.

    Raises:
        ValueError: If the file is damaged or the disk has no room.
    """
    folder = image_folder(mat, boxes, cache_dir)
    if folder.is_dir():
        private_folder(folder.parent)
    else:
        _write_beside(mat, boxes, folder)
    return folder


def image_folder(mat: Path, boxes: str, cache_dir: Path | None = None) -> Path:
    """Return where `written_images` writes, whether it has or not.

    Args:
        mat: As there.
        boxes: As there.
        cache_dir: As there.
    """
    status = mat.stat()
    facts = f"{VERSION} {boxes} {mat.absolute()} {status.st_size} {status.st_mtime_ns}"
    key = hashlib.sha256(os.fsencode(facts)).hexdigest()[:16]
    return (cache_dir or cache_root() / "cuhk03") / f"{boxes}-{key}"


def classic_test_people(mat: Path, number: int) -> set[Person]:
    """Return the people that one of the release's 20 splits tests.

    Args:
        mat: The file `cuhk-03.mat`.
        number: Which split, from 0.

    Raises:
        ValueError: If the file is damaged.
    """
    import h5py  # noqa: PLC0415 - only this format needs it

    try:
        with h5py.File(mat, "r") as file:
            pairs = _own(file, _own(file, "testsets")[()].ravel()[number])[()]
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise ValueError(_damaged(mat, error)) from error
    return {(int(pair), int(person)) for pair, person in pairs.T}


def _write_beside(mat: Path, boxes: str, folder: Path) -> None:
    """Write all images beside their place, then rename: a killed run leaves no half folder."""
    import h5py  # noqa: PLC0415 - only this format needs it

    beside = part_of(folder)
    try:
        private_folder(folder.parent)
        beside.mkdir(mode=0o700, exist_ok=True)
        with h5py.File(mat, "r") as file:
            _write_all(file, boxes, beside)
        beside.replace(folder)
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        if not folder.is_dir():  # another process may have been faster
            raise ValueError(_damaged(mat, error)) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write_all(file: "h5py.File", boxes: str, folder: Path) -> None:
    """Read images one after the other (HDF5 has one lock), compress them in parallel."""
    pairs = [_own(file, reference)[()] for reference in _own(file, boxes)[()].ravel()]
    total = sum(cells.size for cells in pairs)
    with progress_of(f"writing CUHK03's {boxes} images", total) as advance, ThreadPoolExecutor() as pool:
        waiting = []
        for name, reference in _named_cells(pairs):
            image = np.asarray(_own(file, reference)).T
            if image.ndim == 3:  # an empty cell holds MATLAB's size vector
                waiting.append(pool.submit(_write_png, folder / name, image))
            advance(1)
            if len(waiting) >= WRITTEN_TOGETHER:
                while waiting:
                    waiting.pop().result()
        for writing in waiting:
            writing.result()


def _own(file: "h5py.File", key: object) -> "h5py.Dataset":
    """Return a data set whose numbers lie in the file itself; HDF5 can take them from any other file."""
    import h5py  # noqa: PLC0415 - only this format needs it

    if isinstance(key, str) and not isinstance(file.get(key, getlink=True), h5py.HardLink):
        msg = f"{key} is not there, or a link to another place"
        raise ValueError(msg)
    found = file[key]
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        msg = "its numbers are to be taken out of other files, which CUHK03's release does not do"
        raise ValueError(msg)
    if found.nbytes > LARGEST_CELL:
        msg = f"a cell of {found.nbytes:,} bytes, expected at most {LARGEST_CELL:,}"
        raise ValueError(msg)
    return found


def _named_cells(
    pairs: list["np.ndarray[tuple[int, int], np.dtype[np.object_]]"],
) -> Iterator[tuple[str, object]]:
    """Yield file name and reference of every cell; `pairs` are [10, people] as HDF5 stores them."""
    for pair, cells in enumerate(pairs, start=1):
        for person in range(cells.shape[1]):
            for shot in range(cells.shape[0]):
                view = 1 + shot // SHOTS_OF_A_VIEW
                yield f"{pair}_{person + 1:03d}_{view}_{shot + 1:02d}.png", cells[shot, person]


def _write_png(path: Path, image: UInt8) -> None:
    """Write one image, uint8 [H,W,3]; light compression, for these files are read often and kept little."""
    path.touch(mode=0o600)
    Image.fromarray(np.ascontiguousarray(image)).save(path, compress_level=1)


def _damaged(mat: Path, error: Exception) -> str:
    """Say that a release cannot be read."""
    return (
        f"cannot read the images of {mat}: {error}. Expected the file of CUHK03's release (MATLAB v7.3) "
        "and room for its images in the cache"
    )
