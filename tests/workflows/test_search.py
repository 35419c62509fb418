"""`genreid gallery`, `search`, `calibrate`, `inspect`, `evaluate --open-set`: the true command line."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.runs.checkpoint import CheckpointState, save_checkpoint
from genreid.runs.config_file import config_to_dict
from tests.command_line import genreid
from tests.drawn_datasets import draw_market1501
from tests.tiny_gallery import PATTERN, draw_cameras


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own."""
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))


def make_run(folder: Path, seed: int = 0) -> Path:
    """Write a run folder with an untrained network."""
    torch.manual_seed(seed)
    config = BackboneConfig("test_resnet", weights="none")
    facts = {"backbone": config_to_dict(config), "num_classes": 4, "size": [32, 16]}
    networks = {"identity": build_reid_network(config, 4)}
    save_checkpoint(
        folder / "checkpoints" / "identity", CheckpointState("identity", 7, 7, facts), networks, {}
    )
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run."""
    return make_run(tmp_path / "run")


@pytest.fixture
def gallery(run: Path, tmp_path: Path) -> Path:
    """A gallery of twelve images."""
    crops = draw_cameras(tmp_path / "crops")
    answer = genreid("gallery", "add", tmp_path / "g", "--run", run, "--data", crops, "--pattern", PATTERN)
    assert answer.code == 0, answer.err
    assert "12 images added, 0 were there, 0 of them with other labels now; 12 in all" in answer.out
    return tmp_path / "g"


def test_find_a_person(gallery: Path, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    query = crops / "p2" / "cam1_2026-11-01T10:00:00.png"
    sheet = tmp_path / "sheet.png"
    words = ("search", gallery, query, crops / "p3" / "cam2_2026-11-02T10:01:00.png", "--top", 4)
    answer = genreid(*words, "--json", "--out", sheet)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert [len(hits) for hits in found["results"]] == [4, 4]
    assert found["unknown"] == [None, None]
    first = found["results"][0][0]
    assert first == {
        "path": str(query),
        "camera": "1",
        "time": "2026-11-01T10:00:00",
        "track": "p2",
        "likeness": 1.0,
        "probability": None,
    }
    with Image.open(sheet) as picture:
        assert picture.width > 5 * 96
        assert picture.height > 2 * 192
    text = genreid(*words, "--one-per-track", "--not-camera", "1", "--since", "2026-11-02").out
    assert text.count("  2       2026-11-02T10:0") == 6  # three tracks for each query
    assert "Not calibrated" in text
    assert "never a proof" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("IMG", "--camera", "9"), "is of camera '9'; its cameras are: 1, 2"),
        (("gallery.json",), "gallery.json cannot be read as a picture"),
        (("IMG", "--top", "0"), "--top must be 1 to"),
        (("IMG", "--since", "2026-11-02", "--until", "2026-11-01"), "--since is later than --until"),
        (("IMG", "--since", "noon"), "expected ISO 8601"),
        (("IMG", "--out", "sheet.txt"), "expected the name of a picture's file"),
        (("IMG", "--files", "x"), "belongs to a gallery on a server"),
        (("IMG", "--run", "nowhere"), "which is not there; --run RUN"),
    ],
)
def test_a_search_that_cannot_be_meant(
    gallery: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    image = next((tmp_path / "crops").rglob("*.png"))
    named = [str(image) if word == "IMG" else word for word in words]
    named = [str(gallery / word) if word == "gallery.json" else word for word in named]
    answer = genreid("search", gallery, *named)
    assert answer.code == 2
    assert message in answer.err
    assert [line.startswith("genreid: ") for line in answer.err.splitlines()].count(True) == 1
    assert answer.err.splitlines()[-1].startswith("genreid: ")


def test_a_network_that_has_learned_since_is_refused_until_the_gallery_is_migrated(
    gallery: Path, run: Path, tmp_path: Path
) -> None:
    image = next((tmp_path / "crops").rglob("*.png"))
    make_run(run, seed=1)
    answer = genreid("search", gallery, image)
    assert answer.code == 2
    assert "holds embeddings of another network" in answer.err
    answer = genreid("gallery", "migrate", gallery, "--run", run, "--pooling", "lmp")
    assert answer.code == 0, answer.err
    assert "12 images, embedded anew" in answer.out
    assert genreid("search", gallery, image).code == 0
    info = json.loads(genreid("gallery", "info", gallery, "--json").out)
    assert info["features"]["pooling"] == "lmp"


def test_what_a_gallery_holds_and_what_goes(gallery: Path, tmp_path: Path) -> None:
    info = json.loads(genreid("gallery", "info", gallery, "--json").out)
    assert info["images"] == 12
    assert info["cameras"] == {"1": 6, "2": 6}
    assert (info["tracks"], info["without_time"]) == (6, 0)
    assert info["times"] == ["2026-11-01T10:00:00", "2026-11-02T10:01:00"]
    assert "cameras: 1 6, 2 6" in genreid("gallery", "info", gallery).out
    answer = genreid("gallery", "remove", gallery, "--track", "p1", "--json")
    assert len(json.loads(answer.out)["removed"]) == 4
    assert "8 images, index made anew" in genreid("gallery", "rebuild", gallery).out
    assert (
        "4 images and embeddings removed; 4 are left"
        in genreid("gallery", "remove", gallery, "--camera", "1").out
    )
    assert "0 images" in genreid("gallery", "prune", gallery, "--older-than", "100000").out
    assert (
        "4 images and embeddings removed; 0 are left"
        in genreid("gallery", "prune", gallery, "--older-than", "0").out
    )
    image = next((tmp_path / "crops").rglob("*.png"))
    assert "is empty" in genreid("search", gallery, image).err
    assert "say what goes" in genreid("gallery", "remove", gallery).err
    assert "leave them out" in genreid("gallery", "add", gallery, image, "--pooling", "lmp").err
    assert "images in place of --data DIR" in genreid("gallery", "add", gallery).err
    run = json.loads((gallery / "gallery.json").read_text())["run"]
    answer = genreid("gallery", "add", gallery, "--json", "--run", run, image)
    assert json.loads(answer.out) == {
        "new": 1,
        "known": 0,
        "relabelled": 0,
        "unreadable": [],
        "unmatched": [],
        "images": 1,
    }
    assert "1 images" in genreid("gallery", "export", gallery, "--to", "csv", "--out", tmp_path / "g.csv").out


def test_calibrate_inspect_and_search_again(run: Path, tmp_path: Path) -> None:
    market = draw_market1501(tmp_path / "market", pids=30, cameras=3, images_per_camera=1, size=(32, 16))
    answer = genreid("calibrate", run, "--data", market, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    for key in ("threshold", "false_match_rate", "interval", "pairs", "people"):
        assert found[key] is not None, key
    assert found["people"] == 30
    assert found["false_match_rate"] <= 0.01
    assert found["false_positive_identification_rate"] is None
    assert "30 people are too few" in found["refused"]
    assert "300 are needed" in found["refused"]
    text = genreid("calibrate", run, "--data", market).out
    assert "30 people, " in text
    assert "300 are needed" in text
    answer = genreid("calibrate", run, "--data", market, "--size", "50")
    assert answer.code == 2
    assert "300 are needed" in answer.err

    page = tmp_path / "page.html"
    answer = genreid("inspect", run, "--data", market, "--out", page, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["spreads"]["same_camera"]["pairs"] > 0
    assert "Threshold: " not in page.read_text()  # 30 people say nothing of one pair in 1,000

    assert genreid("gallery", "add", tmp_path / "g", "--run", run, "--data", market).code == 0
    query = min((market / "query").iterdir())
    answer = genreid("search", tmp_path / "g", query, "--json")
    first = json.loads(answer.out)
    assert 0 < first["results"][0][0]["probability"] < 1
    assert first["unknown"] == [None]
    assert "Too few people were measured" in genreid("search", tmp_path / "g", query).out
    answer = genreid("gallery", "info", tmp_path / "g")
    assert "calibrated: True" in answer.out


def test_calibrate_by_labelled_pairs(run: Path, tmp_path: Path) -> None:
    crops = draw_cameras(tmp_path / "crops", people=26, shots=1)
    images = {
        (person, camera): next((crops / f"p{person}").glob(f"cam{camera}_*")).relative_to(tmp_path)
        for person in range(1, 27)
        for camera in (1, 2)
    }
    table = tmp_path / "pairs.csv"
    rows = [
        (images[one, 1], images[other, 2], int(one == other))
        for one in range(1, 27)
        for other in range(1, 27)
    ]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("first", "second", "same"), *rows])
    answer = genreid("calibrate", run, "--pairs", table, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert (found["people"], found["pairs"], found["identification"]) == (26, 26 * 25, [])
    for words, message in (
        (("--pairs", table, "--data", crops), "in place of --data DIR"),
        ((), "in place of --data DIR"),
        (("--pairs", table, "--size", "9"), "belong to --data"),
        (("--pairs", tmp_path / "none.csv"), "cannot be read"),
    ):
        answer = genreid("calibrate", run, *words)
        assert (answer.code, message in answer.err) == (2, True), answer.err
    table.write_text("first,second,same\na.png,b.png,yes\n")
    assert "pair 1: expected first,second,same" in genreid("calibrate", run, "--pairs", table).err


def test_evaluate_open_set(run: Path, tmp_path: Path) -> None:
    market = draw_market1501(tmp_path / "market", pids=12, cameras=3, images_per_camera=2, size=(32, 16))
    answer = genreid("evaluate", run, "--data", market, "--open-set", "--json", "--no-record")
    assert answer.code == 0, answer.err
    small, middle, large = json.loads(answer.out)["open_set"]
    assert small["true_positive_identification_rate"] is middle["threshold"] is None
    assert 0 <= large["true_positive_identification_rate"] <= 1
    assert large["false_positive_identification_rate"] == 0.1
    text = genreid("evaluate", run, "--data", market, "--open-set", "--no-record").out
    assert "Open set, 10.0% of false alarms" in text
    assert "3,000 are needed" in text
