"""BoxMOT, Ultralytics and Roboflow's reid read our exports and give our embeddings: `make test-tools`.

In an environment of its own, on request: these packages are large and pin others. Crops have the network's
size, so that no tool's resizing is in play; what that costs: `benchmarks.export`, docs/export.md.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from boxmot.reid.core.registry import ReIDModelRegistry
from boxmot.reid.core.runtime import ReID as BoxmotReid
from numpy.typing import NDArray
from PIL import Image
from reid import ReIDModel
from ultralytics.trackers.utils.reid import ReID as UltralyticsReid

from genreid.export.job import export_run
from genreid.export.order import ExportOrder, Target
from genreid.export.parity import draw_files
from genreid.features.embedder import Embedder
from genreid.features.options import FeatureOptions
from tests.exported_runs import LITE_SIZE, save_lite
from tests.tiny_dgnet_run import SIZE, save_dgnet

EXACT = FeatureOptions(precision="fp32", device="cpu")


@pytest.fixture(scope="module", params=["lite", "dgnet"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / str(request.param)
    if request.param == "lite":
        save_lite(run)
    else:
        save_dgnet(run)
    return run


@pytest.fixture(scope="module")
def crops(run: Path) -> list[Path]:
    """Drawn people in files of the network's size, without loss."""
    size = LITE_SIZE if run.name == "lite" else SIZE
    files = [file.path for file in draw_files(run.parent)]
    paths = []
    for number, file in enumerate(files):
        path = run.parent / f"crop{number}.png"
        Image.open(file).convert("RGB").resize((size[1], size[0])).save(path)
        paths.append(path)
    return paths


def exported(run: Path, target: Target, name: str) -> Path:
    return export_run(run, ExportOrder(run.parent / name, target), FeatureOptions()).files[0]


def bgr(path: Path) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(Image.open(path))[..., ::-1])


def smallest_cosine(found: NDArray[np.float32], run: Path, crops: list[Path]) -> float:
    expected = Embedder.from_run(run, EXACT)(crops)
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    return float((found * expected).sum(1).min())


def test_boxmot_gives_our_embeddings(run: Path, crops: list[Path]) -> None:
    path = exported(run, "boxmot", "network.onnx")
    found = BoxmotReid(path, device="cpu")([bgr(crop) for crop in crops])
    assert smallest_cosine(found, run, crops) >= 0.9999


def test_boxmot_takes_the_size_of_the_sidecar(run: Path, crops: list[Path]) -> None:
    path = exported(run, "boxmot", "named.onnx")
    size = json.loads(path.with_name("named.onnx.metadata.json").read_text())["size"]
    assert ReIDModelRegistry.get_checkpoint_model_kwargs(path) == {"img_size": tuple(size)}
    assert ReIDModelRegistry.get_model_name(path) == "genreid"


def test_ultralytics_gives_our_embeddings(run: Path, crops: list[Path]) -> None:
    encoder = UltralyticsReid(str(exported(run, "ultralytics", "tracker.onnx")), device="cpu")
    found = []
    for crop in crops:  # the box is the whole picture: it is widened, and cut at the picture's border again
        frame = bgr(crop)
        height, width = frame.shape[:2]
        found.append(encoder(frame, np.array([[width / 2, height / 2, width, height]], np.float32))[0])
    assert smallest_cosine(np.stack(found), run, crops) >= 0.9999


def test_roboflow_gives_our_embeddings(run: Path, crops: list[Path]) -> None:
    if run.name == "dgnet":
        with pytest.raises(ValueError, match="two halves; type --for plain"):
            exported(run, "roboflow-reid", "folder")
        return
    folder = exported(run, "roboflow-reid", "folder")
    model = ReIDModel.from_pretrained(str(folder), device="cpu")
    found = model.extract_embeddings_from_paths([str(crop) for crop in crops])
    assert smallest_cosine(found, run, crops) >= 0.9999


def test_dgnets_pictures_come_out_the_same(run: Path) -> None:
    """Half a minute of tracing: too long for every test run."""
    if run.name == "dgnet":
        made = export_run(run, ExportOrder(run.parent / "swapper.onnx", what="swapper"), FeatureOptions())
        assert made.sidecar["parity"]["psnr_min"] >= 60
