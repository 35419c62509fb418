"""Embeddings of images with a network in memory, a run folder, and through the public `Embedder`."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from genreid.cli.extract import main
from genreid.data.bank import ImageBank
from genreid.data.decode import Kind, decode
from genreid.data.load import load_dataset
from genreid.data.sample import ReidDataset
from genreid.features.embedder import Embedder
from genreid.features.extract import Extractor, extract, extract_split, fingerprint
from genreid.features.feature_set import FeatureSet
from genreid.features.options import FeatureOptions
from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.runs.checkpoint import CheckpointState, save_checkpoint
from genreid.runs.config_file import config_to_dict
from tests.drawn_datasets import draw_market1501

SIZE = (64, 32)
CONFIG = BackboneConfig("test_resnet", weights="none")
EXACT = FeatureOptions(device="cpu", precision="fp32", batch_size=5)


def trained_network(seed: int = 0) -> ReidNetwork:
    """Return a network whose batch norms are not the identity."""
    torch.manual_seed(seed)
    network = build_reid_network(CONFIG, 4)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return network.eval()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_market1501(tmp_path_factory.mktemp("data") / "market", pids=3)


@pytest.fixture(scope="module")
def dataset(market: Path) -> ReidDataset:
    return load_dataset(market)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with two different networks."""
    run = tmp_path_factory.mktemp("runs") / "c2m"
    for stage, seed in (("identity", 0), ("finetuning", 1)):
        facts = {"backbone": config_to_dict(CONFIG), "num_classes": 4, "size": list(SIZE)}
        state = CheckpointState(stage, 7, 7, facts)
        save_checkpoint(run / "checkpoints" / stage, state, {"identity": trained_network(seed)}, {})
    return run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))


def plain_embeddings(network: ReidNetwork, paths: list[Path], kind: Kind = "image") -> NDArray[np.float32]:
    """One image after the other, as the definition has it: pool5, then unit length."""
    rows = []
    for path in paths:
        pixels = torch.from_numpy(decode(path, SIZE, kind)).float()
        with torch.no_grad():
            embedding = network.embed((pixels / 127.5 - 1)[None])[0]
        rows.append((embedding / embedding.square().sum().sqrt()).numpy())
    return np.stack(rows)


def test_embeddings_are_those_of_the_plain_network(dataset: ReidDataset) -> None:
    network, samples = trained_network(), dataset.gallery
    bank = ImageBank.build([sample.path for sample in samples], SIZE)
    features = extract(network, bank, samples, EXACT)
    expected = plain_embeddings(network, [sample.path for sample in samples])
    np.testing.assert_allclose(features.embedding, expected, atol=2e-5)
    assert features.pid.tolist() == [sample.pid for sample in samples]
    assert features.camid.tolist() == [sample.camid for sample in samples]
    assert features.paths == tuple(str(sample.path) for sample in samples)


def test_the_batch_size_does_not_matter(dataset: ReidDataset) -> None:
    network, samples = trained_network(), dataset.query
    bank = ImageBank.build([sample.path for sample in samples], SIZE)
    one, all_at_once = (
        extract(network, bank, samples, FeatureOptions(device="cpu", precision="fp32", batch_size=size))
        for size in (1, 100)
    )
    np.testing.assert_allclose(one.embedding, all_at_once.embedding, atol=1e-5)


def test_the_network_is_left_as_it_is(dataset: ReidDataset) -> None:
    network = trained_network().train()
    before = fingerprint(network)
    bank = ImageBank.build([sample.path for sample in dataset.query], SIZE)
    extract(network, bank, dataset.query, EXACT)
    assert network.training
    assert fingerprint(network) == before
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_bf16_is_near(dataset: ReidDataset) -> None:
    network, samples = trained_network(), dataset.query
    bank = ImageBank.build([sample.path for sample in samples], SIZE)
    exact = extract(network, bank, samples, EXACT)
    rough = extract(network, bank, samples, FeatureOptions(device="cpu", precision="bf16"))
    assert (exact.embedding * rough.embedding).sum(1).min() > 0.99
    assert rough.metadata["precision"] == "bf16"


def test_lmp_has_a_value_for_each_row_of_the_map(dataset: ReidDataset) -> None:
    network, samples = trained_network(), dataset.query
    bank = ImageBank.build([sample.path for sample in samples], SIZE)
    options = FeatureOptions(pooling="lmp", device="cpu", precision="fp32")
    features = extract(network, bank, samples, options)
    assert features.embedding.shape == (len(samples), 2 * network.feature_channels)
    np.testing.assert_allclose(np.linalg.norm(features.embedding, axis=1), 1, atol=1e-5)


