"""A row's fingerprint is that of its method; the mark beside a run shows that code changed meanwhile."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from genreid.reproduce import code as row_code
from genreid.reproduce.code import evaluation_code, makers_of_run, mark_run, training_code
from genreid.reproduce.rows import ROWS

DIRECT = ROWS["crgan/cuhk03-market1501/direct"].training
NOW = training_code("baseline")


def begin(run: Path) -> None:
    """Put a checkpoint where the run would."""
    (run / "checkpoints" / "identity" / "00000100").mkdir(parents=True)


def codes(run: Path) -> list[str | None]:
    """Return the codes that a run was trained by."""
    return [maker["code"] for maker in makers_of_run(run)]


def test_a_run_of_one_code(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "direct"
    mark_run(run, DIRECT, "cpu")
    begin(run)
    mark_run(run, DIRECT, "cpu")
    assert codes(run) == [NOW]
    assert not list(run.glob("*.json")), "a run folder has to be empty before the run begins"


def test_code_that_changes_before_the_first_checkpoint_left_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "direct"
    with monkeypatch.context() as patch:
        patch.setattr(row_code, "training_code", lambda *_: "0" * 16)
        mark_run(run, DIRECT, "cpu")
    mark_run(run, DIRECT, "cpu")
    assert codes(run) == [NOW]


def test_code_that_changes_in_between_is_all_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "direct"
    with monkeypatch.context() as patch:
        patch.setattr(row_code, "training_code", lambda *_: "0" * 16)
        mark_run(run, DIRECT, "cpu")
    begin(run)
    mark_run(run, DIRECT, "cpu")
    assert codes(run) == ["0" * 16, NOW]


def test_another_device_is_noted(tmp_path: Path) -> None:
    run = tmp_path / "direct"
    mark_run(run, DIRECT, "cpu")
    begin(run)
    mark_run(run, DIRECT, "NVIDIA H200")
    assert codes(run) == [NOW, NOW]
    assert [maker["device"] for maker in makers_of_run(run)] == ["cpu", "NVIDIA H200"]


def test_a_run_without_a_mark_is_of_unknown_code(tmp_path: Path) -> None:
    run = tmp_path / "direct"
    begin(run)
    assert codes(run) == [None]
    mark_run(run, DIRECT, "cpu")
    assert codes(run) == [None, NOW]


METHODS = ("baseline", "adapt", "taudl", "dgnet")
EVERYTHING = {*METHODS, "crgan evaluation", "dgnet evaluation"}


def fingerprints(source: Path) -> Mapping[str, str]:
    """Return every fingerprint of the package in a folder."""
    codes = {method: training_code(method, source) for method in METHODS}
    return codes | {f"{paper} evaluation": evaluation_code(paper, source) for paper in ("crgan", "dgnet")}


def changed_by(tmp_path: Path, name: str, *changes: tuple[str, str, str]) -> set[str]:
    """Return which fingerprints are others after some texts were replaced; an empty text: appended."""
    source = tmp_path / name
    shutil.copytree(Path(row_code.__file__).parents[2], source)
    for file, old, new in changes:
        path = source / "genreid" / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert text.count(old) == 1 or not old, file
        path.write_text(text.replace(old, new) if old else text + new, encoding="utf-8")
    before, after = fingerprints(Path(row_code.__file__).parents[2]), fingerprints(source)
    return {kind for kind in before if before[kind] != after[kind]}


def test_a_fingerprint_is_that_of_the_method(tmp_path: Path) -> None:
    loader = "data/load.py"
    names = "from genreid.data import cuhk03, cuhk03_np, dukemtmc, folder, market1501, msmt17"
    reader = (
        ("data/grid.py", "", 'from genreid.data.sample import Sample\n\nNAME = "grid"\n'),
        (loader, names, names.replace("folder,", "folder, grid,")),
        (loader, "dukemtmc, market1501, folder)", "dukemtmc, market1501, grid, folder)"),
    )
    assert changed_by(tmp_path, "new_reader", *reader) == set()
    assert changed_by(tmp_path, "new_file", ("losses/triplet.py", "", "MARGIN = 0.3\n")) == set()
    rate = ("learning_rate: float = ", "learning_rate: float = 2 * ")
    assert changed_by(tmp_path, "taudl", ("training/taudl_config.py", *rate)) == {"taudl"}
    assert changed_by(tmp_path, "cluster", ("training/cluster_config.py", *rate)) == set()


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        ("data/market1501.py", EVERYTHING),
        ("data/sampling.py", set(METHODS)),
        ("training/identity_step.py", {"baseline", "adapt", "dgnet"}),
        ("losses/teacher.py", {"dgnet"}),
        ("losses/context.py", {"adapt"}),
        ("models/dgnet_layers.py", {"dgnet", "dgnet evaluation"}),
        ("evaluation/metrics.py", {"crgan evaluation", "dgnet evaluation"}),
    ],
)
def test_a_fingerprint_has_all_of_the_method(file: str, kinds: set[str], tmp_path: Path) -> None:
    assert (Path(row_code.__file__).parents[1] / file).is_file()
    assert changed_by(tmp_path, "copy", (file, "", "CHANGED = 1\n")) == kinds
