"""A table of images: CSV with the columns path, identity, camera, split (only the first is needed)."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from genreid.data.files_seen import names_images
from genreid.data.listing import is_leaving
from genreid.data.numbering import SPLIT_NAMES, Entry, Tree
from genreid.data.plain_file import read_plain

COLUMNS = ("path", "identity", "camera", "split")
_MISNAMED = {
    "path": ("image", "images", "image_path", "img", "img_path", "file", "filename", "filepath", "name"),
    "identity": ("pid", "id", "person", "person_id", "identities", "label"),
    "camera": ("camid", "cam", "camera_id", "cam_id", "cameras"),
    "split": ("subset", "set", "part", "partition", "splits"),
}
"""A column -> names that others give it; taken for it they could also mean something else, so one asks."""
DELIMITERS = ",;\t"
LARGEST_TABLE = 1_000_000_000
"""Bytes of a table."""
_LONGEST = 200


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
    found = (path for path in sorted(root.glob("*.csv")) if not is_leaving(path.name))
    return [path for path in found if set(columns) <= set(_header(path))]


def expect_no_table(root: Path) -> None:
    """Refuse a folder with a table of its images that says who they show or of which split they are, unread.

    Args:
        root: The folder.

    Raises:
        ValueError: If there is one; its columns have other names than those that are read.
    """
    for table in (path for path in sorted(root.glob("*.csv")) if not is_leaving(path.name)):
        header = _header(table)
        meant = [column for column in COLUMNS if _column_for(column, header)]
        if names_images(table) and {"identity", "split"} & set(meant):
            names = ", ".join(f"{_column_for(column, header)} = {column}" for column in meant)
            message = (
                f"{table} seems to say what the images show, but its columns have other names than "
                f"{', '.join(COLUMNS)} ({names}): rename them; or say how to read the folder without the "
                "table: --format folder --pattern '(?P<identity>...)...(?P<camera>...)'"
            )
            raise ValueError(message)


def _column_for(column: str, header: Sequence[str]) -> str:
    """Return the name in a header that stands for a column; empty: none."""
    plain = {name: re.sub("[^a-z]", "", name) for name in header}
    known = {column, *(re.sub("[^a-z]", "", other) for other in _MISNAMED[column])}
    return next((name for name in header if plain[name] in known), "")


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
        columns = _shortened(", ".join(header)) or "none"
        message = f"{table} has the columns {columns}; expected path, identity, camera, split"
        raise ValueError(message)
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        message = f"{table} has {header.count(twice[0])} columns {twice[0]!r}: take one out"
        raise ValueError(message)
    notes = [f"identity, camera and split from {table.name}", *_unread(table, header)]
    try:
        lines = io.StringIO(read_plain(table, LARGEST_TABLE).decode("utf-8-sig"), newline="")
        reader = csv.DictReader(
            lines, fieldnames=header, delimiter=_delimiter(table), restkey="", strict=True
        )
        next(reader)
        entries = [_entry(table, reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        message = f"{table} is not a CSV file in UTF-8: {error}. Save the table again as CSV, encoding UTF-8"
        raise ValueError(message) from error
    if not entries:
        message = f"{table} names no image: it has a header only"
        raise ValueError(message)
    _expect_no_contradiction(table, entries)
    return _at_common_folder(Tree(table.parent, entries, (), notes, lists=(table,)))


def _expect_no_contradiction(table: Path, entries: Sequence[Entry]) -> None:
    """Refuse a file under two identities or cameras."""
    known: dict[Path, Entry] = {}
    for entry in entries:
        before = known.setdefault(entry.path, entry)
        for column in ("identity", "camera"):
            one, other = getattr(before, column), getattr(entry, column)
            if one != other:
                message = (
                    f"{table}: {entry.path} has two values of {column}, {one!r} and {other!r}: say which"
                )
                raise ValueError(message)


def _at_common_folder(tree: Tree) -> Tree:
    """Return what a table says; where images lie outside its folder, the root is the one of all."""
    home = Path(os.path.abspath(tree.root))  # noqa: PTH100 - without looking at links
    paths = [Path(os.path.abspath(entry.path)) for entry in tree.entries]  # noqa: PTH100
    if all(path.is_relative_to(home) for path in paths):
        return tree
    root = Path(os.path.commonpath([home, *(path.parent for path in paths)]))
    entries = [entry._replace(path=path) for entry, path in zip(tree.entries, paths, strict=True)]
    note = f"the table names images outside its folder: {root} is taken as the data set's folder"
    return tree._replace(root=root, entries=entries, notes=[*tree.notes, note])


def _unread(table: Path, header: Sequence[str]) -> list[str]:
    """Name the columns that are not read; refuse one that stands where another is expected."""
    strangers = [name for name in header if name and name not in COLUMNS]
    for column in COLUMNS:
        meant = [name for name in strangers if name == _column_for(column, strangers)]
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
    if "\0" in path:
        message = f"{table}, line {line}: the path has a zero byte in it, so it is no file's name"
        raise ValueError(message)
    if split.lower() not in {*SPLIT_NAMES, ""}:
        known = ", ".join(SPLIT_NAMES)
        message = f"{table}, line {line}: split {split!r}, expected one of {known}, or nothing for train"
        raise ValueError(message)
    file = _existing(table.parent, path)
    return Entry(file, SPLIT_NAMES.get(split.lower(), "train"), identity or None, camera or None)


def _existing(folder: Path, path: str) -> Path:
    """Return the file that a path means, also with Windows' separators or accents stored the other way."""
    written = folder / path
    if ("\\" in path or not path.isascii()) and not written.exists():
        slashed = path.replace("\\", "/")
        for form in ("NFC", "NFD"):
            other = folder / unicodedata.normalize(form, slashed)
            if other.exists():
                return other
    return written


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
        if not table.is_file():  # a pipe would be waited for
            return ""
        with table.open(encoding="utf-8-sig", errors="replace") as file:
            return file.readline(10_000)
    except OSError:
        return ""


def _shortened(text: str) -> str:
    """Return a text that is no longer than a line or two."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
