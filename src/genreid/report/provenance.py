"""What made a file: version and, where the package runs from its repository, the commit."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from genreid import __version__

_GIT_SECONDS = 10


@cache
def source_commit() -> str:
    """Return the commit of the package's own repository, with `-dirty` if files were changed since.

    Returns:
        Such as `741d444d4a` or `741d444d4a-dirty`; empty where the package has no repository around it.
    """
    root = Path(__file__).resolve().parents[3]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    command = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def made_by() -> dict[str, str]:
    """Return version and commit of this package, for a file that it writes."""
    commit = source_commit()
    return {"genreid": __version__} | ({"commit": commit} if commit else {})
