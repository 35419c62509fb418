"""Where derived files (decoded images, fetched weights) are kept between runs."""

import os
from pathlib import Path

CACHE_VARIABLE = "GENREID_CACHE"
"""The environment variable that moves the cache."""


def cache_root() -> Path:
    """Return the folder of everything that can be made again: `$GENREID_CACHE`, or `~/.cache/genreid`.

    The folder is not made here; whoever writes makes it.
    """
    chosen = os.environ.get(CACHE_VARIABLE, "")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "genreid"
