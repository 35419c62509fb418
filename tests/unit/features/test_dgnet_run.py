"""A DG-Net run folder: which network embeds, with which statistics, through every door."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genreid.cli.extract import main
from genreid.data.bank import ImageBank
from genreid.data.load import load_dataset
from genreid.data.sample import ReidDataset
from genreid.features.bn_statistics import reestimate_bn_statistics
from genreid.features.embedder import Embedder
from genreid.features.extract import Extractor, extract, extract_split, fingerprint
from genreid.features.feature_set import FeatureSet
from genreid.features.halves import halves_in
from genreid.features.options import FeatureOptions
from genreid.models.precision import Compute
from tests.drawn_datasets import draw_market1501
from tests.tiny_dgnet_run import APPEARANCE, SIZE, appearance_encoder, save_dgnet, save_offline, save_teacher
from tests.tiny_dgnet_run import teacher as make_teacher

WIDTH = APPEARANCE.head_width
EXACT = FeatureOptions(device="cpu", precision="fp32", batch_size=5)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_market1501(tmp_path_factory.mktemp("data") / "market", pids=3)


@pytest.fixture(scope="module")
def dataset(market: Path) -> ReidDataset:
    return load_dataset(market)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a teacher and DG-Net."""
    run = tmp_path_factory.mktemp("runs") / "dgnet"
    save_teacher(run)
    save_dgnet(run)
    return run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))


def test_dgnets_own_network_unless_told(run: Path, dataset: ReidDataset) -> None:
    bank = ImageBank.build([sample.path for sample in dataset.query], SIZE)
    own, teacher = (
        extract_split(run, dataset.query, options)
        for options in (EXACT, FeatureOptions("pretrained", device="cpu", precision="fp32"))
    )
    expected = extract(appearance_encoder(), bank, dataset.query, EXACT)
    np.testing.assert_allclose(own.embedding, expected.embedding, atol=1e-6)
    labels = {"run": "dgnet", "stage": "dgnet", "step": "9", "image_size": "64x32"}
    assert labels.items() <= own.metadata.items()
    assert own.metadata["model"] == fingerprint(appearance_encoder())
    assert "pooling" not in own.metadata
    assert halves_in(own) == {"primary": slice(0, WIDTH), "fine": slice(WIDTH, 2 * WIDTH)}
    expected = extract(make_teacher(), bank, dataset.query, EXACT)
    np.testing.assert_allclose(teacher.embedding, expected.embedding, atol=1e-6)
    assert (teacher.metadata["stage"], halves_in(teacher)) == ("pretrained", {})


def test_the_network_of_offline_feeding_comes_after_dgnets(tmp_path: Path, dataset: ReidDataset) -> None:
    save_dgnet(tmp_path)
    later = save_offline(tmp_path, seed=3)
    found = extract_split(tmp_path, dataset.query, EXACT)
    assert (found.metadata["stage"], found.metadata["model"]) == ("offline", fingerprint(later))


def test_there_is_no_adapted_network(run: Path) -> None:
    options = FeatureOptions("adapted")
    with pytest.raises(ValueError, match=r"no adapted network \(pretrained\); leave out --stage for DG-Net"):
        Extractor.from_run(run, options)


def test_stripes_are_refused_before_any_work(run: Path, tmp_path: Path) -> None:
    options = FeatureOptions(pooling="lmp", bn_statistics=str(tmp_path / "not even there"))
    with pytest.raises(ValueError, match="no stripes"):
        Extractor.from_run(run, options)
    Extractor.from_run(run, FeatureOptions("pretrained", "lmp", device="cpu"))


def test_embedder(run: Path, dataset: ReidDataset) -> None:
    paths = [sample.path for sample in dataset.query]
    embeddings = Embedder.from_run(run, EXACT)(paths)
    np.testing.assert_allclose(embeddings, extract_split(run, dataset.query, EXACT).embedding, atol=1e-6)
    assert embeddings.shape == (len(paths), 2 * WIDTH)
    assert Embedder.from_run(run, EXACT)([]).shape == (0, 2 * WIDTH)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_command_writes_the_halves_down(
    run: Path, market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "q.safetensors"
    words = [str(run), "--data", str(market), "--out", str(out), "--split", "query", "--device", "cpu"]
    assert main(words) == 0
    assert f"embeddings of {2 * WIDTH} numbers" in capsys.readouterr().out
    written = FeatureSet.load(out)
    assert written.metadata["halves"] == f"primary:{WIDTH},fine:{WIDTH}"
    assert written.metadata["fine_weight"] == "0.5"
    assert main([*words, "--fine-weight", "2"]) == 0
    assert FeatureSet.load(out).metadata["fine_weight"] == "2"


def test_bn_statistics_of_a_folder(run: Path, market: Path, dataset: ReidDataset) -> None:
    options = FeatureOptions(device="cpu", precision="fp32", bn_statistics=str(market))
    stored, estimated = (extract_split(run, dataset.query, chosen) for chosen in (EXACT, options))
    assert np.abs(stored.embedding - estimated.embedding).max() > 1e-3
    assert estimated.metadata["bn_statistics"] == str(market)
    assert estimated.metadata["model"] != stored.metadata["model"]


def test_every_batch_norm_is_estimated_the_heads_too() -> None:
    network = appearance_encoder()
    array = np.random.default_rng(0).integers(0, 256, (6, 3, *SIZE), np.uint8)
    bank = ImageBank(tuple(Path(str(row)) for row in range(6)), array, {})
    seen: dict[str, Tensor] = {}

    def remember(name: str, inputs: Tensor) -> None:
        seen[name] = inputs.transpose(0, 1).flatten(1)

    norms = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
    }
    for name, norm in norms.items():
        norm.register_forward_pre_hook(lambda _norm, inputs, name=name: remember(name, inputs[0]))
    reestimate_bn_statistics(
        network, bank, torch.arange(6), Compute(torch.device("cpu"), bf16=False), batch_size=6
    )
    assert {"primary.bottleneck.1", "fine.bottleneck.1"} < norms.keys() == seen.keys()
    for name, norm in norms.items():
        torch.testing.assert_close(norm.running_mean, seen[name].mean(1), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(norm.running_var, seen[name].var(1), atol=1e-5, rtol=1e-4)
    assert not network.training
