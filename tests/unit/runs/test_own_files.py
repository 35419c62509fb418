"""A run folder with a link out of it is refused by everything that takes a run."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from torch import nn

from genreid.features.embedder import Embedder
from genreid.generation.renderer import Renderer
from genreid.generation.swapping import Swapper
from genreid.pipelines.adapt import job_of_run
from genreid.pipelines.people_of_run import people_of_run
from genreid.report.run_reader import read_runs
from genreid.runs.earlier_run import start_backbone_from, take_over_if_it_fits, take_over_stage
from genreid.runs.loop import Stage
from genreid.runs.own_files import expect_own_files
from genreid.runs.run_folder import open_run, read_job

STAGE: Stage[None] = Stage("identity", 4, lambda _step: None, lambda _batch, _step: {}, {}, {}, {})


@dataclass(frozen=True)
class Settings:
    """A configuration."""

    iterations: int = 3


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder, and beside it what is somebody else's."""
    open_run(tmp_path / "run", Settings(), {"data": "x"})
    (tmp_path / "years" / "2019").mkdir(parents=True)
    (tmp_path / "years" / "2019" / "thesis.txt").write_text("all of it")
    return tmp_path / "run"


USES: dict[str, Callable[[Path], object]] = {
    "train": lambda run: open_run(run, Settings(), {"data": "x"}),
    "evaluate and extract": Embedder.from_run,
    "generate --grid": Swapper.from_run,
    "generate --renderings": Renderer.from_run,
    "generate of its people": people_of_run,
    "generate of its domains": job_of_run,
    "report": lambda run: read_runs([run]),
    "--init": lambda run: start_backbone_from(nn.Linear(1, 1), run),
    "--pretrained": lambda run: take_over_stage(run, run.with_name("new"), STAGE, "--pretrained"),
    "--pretrained of cameras": lambda run: take_over_if_it_fits(run, run.with_name("new"), STAGE),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "place", ["checkpoints", "checkpoints/identity", "images/x.png", "tensorboard", "masks"]
)
def test_links_out_of_a_run_are_refused(run: Path, use: str, place: str) -> None:
    link = run / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(run.with_name("years"))
    with pytest.raises(
        ValueError, match=f"{link} is a link out of the run, to {run.with_name('years')}; put a copy"
    ):
        USES[use](run)
    assert (run.with_name("years") / "2019" / "thesis.txt").read_text() == "all of it"


@pytest.mark.parametrize("name", ["job.json", "config.yaml", "metrics.jsonl"])
def test_files_that_are_links_out_of_a_run_are_refused(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to("../years/2019/thesis.txt")
    with pytest.raises(ValueError, match=f"{name} is a link out of the run"):
        read_job(run)


def test_links_within_a_run_are_taken(run: Path) -> None:
    (run / "checkpoints").mkdir()
    (run / "best").symlink_to("checkpoints")
    (run / "gone").symlink_to("nowhere")
    (run.with_name("short")).symlink_to(run)
    expect_own_files(run)
    expect_own_files(run.with_name("short"))
    expect_own_files(run.with_name("nothing"))


def test_a_link_that_leads_out_and_back_is_no_way_out(run: Path) -> None:
    (run / "back").symlink_to("../run/config.yaml")
    expect_own_files(run)


def test_a_pipe_is_refused(run: Path) -> None:
    os.mkfifo(run / "metrics.jsonl")
    with pytest.raises(ValueError, match="is neither a file nor a folder; delete it"):
        read_job(run)
