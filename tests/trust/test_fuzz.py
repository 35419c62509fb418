"""Files changed by chance: whatever a reader is given, it answers, or says in words what is wrong.

20 seconds of the processor; GENREID_FUZZ_SECONDS=3600 asks for an hour, GENREID_FUZZ_SEED for other changes.
"""

import csv
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from genreid.data.decode import UnreadableImageError, decode, read_image
from genreid.data.files_seen import count_files
from genreid.data.load import load_dataset
from genreid.data.plain_file import read_json_object
from genreid.evaluation.records import read_record, read_records
from genreid.features.feature_set import FeatureSet
from genreid.masks.labels import read_label_map
from genreid.masks.store import read_mask
from genreid.models.pretrained import read_state_dict
from genreid.report.loss_log import read_loss_log
from genreid.runs.checkpoint import read_state
from genreid.runs.config_file import read_yaml_mapping
from genreid.runs.run_folder import read_config, read_job
from tests.drawn_datasets import draw_csv, draw_market1501, draw_msmt17
from tests.drawn_runs import draw_run, embed, evaluate_run

SECONDS = float(os.environ.get("GENREID_FUZZ_SECONDS", "20"))
SEED = int(os.environ.get("GENREID_FUZZ_SEED", "0"))
SLOWEST = 10.0
"""Seconds of the processor that one small file may take."""
ANSWERS = (ValueError, OSError)
"""What a reader may raise: errors whose text is meant for users."""


class Target(NamedTuple):
    """A sound file, and who reads it."""

    file: Path
    read: Callable[[Path], object]


def corpus(root: Path) -> list[Target]:
    """Write a sound file of every kind that is read."""
    data = draw_market1501(root / "data", pids=2, size=(32, 16))
    run = draw_run(root / "run", data)
    record = evaluate_run(run, data)
    features = root / "f.safetensors"
    embed(load_dataset(data).query).save(features)
    state = {"layer.weight": torch.ones(3, 2), "layer.bias": torch.zeros(3)}
    torch.save(state, root / "w.pth")
    save_file(state, root / "w.safetensors")
    table = draw_csv(root / "own")
    lists = draw_msmt17(root / "msmt", pids=2)
    pixels = np.random.default_rng(0).integers(0, 255, (20, 10, 3), dtype=np.uint8)
    for ending in ("jpg", "png", "gif", "bmp", "webp", "tiff", "ppm"):
        Image.fromarray(pixels).save(root / f"i.{ending}")
    Image.fromarray(pixels[..., 0] > 99).save(root / "mask.png")
    Image.fromarray(pixels[..., 0] % 5).save(root / "labels.png")
    checkpoint = run / "checkpoints" / "identity" / "00000060"
    return [
        *(Target(path, read_image) for path in sorted(root.glob("i.*"))),
        *(Target(path, lambda path: decode(path, (32, 16), "image")) for path in sorted(root.glob("i.*"))),
        Target(root / "mask.png", read_mask),
        Target(root / "labels.png", read_label_map),
        Target(root / "w.pth", read_state_dict),
        Target(root / "w.safetensors", read_state_dict),
        Target(features, FeatureSet.load),
        Target(table, lambda path: count_files(load_dataset(path))),
        Target(lists / "list_query.txt", lambda path: count_files(load_dataset(path.parent))),
        Target(run / "config.yaml", lambda path: (read_yaml_mapping(path), read_config(path.parent))),
        Target(run / "job.json", lambda path: read_job(path.parent)),
        Target(run / "metrics.jsonl", read_loss_log),
        Target(checkpoint / "state.json", lambda path: (read_json_object(path), read_state(path.parent))),
        Target(record, lambda path: (read_records(path.parents[1]), read_record(path))),
    ]


def changed(content: bytes, random: np.random.Generator) -> bytes:
    """Change a file by chance: bits, bytes, pieces, and numbers or letters that readers stumble over."""
    held = bytearray(content)
    odd = (
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"99999999999999999999",
        b"-1",
        b"NaN",
        b'"',
        b"{",
        b"[[[[",
        b"\n",
        b"../",
        b"\\",
        b"&a *a",
        b"\x1b[2J",
    )
    for _ in range(int(random.integers(1, 6))):
        at, length = int(random.integers(0, len(held) + 1)), int(random.integers(1, 40))
        match int(random.integers(0, 6)):
            case 0 if held:
                held[min(at, len(held) - 1)] ^= 1 << int(random.integers(0, 8))
            case 1:
                del held[at : at + length]
            case 2:
                held[at:at] = held[max(0, at - length) : at] * int(random.integers(1, 4))
            case 3:
                held[at : at + length] = odd[int(random.integers(0, len(odd)))]
            case 4:
                held[at:at] = random.bytes(length)
            case _:
                del held[at:]
    return bytes(held)


