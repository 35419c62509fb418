"""What made a file: version and, where the package runs from its repository, the commit."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from genreid import __version__

_GIT_SECONDS = 10


@cache
def source_commit() -> str:
    """Return the commit of the package's own repository, with `-dirty` if the package was changed since.

    Other files of the repository, such as results that were just written, do not count.

    Returns:
        Such as `741d444d4a` or `741d444d4a-dirty`; empty where the package has no repository around it.
    """
    package = Path(__file__).resolve().parents[1]
    if not (package.parents[1] / ".git").exists():
        return ""
    commit = _git(package, "rev-parse", "--short=10", "HEAD")
    changed = _git(package, "status", "--porcelain", "--", ".")
    return f"{commit}-dirty" if commit and changed else commit


def _git(folder: Path, *words: str) -> str:
    """Return what git says in a folder; empty if it fails, or is not there."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def made_by() -> dict[str, str]:
    """Return version and commit of this package, for a file that it writes."""
    commit = source_commit()
    return {"genreid": __version__} | ({"commit": commit} if commit else {})
