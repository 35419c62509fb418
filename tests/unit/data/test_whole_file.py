"""Files that are there whole or not at all."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from genreid.data import whole_file
from genreid.data.whole_file import beside, flush, write_whole


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_a_library_that_writes_for_one_user_only(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        for number in range(2):  # the second time it is replaced
            with beside(tmp_path / "x") as part:
                part.unlink()
                os.close(os.open(part, os.O_CREAT, 0o600))
                part.write_text(str(number))
    finally:
        os.umask(before)
    assert modes(tmp_path) == {0o666 & ~mask}
    assert (tmp_path / "x").read_text() == "1"


def test_what_must_last_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, bool]] = []

    def note(path: Path) -> None:
        flushed.append((path.name.split(".")[1] if path.is_file() else "folder", (tmp_path / "x").exists()))

    monkeypatch.setattr(whole_file, "flush", note)
    write_whole(tmp_path / "x", "text", lasting=True)
    assert flushed == [("x", False), ("folder", True)]
    write_whole(tmp_path / "x", "text")
    assert len(flushed) == 2


@pytest.mark.parametrize(("number", "raised"), [(errno.EIO, True), (errno.EINVAL, False)])
def test_a_disk_that_does_not_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: bool
) -> None:
    def fail(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    found: list[Any] = []
    try:
        flush(tmp_path)
    except OSError as error:
        found.append(error.errno)
    assert found == ([number] if raised else [])
