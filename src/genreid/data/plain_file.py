"""Files that somebody else may have written: looked at before they are read, and read strictly."""

import json
import stat
from pathlib import Path
from typing import Any

LARGEST = 32_000_000
"""Bytes; no list, record or setting is larger."""


def read_plain(path: Path, most: int = LARGEST) -> bytes:
    """Return what a file holds: a plain file (no pipe, no device) of a limited size.

    Args:
        path: The file; a link to a plain file is one.
        most: Bytes that it may have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no plain file, or larger.
        OSError: If it cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device never end
        msg = f"{path}: expected a plain file, got a folder, a pipe or a device"
        raise ValueError(msg)
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        msg = f"{path}: expected a file of at most {most:,} bytes, got {max(status.st_size, len(content)):,}"
        raise ValueError(msg)
    return content


def read_text(path: Path, most: int = LARGEST) -> str:
    """Return the text of a plain file in UTF-8, without the mark that some programs put first.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no plain file, larger, or no UTF-8.
        OSError: If it cannot be read.
    """
    try:
        return read_plain(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path}: expected text in UTF-8: {error}"
        raise ValueError(msg) from error


def read_json_object(path: Path, most: int = LARGEST) -> dict[str, Any]:
    """Return the JSON object in a plain file; a key that stands there twice is refused.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no plain file, larger, or holds something else.
        OSError: If it cannot be read.
    """
    text = read_text(path, most)
    try:
        content = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        msg = f"{path}: expected a JSON object: {reason}"
        raise ValueError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path}: expected a JSON object, got a {type(content).__name__}"
        raise ValueError(msg)
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the entries of an object, each key once."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        msg = f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands there twice"
        raise ValueError(msg)
    return content
