"""What went wrong, in words that say what to do; and text that cannot work a terminal."""

import errno
import logging
import re
from collections.abc import Mapping

_REMEDIES: Mapping[int, str] = {
    errno.EACCES: "its owner must allow it (chmod), or name another place",
    errno.EPERM: "its owner must allow it (chmod), or name another place",
    errno.EROFS: "nothing can be written there; name a place on another disk",
    errno.ENOSPC: "free some space, or name a place on another disk; what was saved stays",
    errno.EDQUOT: "your quota is used up: delete something, or name a place on another disk",
    errno.ENOENT: "check the name, and that the disk is there",
    errno.ENOTDIR: "a part of this path is a file; name a folder",
    errno.EISDIR: "this is a folder; name a file",
    errno.EEXIST: "another file has this name; delete it, or give another name",
    errno.ELOOP: "a link that leads to itself; delete it",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EMFILE: "close other programs, or type `ulimit -n 4096` first",
    errno.ENFILE: "close other programs",
    errno.EIO: "the disk or the network failed, the file may be whole: type the command again",
    errno.ESTALE: "the network's disk went away; mount it again, then type the command again",
    errno.ENOTEMPTY: "something else lies in this folder; look at it, and delete it",
}
"""Error number -> what to do about it."""
_SMALLER = (
    "What was saved stays. Type a smaller batch (`genreid VERB --help` lists it, such as --stage2.batch N, "
    "--training.batch N or --batch-size N), in a new --out where training has begun; or --device cpu"
)
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc", re.IGNORECASE)
_TRIED = re.compile(r"tried to allocate (\d+) bytes")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def explained(error: BaseException) -> str | None:
    """Return what to tell a user of an error; None if it is a fault of ours, whose place must be seen.

    Args:
        error: What ended a command.
    """
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{_text(error.filename)}: " if error.filename is not None else ""
        remedy = _REMEDIES.get(error.errno, "mend that and type the command again")
        return f"{where}{error.strerror}: {remedy}"
    if isinstance(error, ValueError | OSError | FloatingPointError):
        return text
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(text)):
        tried = _TRIED.search(text)
        asked = f" for {int(tried[1]) / 1e9:,.1f} GB" if tried else ""
        first = text.splitlines()[0] if type(error).__name__ == "OutOfMemoryError" else "out of memory"
        return f"{first.rstrip('.')}{asked}. {_SMALLER}"
    if isinstance(error, RuntimeError) and "home directory" in text:
        return (
            "the home folder is not known (no HOME, or no such user as behind a `~`): write the path in "
            "full, and set GENREID_CACHE to a folder that can be written"
        )
    return None


def printable(text: str) -> str:
    r"""Return text in which nothing works a terminal: control characters as \xNN, but for ends of lines.

    Args:
        text: Any text; names of files may hold anything.
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class PlainLines(logging.Formatter):
    """A formatter of log lines that cannot work a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line.

        Args:
            record: What was logged.
        """
        return printable(super().format(record))


def _text(name: object) -> str:
    """Return a file's name as text."""
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
