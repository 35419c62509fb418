"""`genreid export` as a user types it: every tool, parity from the picture file, refusals."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from genreid.export import job
from genreid.export.parity import Parity, draw_files
from genreid.export.runtimes import run_openvino, run_torchscript
from genreid.features.embedder import Embedder
from genreid.features.options import FeatureOptions
from genreid.runs.trained_networks import load_reid_network
from tests.command_line import genreid
from tests.exported_runs import save_lite, save_neck, save_renderer
from tests.tiny_dgnet_run import SIZE, save_dgnet, save_teacher

EXACT = FeatureOptions(precision="fp32", device="cpu")


def exported(*words: object) -> dict[str, Any]:
    """Run the command; return what it says as JSON."""
    answer = genreid("export", *words, "--json")
    assert answer.code == 0, answer.err
    assert answer.err == ""
    described: dict[str, Any] = json.loads(answer.out)
    return described


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [file.path for file in draw_files(tmp_path_factory.mktemp("files"))]


@pytest.fixture(scope="module")
def dgnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("dgnet")
    save_teacher(run)
    save_dgnet(run)
    return run


def test_dgnet_for_deepstream(dgnet: Path, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "dgnet.onnx"
    described = exported(dgnet, "--for", "deepstream", "--out", out, "--max-batch", 9)
    assert {Path(name).name for name in described["files"]} == {path.name for path in tmp_path.iterdir()}
    assert described["parity"]["cosine_min"] >= 0.9999
    assert described["parity"]["batches"] == [1, 2, 7, 9]
    assert described["parity"]["files"] == 24
    assert described["inputs"] == {"input": ["batch", 3, *SIZE]}
    beside = json.loads((tmp_path / "dgnet.onnx.metadata.json").read_text())
    assert beside == {key: value for key, value in described.items() if key != "files"}
    found, expected = Embedder.from_onnx(out)(files), Embedder.from_run(dgnet, EXACT)(files)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    block = yaml.safe_load((tmp_path / "dgnet.yml").read_text())["ReID"]
    assert block["inferDims"] == [3, *SIZE]
    assert block["reidFeatureSize"] == expected.shape[1] == 12
    assert (block["netScaleFactor"], block["offsets"], block["batchSize"]) == (1.0, [0.0] * 3, 9)
    assert (block["onnxFile"], block["colorFormat"], block["inputOrder"]) == ("dgnet.onnx", 0, 0)


def test_a_neck_for_boxmot(files: list[Path], tmp_path: Path) -> None:
    save_neck(tmp_path / "run", SIZE)
    out = tmp_path / "neck.onnx"
    described = exported(tmp_path / "run", "--for", "boxmot", "--out", out, "--half")
    assert described["parity"]["cosine_min"] >= 0.999
    assert described["precision"] == "float16"
    assert described["model_kwargs"] == {"img_size": list(SIZE)}
    found, expected = Embedder.from_onnx(out)(files), Embedder.from_run(tmp_path / "run", EXACT)(files)
    assert float((found * expected).sum(1).min()) >= 0.999


def test_stripes_for_openvino(dgnet: Path, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "teacher.xml"
    words = ("--stage", "pretrained", "--pooling", "lmp", "--parts", 2, "--mirror", "on")
    described = exported(dgnet, "--for", "openvino", "--out", out, *words)
    assert {path.name for path in tmp_path.iterdir()} == {
        "teacher.xml",
        "teacher.bin",
        "teacher.xml.metadata.json",
    }
    assert (described["features"]["parts"], described["features"]["mirror"]) == ("2", "on")
    expected = Embedder.from_run(
        dgnet, replace(EXACT, stage="pretrained", pooling="lmp", parts=2, mirror="on")
    )
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, *SIZE), np.uint8)
    found = run_openvino(out)(((pixels / 255).astype(np.float32),))[0]
    np.testing.assert_allclose(found, expected(pixels), atol=1e-5)
    network = load_reid_network(dgnet, "pretrained").network
    numbers = sum(value.numel() for value in network.backbone.parameters())
    assert (tmp_path / "teacher.bin").stat().st_size > 3.8 * numbers, "stored in half precision"


def test_torchscript_and_roboflow(files: list[Path], tmp_path: Path) -> None:
    save_lite(tmp_path / "run")
    described = exported(tmp_path / "run", "--for", "torchscript", "--out", tmp_path / "lite.torchscript")
    assert described["parity"]["cosine_min"] >= 0.9999
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, *described["size"]), np.uint8)
    found = run_torchscript(tmp_path / "lite.torchscript")(((pixels / 255).astype(np.float32),))[0]
    np.testing.assert_allclose(found, Embedder.from_run(tmp_path / "run", EXACT)(pixels), atol=1e-5)
    described = exported(tmp_path / "run", "--for", "roboflow-reid", "--out", tmp_path / "folder")
    assert described["parity"]["cosine_min"] >= 0.9999
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {
        "reid_config.json",
        "weights.safetensors",
    }
    config = json.loads((tmp_path / "folder" / "reid_config.json").read_text())
    assert config["architecture"] == "timm:tf_efficientnet_lite0"
    np.testing.assert_allclose(config["preprocessing"]["mean"], [127 / 255] * 3, atol=1e-6)
    np.testing.assert_allclose(config["preprocessing"]["std"], [128 / 255] * 3, atol=1e-6)


def test_a_renderer(tmp_path: Path) -> None:
    save_renderer(tmp_path / "run", (32, 16))
    words = ("--what", "renderer", "--for", "plain", "--out", tmp_path / "renderer.onnx", "--max-batch", 7)
    described = exported(tmp_path / "run", *words)
    assert described["parity"]["psnr_min"] >= 60
    assert list(described["inputs"]) == ["source", "target", "source_mask", "target_mask"]
    assert described["outputs"] == {"images": ["batch", 3, 32, 16], "context_masks": ["batch", 1, 32, 16]}


def test_what_is_far_away_is_not_handed_over(
    dgnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Parity(0.99989, 1.0, 24, (1, 2))
    monkeypatch.setattr(job, "compare_embeddings", lambda *_: far)
    answer = genreid("export", dgnet, "--for", "torchscript", "--out", tmp_path / "a.torchscript")
    assert answer.code == 2
    assert (
        "smallest cosine to torch's embedding is 0.999890, expected 0.9999 or more; nothing is written"
        in answer.err
    )
    assert not list(tmp_path.iterdir())


def test_refusals(dgnet: Path, tmp_path: Path) -> None:
    answer = genreid("export", dgnet, "--for", "roboflow-reid", "--out", tmp_path / "folder")
    assert answer.code == 2
    assert "this network has two halves; type --for plain" in answer.err
    there = tmp_path / "a.onnx"
    there.write_text("somebody's")
    answer = genreid("export", dgnet, "--for", "plain", "--out", there)
    assert "is there and no export of genreid; give another name, or --force" in answer.err
    answer = genreid("export", dgnet, "--for", "plain", "--out", tmp_path / "b.onnx", "--precision", "bf16")
    assert (
        "does not take --precision: an export is of float32, or with --half of half precision" in answer.err
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
