"""What was found as a picture: a row for each query, the query at its left."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from genreid.data.pictures import UnreadablePictureError, read_at_size
from genreid.generation.renderings import save_sheet
from genreid.generation.sheets import Sheet, Tile, draw_sheet
from genreid.search.find import Answer, Finder

_SIZE = (192, 96)
_CAPTION = 26
_MOST = 12


def save_answers(path: Path, answers: Sequence[Answer], finder: Finder) -> Path:
    """Draw queries and the images that were found for them, the first twelve of each.

    Args:
        path: The PNG.
        answers: Of `Finder.find`.
        finder: What found them.

    Returns:
        The file. It shows pictures of people.

    Raises:
        ValueError: If the name is not that of a picture's file.
    """
    columns = max(1, *(min(_MOST, len(answer.hits)) for answer in answers))
    rows = []
    for answer in answers:
        unknown = {None: "", True: "unknown", False: "known"}[answer.unknown]
        row: list[Tile | None] = [_tile(answer.query, ("query", unknown))]
        for hit in answer.hits[:columns]:
            probability = finder.probability(hit, answer.size)
            surely = "" if probability is None else f" p {probability:.2f}"
            row.append(
                _tile(
                    Path(hit.labels.path),
                    (f"{hit.likeness:.2f}{surely}", hit.labels.camera and f"cam {hit.labels.camera}"),
                )
            )
        rows.append(row + [None] * (columns + 1 - len(row)))
    save_sheet(path, draw_sheet(Sheet(rows, column_breaks=frozenset({0}))))
    return path


def _tile(path: Path, caption: tuple[str, str]) -> Tile:
    """Return a picture with two lines of text under it; grey where the picture is gone."""
    try:
        picture = read_at_size(path, _SIZE).transpose(1, 2, 0)
    except UnreadablePictureError:
        picture = np.full((*_SIZE, 3), 160, np.uint8)
    tile = Image.new("RGB", (_SIZE[1], _SIZE[0] + _CAPTION), "white")
    tile.paste(Image.fromarray(np.ascontiguousarray(picture)))
    draw = ImageDraw.Draw(tile)
    for number, line in enumerate(caption):
        text = line.encode("ascii", "backslashreplace").decode("ascii")[:16]
        draw.text((1, _SIZE[0] + 12 * number), text, fill="black")
    return np.asarray(tile).transpose(2, 0, 1)
