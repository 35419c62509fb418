"""Files that are there whole or not at all: written beside their place and renamed into it; their SHA-256."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genreid.data.leftovers import part_of


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a place to write a file to, which becomes `path` at the end of the block, but not on an error.

    Args:
        path: The file; its folder is made.

    Yields:
        A name in the same folder that no other process uses.

    Raises:
        OSError: If the disk does not take the file; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader never sees half of it.

    Args:
        path: Where to; its folder is made.
        content: The whole file; text is encoded as UTF-8.

    Raises:
        OSError: If the disk does not take the file; nothing is left behind.
    """
    with beside(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Args:
        path: An existing file of any size.
    """
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
