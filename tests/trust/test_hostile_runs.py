"""Runs and weights of strangers: no file hangs, floods memory, reaches elsewhere or ends in a traceback."""

import json
import os
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from genreid.data.cuhk03_images import written_images
from genreid.data.plain_file import read_json_object, read_plain, read_text
from genreid.data.whole_file import sha256_of
from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.models.pretrained import fit_state_dict, load_backbone_weights, read_state_dict
from genreid.report.loss_log import read_loss_log
from genreid.report.run_reader import read_runs
from genreid.runs.checkpoint import CheckpointState, _hash_of, load_newest, save_checkpoint
from genreid.runs.config_file import config_to_dict, read_yaml_mapping
from genreid.runs.loop import Stage, _restore
from genreid.runs.run_folder import read_config, read_job
from genreid.runs.trained_networks import load_reid_network
from tests.drawn_datasets import draw_cuhk03_raw
from tests.drawn_runs import draw_run

BACKBONE = BackboneConfig("test_resnet", weights="none")
BOMB = "a: &a [x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghij"))
READERS: dict[str, Callable[[Path], object]] = {
    "config.yaml": lambda run: read_yaml_mapping(run / "config.yaml"),
    "job.json": read_job,
    "metrics.jsonl": lambda run: read_loss_log(run / "metrics.jsonl"),
    "state.json": lambda run: read_json_object(run / "state.json"),
}


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """End the process if a file is waited for: a test that hangs says nothing."""
    timer = threading.Timer(60, os._exit, (3,))
    timer.start()
    yield
    timer.cancel()


# One reader


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_plain_file_is_named(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    elif kind == "device":
        (tmp_path / name).symlink_to("/dev/zero")
    else:
        (tmp_path / name).mkdir()
    try:
        found = READERS[name](tmp_path)
    except (ValueError, FileNotFoundError) as error:
        assert name in str(error)  # noqa: PT017 - a log says it otherwise
    else:
        assert "plain file" in str(found)


def test_files_have_a_largest_size_and_depth(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b" " * 2000)
    assert len(read_plain(path, 2000)) == 2000
    with pytest.raises(ValueError, match="at most 1,999 bytes, got 2,000"):
        read_plain(path, 1999)
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json_object(path)
    path.write_text('{"a": 1, "a": 2}')
    with pytest.raises(ValueError, match="'a' stands there twice"):
        read_json_object(path)
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert read_json_object(path) == {}
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="UTF-8"):
        read_text(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "is an alias"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "is an alias"),
        ("a: 1\nb: 2\na: 3\n", "'a' stands there twice, again in line 3"),
        ("s:\n  lr: 1\n  lr: 2\n", "'lr' stands there twice"),
        ("[" * 5000, "nested too deeply|not a YAML"),
        ("a: " + "x" * 1_000_000, "at most 1,000,000 bytes"),
    ],
)
def test_yaml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_yaml_mapping(tmp_path / "c.yaml")


def test_a_report_of_a_bomb_and_of_twenty_thousand_stages(tmp_path: Path) -> None:
    run = draw_run(tmp_path / "run", tmp_path)
    (run / "config.yaml").write_text(BOMB)
    for number in range(200):
        folder = run / "checkpoints" / f"stage{number}" / "00000001"
        folder.mkdir(parents=True)
    (run / "metrics.jsonl").write_bytes(b"x" * 32_000_001)
    (found,) = read_runs([run])
    assert len(found.stages) <= 50
    assert "202 stages; the first 50 are shown" in " ".join(found.problems)
    assert "at most 32,000,000 bytes" in found.log.notes[0]


# Tampered checkpoints


def saved(run: Path, stage: str = "identity") -> Path:
    """Write a checkpoint and return its folder."""
    network = build_reid_network(BACKBONE, 5)
    facts = {"backbone": config_to_dict(BACKBONE), "num_classes": 5, "size": [64, 32], "kind": "image"}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    state = CheckpointState(stage, 10, 10, facts)
    return save_checkpoint(run / "checkpoints" / stage, state, {"identity": network}, {"identity": optimizer})


