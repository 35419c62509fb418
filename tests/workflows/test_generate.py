"""`genreid generate` on a small DG-Net run, as a user types it: grids, interpolations, and a data set."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from genreid.generation.swapping import Swapper
from genreid.pipelines.people_of_run import draw_people, people_of_run
from tests.command_line import genreid
from tests.drawn_datasets import draw_market1501
from tests.tiny_dgnet_run import SIZE, save_dgnet, save_teacher

COUNT = 2500
"""Pictures: enough that the command can be stopped in the middle."""
TILE = (64 + 2, 128 + 2)
"""Width and height that an enlarged image takes up."""


class World(NamedTuple):
    """A run, the data it was trained on, and photographs of others."""

    root: Path
    run: Path
    data: Path
    photos: list[Path]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("generate")
    data = draw_market1501(root / "data", 4, 3, size=SIZE)
    others = draw_market1501(root / "others", 2, 2, size=(90, 50), seed=9)
    run = root / "run"
    save_teacher(run)
    save_dgnet(run)
    job = {"data": str(data), "format": None, "pattern": None, "split": "train", "holdout": 1}
    (run / "job.json").write_text(json.dumps(job))
    before = os.environ.get("GENREID_CACHE")
    os.environ["GENREID_CACHE"] = str(root / "cache")
    yield World(root, run, data, sorted((others / "query").iterdir()))
    os.environ.pop("GENREID_CACHE")
    if before is not None:
        os.environ["GENREID_CACHE"] = before


def drawn(path: Path) -> tuple[int, int]:
    """Width and height of a sheet."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


def test_a_grid_of_the_runs_own_people(world: World) -> None:
    answer = genreid("generate", world.run, "--grid", "--count", 3, "--device", "cpu")
    assert answer.code == 0, answer.err
    path = world.run / "images" / "grid-seed0.png"
    assert str(path) in answer.out
    width, height = drawn(path)
    assert height == 4 * TILE[1] + 8 + 28
    assert width >= 4 * TILE[0] + 8
    again = path.read_bytes()
    assert genreid("generate", world.run, "--grid", "--count", 3).code == 0
    assert path.read_bytes() == again, "deterministic"
    assert genreid("generate", world.run, "--grid", "--count", 3, "--seed", 1).code == 0
    assert (world.run / "images" / "grid-seed1.png").read_bytes() != again


def test_a_grid_of_ones_own_photographs(world: World, tmp_path: Path) -> None:
    out = tmp_path / "new" / "mine.png"
    words = ["--appearance", *world.photos[:2], "--structure", *world.photos[1:4], "--out", out]
    answer = genreid("generate", world.run, "--grid", *words)
    assert answer.code == 0, answer.err
    assert drawn(out)[1] == 3 * TILE[1] + 8 + 28
    answer = genreid("generate", world.run, "--grid", "--structure", *world.photos[:3], "--count", 2)
    assert answer.code == 0, answer.err
    assert drawn(world.run / "images" / "grid-seed0.png")[1] == 3 * TILE[1] + 8 + 28


def test_several_runs_below_each_other(world: World, tmp_path: Path) -> None:
    """Figure 4: structure, appearance, then what each network makes of the pair."""
    other, out = tmp_path / "other", tmp_path / "swaps.png"
    save_dgnet(other, seed=3)
    photos = ["--appearance", *world.photos[:2], "--structure", *world.photos[1:3]]
    answer = genreid("generate", world.run, other, "--swaps", *photos, "--out", out)
    assert answer.code == 0, answer.err
    with Image.open(out) as image:
        sheet = np.asarray(image).transpose(2, 0, 1)
    factor, (width, height) = 128 // SIZE[0], TILE
    left = sheet.shape[2] - 2 * width
    for column in range(2):
        x = left + column * width
        tiles = [
            sheet[:, y : y + 128 : factor, x : x + width - 2 : factor]
            for y in (2 * height + 8, 3 * height + 8)
        ]
        for run, tile in zip((world.run, other), tiles, strict=True):
            made = Swapper.from_run(run, "cpu").swap([world.photos[column]], [world.photos[column + 1]])
            assert np.array_equal(tile, made[0]), run
    assert sheet.shape[1] == 4 * height + 8
    for words, message in (
        ([world.run, other, "--grid"], "--grid takes one RUN, got 2"),
        ([world.run, "--swaps", *photos, "--count", "3"], "--count is how many are drawn"),
    ):
        answer = genreid("generate", *words)
        assert (answer.code, message in answer.err) == (2, True)


