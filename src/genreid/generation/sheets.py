"""Rows and columns of small images with labels around them, as one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Tile = NDArray[np.uint8]
"""One image, uint8 [3, H, W]."""
MIN_TILE_HEIGHT = 128
"""Lower images are enlarged by a whole number, so that people can be seen."""
_GAP, _BREAK, _MARGIN, _LINE = 2, 10, 4, 14
"""Pixels between two tiles, at a break, around texts, and from one line of text to the next."""
_LABEL_WIDTH = 150
"""Widest text at the left of a row, in pixels."""


@dataclass(frozen=True)
class Sheet:
    """Images in rows and columns, all of one size.

    Attributes:
        rows: The images; None stays white. Every row has as many.
        row_labels: A text, perhaps of several lines, at the left of each row; empty: none.
        column_labels: A text above each column; empty: none.
        title: A text at the top; empty: none.
        row_breaks: A wider gap comes after these rows, counted from 0.
        column_breaks: A wider gap comes after these columns, counted from 0.
    """

    rows: Sequence[Sequence[Tile | None]]
    row_labels: Sequence[str] = ()
    column_labels: Sequence[str] = ()
    title: str = ""
    row_breaks: frozenset[int] = frozenset()
    column_breaks: frozenset[int] = frozenset()


class _Frame(NamedTuple):
    """Where things stand, in pixels: left of each column, top of each row, the sheet's width and height."""

    lefts: list[int]
    tops: list[int]
    width: int
    height: int


def draw_sheet(sheet: Sheet) -> Image.Image:
    """Draw a sheet.

    Args:
        sheet: Images and texts; a text that does not fit into its place is cut.

    Returns:
        An RGB picture on white; small images are enlarged.
    """
    shown = next(tile for row in sheet.rows for tile in row if tile is not None)
    factor = max(1, -(-MIN_TILE_HEIGHT // shown.shape[1]))
    size = (shown.shape[2] * factor, shown.shape[1] * factor)
    labels = [[_cut(line, _LABEL_WIDTH) for line in text.splitlines()] for text in sheet.row_labels]
    widths = [_text_width(line) + 2 * _MARGIN for lines in labels for line in lines]
    frame = _frame(sheet, size, max(widths, default=0))
    picture = Image.new("RGB", (frame.width, frame.height), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_MARGIN, 1), _cut(sheet.title, frame.width - 2 * _MARGIN), fill="black")
    for left, text in zip(frame.lefts, sheet.column_labels, strict=False):
        draw.text((left + 1, frame.tops[0] - _LINE), _cut(text, size[0]), fill="black")
    for top, lines in zip(frame.tops, labels, strict=False):
        for number, line in enumerate(lines):
            draw.text((_MARGIN, top + size[1] // 2 + (number - 1) * _LINE), line, fill="black")
    for top, row in zip(frame.tops, sheet.rows, strict=True):
        for left, tile in zip(frame.lefts, row, strict=True):
            if tile is not None:
                picture.paste(_enlarged(tile, size), (left, top))
    return picture


def _frame(sheet: Sheet, size: tuple[int, int], label_width: int) -> _Frame:
    """Lay the tiles, of this width and height, out."""
    head = _LINE * (bool(sheet.title) + bool(sheet.column_labels))
    lefts, width = _places(len(sheet.rows[0]), size[0], label_width, sheet.column_breaks)
    tops, height = _places(len(sheet.rows), size[1], head, sheet.row_breaks)
    return _Frame(lefts, tops, max(width, _text_width(sheet.title) + 2 * _MARGIN), height)


def _places(count: int, length: int, start: int, breaks: frozenset[int]) -> tuple[list[int], int]:
    """Return where each of so many tiles of a length begins, and where the last one's gap ends."""
    places = []
    for number in range(count):
        places.append(start)
        start += length + (_BREAK if number in breaks else _GAP)
    return places, start


def _text_width(text: str) -> int:
    """Return how many pixels wide a text is drawn."""
    return int(np.ceil(ImageDraw.Draw(Image.new("1", (1, 1))).textlength(_drawable(text))))


def _cut(text: str, width: int) -> str:
    """Return as much of a text as fits into a width; its end says most of a file's name."""
    text = _drawable(text)
    if _text_width(text) <= width:
        return text
    while text and _text_width(f"..{text}") > width:
        text = text[1:]
    return f"..{text}"


def _drawable(text: str) -> str:
    """Return a text in the letters that the built-in font has."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def _enlarged(tile: Tile, size: tuple[int, int]) -> Image.Image:
    """Return a tile at the given width and height."""
    image = Image.fromarray(np.ascontiguousarray(tile.transpose(1, 2, 0)))
    return image.resize(size, Image.Resampling.NEAREST)
