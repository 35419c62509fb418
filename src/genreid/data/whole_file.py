"""Files that are there whole or not at all: written beside their place and renamed into it; their SHA-256."""

import errno
import hashlib
import os
import stat
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
        with usual_mode(part):
            yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def usual_mode(path: Path) -> Iterator[None]:
    """Give a file that a library writes in this block the mode of any new file; safetensors' own is 0600.

    Args:
        path: The file; one that is there is deleted first.
    """
    path.unlink(missing_ok=True)
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    yield
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


def write_whole(path: Path, content: bytes | str, *, lasting: bool = False) -> None:
    """Write a file so that a reader never sees half of it.

    Args:
        path: Where to; its folder is made.
        content: The whole file; text is encoded as UTF-8.
        lasting: Wait until the disk has it: it must be there after a power cut.

    Raises:
        OSError: If the disk does not take the file; nothing is left behind.
    """
    with beside(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        if lasting:
            flush(part)
    if lasting:
        flush(path.parent)


def flush(path: Path) -> None:
    """Wait until the disk has a file's content, or a folder's names.

    Args:
        path: File or folder; where a system does not open folders, nothing is waited for.

    Raises:
        OSError: If the disk does not take it.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that knows no such thing
            raise
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Args:
        path: An existing file of any size.
    """
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