def test_people_of_the_test_set(world: World) -> None:
    """Figure 6: `--split query` draws from the queries; what is not there is named."""
    answer = genreid("generate", world.run, "--grid", "--count", 3, "--split", "query", "--seed", 4)
    assert answer.code == 0, answer.err
    people = people_of_run(world.run, split="query")
    assert {sample.path.parent.name for sample in people.samples} == {"query"}
    assert {sample.path.parent.name for sample in people_of_run(world.run).samples} == {"bounding_box_train"}
    assert all(sample.pid > 0 for sample in people_of_run(world.run, split="gallery").samples)
    drawn_again = draw_people(people, 6, 4, SIZE)
    with Image.open(world.run / "images" / "grid-seed4.png") as image:
        sheet = np.asarray(image).transpose(2, 0, 1)
    factor, (width, height), top = 128 // SIZE[0], TILE, 28
    shown = [sheet[:, top : top + 128 : factor, x : x + width - 2 : factor] for x in range(sheet.shape[2])]
    for structure in drawn_again.images[3:]:
        assert any(np.array_equal(tile, structure) for tile in shown)
    assert sheet.shape[1] == top + 4 * height + 8


@pytest.mark.parametrize("code", ["appearance", "structure"])
def test_interpolations(world: World, code: str) -> None:
    answer = genreid("generate", world.run, "--interpolate", code, "--count", 2, "--steps", 3)
    assert answer.code == 0, answer.err
    path = world.run / "images" / f"interpolate-{code}-seed0.png"
    assert drawn(path)[1] == 2 * TILE[1] + 28
    other = "structure" if code == "appearance" else "appearance"
    words = [f"--{code}", *world.photos[:3], f"--{other}", world.photos[3], "--steps", 4]
    answer = genreid("generate", world.run, "--interpolate", code, *words)
    assert answer.code == 0, answer.err
    width, height = drawn(world.run / "images" / f"interpolate-{code}.png")
    assert height == 2 * TILE[1] + 28
    assert width >= 7 * TILE[0] + 3 * 8


