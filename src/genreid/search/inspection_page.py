"""An inspection as one HTML page that needs no other file: tables, bars, small pictures of the examples."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from genreid.data.pictures import UnreadablePictureError, read_at_size
from genreid.data.whole_file import write_whole
from genreid.search.inspection import Inspection, Pair

MARK = "<!-- genreid inspect -->"
"""Begins every page: a file without it is not replaced unasked."""
_SIZE = (96, 48)


@dataclass(frozen=True)
class Example:
    """Two images side by side."""

    pair: Pair
    """Which, and how alike."""
    pictures: tuple[str, str]
    """Each as a data address; empty where the picture is gone."""


def write_page(path: Path, found: Inspection, title: str, *, force: bool = False) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        found: What was found.
        title: What was inspected.
        force: Replace a file that is no such page.

    Raises:
        ValueError: If something else is there.
    """
    expect_page(path, force=force)
    environment = Environment(
        loader=PackageLoader("genreid.search"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("inspection.html").render(
        found=found,
        title=title,
        alone=_examples(found.matches_nothing),
        duplicates=_examples(found.duplicates),
        split=_examples(found.split_people),
    )
    write_whole(path, f"{MARK}\n{page}\n")


def expect_page(path: Path, *, force: bool) -> None:
    """Refuse a place where something else lies, before anything is computed.

    Args:
        path: Where the page shall go.
        force: Replace it nevertheless.

    Raises:
        ValueError: If something else is there.
    """
    if path.is_dir():
        msg = f"--out {path} is a folder; give a file, such as {path / 'inspection.html'}"
        raise ValueError(msg)
    if path.exists() and not force and MARK.encode() not in path.read_bytes()[:100]:
        msg = f"--out {path} is there and is no page of `genreid inspect`; give another, or --force"
        raise ValueError(msg)


def _examples(pairs: Sequence[Pair]) -> list[Example]:
    """Read the pictures of some pairs."""
    return [Example(pair, (_address(pair.first), _address(pair.second))) for pair in pairs]


def _address(path: str) -> str:
    """Return a small picture as a data address."""
    try:
        pixels = read_at_size(Path(path), _SIZE)
    except UnreadablePictureError:
        return ""
    with io.BytesIO() as file:
        Image.fromarray(pixels.transpose(1, 2, 0).copy()).save(file, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