def test_unreadable_images_are_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = draw_market1501(tmp_path / "market", pids=2)
    damaged = sorted((root / "query").glob("*.jpg"))[1]
    damaged.write_bytes(b"no image")
    samples = load_dataset(root).query
    bank = ImageBank.build([sample.path for sample in samples], SIZE)
    with caplog.at_level(logging.WARNING):
        features = extract(trained_network(), bank, samples, EXACT)
    assert len(features) == len(samples) - 1
    assert features.paths == tuple(str(sample.path) for sample in samples if sample.path != damaged)
    assert f"1 unreadable images get no embedding: {damaged}" in caplog.text


def test_no_readable_image_at_all(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "market", pids=1)
    for path in (root / "query").iterdir():
        path.write_bytes(b"no image")
    samples = load_dataset(root).query
    bank = ImageBank.build([sample.path for sample in samples], SIZE)
    with pytest.raises(ValueError, match=r"none of the \d+ images can be read"):
        extract(trained_network(), bank, samples, EXACT)


def test_a_diverged_network_is_named(dataset: ReidDataset) -> None:
    network = trained_network()
    extractor = Extractor.of_network(network, SIZE, EXACT, {})
    next(extractor.network.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        extractor.extract(dataset.query)


def test_a_run_gives_its_last_stage_unless_told(run: Path, dataset: ReidDataset) -> None:
    paths = [sample.path for sample in dataset.query]
    adapted = extract_split(run, dataset.query, EXACT)
    np.testing.assert_allclose(adapted.embedding, plain_embeddings(trained_network(1), paths), atol=2e-5)
    options = FeatureOptions(stage="pretrained", device="cpu", precision="fp32")
    pretrained = extract_split(run, dataset.query, options)
    np.testing.assert_allclose(pretrained.embedding, plain_embeddings(trained_network(0), paths), atol=2e-5)
    assert (adapted.metadata["stage"], pretrained.metadata["stage"]) == ("adapted", "pretrained")
    assert adapted.metadata["model"] == fingerprint(trained_network(1))
    assert adapted.metadata["image_size"] == "64x32"


def test_bn_statistics_of_a_folder_change_the_embeddings(
    run: Path, market: Path, dataset: ReidDataset
) -> None:
    options = FeatureOptions(device="cpu", precision="fp32", bn_statistics=str(market))
    stored, estimated = (extract_split(run, dataset.query, chosen) for chosen in (EXACT, options))
    assert np.abs(stored.embedding - estimated.embedding).max() > 1e-3
    assert estimated.metadata["bn_statistics"] == str(market)
    assert estimated.metadata["model"] != stored.metadata["model"]


def test_command_writes_a_feature_set(
    run: Path, market: Path, dataset: ReidDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "query.safetensors"
    words = [str(run), "--data", str(market), "--out", str(out), "--split", "query", "--device", "cpu"]
    assert main([*words, "--precision", "fp32"]) == 0
    features = FeatureSet.load(out)
    expected = plain_embeddings(trained_network(1), [sample.path for sample in dataset.query])
    np.testing.assert_allclose(features.embedding, expected, atol=2e-5)
    width = trained_network().feature_channels
    assert f"{len(dataset.query)} embeddings of {width} numbers\n" in capsys.readouterr().out


def test_command_names_the_splits_there_are(run: Path, tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "market")
    for path in (root / "query").iterdir():
        path.unlink()
    words = [str(run), "--data", str(root), "--out", str(tmp_path / "f.safetensors"), "--split", "query"]
    with pytest.raises(ValueError, match="no query images; type --split gallery or --split train"):
        main(words)


def test_command_says_that_a_folder_is_no_run(market: Path, tmp_path: Path) -> None:
    words = [str(tmp_path / "nothing"), "--data", str(market), "--out", str(tmp_path / "f.safetensors")]
    with pytest.raises(ValueError, match="nothing holds no re-id network"):
        main(words)


def test_embedder_takes_files_pillow_images_and_arrays(run: Path, dataset: ReidDataset) -> None:
    embedder = Embedder.from_run(str(run), EXACT)
    paths = [sample.path for sample in dataset.query]
    expected = plain_embeddings(trained_network(1), paths)
    opened = [Image.open(path).convert("RGB") for path in paths]
    arrays = np.stack([np.asarray(image).transpose(2, 0, 1) for image in opened])
    for images in (
        [str(path) for path in paths],
        paths,
        opened,
        list(arrays),
        arrays,
        torch.from_numpy(arrays),
    ):
        embeddings = embedder(images)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(embeddings, expected, atol=2e-5)


def test_embedder_resizes_as_a_bank_does(run: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    noise = np.random.default_rng(0).integers(0, 256, (150, 71, 3), np.uint8)
    Image.fromarray(noise).save(large)
    embedder = Embedder.from_run(run, EXACT)
    assert embedder.size == SIZE
    by_path, by_image, by_array = embedder([large, Image.open(large), noise.transpose(2, 0, 1)])
    np.testing.assert_array_equal(by_path, by_image)
    np.testing.assert_array_equal(by_path, by_array)
    np.testing.assert_allclose(by_path, plain_embeddings(trained_network(1), [large])[0], atol=2e-5)


def test_images_are_resized_as_in_training(run: Path, tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "large", pids=2, size=(90, 50))
    other = tmp_path / "bicubic"
    shutil.copytree(run, other)
    for state in other.rglob("state.json"):
        record = json.loads(state.read_text())
        record["facts"]["kind"] = "image_bicubic"
        del record["state_sha256"]  # as before there was one
        state.write_text(json.dumps(record))
    paths = [sample.path for sample in load_dataset(root).query]
    wanted: dict[Path, Kind] = {run: "image", other: "image_bicubic"}
    found = {}
    for folder, kind in wanted.items():
        found[folder] = extract_split(folder, load_dataset(root).query, EXACT).embedding
        expected = plain_embeddings(trained_network(1), paths, kind)
        np.testing.assert_allclose(found[folder], expected, atol=2e-5)
        np.testing.assert_allclose(Embedder.from_run(folder, EXACT)(paths), expected, atol=2e-5)
    assert np.abs(found[run] - found[other]).max() > 1e-3
    averaged = FeatureOptions(device="cpu", precision="fp32", bn_statistics=str(root))
    first, second = (extract_split(folder, load_dataset(root).query, averaged).embedding for folder in wanted)
    assert np.abs(first - second).max() > 1e-3


def test_embedder_turns_pictures_as_their_exif_data_say(run: Path, tmp_path: Path) -> None:
    lying = tmp_path / "lying.png"
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    Image.fromarray(np.rot90(noise)).save(lying, exif=exif)
    by_path, by_image, upright = Embedder.from_run(run, EXACT)(
        [lying, Image.open(lying), noise.transpose(2, 0, 1)]
    )
    np.testing.assert_array_equal(by_path, by_image)
    np.testing.assert_array_equal(by_path, upright)


def test_embedder_marks_what_it_cannot_read(
    run: Path, dataset: ReidDataset, caplog: pytest.LogCaptureFixture
) -> None:
    path = dataset.query[0].path
    embeddings = Embedder.from_run(run, EXACT)([path, Path("nowhere.jpg"), path])
    assert np.isnan(embeddings[1]).all()
    np.testing.assert_allclose(embeddings[0], embeddings[2], atol=1e-6)
    assert "picture 1 gets NaN as its embedding: nowhere.jpg cannot be read: no such file" in caplog.text


def test_embedder_of_nothing(run: Path) -> None:
    embedder = Embedder.from_run(run, EXACT)
    assert embedder([]).shape == (0, trained_network().feature_channels)


@pytest.mark.parametrize(
    ("shape", "dtype", "hint"),
    [
        ((64, 32, 3), np.uint8, r"type image.transpose\(2, 0, 1\)"),
        ((3, 64, 32), np.float32, "float32"),
        ((64, 32), np.uint8, "64, 32"),
    ],
)
def test_embedder_refuses_other_arrays(run: Path, shape: tuple[int, ...], dtype: type, hint: str) -> None:
    with pytest.raises(ValueError, match=f"must be uint8.*{hint}"):
        Embedder.from_run(run, EXACT)([np.zeros(shape, dtype)])


def test_embedder_refuses_a_single_file(run: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a list of pictures, got one: anna\.jpg"):
        Embedder.from_run(run, EXACT)("anna.jpg")


def test_embedder_names_the_fault_of_a_single_image(run: Path, dataset: ReidDataset) -> None:
    """One picture where a list is expected: its channels would be taken for pictures."""
    with Image.open(dataset.query[0].path) as image, pytest.raises(ValueError, match="must be uint8"):
        Embedder.from_run(run, EXACT)(np.asarray(image).transpose(2, 0, 1))
