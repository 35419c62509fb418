"""Which checkpoint of a run a row stands for."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from genreid.reproduce.file import expect_same_kind
from genreid.reproduce.plan import RowPlan
from genreid.reproduce.rows import find_row
from genreid.reproduce.training import finished
from genreid.runs.checkpoint import CheckpointState, save_checkpoint

TRAINING = find_row("crgan/cuhk03-market1501/direct").training


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run folder with checkpoints after 2 and after all 3 iterations."""
    for step in (2, 3):
        network = torch.nn.Linear(step, 1)
        state = CheckpointState("identity", step, 3, {})
        save_checkpoint(tmp_path / "checkpoints" / "identity", state, {"identity": network}, {})
    return tmp_path


def test_the_last_checkpoint_of_a_finished_run(run: Path) -> None:
    found = finished(run, TRAINING)
    assert found is not None
    assert (found.stage, found.step) == ("identity", 3)


@pytest.mark.parametrize("name", ["state.json", "networks.safetensors", "optimizers.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_run_whose_last_checkpoint_is_damaged_is_not_finished(run: Path, name: str, damage: str) -> None:
    file = run / "checkpoints" / "identity" / "00000003" / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-9])
    assert finished(run, TRAINING) is None


def test_a_state_without_sums_is_damaged(run: Path) -> None:
    (run / "checkpoints" / "identity" / "00000003" / "state.json").write_text('{"step": 3, "iterations": 3}')
    assert finished(run, TRAINING) is None


def test_no_run() -> None:
    assert finished(Path("nowhere"), TRAINING) is None


@pytest.mark.parametrize("content", ["chapter 3", "[1, 2]", '{"row": "of cabbages"}'])
def test_out_replaces_result_files_only(tmp_path: Path, content: str) -> None:
    mine = tmp_path / "thesis.json"
    mine.write_text(content)
    plan = cast(RowPlan, SimpleNamespace(out=mine, job=SimpleNamespace(out=mine)))
    with pytest.raises(ValueError, match=r"thesis\.json is there and is no result file"):
        expect_same_kind(plan)
    mine.write_text('{"row": "a", "recipe": "paper", "figures": {}}')
    expect_same_kind(plan)
