"""Half files of dead processes go; those of living ones, and what is no half file, stay."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from genreid.data import leftovers
from genreid.data.leftovers import part_of, sweep
from genreid.data.whole_file import write_whole

DEAD = subprocess.run(
    [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
)


def part(folder: Path, process: int, age: float, host: str | None = None) -> Path:
    path = part_of(folder / "a.png")
    name = path.name.replace(f"-{os.getpid()}.", f"-{process}.")
    path = path.with_name(name if host is None else f".a.png.{host}{process}.part")
    path.write_bytes(b"half")
    now = path.stat().st_mtime
    os.utime(path, (now - age, now - age))
    return path


@pytest.mark.parametrize(
    ("process", "age", "host", "goes"),
    [
        (int(DEAD.stdout), 60, None, True),
        (int(DEAD.stdout), 0, None, False),  # a container may share the name of the machine
        (os.getpid(), 3600, None, False),
        (int(DEAD.stdout), 3600, "elsewhere-", False),
        (int(DEAD.stdout), 100_000, "elsewhere-", True),
        (10**30, 60, None, True),
        (7, 100_000, "", True),  # as an older version named them
    ],
    ids=["dead", "just written", "alive", "elsewhere", "elsewhere, old", "no such number", "older version"],
)
def test_only_what_nobody_writes_goes(
    tmp_path: Path, process: int, age: float, host: str | None, *, goes: bool
) -> None:
    path = part(tmp_path, process, age, host)
    sweep(tmp_path)
    assert path.exists() != goes


def test_other_files_stay_and_folders_go(tmp_path: Path) -> None:
    for name in ("a.part", ".a.part", ".a.png.x-1.part.png", "a.png.host-1.part"):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (0, 0))
    folder = part_of(tmp_path / "detected-0").with_name(".detected-0.host-1.part")
    folder.mkdir()
    (folder / "x.png").write_bytes(b"")
    os.utime(folder, (0, 0))
    sweep(tmp_path)
    assert not folder.exists()
    assert len(list(tmp_path.iterdir())) == 4
    sweep(tmp_path / "absent")


def test_a_process_clears_up_where_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = part(tmp_path, int(DEAD.stdout), 60)
    monkeypatch.setattr(leftovers, "_swept", set())
    write_whole(tmp_path / "b.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]
    assert not left.exists()