def tamper(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a checkpoint's facts or tensors, and make all hashes anew."""
    record = json.loads((folder / "state.json").read_text())
    change(record)
    record["sha256"] = {name: sha256_of(folder / name) for name in record["sha256"]}
    record.pop("state_sha256", None)
    record["state_sha256"] = _hash_of(record)
    (folder / "state.json").write_text(json.dumps(record))


def deep(levels: int) -> list[object]:
    """Return lists in lists."""
    inner: list[object] = []
    for _ in range(levels):
        inner = [inner]
    return inner


VALUES: list[object] = [
    None,
    [],
    {},
    "",
    "x",
    -1,
    0,
    1.5,
    10**10,
    10**30,
    True,
    [1, 2, 3],
    float("nan"),
    deep(50),
]
FACTS = (
    "facts",
    "backbone",
    "num_classes",
    "size",
    "kind",
    "backbone.name",
    "backbone.bottleneck",
    "backbone.last_stride",
)


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("tampered") / "run")


@pytest.mark.parametrize("fact", FACTS)
def test_a_tampered_checkpoint_is_one_sentence_or_the_same_network(plain_run: Path, fact: str) -> None:
    before = (plain_run / "state.json").read_bytes()
    run, tensors = plain_run.parents[2], load_file(plain_run / "networks.safetensors")
    for value in VALUES:

        def change(record: dict[str, Any], value: object = value) -> None:
            place, *below = ["facts", *fact.split(".")] if fact != "facts" else ["facts"]
            at = record
            for name in (place, *below)[:-1]:
                at = at[name]
            at[(place, *below)[-1]] = value

        try:
            tamper(plain_run, change)
            found = load_reid_network(run)
            assert {k: v.shape for k, v in found.network.state_dict().items()} == {
                k.removeprefix("identity."): v.shape for k, v in tensors.items()
            }
        except ValueError as error:
            assert len(str(error)) < 700, value  # noqa: PT017 - some values are as good as the first
        finally:
            (plain_run / "state.json").write_bytes(before)


@pytest.mark.parametrize("name", ["hf-hub:evil/model", "local-dir:/etc", "hf_hub:x", "../x", "a/b", "file:x"])
def test_a_checkpoint_names_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    import timm  # noqa: PLC0415

    folder = saved(tmp_path)
    tamper(folder, lambda record: record["facts"]["backbone"].update(name=name))
    monkeypatch.setattr(timm, "create_model", None)
    with pytest.raises(ValueError, match="expected a timm name"):
        load_reid_network(tmp_path)
    with pytest.raises(ValueError, match="expected a timm name"):
        BackboneConfig(name)


@pytest.mark.parametrize("fact", [{"num_classes": 10**10}, {"backbone": {"bottleneck": 10**9}}])
def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path, fact: dict[str, Any]) -> None:
    folder = saved(tmp_path)

    def change(record: dict[str, Any]) -> None:
        for name, value in fact.items():
            record["facts"][name] = {**record["facts"][name], **value} if isinstance(value, dict) else value

    tamper(folder, change)
    with pytest.raises(ValueError, match="does not describe the network that it holds"):
        load_reid_network(tmp_path)


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    tensors = load_file(folder / "networks.safetensors")
    tensors["identity.classifier.weight"][0] = float("nan")
    save_file(tensors, folder / "networks.safetensors")
    tamper(folder, lambda record: record)
    with pytest.raises(ValueError, match=r"not finite \(such as identity\.classifier\.weight\)"):
        load_reid_network(tmp_path)


@pytest.mark.parametrize(
    "key", ["x", "identity.x.momentum_buffer", "identity.999.momentum_buffer", "identity.0.a.b"]
)
def test_moments_of_a_tampered_checkpoint(tmp_path: Path, key: str) -> None:
    folder = saved(tmp_path)
    save_file({key: torch.zeros(3)}, folder / "optimizers.safetensors")
    tamper(folder, lambda record: record)
    found = load_newest(folder.parent)
    assert found is not None
    network = build_reid_network(BACKBONE, 5)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    stage = Stage(
        "identity", 10, int, lambda *_: {}, {"identity": network}, {"identity": optimizer}, found.state.facts
    )
    try:
        assert _restore(stage, folder.parent) == 10
    except ValueError as error:
        assert "checkpoint" in str(error)  # noqa: PT017


