"""What may stand in the repository: no photographs, no weights, no machine's addresses, no junk drawers."""

import re
from pathlib import Path, PurePosixPath

import pytest

from tests.guards.tree import ROOT, repository_files

BANNED_FOLDERS = {"utils", "util", "common", "core", "engine", "helpers", "misc"}
PICTURES = {".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif"}
DRAWN_PICTURES = {".png", ".svg"}
DRAWN_FOLDERS = {"docs/images"}
WEIGHTS = {".pt", ".pth", ".ckpt", ".onnx", ".tflite", ".pkl", ".npy", ".npz", ".mat", ".h5", ".whl", ".zip"}
MAX_BYTES = 1_000_000
# Written in pieces, so that this file does not name them itself.
HOSTS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "download.py" + "torch.org",
    "conda" + ".anaconda",
    "test.py" + "pi",
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.~:-])/(?:" + "|".join(["wo" + "rk", "tm" + "p", "ro" + "ot", "ho" + "me"]) + r")/"
)


def relative(path: Path) -> str:
    """Return a path as git writes it."""
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    """Return a file's text, or nothing for binary files."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Return `file:line` of every match in the repository."""
    found = []
    for path in repository_files():
        lines = text_of(path).splitlines()
        found += [
            f"{relative(path)}:{number}" for number, line in enumerate(lines, 1) if pattern.search(line)
        ]
    return found


def test_no_junk_drawers() -> None:
    found = {
        relative(path) for path in repository_files() if BANNED_FOLDERS & set(path.relative_to(ROOT).parts)
    }
    assert not found, (
        f"folders named {sorted(BANNED_FOLDERS)} say nothing; name them by what they hold: {found}"
    )


def test_no_photographs() -> None:
    found = [relative(path) for path in repository_files() if path.suffix.lower() in PICTURES]
    assert not found, f"pictures of people are never committed; tests draw their own: {found}"


def test_drawn_pictures_stand_in_one_place() -> None:
    drawn = [relative(path) for path in repository_files() if path.suffix.lower() in DRAWN_PICTURES]
    found = [name for name in drawn if str(PurePosixPath(name).parent) not in DRAWN_FOLDERS]
    assert not found, (
        f"drawings and synthetic pictures (never renderings of real people) go to docs/images: {found}"
    )


def test_no_weights_or_arrays() -> None:
    found = [relative(path) for path in repository_files() if path.suffix.lower() in WEIGHTS]
    assert not found, f"weights, arrays and archives are fetched or made, never committed: {found}"


def test_no_big_files() -> None:
    found = [relative(path) for path in repository_files() if path.stat().st_size > MAX_BYTES]
    assert not found, f"larger than {MAX_BYTES:,} bytes; make it when it is needed instead: {found}"


def test_no_package_index_is_named() -> None:
    found = lines_with(re.compile("|".join(re.escape(host) for host in HOSTS)))
    assert not found, f"name packages, not the host they come from (people have their own index): {found}"


def test_no_machine_paths() -> None:
    found = lines_with(MACHINE_PATHS)
    assert not found, (
        f"a path of one machine; write it relative, or take it from an argument or tmp_path: {found}"
    )


@pytest.mark.parametrize(
    "name", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"]
)
def test_front_matter_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 200, f"{name} is missing or empty"


def test_licence_is_apache() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
