"""The mark beside a run says which code trained it, and does not hide that it changed meanwhile."""

from pathlib import Path

import pytest

from genreid.reproduce import code as row_code
from genreid.reproduce.code import makers_of_run, mark_run, training_code
from genreid.reproduce.rows import ROWS

DIRECT = ROWS["crgan/cuhk03-market1501/direct"].training
NOW = training_code("baseline", "crgan")


def begin(run: Path) -> None:
    """Put a checkpoint where the run would."""
    (run / "checkpoints" / "identity" / "00000100").mkdir(parents=True)


def codes(run: Path) -> list[str | None]:
    """Return the codes that a run was trained by."""
    return [maker["code"] for maker in makers_of_run(run)]


def test_a_run_of_one_code(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "direct"
    mark_run(run, DIRECT, "crgan", "cpu")
    begin(run)
    mark_run(run, DIRECT, "crgan", "cpu")
    assert codes(run) == [NOW]
    assert not list(run.glob("*.json")), "a run folder has to be empty before the run begins"


def test_code_that_changes_before_the_first_checkpoint_left_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "direct"
    with monkeypatch.context() as patch:
        patch.setattr(row_code, "training_code", lambda *_: "0" * 16)
        mark_run(run, DIRECT, "crgan", "cpu")
    mark_run(run, DIRECT, "crgan", "cpu")
    assert codes(run) == [NOW]


def test_code_that_changes_in_between_is_all_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "direct"
    with monkeypatch.context() as patch:
        patch.setattr(row_code, "training_code", lambda *_: "0" * 16)
        mark_run(run, DIRECT, "crgan", "cpu")
    begin(run)
    mark_run(run, DIRECT, "crgan", "cpu")
    assert codes(run) == ["0" * 16, NOW]


def test_another_device_is_noted(tmp_path: Path) -> None:
    run = tmp_path / "direct"
    mark_run(run, DIRECT, "crgan", "cpu")
    begin(run)
    mark_run(run, DIRECT, "crgan", "NVIDIA H200")
    assert codes(run) == [NOW, NOW]
    assert [maker["device"] for maker in makers_of_run(run)] == ["cpu", "NVIDIA H200"]


def test_a_run_without_a_mark_is_of_unknown_code(tmp_path: Path) -> None:
    run = tmp_path / "direct"
    begin(run)
    assert codes(run) == [None]
    mark_run(run, DIRECT, "crgan", "cpu")
    assert codes(run) == [None, NOW]