def test_changed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)
    targets = corpus(tmp_path)
    sound = {target.file: target.file.read_bytes() for target in targets}
    began, tries = time.process_time(), 0
    while time.process_time() - began < SECONDS:
        target = targets[tries % len(targets)]
        random = np.random.default_rng([SEED, tries])
        target.file.write_bytes(changed(sound[target.file], random))
        start = time.process_time()
        try:
            target.read(target.file)
        except ANSWERS as error:
            text = str(error)
            assert text.strip(), (tries, target.file.name, type(error))  # noqa: PT017
            assert len(text) < 3000, (tries, target.file.name, text)
        except Exception as error:
            msg = f"change {tries} of seed {SEED}, {target.file.name}: {type(error).__name__}: {error}"
            raise AssertionError(msg) from error
        finally:
            target.file.write_bytes(sound[target.file])
        assert time.process_time() - start < SLOWEST, (tries, target.file.name)
        tries += 1
    logging.getLogger(__name__).info("%d files changed by chance, of %d kinds", tries, len(targets))
    assert tries >= len(targets)


def test_names_by_chance(tmp_path: Path) -> None:
    """A tree of names by chance: every file is counted, and the table adds up."""
    pieces = [
        *("a", "A", "0", "_", "-", ".", " ", "c", "cam", "é", "\udcff", "\x1b", "\n", "李", "0001_c1s1_"),
        *(".jpg", ".png", ".heic", "train", "query", "test"),
    ]
    for number in range(min(60, int(3 * SECONDS))):
        random = np.random.default_rng([SEED, 1, number])
        root = tmp_path / str(number)
        made = set()
        for _ in range(12):
            names = [
                "".join(random.choice(pieces, random.integers(1, 5))) for _ in range(random.integers(1, 4))
            ]
            names = [name for name in names if name.strip(".") and len(os.fsencode(name)) < 200]
            path = root.joinpath(*names)
            if not names or path.exists() or any(parent.is_file() for parent in path.parents):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            made.add(path)
        try:
            dataset = load_dataset(root, "folder")
        except ValueError as error:
            assert str(error)  # noqa: PT017
            continue
        files = count_files(dataset).files
        assert files.seen == len(made) == files.taken + sum(item.number for item in files.left_out)
        samples = (*dataset.train, *dataset.query, *dataset.gallery)
        assert files.taken == len({sample.path for sample in samples})


def test_rows_by_chance(tmp_path: Path) -> None:
    """Tables of cells by chance are read or refused with the table's name."""
    cells = ["a.jpg", "../b.jpg", "/c.jpg", "", "-1", "0", "9" * 30, "é", "\\x", "train", "TEST", "cam1"]
    cells += ["\0", '"', "=1+1"]
    for number in range(min(200, int(10 * SECONDS))):
        random = np.random.default_rng([SEED, 2, number])
        columns = list(
            random.permutation(["path", "identity", "camera", "split", "pid", "x"])[: random.integers(1, 6)]
        )
        with (tmp_path / "t.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(random.choice(cells, (5, len(columns))))
        try:
            files = count_files(load_dataset(tmp_path / "t.csv")).files
            assert files.seen == files.taken + sum(item.number for item in files.left_out)
        except ValueError as error:
            assert "t.csv" in str(error) or "in the data set as" in str(error)  # noqa: PT017


def test_every_reader_takes_the_sound_file(tmp_path: Path) -> None:
    for target in corpus(tmp_path):
        try:
            assert target.read(target.file) is not None
        except (ValueError, UnreadableImageError) as error:
            # a drawn run has no whole checkpoint, and no config of all settings
            assert target.file.name in {"state.json", "config.yaml"}, (target.file, error)  # noqa: PT017
    assert json.loads((tmp_path / "run" / "job.json").read_text())["command"] == "adapt"
