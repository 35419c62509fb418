"""`Embedder.from_onnx`: no torch, and a clear word about files that are none of ours."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from genreid.features.embedder import Embedder
from genreid.features.onnx_extractor import METADATA_KEY, Card, HandOver

CARD = Card((4, 2), "image", HandOver(255.0, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)), {"run": "drawn"})


def write_network(path: Path, card: str | None = json.dumps(CARD.to_json())) -> Path:
    """An ONNX file whose embedding is each channel's mean."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
    node = helper.make_node("ReduceMean", ["images", "axes"], ["embedding"], keepdims=0)
    images, embedding = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
        for name, shape in (("images", [3, 4, 2]), ("embedding", [3]))
    )
    graph = helper.make_graph([node], "means", [images], [embedding], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if card is not None:
        helper.set_model_props(model, {METADATA_KEY: card})
    onnx.save_model(model, path)
    return path


def test_pictures_become_embeddings(tmp_path: Path) -> None:
    embedder = Embedder.from_onnx(write_network(tmp_path / "means.onnx"))
    assert embedder.size == (4, 2)
    pictures = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 2), np.uint8)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7])
    expected = (pictures.mean((2, 3)) / 255 - mean) / std
    np.testing.assert_allclose(embedder(pictures), expected, atol=1e-5)
    assert embedder([]).shape == (0, 3)
    found = embedder([pictures[0], tmp_path / "nowhere.jpg"])
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_torch_is_not_imported(tmp_path: Path) -> None:
    path = write_network(tmp_path / "means.onnx")
    code = (
        "import sys, genreid, numpy, json\n"
        f"embedder = genreid.Embedder.from_onnx({str(path)!r})\n"
        "embedder([numpy.zeros((3, 9, 5), numpy.uint8)])\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    loaded = {name.split(".")[0] for name in json.loads(answer.stdout)}
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "torchvision", "timm", "onnx", "onnxscript", "scipy", "sklearn"}


def test_a_card_is_read_as_it_was_written() -> None:
    assert Card.from_json(json.loads(json.dumps(CARD.to_json()))) == CARD


def test_files_that_are_none_of_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no exported network at .*nowhere\.onnx; make one with"):
        Embedder.from_onnx(tmp_path / "nowhere.onnx")
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(write_network(tmp_path / "whole.onnx").read_bytes()[:60])
    with pytest.raises(ValueError, match=r"torn\.onnx is no ONNX file that onnxruntime"):
        Embedder.from_onnx(torn)
    with pytest.raises(ValueError, match="does not say how it wants its pictures"):
        Embedder.from_onnx(write_network(tmp_path / "stranger.onnx", card=None))
    odd = json.dumps({**CARD.to_json(), "kind": "mask of another kind"})
    with pytest.raises(ValueError, match=r"odd\.onnx: metadata 'genreid': expected size, kind"):
        Embedder.from_onnx(write_network(tmp_path / "odd.onnx", card=odd))
