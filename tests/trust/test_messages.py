"""What breaks is named: file, meaning, remedy; and no name works the terminal."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from genreid.cli.trouble import _REMEDIES, explained, printable
from genreid.data.bank import ImageBank
from genreid.data.cache import cache_root
from tests.command_line import genreid
from tests.drawn_datasets import draw_market1501

NUMBERS = [number for number in errno.errorcode if number in _REMEDIES] + [errno.EBUSY, errno.ETIMEDOUT]


@pytest.mark.parametrize("number", NUMBERS)
def test_an_error_of_the_system_says_file_meaning_and_remedy(number: int) -> None:
    text = explained(OSError(number, os.strerror(number), "some/file"))
    assert text is not None
    assert text.startswith(f"some/file: {os.strerror(number)}: ")
    assert "Errno" not in text
    assert len(text.rsplit(": ", maxsplit=1)[1]) > 15
    assert explained(OSError(number, os.strerror(number))) == text.removeprefix("some/file: ")


def test_out_of_memory_names_the_batch() -> None:
    torchs = "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 19660800000 bytes. Error code 12"  # noqa: E501
    for error in (RuntimeError(torchs), MemoryError()):
        text = explained(error)
        assert text is not None
        assert text.startswith("out of memory")
        assert "--batch-size N" in text
    assert "for 19.7 GB" in (explained(RuntimeError(torchs)) or "")
    assert explained(RuntimeError("a fault of ours")) is None
    assert explained(KeyError("x")) is None


@pytest.mark.parametrize(
    "text", ["\x1b[31mred\x1b]0;title\x07", "a\rb\bc", "\x9b31m", "\u202egnp.exe", "\x7f"]
)
def test_nothing_works_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert printable("José\n\tB 李") == "José\n\tB 李"


def test_names_with_escape_sequences(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "data\x1b]0;evil\x07")
    first = min((root / "query").iterdir())
    first.rename(first.with_name("\x1b[31m.jpg"))
    min((root / "query").iterdir()).with_name("0009_c1s1_\x1b[2J_00.jpg").write_bytes(b"no image")
    for answer in (
        genreid("data", "check", root, "--workers", 1),
        genreid("data", "check", root / "nothing\x1b[31m"),
        genreid("train", "baseline", "--data", root, "--out", tmp_path / "r", "--recipe", "\x1b[31m"),
    ):
        assert "\x1b" not in answer.out + answer.err
        assert "\\x1b" in answer.out + answer.err


def test_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_path: object) -> Path:
        msg = "Could not determine home directory."
        raise RuntimeError(msg)

    monkeypatch.setenv("GENREID_CACHE", "~nosuchuser/cache")
    with pytest.raises(ValueError, match=r"~nosuchuser/cache.*set GENREID_CACHE to a folder"):
        cache_root()
    monkeypatch.delenv("GENREID_CACHE")
    monkeypatch.setattr(Path, "expanduser", nobody)
    monkeypatch.setattr(Path, "home", lambda: nobody(None))
    with pytest.raises(ValueError, match=r"no HOME.*set GENREID_CACHE to a folder"):
        cache_root()
    answer = genreid("data", "check", tmp_path)
    assert (answer.code, "Traceback" in answer.err) == (2, False)
    assert "home folder is not known" in answer.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "x", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        paths = sorted(draw_market1501(tmp_path / "data").rglob("*.jpg"))
        with pytest.raises(
            ValueError, match=r"No space left on device\. Free some space, or set GENREID_CACHE"
        ):
            ImageBank.build(paths, (64, 32), cache_dir=disk / "banks", progress=False)
        answer = genreid("data", "synthesize", disk / "drawn", "--pids", 20, "--height", 64, "--width", 32)
        assert answer.code == 2
        assert "No space left on device" in answer.err
        assert "Errno" not in answer.err
        assert not list(disk.rglob("*.part"))
    finally:
        subprocess.run(["umount", disk], check=False)


def test_a_process_without_home_or_user(tmp_path: Path) -> None:
    """As `docker run --user 12345`: the check of a data set needs no home; what does says which variable."""
    root = draw_market1501(tmp_path / "data", pids=2)
    code = "import sys; from genreid.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "data", "check", root, "--workers", "1"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
