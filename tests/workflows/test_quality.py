"""`genreid quality` as a user types it: of a run, of a folder, with a judge, and with what is missing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image

from genreid.models.perceptual import alexnet
from genreid.quality import measure
from genreid.quality.measure import FIGURES
from tests.command_line import genreid
from tests.drawn_datasets import draw_market1501
from tests.tiny_dgnet_run import SIZE, save_dgnet, save_teacher

HEAVY = {"fid2048", "fid768", "frechet_vgg16", "kid"}
"""What needs more images, or weights, than a test has."""


class World(NamedTuple):
    """Drawn people, two runs, and a judge of others."""

    source: Path
    target: Path
    composite: Path
    dgnet: Path
    judge: Path


def alexnet_of_chance() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    trunk = alexnet()
    layers = [layer for layer in trunk.modules() if isinstance(layer, torch.nn.Conv2d)]
    weights = {f"head.{number}": torch.rand(1, width, 1, 1) for number, width in enumerate(trunk.widths)}
    for number, layer in enumerate(layers):
        weights |= {f"trunk.{number}.{name}": value.detach() for name, value in layer.named_parameters()}
    return weights


def packaged(network: str) -> dict[str, torch.Tensor]:
    if network == "vgg16":
        msg = "cannot fetch the weights of LPIPS: no network here"
        raise ValueError(msg)
    return alexnet_of_chance()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "lpips_weights", packaged)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("quality")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENREID_CACHE", str(root / "cache"))
        source = draw_market1501(root / "source", 5, 3, size=SIZE, masks_root=root / "source-masks")
        target = draw_market1501(root / "target", 4, 2, size=SIZE, seed=5, masks_root=root / "target-masks")
        others = draw_market1501(root / "others", 4, 2, size=(70, 40), seed=9)
        composite = root / "composite"
        composite.mkdir()
        job = {"command": "adapt", "source": str(source), "target": str(target), "renderer": "composite"}
        masks = {f"{name}_masks": str(root / f"{name}-masks") for name in ("source", "target")}
        (composite / "job.json").write_text(json.dumps({**job, **masks, "holdout": 0}))
        (composite / "config.yaml").write_text(f"image:\n  height: {SIZE[0]}\n  width: {SIZE[1]}\n")
        dgnet, judge = root / "dgnet", root / "judge"
        save_dgnet(dgnet)
        save_teacher(judge)
        for run, data in ((dgnet, source), (judge, others)):
            (run / "job.json").write_text(json.dumps({"data": str(data), "holdout": 0}))
            (run / "config.yaml").write_text("{}\n")
        yield World(source, target, composite, dgnet, judge)


def measured(*words: object) -> dict[str, Any]:
    answer = genreid("quality", *words, "--json", "--device", "cpu")
    assert answer.code == 0, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    assert list(found) == [*FIGURES, "images", "real", "missing"]
    assert {name for name in FIGURES if found[name] is None} == set(found["missing"])
    return found


@pytest.fixture(scope="module")
def of_composite(world: World) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "lpips_weights", packaged)
        return measured(world.composite, "--data", world.target, "--judge", world.judge, "--contexts", 3)


def test_a_run_is_measured_and_its_images_stay(world: World, of_composite: dict[str, Any]) -> None:
    assert (of_composite["images"], of_composite["real"]) == (30, 16)
    assert set(of_composite["missing"]) == HEAVY
    for name, width in (("fid2048", 2048), ("fid768", 768), ("frechet_vgg16", 512)):
        assert f"{width} features needs more than {width} images" in of_composite["missing"][name]
    assert "subsets of 1,000 images" in of_composite["missing"]["kid"]
    assert of_composite["lpips"] > 0.01
    assert of_composite["lpips_diversity"] > 0.01
    assert 0 < of_composite["ssim"] < 1
    assert 0 < of_composite["dssim_lab"] < 0.5
    assert 0 <= of_composite["judge_rank1"] <= 1
    # the target's background as it is, but where the painted person was larger than his mask, and JPEG
    assert 0 < of_composite["context_distance"] < 0.03
    for name, count in (("images", 30), ("several", 90)):
        pictures = world.composite / "quality" / name / "bounding_box_train"
        assert len(list(pictures.glob("*.jpg"))) == count


def test_a_folder_is_measured_by_its_manifest(
    world: World, of_composite: dict[str, Any], tmp_path: Path
) -> None:
    answer = genreid("generate", world.composite, "--dataset", tmp_path / "out", "--device", "cpu")
    assert answer.code == 0, answer.err
    assert "30 of 30 generated images" in answer.out
    found = measured(tmp_path / "out", "--data", world.target, "--judge", world.judge)
    assert "one picture alone" in found["missing"].pop("lpips_diversity")
    for name in ("lpips", "ssim", "dssim_lab", "judge_rank1", "context_distance"):
        assert found[name] == pytest.approx(of_composite[name], rel=1e-6), name
    moved = tmp_path / "moved"
    shutil.copytree(world.source, moved)
    again = measured(tmp_path / "out", "--data", world.target, "--source", moved)
    assert again["lpips"] == pytest.approx(found["lpips"], rel=1e-6)
    assert again["judge_rank1"] is None
    assert "genreid train baseline --data OTHER_PEOPLE" in again["missing"]["judge_rank1"]


def test_dgnet_is_measured_against_its_own_people(world: World, tmp_path: Path) -> None:
    found = measured(world.dgnet, "--data", world.source)
    assert (found["images"], found["real"]) == (30, 30)
    assert "no person masks; give --source-masks and --target-masks" in found["missing"]["context_distance"]
    assert 0 < found["dssim_lab"] < 0.5
    out = tmp_path / "published"
    words = ["--contexts", 2, "--as-published", "--device", "cpu"]
    assert genreid("generate", world.dgnet, "--dataset", out, *words).code == 0
    masks = world.source.parent / "source-masks"
    found = measured(out, "--data", world.source, "--target-masks", masks)
    assert found["images"] == 60
    assert found["lpips_diversity"] > 0
    assert found["context_distance"] > 0.1, "it is not trained"


def test_the_table_is_for_the_eye(world: World, of_composite: dict[str, Any]) -> None:
    answer = genreid("quality", world.composite, "--data", world.target, "--contexts", 3)
    assert answer.code == 0, answer.err
    assert "30 generated images, 16 real ones" in answer.out
    assert f"  ssim                 {of_composite['ssim']:.4f}  similarity" in answer.out
    assert (
        "kid is missing: subsets of 1,000 images need as many on both sides, got 30 generated" in answer.out
    )


def test_ctrl_c_keeps_what_was_computed(
    world: World, of_composite: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> float:
        raise KeyboardInterrupt

    shutil.rmtree(world.source.parent / "cache" / "quality")
    with monkeypatch.context() as patch:
        patch.setattr(measure, "mean_dssim_lab", stop)
        words = [world.composite, "--data", world.target, "--contexts", 3, "--json"]
        answer = genreid("quality", *words)
    assert answer.code == 130
    found = json.loads(answer.out)
    assert found["ssim"] == pytest.approx(of_composite["ssim"])
    for name in ("dssim_lab", "judge_rank1", "context_distance"):
        assert found["missing"][name] == "stopped by Ctrl-C; the same command goes on"
    monkeypatch.setattr(measure, "structural_similarity", stop)  # not computed again
    assert measured(*words[:-1])["ssim"] == found["ssim"]


def test_what_cannot_be_measured_is_said(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert genreid("generate", world.composite, "--dataset", out, "--device", "cpu").code == 0
    first = min((out / "bounding_box_train").iterdir())
    (tmp_path / "other.pth").write_bytes(b"x")
    data = ["--data", world.target]

    def refused(message: str, *words: object) -> None:
        answer = genreid("quality", *words)
        assert answer.code == 2
        assert message in answer.err
        assert "Traceback" not in answer.err

    refused("is neither a run folder nor a folder that", tmp_path, *data)
    refused("there is no such file", out, *data, "--inception-weights", tmp_path / "gone.pth")
    refused("has SHA-256 2d711642b726", out, *data, "--inception-weights", tmp_path / "other.pth")
    refused("holds its images already", out, *data, "--contexts", 2)
    refused("is no image of", out, *data, "--source", world.source.parent / "others")
    (tmp_path / "knows").mkdir()
    save_teacher(tmp_path / "knows")
    (tmp_path / "knows" / "job.json").write_text(json.dumps({"data": str(world.source)}))
    refused("was trained on 5 of the people whom it shall rank", out, *data, "--judge", tmp_path / "knows")
    Image.new("L", (SIZE[1], SIZE[0])).save(first)
    refused("is 64 x 32 and grey, or with a palette, expected 64 x 32 in RGB", out, *data)
    Image.new("RGB", (30, 60)).save(first)
    refused("is 60 x 30, expected 64 x 32 in RGB", out, *data)
    first.unlink()
    refused("cannot be read", out, *data)
    (out / "manifest.csv").write_text("file\nx\n")
    refused("holds no generated data set that can be read", out, *data)


def test_a_run_that_was_trained_further_is_not_mixed_with_what_it_was(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.dgnet, run, ignore=shutil.ignore_patterns("quality"))
    measured(run, "--data", world.source)
    shutil.rmtree(run / "checkpoints")
    save_dgnet(run, seed=1)
    answer = genreid("quality", run, "--data", world.source)
    assert answer.code == 2
    assert "begun with other settings" in answer.err
    assert "delete it to measure the run as it is now" in answer.err
