"""Pictures of a page: re-encoded small and put into the page itself as data URIs.

Every picture is decoded and encoded anew, so nothing but pixels gets into the page.
"""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from genreid.data.cuhk03 import find_mat
from genreid.data.cuhk03_images import image_folder
from genreid.data.decode import UnreadableImageError, read_image
from genreid.drawn.write import MANIFEST

CROP_SIZE = (64, 128)
"""Width and height that a crop of a person is fitted into."""
SHEET_WIDTH, SHEET_HEIGHT = 1600, 2400
"""A larger sheet is made smaller."""
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")
_CROP_QUALITY, _SHEET_QUALITY = 80, 86
_FOLDERS_UP = 4


class Picture(NamedTuple):
    """A picture that stands in the page.

    Attributes:
        uri: `data:image/jpeg;base64,...`.
        width: In pixels.
        height: In pixels.
    """

    uri: str
    width: int
    height: int


NOT_NAMED = "not below --data"
"""What stands in place of a crop that lies nowhere where the reader let the page look."""


class PictureBook:
    """Makes pictures, each file once, and only of files in folders that the reader of the runs has named.

    A run may be a stranger's: what it names or links to says nothing of what its reader wants in a page.

    Attributes:
        drawn: Whether every picture so far is of people who do not exist; True if there is none.
        not_named: How many crops so far lie outside of all folders.
    """

    def __init__(self, runs: Sequence[Path] = (), data: Sequence[Path] = ()) -> None:
        """Make an empty book.

        Args:
            runs: Run folders: files that truly lie in them are shown.
            data: The data sets' folders: files below them are shown, through links in them as well.
        """
        self.drawn, self.not_named = True, 0
        self._runs = [run.resolve() for run in runs]
        self._data = [place for folder in data for place in _places(folder)]
        self._crops: dict[str, Picture | str] = {}

    def crop(self, path: str | None) -> Picture | str:
        """Return a crop of a person, or in a few words why there is none.

        Args:
            path: The image file; None if nobody knows it.
        """
        if path is None:
            return "not named"
        if path not in self._crops:
            self._crops[path] = self._crop(path)
            self.not_named += self._crops[path] == NOT_NAMED
        return self._crops[path]

    def sheet(self, path: Path, *, drawn: bool) -> Picture | str:
        """Return a sheet of pictures that a run has made, or in a few words why there is none.

        Args:
            path: The image file.
            drawn: Whether the people in it do not exist.
        """
        if not self._is_of_a_run(path):
            return "a link out of the run"
        picture = _encode(path, (SHEET_WIDTH, SHEET_HEIGHT), _SHEET_QUALITY)
        self.drawn &= drawn or isinstance(picture, str)
        return picture

    def _crop(self, name: str) -> Picture | str:
        """Return a picture, and note whether it shows a real person."""
        if "\0" in name:
            return "no such file"
        path = Path(os.path.abspath(name))  # noqa: PTH100 - `..` is taken out before links are followed
        if not any(path.is_relative_to(place) for place in self._data) and not self._is_of_a_run(path):
            return NOT_NAMED
        picture = _encode(path, CROP_SIZE, _CROP_QUALITY)
        self.drawn &= isinstance(picture, str) or is_drawn(path)
        return picture

    def _is_of_a_run(self, path: Path) -> bool:
        """Tell whether a file lies in one of the runs, wherever links of its path lead."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError):  # a loop of links
            return False
        return any(real.is_relative_to(run) for run in self._runs)


def _places(folder: Path) -> list[Path]:
    """Return where a data set's pictures lie: its folder, typed or real; of CUHK03's release the cache."""
    mat = find_mat(folder)
    written = [] if mat is None else [image_folder(mat, boxes) for boxes in ("detected", "labeled")]
    return [Path(os.path.abspath(folder)), folder.resolve(), *written]  # noqa: PTH100 - as in `_crop`


def is_drawn(path: Path) -> bool:
    """Tell whether a file lies in a data set of `genreid data synthesize`: its people do not exist.

    Args:
        path: An image, or the data set's folder.
    """
    folders = [path, *path.parents][: _FOLDERS_UP + 1]
    return any((folder / MANIFEST).is_file() for folder in folders)


def _encode(path: Path, size: tuple[int, int], quality: int) -> Picture | str:
    """Return a file's pixels as a JPEG no larger than `size`, or why it cannot be read."""
    try:
        image = Image.fromarray(read_image(path))
    except UnreadableImageError as error:
        return str(error)
    except (OSError, ValueError) as error:  # such as a path with a zero byte
        return str(error) or type(error).__name__
    factor = min(1.0, size[0] / image.width, size[1] / image.height)
    if factor < 1:
        fitted = max(1, round(factor * image.width)), max(1, round(factor * image.height))
        image = image.resize(fitted, Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    image.save(encoded, format="JPEG", quality=quality, subsampling=0, optimize=True)
    text = base64.b64encode(encoded.getvalue()).decode("ascii")
    return Picture(f"data:image/jpeg;base64,{text}", image.width, image.height)
