"""Where derived files (decoded images, fetched weights) are kept between runs."""

import contextlib
import os
from pathlib import Path

CACHE_VARIABLE = "GENREID_CACHE"
"""The environment variable that moves the cache."""


def cache_root() -> Path:
    """Return the folder of everything that can be made again: `$GENREID_CACHE`, or `~/.cache/genreid`.

    The folder is not made here; whoever writes makes it.

    Raises:
        ValueError: If nobody knows where the home folder is; says what to type.
    """
    chosen = os.environ.get(CACHE_VARIABLE, "")
    try:
        return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "genreid"
    except RuntimeError as error:  # a container that runs as a number, or `~nosuchuser`
        at = f"{CACHE_VARIABLE}={chosen}" if chosen else "no HOME"
        msg = f"no place for the cache ({at}: {error}): set {CACHE_VARIABLE} to a folder that can be written"
        raise ValueError(msg) from error


def private_folder(folder: Path) -> Path:
    """Make a folder of people's pictures, with mode 0700: other users of the machine cannot look into it.

    Args:
        folder: One that is there is closed to others, too, if it is this user's and lies in the cache.

    Returns:
        The same.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_relative_to(cache_root()):
        with contextlib.suppress(OSError):  # another user's: it is his to close
            folder.chmod(0o700)
    return folder
