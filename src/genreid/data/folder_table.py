"""A table of images: CSV with the columns path, identity, camera, split (only the first is needed)."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from genreid.data.numbering import SPLIT_NAMES, Entry, Tree

COLUMNS = ("path", "identity", "camera", "split")
_MISNAMED = {
    "identity": ("pid", "id", "person", "person_id", "identities", "label"),
    "camera": ("camid", "cam", "camera_id", "cam_id", "cameras"),
    "split": ("subset", "set", "part", "partition", "splits"),
}
"""A column -> names that others give it; taken for it they could also mean something else, so one asks."""
DELIMITERS = ",;\t"


def find_tables(root: Path, columns: tuple[str, ...] = ("path", "identity")) -> list[Path]:
    """Return the tables that a place is or holds.

    Args:
        root: A file that ends in `.csv`, or a folder with such files.
        columns: What the header of one in a folder has to have.
    """
    if root.is_file():
        return [root] if root.suffix.lower() == ".csv" else []
    if not root.is_dir():
        return []
    return [path for path in sorted(root.glob("*.csv")) if set(columns) <= set(_header(path))]


def read_table(table: Path) -> Tree:
    """Read a table; paths are relative to its folder.

    Args:
        table: The CSV file: UTF-8, with a header; comma, semicolon or tabulator between columns.

    Raises:
        ValueError: If the table is no text, has no column `path`, calls a column otherwise, or names an
            unknown split.
    """
    header = _header(table)
    if "path" not in header:
        message = (
            f"{table} has the columns {', '.join(header) or 'none'}; expected path, identity, camera, split"
        )
        raise ValueError(message)
    notes = [f"identity, camera and split from {table.name}", *_unread(table, header)]
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(
                file, fieldnames=header, delimiter=_delimiter(table), restkey="", strict=True
            )
            next(reader)
            entries = [_entry(table, reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        message = f"{table} is not a CSV file in UTF-8: {error}. Save the table again as CSV, encoding UTF-8"
        raise ValueError(message) from error
    if not entries:
        message = f"{table} names no image: it has a header only"
        raise ValueError(message)
    return Tree(table.parent, entries, (), notes)


def _unread(table: Path, header: Sequence[str]) -> list[str]:
    """Name the columns that are not read; refuse one that stands where another is expected."""
    strangers = [name for name in header if name and name not in COLUMNS]
    for column, others in _MISNAMED.items():
        meant = [name for name in strangers if name in others]
        if column not in header and meant:
            message = (
                f"{table} has a column {meant[0]!r} and none called {column!r}, so it would not be read: "
                f"rename it to {column!r}, or take it out"
            )
            raise ValueError(message)
    return [f"columns of {table.name} that are not read: {', '.join(strangers)}"] if strangers else []


def _entry(table: Path, line: int, row: Mapping[str, str | None]) -> Entry:
    """Turn one row into an entry."""
    path, identity, camera, split = ((row.get(key) or "").strip() for key in COLUMNS)
    if not path:
        message = f"{table}, line {line}: no path. Every row names an image, relative to {table.parent}"
        raise ValueError(message)
    if split.lower() not in {*SPLIT_NAMES, ""}:
        known = ", ".join(SPLIT_NAMES)
        message = f"{table}, line {line}: split {split!r}, expected one of {known}, or nothing for train"
        raise ValueError(message)
    return Entry(
        table.parent / path, SPLIT_NAMES.get(split.lower(), "train"), identity or None, camera or None
    )


def _header(table: Path) -> list[str]:
    """Return the column names of a table in small letters."""
    first = _first_line(table)
    names = next(csv.reader([first], delimiter=_delimiter(table)), [])
    return [name.strip().lower() for name in names]


def _delimiter(table: Path) -> str:
    """Return what stands between the columns: the separator that the header has most of."""
    return max(DELIMITERS, key=_first_line(table).count)


def _first_line(table: Path) -> str:
    """Return the header of a table, whatever bytes it holds; nothing if it cannot be read."""
    try:
        with table.open(encoding="utf-8-sig", errors="replace") as file:
            return file.readline(10_000)
    except OSError:
        return ""
