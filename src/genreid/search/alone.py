"""One process at a time in a gallery, and who it is."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such thing as a lock that dies with its process
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_NAME = "lock"


@contextmanager
def alone_in(gallery: Path) -> Iterator[None]:
    """Keep other processes out while the block runs; the lock dies with its process.

    Args:
        gallery: The gallery's folder.

    Yields:
        Nothing.

    Raises:
        ValueError: If another process has the gallery; says which, and since when.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(gallery / _NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"{gallery} is in use by {_holder(handle)}; wait for it, or stop it, and try again"
            raise ValueError(msg) from error
        except OSError as error:
            logger.debug("%s: this file system knows no locks: %s", gallery, error)
        who = {"process": os.getpid(), "command": " ".join(["genreid", *sys.argv[1:]])[:200]}
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({**who, "since": since}).encode(), 0)
        yield
        os.ftruncate(handle, 0)  # the command may name an image that was to be removed
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    """Say who has the lock, as far as it wrote it down."""
    try:
        said = json.loads(os.pread(handle, 4096, 0))
        return f"process {said['process']} (`{said['command']}`, since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
