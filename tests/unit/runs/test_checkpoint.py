"""Checkpoints: what is written comes back, and what is damaged is named."""

import errno
import json
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from genreid.models.crgan import CameraDiscriminator, CameraDiscriminatorConfig
from genreid.runs.checkpoint import (
    KEPT,
    CheckpointState,
    DamagedCheckpointError,
    checkpoint_folders,
    load_checkpoint,
    load_newest,
    restore_optimizer,
    save_checkpoint,
)
from genreid.training.optimizers import make_adam
from tests.drawn_tensors import fill, normal

FACTS = {"num_classes": 5, "size": [224, 112], "backbone": {"name": "resnet50", "weights": None}}


class Trained:
    """A network with batch norms and its Adam, some steps on."""

    def __init__(self, steps: int, label: str = "camera") -> None:
        self.network = CameraDiscriminator(CameraDiscriminatorConfig(width=2, dropout=0.0), 3)
        fill(self.network, label)
        self.network.to(memory_format=torch.channels_last)
        self.optimizer = make_adam(self.network, 1e-3, (0.5, 0.999))
        for step in range(steps):
            self.learn(step)

    def learn(self, step: int) -> None:
        images = torch.tanh(normal(f"images {step}", 4, 3, 32, 16)).float()
        self.optimizer.zero_grad()
        torch.autograd.backward(self.network(images).square().mean())
        self.optimizer.step()

    def save(self, folder: Path, step: int = 10) -> Path:
        state = CheckpointState("camera", step, 30, FACTS)
        return save_checkpoint(folder, state, {"camera": self.network}, {"camera": self.optimizer})


def assert_same(one: nn.Module, other: nn.Module) -> None:
    expected = other.state_dict()
    assert list(one.state_dict()) == list(expected)
    for name, value in one.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_state_and_tensors_come_back(tmp_path: Path) -> None:
    trained = Trained(3)
    path = trained.save(tmp_path / "stage")
    assert path == tmp_path / "stage" / "00000010"
    checkpoint = load_checkpoint(path)
    assert checkpoint.state == CheckpointState("camera", 10, 30, FACTS)
    assert not checkpoint.state.finished
    assert CheckpointState("camera", 30, 30, {}).finished
    fresh = Trained(0, "another")
    fresh.network.load_state_dict(checkpoint.network("camera"))
    assert_same(fresh.network, trained.network)


def test_a_restored_optimiser_goes_on_bit_for_bit(tmp_path: Path) -> None:
    trained = Trained(3)
    checkpoint = load_checkpoint(trained.save(tmp_path / "stage"))
    fresh = Trained(1, "another")
    fresh.network.load_state_dict(checkpoint.network("camera"))
    restore_optimizer(fresh.optimizer, checkpoint, "camera")
    for step in range(3, 6):
        trained.learn(step)
        fresh.learn(step)
    assert_same(fresh.network, trained.network)
    moments = fresh.optimizer.state[fresh.network.hidden[1].get_parameter("weight")]
    assert moments["exp_avg"].is_contiguous(memory_format=torch.channels_last), (
        "as its parameter lies in memory"
    )


def test_optimisers_of_one_checkpoint_are_not_mixed_up(tmp_path: Path) -> None:
    one, two = Trained(2), Trained(5)
    networks = {"one": one.network, "two": two.network}
    optimizers = {"one": one.optimizer, "two": two.optimizer}
    path = save_checkpoint(tmp_path, CheckpointState("both", 5, 5, {}), networks, optimizers)
    checkpoint = load_checkpoint(path)
    fresh = Trained(0)
    restore_optimizer(fresh.optimizer, checkpoint, "two")
    first = next(iter(fresh.network.parameters()))
    expected = next(iter(two.network.parameters()))
    assert torch.equal(fresh.optimizer.state[first]["exp_avg"], two.optimizer.state[expected]["exp_avg"])
    assert fresh.optimizer.state[first]["step"].item() == 5
    with pytest.raises(ValueError, match="stage both holds no network 'three', but one, two"):
        checkpoint.network("three")


def test_learning_rates_are_not_restored(tmp_path: Path) -> None:
    """They are functions of the step; a group keeps its own settings."""
    trained = Trained(1)
    checkpoint = load_checkpoint(trained.save(tmp_path))
    fresh = Trained(0)
    fresh.optimizer.param_groups[0]["lr"] = 0.25
    restore_optimizer(fresh.optimizer, checkpoint, "camera")
    assert fresh.optimizer.param_groups[0]["lr"] == 0.25


def test_the_newest_three_are_kept(tmp_path: Path) -> None:
    trained = Trained(1)
    for step in (5, 20, 900, 1000, 10_000_000):
        trained.save(tmp_path, step)
    assert KEPT == 3
    assert [folder.name for folder in checkpoint_folders(tmp_path)] == ["10000000", "00001000", "00000900"]
    newest = load_newest(tmp_path)
    assert newest is not None
    assert newest.state.step == 10_000_000


