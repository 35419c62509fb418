"""Mirror images: embeddings with and without them against their definition; who remembers, who refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from genreid.cli.evaluate import main as evaluate
from genreid.cli.extract import main as extract
from genreid.data.load import load_dataset
from genreid.evaluation.records import EvaluatedImages, evaluation_name
from genreid.features.embedder import Embedder
from genreid.features.extract import Extractor
from genreid.features.feature_set import FeatureSet
from genreid.features.networks import TrainedNetwork
from genreid.features.options import FeatureOptions, Mirror, Pooling, mirror_in, usual_mirror
from tests.drawn_datasets import draw_market1501
from tests.oracles.dgnet_features_oracle import head, of_image_and_mirror, unit
from tests.tiny_dgnet_run import SIZE, appearance_encoder, save_dgnet, save_teacher, teacher
from tests.unit.features.test_networks import by_definition, drawn_images, used_to, weights_of

EXACT = ("--device", "cpu", "--precision", "fp32")


def embedded(network: TrainedNetwork, images: Tensor, mirror: Mirror, pooling: Pooling = "average") -> Tensor:
    options = FeatureOptions(device="cpu", precision="fp32", pooling=pooling, mirror=mirror)
    return Extractor.of_network(network, SIZE, options, {}).embed_images(images)


@pytest.mark.parametrize("pooling", ["average", "lmp"])
def test_of_a_plain_network_both_are_added_up(pooling: Pooling) -> None:
    network, images = teacher(), drawn_images(5)
    alone, mirrored = (embedded(network, each, "off", pooling).tolist() for each in (images, images.flip(3)))
    expected = [of_image_and_mirror(one, other) for one, other in zip(alone, mirrored, strict=True)]
    found = embedded(network, images, "on", pooling)
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=0)
    assert (found - torch.tensor(alone)).abs().max() > 1e-3, "the mirror image counts"
    torch.testing.assert_close(embedded(network, images.flip(3), "on", pooling), found, atol=1e-5, rtol=0)


def test_of_dgnet_halves_may_be_of_the_image_alone() -> None:
    images = drawn_images(4)
    network = used_to(appearance_encoder(1), images)
    expected = [row.tolist() for row in embedded(network, images, "off")]
    for pixels, found in zip(images, expected, strict=True):
        halves = []
        for part in (network.primary, network.fine):
            with torch.no_grad():
                seen = network.double().feature_map(_normalised(pixels))[0].numpy()
            halves.append(unit(head(seen, weights_of(part))))
            network.float()
        joined = [*halves[0], *(0.5**0.5 * value for value in halves[1])]
        np.testing.assert_allclose(found, np.array(joined) / 1.5**0.5, atol=2e-4)
    both = by_definition(network, images)
    apart = [
        np.abs(np.array(row[: len(each.primary)]) * 1.5**0.5 - each.primary).max()
        for row, each in zip(expected, both, strict=True)
    ]
    assert min(apart) > 1e-3, "with the mirror image it is another embedding"


def _normalised(pixels: Tensor) -> Tensor:
    mean, std = (
        torch.tensor(each, dtype=torch.float64).view(3, 1, 1)
        for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    return ((pixels.double() / 255 - mean) / std)[None]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_market1501(tmp_path_factory.mktemp("data") / "market", pids=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "dgnet"
    save_teacher(run)
    save_dgnet(run)
    return run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))


def file_of(run: Path, market: Path, out: Path, *words: str) -> Path:
    extract([str(run), "--data", str(market), "--split", "query", "--out", str(out), *EXACT, *words])
    return out


def test_files_of_unlike_networks_are_refused(run: Path, market: Path, tmp_path: Path) -> None:
    teacher_words = ("--stage", "pretrained")
    for words, usual, other in ((teacher_words, "off", "on"), ((), "on", "off")):
        query = file_of(run, market, tmp_path / f"{usual}.safetensors", *words)
        gallery = file_of(run, market, tmp_path / f"not-{usual}.safetensors", *words, "--mirror", other)
        assert (FeatureSet.load(query).metadata["mirror"], FeatureSet.load(gallery).metadata["mirror"]) == (
            usual,
            other,
        )
        message = (
            f"mirror is {usual} there and {other} here; extract both with one RUN and the same FEATURE OPT"
        )
        with pytest.raises(ValueError, match=message):
            evaluate(["--query", str(query), "--gallery", str(gallery)])
        older = FeatureSet.load(query)
        metadata = {key: value for key, value in older.metadata.items() if key != "mirror"}
        FeatureSet(older.embedding, older.pid, older.camid, older.paths, metadata).save(tmp_path / "older.st")
        with pytest.raises(ValueError, match=message):
            evaluate(["--query", str(tmp_path / "older.st"), "--gallery", str(gallery)])


def test_figures_of_the_run_are_those_of_its_files(
    run: Path, market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--stage", "pretrained", "--mirror", "on")
    evaluate([str(run), "--data", str(market), *words, *EXACT, "--json"])
    figures = json.loads(capsys.readouterr().out)
    (record,) = (run / "evaluations").glob("*mirror-on.json")
    assert json.loads(record.read_text())["features"]["mirror"] == "on"
    assert json.loads(record.read_text())["figures"]["mAP"] == pytest.approx(figures["mAP"], abs=1e-6)
    evaluate([str(run), "--data", str(market), *words, *EXACT])
    assert "pooling average, mirror on" in capsys.readouterr().out


def test_from_python(run: Path, market: Path) -> None:
    paths = [sample.path for sample in load_dataset(market).query][:2]
    exact = FeatureOptions("pretrained", device="cpu", precision="fp32")
    usual, off = Embedder.from_run(run, exact)(paths), Embedder.from_run(run, exact, mirror="off")(paths)
    np.testing.assert_array_equal(usual, off)
    assert np.abs(Embedder.from_run(run, exact, mirror="on")(paths) - off).max() > 1e-3
    with pytest.raises(ValueError, match="--mirror must be one of on, off, got True"):
        Embedder.from_run(run, mirror=True)  # type: ignore[arg-type]


def test_what_metadata_say() -> None:
    assert mirror_in({}) is None
    assert [mirror_in({"pooling": "average"}), mirror_in({"fine_weight": "0.5"})] == ["off", "on"]
    assert mirror_in({"pooling": "average", "mirror": "on"}) == "on"
    assert [usual_mirror({"half": "fine"}), usual_mirror({"pooling": "lmp"})] == ["on", "off"]
    data = EvaluatedImages(folder="x/m")
    assert evaluation_name(data, {"pooling": "average", "mirror": "off", "stage": "adapted"}) == "m-adapted"
    assert evaluation_name(data, {"half": "fine", "mirror": "off"}) == "m-mirror-off-fine"
    assert evaluation_name(data, {"fine_weight": "0.5", "mirror": "on"}) == "m"
