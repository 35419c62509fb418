"""The mark beside a run says which code trained it, and does not hide that it changed meanwhile."""

import json
from pathlib import Path

import pytest

from genreid.pipelines import row_code
from genreid.pipelines.row_code import code_of_run, mark_run, training_code
from genreid.recipes.reproduce import ROWS

DIRECT = ROWS["crgan/cuhk03-market1501/direct"].training
NOW = training_code("baseline", "crgan")


def begin(run: Path) -> None:
    """Put a checkpoint where the run would."""
    (run / "checkpoints" / "identity" / "00000100").mkdir(parents=True)


def test_a_run_of_one_code(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "direct"
    mark_run(run, DIRECT, "crgan")
    begin(run)
    mark_run(run, DIRECT, "crgan")
    assert code_of_run(run)["code"] == NOW
    assert not list(run.glob("*.json")), "a run folder has to be empty before the run begins"


def test_code_that_changes_before_the_first_checkpoint_left_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "direct"
    with monkeypatch.context() as patch:
        patch.setattr(row_code, "training_code", lambda *_: "0" * 16)
        mark_run(run, DIRECT, "crgan")
    mark_run(run, DIRECT, "crgan")
    assert code_of_run(run)["code"] == NOW


def test_code_that_changes_in_between_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "direct"
    with monkeypatch.context() as patch:
        patch.setattr(row_code, "training_code", lambda *_: "0" * 16)
        mark_run(run, DIRECT, "crgan")
    begin(run)
    mark_run(run, DIRECT, "crgan")
    assert [mark["code"] for mark in json.loads((tmp_path / "direct.code.json").read_text())] == [
        "0" * 16,
        NOW,
    ]
    assert code_of_run(run) == {"code": None, "commit": None}


def test_a_run_without_a_mark_is_of_unknown_code(tmp_path: Path) -> None:
    run = tmp_path / "direct"
    begin(run)
    assert code_of_run(run)["code"] is None
    mark_run(run, DIRECT, "crgan")
    assert code_of_run(run)["code"] is None
