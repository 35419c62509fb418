"""`genreid evaluate` on a DG-Net run: whole embeddings, either half, the teacher, and another weight."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genreid.cli.evaluate import main
from genreid.cli.extract import main as extract
from genreid.features.feature_set import FeatureSet
from genreid.runs.config_file import flatten
from tests.drawn_datasets import draw_market1501
from tests.oracles.ranking_oracle import mean, rank_by_definition
from tests.tiny_dgnet_run import APPEARANCE, save_dgnet, save_teacher

KEYS = {"rank1", "rank5", "rank10", "rank20", "mAP", "mAP_trapezoid", "mINP"}
COUNTS = {"queries", "valid_queries", "gallery"}
WIDTH = APPEARANCE.head_width
EXACT = ["--device", "cpu", "--precision", "fp32"]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_market1501(tmp_path_factory.mktemp("data") / "market", pids=6)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "dgnet"
    save_teacher(run)
    save_dgnet(run)
    return run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def files(run: Path, market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words that name the two files of `genreid extract`."""
    words: list[str] = []
    for split in ("query", "gallery"):
        file = tmp_path / f"{split}.safetensors"
        extract([str(run), "--data", str(market), "--split", split, "--out", str(file), *EXACT])
        words += [f"--{split}", str(file)]
    capsys.readouterr()
    return words


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert isinstance(figures, dict)
    return figures


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers say the same."""
    return flatten(one) == pytest.approx(flatten(other), abs=1e-9)


def mean_precision(files: list[str], weights: tuple[float, float]) -> float:
    """MAP by the score cos(primary) * weights[0] + cos(fine) * weights[1], of what the files hold."""
    sides = [FeatureSet.load(files[1]), FeatureSet.load(files[3])]
    scores: Any = 0
    for weight, columns in zip(weights, (slice(0, WIDTH), slice(WIDTH, 2 * WIDTH)), strict=True):
        halves = [side.embedding[:, columns].astype(np.float64) for side in sides]
        query, gallery = (half / np.sqrt((half**2).sum(1, keepdims=True)) for half in halves)
        scores = scores + weight * query @ gallery.T
    labels = (sides[0].pid, sides[1].pid, sides[0].camid, sides[1].camid)
    return mean(rank_by_definition((-scores).tolist(), *(each.tolist() for each in labels)).average_precision)


def test_json_holds_both_halves_together_and_each(
    run: Path, market: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    figures = answer(capsys, str(run), "--data", str(market), *EXACT)
    assert list(figures)[-2:] == ["primary", "fine"]
    assert figures.keys() == KEYS | COUNTS | {"primary", "fine"}
    assert figures["primary"].keys() == figures["fine"].keys() == KEYS | COUNTS
    assert figures["mAP"] == pytest.approx(mean_precision(files, (1, 0.5)), abs=1e-9)
    assert figures["primary"]["mAP"] == pytest.approx(mean_precision(files, (1, 0)), abs=1e-9)
    assert figures["fine"]["mAP"] == pytest.approx(mean_precision(files, (0, 1)), abs=1e-9)
    assert len({figures["mAP"], figures["primary"]["mAP"], figures["fine"]["mAP"]}) == 3
    assert same(answer(capsys, *files), figures)


@pytest.mark.parametrize("weight", [0.1, 4.0])
def test_another_weight_of_the_run_and_of_the_files(
    weight: float, run: Path, market: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--fine-weight", str(weight)]
    figures = answer(capsys, str(run), "--data", str(market), *EXACT, *words)
    assert figures["mAP"] == pytest.approx(mean_precision(files, (1, weight)), abs=1e-9)
    assert same(answer(capsys, *files, *words), figures)


def test_without_the_fine_half(
    run: Path, market: Path, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = answer(capsys, *files)["primary"]
    assert same(answer(capsys, *files, "--fine-weight", "0"), expected)
    figures = answer(capsys, str(run), "--data", str(market), *EXACT, "--fine-weight", "0")
    assert same(figures, expected)


def test_the_table_has_a_row_for_each(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    figures = answer(capsys, *files)
    assert main(files) == 0
    text = capsys.readouterr().out
    for name, row in (("both", figures), ("primary", figures["primary"]), ("fine", figures["fine"])):
        (line,) = [line for line in text.splitlines() if line.split()[1:2] == [name]]
        assert f"{100 * row['mAP']:.2f}" in line
        assert f"{100 * row['rank1']:.2f}" in line
    assert "run dgnet, stage dgnet, fine weight 0.5" in text


def test_the_teacher_is_the_stage_before(run: Path, market: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = answer(capsys, str(run), "--data", str(market), "--stage", "pretrained", *EXACT)
    assert figures.keys() == KEYS | COUNTS
    assert main([str(run), "--data", str(market), "--stage", "pretrained", *EXACT]) == 0
    assert "run dgnet, stage pretrained, pooling average" in capsys.readouterr().out


def test_files_of_another_network_have_no_halves(
    run: Path, market: Path, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(run), "--data", str(market), "--split", "query", "--out", str(tmp_path / "t.safetensors")]
    extract([*words, "--stage", "pretrained", *EXACT])
    both = ["--query", str(tmp_path / "t.safetensors"), "--gallery", str(tmp_path / "t.safetensors")]
    with pytest.raises(ValueError, match="no primary and fine half"):
        main([*both, "--fine-weight", "0.3"])
    with pytest.raises(ValueError, match=r"feature options \(but --fine-weight\)"):
        main([*files, "--fine-weight", "0.3", "--pooling", "lmp"])
    with pytest.raises(ValueError, match="weights the fine half of DG-Net's embedding"):
        main([str(run), "--data", str(market), "--stage", "pretrained", "--fine-weight", "0.3"])


def test_only_one_side_with_halves_is_ranked_whole(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery = FeatureSet.load(files[3])
    FeatureSet(gallery.embedding, gallery.pid, gallery.camid).save(tmp_path / "g.safetensors")
    figures = answer(capsys, *files[:3], str(tmp_path / "g.safetensors"))
    expected = answer(capsys, *files)
    assert same(figures, {key: expected[key] for key in KEYS | COUNTS})