def test_a_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    Trained(1).save(tmp_path)
    second = Trained(2)
    second.save(tmp_path)
    newest = load_newest(tmp_path)
    assert newest is not None
    fresh = Trained(0)
    fresh.network.load_state_dict(newest.network("camera"))
    assert_same(fresh.network, second.network)
    assert [path.name for path in tmp_path.iterdir()] == ["00000010"], "no draft is left"


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    assert load_newest(tmp_path / "nowhere") is None
    assert checkpoint_folders(tmp_path / "nowhere") == []


def test_a_half_written_draft_is_no_checkpoint(tmp_path: Path) -> None:
    """A process killed while writing leaves a folder that nobody takes for a checkpoint."""
    path = Trained(1).save(tmp_path)
    path.rename(tmp_path / ".draft-00000020-1")
    assert load_newest(tmp_path) is None


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + path.read_bytes())


def another_shape(path: Path) -> None:
    path.write_text(json.dumps([json.loads(path.read_text())]))


FILES = ("networks.safetensors", "optimizers.safetensors", "state.json")
DAMAGES = [(file, damage) for file in FILES for damage in (truncate, empty, remove)]
DAMAGES += [(file, flip_a_bit) for file in FILES[:2]]
DAMAGES += [("state.json", not_text), ("state.json", another_shape)]


@pytest.mark.parametrize(("file", "damage"), DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, damage: Callable[[Path], None]
) -> None:
    trained = Trained(1)
    trained.save(tmp_path, 10)
    newest = trained.save(tmp_path, 20)
    damage(newest / file)
    with pytest.raises(ValueError, match=f"checkpoint {newest} is damaged"):
        load_checkpoint(newest)
    with caplog.at_level(logging.WARNING):
        found = load_newest(tmp_path)
    assert found is not None
    assert found.state.step == 10
    assert f"checkpoint {newest} is damaged" in caplog.text
    assert "the one before it is used" in caplog.text


def test_when_all_are_damaged_nothing_begins_anew_and_all_stay(tmp_path: Path) -> None:
    trained = Trained(1)
    for step in (30, 40, 50):
        truncate(trained.save(tmp_path, step) / "state.json")
    before = tree(tmp_path)
    words = rf"{tmp_path}: none of its 3 checkpoints is whole; the newest: checkpoint .*50 is damaged"
    with pytest.raises(DamagedCheckpointError, match=words) as raised:
        load_newest(tmp_path)
    assert f"move {tmp_path} away" in str(raised.value)
    assert tree(tmp_path) == before


def test_a_damaged_checkpoint_that_training_went_back_behind_is_renamed(tmp_path: Path) -> None:
    trained = Trained(1)
    for step in (10, 20, 30):
        trained.save(tmp_path, step)
    truncate(tmp_path / "00000020" / "networks.safetensors")
    flip_a_bit(tmp_path / "00000030" / "networks.safetensors")
    (tmp_path / "00000030.damaged").mkdir()
    trained.save(tmp_path, 12)
    trained.save(tmp_path, 20)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        *("00000010", "00000012", "00000020"),
        *("00000020.damaged", "00000030.damaged", "00000030.damaged-2"),
    }


def test_a_whole_checkpoint_that_is_later_stays(tmp_path: Path) -> None:
    trained = Trained(1)
    for step in (20, 30, 40, 10):
        trained.save(tmp_path, step)
    assert [path.name for path in checkpoint_folders(tmp_path)] == [
        "00000040", "00000030", "00000020", "00000010",
    ]  # fmt: skip


# What cannot be read is not damaged


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, and every folder."""
    paths = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): b"" if p.is_dir() else p.read_bytes() for p in paths}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
def test_what_cannot_be_read_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, file: str
) -> None:
    trained = Trained(1)
    for step in (10, 20):
        trained.save(tmp_path, step)
    before = tree(tmp_path)
    plain = Path.open

    def fail(path: Path, *more: Any, **named: Any) -> Any:
        if path.name == file and path.parent.name == "00000020":
            raise OSError(number, os.strerror(number), str(path))
        return plain(path, *more, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fail)
        with pytest.raises(
            OSError, match=f"cannot read {tmp_path}/00000020/{file}: {os.strerror(number)}"
        ) as raised:
            load_newest(tmp_path)
    assert "Nothing was changed" in str(raised.value)
    assert ("chmod -R a+rX" in str(raised.value)) == (number == errno.EACCES)
    assert tree(tmp_path) == before


def test_too_many_open_files_are_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file can be opened any more, safetensors says that there is none."""
    Trained(1).save(tmp_path)

    def fail(path: Path) -> None:
        msg = f"No such file or directory: {path}"
        raise FileNotFoundError(msg)

    monkeypatch.setattr("genreid.runs.checkpoint.load_file", fail)
    with pytest.raises(OSError, match="cannot read") as raised:
        load_newest(tmp_path)
    assert not isinstance(raised.value, DamagedCheckpointError)


@pytest.mark.parametrize("place", ["", "00000010"])
def test_a_folder_that_cannot_be_read_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    Trained(1).save(tmp_path)
    plain = Path.iterdir

    def fail(path: Path) -> Any:
        if path == tmp_path / place:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(OSError, match=r"cannot read .*: Permission denied"):
        load_newest(tmp_path)