def test_a_broken_photograph_is_named(world: World, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(world.photos[0].read_bytes()[:200])
    for words in (
        ["--grid", "--appearance", world.photos[0], broken],
        ["--interpolate", "structure", "--structure", broken, world.photos[0]],
        ["--interpolate", "appearance", "--structure", broken],
    ):
        answer = genreid("generate", world.run, *words)
        assert answer.code == 2
        assert f"{broken} cannot be read: " in answer.err
        assert "Traceback" not in answer.err


def test_what_cannot_be_made(world: World, tmp_path: Path) -> None:
    for words, message in (
        (["--renderings"], "is no run of `genreid adapt`"),
        (["--interpolate", "structure", "--structure", world.photos[0]], "two images or more, got 1"),
        (["--dataset", tmp_path, "--count", 3, "--contexts", 2], "give --count N pictures, or --contexts N"),
        (["--dataset", tmp_path, "--contexts", 0], "--contexts must be 1 or more, got 0"),
        (["--dataset", world.data, "--count", 3], "holds no generated data set"),
    ):
        answer = genreid("generate", world.run, *words)
        assert answer.code == 2
        assert message in answer.err
    save_teacher(tmp_path / "teacher")
    answer = genreid("generate", tmp_path / "teacher", "--grid")
    assert answer.code == 2
    assert "holds no DG-Net (identity); make one with `genreid train dgnet" in answer.err


def test_photographs_need_no_training_data(world: World, tmp_path: Path) -> None:
    save_dgnet(tmp_path / "run")
    (tmp_path / "run" / "job.json").write_text(json.dumps({"data": str(tmp_path / "gone")}))
    photos = ["--appearance", world.photos[0], "--structure", world.photos[1]]
    assert genreid("generate", tmp_path / "run", "--grid", *photos).code == 0
    answer = genreid("generate", tmp_path / "run", "--grid", *photos[:2])
    assert answer.code == 2
    assert "was trained on images that are not there any more" in answer.err


# A data set


def words_of(world: World, out: Path, count: int = COUNT) -> list[str]:
    """The command line that makes a data set."""
    return ["generate", str(world.run), "--dataset", str(out), "--count", str(count), "--seed", "2"]


@pytest.fixture(scope="module")
def whole(world: World) -> Path:
    out = world.root / "whole"
    answer = genreid(*words_of(world, out))
    assert answer.code == 0, answer.err
    assert f"{out}: {COUNT} of {COUNT} generated images\n" in answer.out
    assert "generating images: " in answer.err
    return out


def contents(out: Path) -> dict[str, bytes]:
    """Every file but the settings."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_a_data_set_can_be_trained_on(world: World, whole: Path) -> None:
    answer = genreid("data", "check", whole, "--format", "market1501", "--json")
    assert answer.code == 0, answer.err
    check = json.loads(answer.out)
    assert check["train"] == {"images": COUNT, "pids": 3, "cameras": 3}, "one person was held out"
    assert check["unmatched_names"] == check["unreadable"] == []
    assert genreid("data", "check", whole).code == 0, "recognised"


def stop_in_the_middle(world: World, out: Path, with_signal: signal.Signals) -> int:
    """Start the command in a process of its own and stop it after its first pictures."""
    before = len(list((out / "bounding_box_train").glob("*.jpg")))
    command = [sys.executable, "-m", "genreid.cli.main", *words_of(world, out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (world.root / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        while process.poll() is None and len(list((out / "bounding_box_train").glob("*.jpg"))) == before:
            time.sleep(0.005)
        process.send_signal(with_signal)
        return process.wait(120)


def test_a_stopped_data_set_goes_on_and_ends_the_same(world: World, whole: Path) -> None:
    out = world.root / "stopped"
    assert stop_in_the_middle(world, out, signal.SIGTERM) == 130, (world.root / "log").read_text()
    assert f"of {COUNT}; the same command goes on" in (world.root / "log").read_text()
    there = {name for name in contents(out) if name.endswith(".jpg")}
    assert 64 <= len(there) < COUNT
    with (out / "manifest.csv").open(newline="") as file:
        lines = [line["file"] for line in csv.DictReader(file)]
    assert set(lines) == there
    numbers = [int(line.split("_")[4]) for line in lines]
    assert numbers == list(range(len(there)))
    assert stop_in_the_middle(world, out, signal.SIGKILL) == -signal.SIGKILL
    answer = genreid(*words_of(world, out))
    assert answer.code == 0, answer.err
    assert "of them there before" in answer.out
    parts = {name for name in contents(out) if name.endswith(".part")}  # what SIGKILL left of a file
    assert {name: data for name, data in contents(out).items() if name not in parts} == contents(whole)


def test_other_settings_and_smaller_counts_are_refused(world: World, whole: Path) -> None:
    answer = genreid(*words_of(world, whole), "--seed", 3)
    assert answer.code == 2
    assert "begun with other settings:\n  seed: 2 there, 3 now" in answer.err
    answer = genreid(*words_of(world, whole, 10))
    assert answer.code == 2
    assert "it can grow only" in answer.err
