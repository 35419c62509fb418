"""Names of files that are being written, and the end of those that dead processes left."""

import os
import platform
import re
import shutil
import time
from pathlib import Path

_PART = re.compile(r"\..+?\.(?:(?P<host>[\w-]+)-)?(?P<process>\d+)\.part")
_HOST = re.sub(r"[^A-Za-z0-9]+", "_", platform.node()) or "host"
_QUIET, _ABANDONED = 10.0, 86_400.0
"""Seconds without a write after which a file goes: one of a process of this machine that is dead, any other.
The ten seconds are for containers that share the machine's name, but not its numbers of processes."""
_swept: set[Path] = set()


def part_of(path: Path) -> Path:
    """Return where `path` is written before it is renamed into place; the first call of a folder clears up.

    Args:
        path: A file, or a folder that is filled.

    Returns:
        A name in the same folder that no other process uses: `.NAME.HOST-PROCESS.part`.
    """
    if path.parent not in _swept:
        _swept.add(path.parent)
        sweep(path.parent)
    return path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.part")


def sweep(folder: Path) -> None:
    """Delete what dead processes left half written; what cannot be deleted stays.

    Args:
        folder: Only files and folders directly in it are looked at; it may be absent.
    """
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return
    for name in names:
        named = _PART.fullmatch(name)
        if named is not None and _is_left(folder / name, named):
            _delete(folder / name)


def _is_left(path: Path, named: re.Match[str]) -> bool:
    """Tell whether nobody is writing a file any more."""
    try:
        quiet = time.time() - path.lstat().st_mtime
    except OSError:
        return False
    dead = named["host"] == _HOST and not _is_alive(int(named["process"]))
    return quiet > (_QUIET if dead else _ABANDONED)


def _is_alive(process: int) -> bool:
    """Tell whether a process of this machine is there; where that cannot be asked, it is taken to be."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _delete(path: Path) -> None:
    """Delete a file or a folder, as far as possible."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return