# What is not ours


def test_folders_of_others_stay(tmp_path: Path) -> None:
    trained = Trained(1)
    trained.save(tmp_path, 24)
    others = (
        "00000024.bak",
        "00000024 (copy)",
        "2019",
        "20200101",
        "99999999999",
        ".draft-thesis",
        ".draft-1",
    )
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "years.txt").write_text(name)
    (tmp_path / "00000099").write_text("a file")
    for step in range(25, 30):
        trained.save(tmp_path, step)
    assert [path.name for path in checkpoint_folders(tmp_path)] == ["00000029", "00000028", "00000027"]
    assert all((tmp_path / name / "years.txt").read_text() == name for name in others)
    assert (tmp_path / "00000099").read_text() == "a file"
    newest = load_newest(tmp_path)
    assert newest is not None
    assert newest.state.step == 29


def test_a_checkpoint_of_another_stage_is_not_deleted(tmp_path: Path) -> None:
    trained = Trained(1)
    state = CheckpointState("another", 1, 30, FACTS)
    save_checkpoint(tmp_path, state, {"camera": trained.network}, {})
    for step in range(2, 7):
        trained.save(tmp_path, step)
    assert [int(path.name) for path in checkpoint_folders(tmp_path)] == [6, 5, 4, 1]


def test_a_link_as_a_checkpoint_is_refused(tmp_path: Path) -> None:
    elsewhere = Trained(1).save(tmp_path / "other", 20)
    Trained(1).save(tmp_path / "run", 10)
    (tmp_path / "run" / "00000020").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="00000020 is a link in the place of a checkpoint"):
        load_newest(tmp_path / "run")


# state.json


def change(path: Path, name: str, value: object) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", 12),
        ("iterations", 31),
        ("stage", "other"),
        ("version", "9"),
        ("facts", {**FACTS, "num_classes": 6}),
        ("state_sha256", "0" * 64),
        ("state_sha257", "0" * 64),
        ("sha256", {}),
    ],
)
def test_all_of_the_state_is_covered_by_its_hash(tmp_path: Path, name: str, value: object) -> None:
    path = Trained(1).save(tmp_path)
    change(path / "state.json", name, value)
    with pytest.raises(DamagedCheckpointError, match=r"state\.json"):
        load_checkpoint(path)


def as_of_df138ec(path: Path) -> None:
    """Leave out what that version did not write."""
    record = json.loads((path / "state.json").read_text())
    del record["state_sha256"]
    (path / "state.json").write_text(json.dumps(record, indent=1))


def test_a_checkpoint_from_before_the_hash_opens(tmp_path: Path) -> None:
    path = Trained(1).save(tmp_path)
    as_of_df138ec(path)
    assert load_checkpoint(path).state == CheckpointState("camera", 10, 30, FACTS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("step", "10"), ("step", None), ("facts", []), ("sha256", {"../../x": ""}), ("iterations", "x")],
)
def test_a_tampered_state_of_before_is_named(tmp_path: Path, name: str, value: object) -> None:
    path = Trained(1).save(tmp_path)
    as_of_df138ec(path)
    change(path / "state.json", name, value)
    with pytest.raises(DamagedCheckpointError, match="is damaged"):
        load_checkpoint(path)


def test_the_step_is_that_of_the_folder(tmp_path: Path) -> None:
    path = Trained(1).save(tmp_path)
    as_of_df138ec(path)
    with pytest.raises(DamagedCheckpointError, match=r"00000011 is damaged: state\.json is of step 10"):
        load_checkpoint(path.rename(tmp_path / "00000011"))


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_have_the_mode_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        path = Trained(1).save(tmp_path)
    finally:
        os.umask(before)
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == dict.fromkeys(
        FILES, 0o666 & ~mask
    )


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Trained(1)
    trained.save(tmp_path, 10)

    def full(_tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half")
        msg = "I/O error: No space left on device (os error 28)"
        raise SafetensorError(msg)

    monkeypatch.setattr("genreid.runs.checkpoint.save_file", full)
    with pytest.raises(OSError, match=r"cannot write .*networks\.safetensors: .*No space left"):
        trained.save(tmp_path, 20)
    assert [path.name for path in tmp_path.iterdir()] == ["00000010"], "no draft is left"
    assert load_newest(tmp_path) is not None


def test_drafts_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    (tmp_path / ".draft-00000010-1").mkdir()
    Trained(1).save(tmp_path, 20)
    assert [path.name for path in tmp_path.iterdir()] == ["00000020"]


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    path = Trained(1).save(tmp_path)
    flip_a_bit(path / "networks.safetensors")
    with pytest.raises(ValueError, match=r"networks\.safetensors does not have the SHA-256 in state\.json"):
        load_checkpoint(path)


def test_nothing_but_safetensors_and_json_is_written(tmp_path: Path) -> None:
    path = Trained(1).save(tmp_path)
    assert sorted(file.name for file in path.iterdir()) == sorted(FILES)
