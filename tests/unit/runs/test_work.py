"""One process at work on a run folder."""

import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from genreid.models.precision import Compute, choose_compute
from genreid.runs.run_folder import read_job
from genreid.runs.run_options import RunOptions
from genreid.runs.work import work_on

COMPUTE: Compute = choose_compute("cpu", "fp32")
needs_locks = pytest.mark.skipif(
    find_spec("fcntl") is None, reason="a system without flock: runs are not locked there"
)
OPTIONS = RunOptions(recipe="compact", seed=3, max_minutes=2.0)


@dataclass(frozen=True)
class Asked:
    """Options of a command."""

    command: ClassVar[str] = "train something"
    out: Path
    data: str = "x"


@dataclass(frozen=True)
class Settings:
    """A configuration."""

    iterations: int = 3


def test_a_run_is_opened_and_its_log_with_it(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"
    with work_on(Asked(run), OPTIONS, Settings(), COMPUTE) as work:
        assert (work.session.run, work.session.seed, work.session.max_minutes) == (run, 3, 2.0)
        work.log.write("toy", 1, {"loss": 0.5})
    asked = {"data": "x", "seed": 3, "holdout": 0, "precision": "fp32"}
    assert {name: read_job(run)[name] for name in asked} == asked
    assert '"loss": 0.5' in (run / "metrics.jsonl").read_text()


@needs_locks
def test_another_process_is_refused_while_one_works(tmp_path: Path) -> None:
    second = work_on(Asked(tmp_path), OPTIONS, Settings(), COMPUTE)
    words = f"{tmp_path}: another process works on this run; wait for it"
    with work_on(Asked(tmp_path), OPTIONS, Settings(), COMPUTE), pytest.raises(ValueError, match=words):
        second.__enter__()
    with work_on(Asked(tmp_path), OPTIONS, Settings(), COMPUTE):
        pass  # free again


@needs_locks
def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import fcntl, os, sys\n"
        "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    with work_on(Asked(tmp_path), OPTIONS, Settings(), COMPUTE):
        pass


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"WORLD_SIZE is 2: .* start the command once, without torchrun"):
        work_on(Asked(tmp_path / "run"), OPTIONS, Settings(), COMPUTE).__enter__()
    assert not (tmp_path / "run").exists()


def test_the_minutes_between_checkpoints_are_the_options(tmp_path: Path) -> None:
    options = replace(OPTIONS, checkpoint_minutes=1.5)
    with work_on(Asked(tmp_path), options, Settings(), COMPUTE) as work:
        assert work.session.checkpoint_minutes == 1.5
    with pytest.raises(ValueError, match="--checkpoint-minutes must be 0 or more, got -1"):
        replace(OPTIONS, checkpoint_minutes=-1.0)