def test_a_damaged_last_stage_does_not_rank_the_first(tmp_path: Path) -> None:
    saved(tmp_path)
    for file in saved(tmp_path, "finetuning").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"finetuning: none of its 1 checkpoints is whole"):
        load_reid_network(tmp_path)
    assert load_reid_network(tmp_path, "pretrained").stage == "pretrained"


def test_job_and_config_that_are_no_objects(tmp_path: Path) -> None:
    for content in (b"[1]", b"nul", b"\xff", b'{"a":' * 50_000, b"\0"):
        (tmp_path / "job.json").write_bytes(content)
        (tmp_path / "config.yaml").write_bytes(content)
        for read in (read_job, read_config):
            with pytest.raises(ValueError, match=r"job\.json is damaged|config\.yaml is damaged"):
                read(tmp_path)


# Weights


class Anything:
    """An object that torch would have to unpickle."""


@pytest.mark.parametrize("kind", ["whole model", "script", "lfs", "html", "inflated", "empty", "text"])
def test_weights_are_refused_without_torchs_advice(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "w.pth"
    if kind == "whole model":
        torch.save(nn.Linear(2, 2), path)
    elif kind == "script":
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    elif kind == "inflated":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as held:
            held.writestr("archive/data.pkl", b"\0" * 50_000_000)
    else:
        written = {
            "lfs": "version https://git-lfs.github.com/spec/v1\noid x\n",
            "html": "<!DOCTYPE html>",
            "text": "hello",
        }
        path.write_text(written.get(kind, ""))
    with pytest.raises(ValueError, match=r"w\.pth: cannot be read safely") as refused:
        read_state_dict(path)
    text = str(refused.value)
    assert not [word for word in ("weights_only", "torch.load", "\x1b", "Re-running") if word in text]
    assert len(text) < 400


@pytest.mark.parametrize("prefix", ["base.", "module.encoder_q.", "module.base."])
def test_prefixes_of_other_programs(prefix: str) -> None:
    import timm  # noqa: PLC0415

    backbone = timm.create_model("test_resnet", num_classes=0)
    state = {prefix + key: torch.full_like(value, 2) for key, value in backbone.state_dict().items()}
    fit_state_dict(backbone, state, "x")
    assert all((value == 2).all() for value in backbone.state_dict().values())


def test_without_a_network_the_hub_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm  # noqa: PLC0415
    from huggingface_hub import constants  # noqa: PLC0415

    asked = []

    def offline(request: urllib.request.Request, timeout: float) -> None:
        asked.append((request.full_url, timeout))
        raise urllib.error.URLError(OSError("no such host"))

    def create(*_: object, **__: object) -> None:
        assert constants.HF_HUB_OFFLINE
        message = "not in the cache"
        raise OSError(message)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(ValueError, match=r"not in the cache.*without a network type"):
        load_backbone_weights(nn.Identity(), "resnet18.tv_in1k", "hub")
    assert asked == [(constants.ENDPOINT, 4.0)]
    assert not constants.HF_HUB_OFFLINE


# CUHK03's file


def test_a_mat_file_that_declares_gigabytes(tmp_path: Path) -> None:
    root = draw_cuhk03_raw(tmp_path)
    mat = root / "cuhk03_release" / "cuhk-03.mat"
    with h5py.File(mat, "a") as file:
        cell = file[file["detected"][0, 0]][0, 0]
        name = file[cell].name
        del file[name]
        file.create_dataset(name, (3, 60_000, 60_000), "u1", chunks=(1, 1000, 1000), compression="gzip")
        for reference in file[file["detected"][0, 0]][:1]:
            assert reference is not None
        holder = file[file["detected"][0, 0]]
        holder[0, 0] = file[name].ref
    with pytest.raises(ValueError, match=r"a cell of 10,800,000,000 bytes, expected at most"):
        written_images(mat, "detected", tmp_path / "cache")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
