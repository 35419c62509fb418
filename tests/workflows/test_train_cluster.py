"""`genreid train cluster|taudl` and `genreid adapt --then ...` on drawn people, as a user types them."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from genreid.models.neck import NeckNetwork
from genreid.runs.checkpoint import checkpoint_folders
from genreid.runs.trained_networks import load_reid_network
from tests.command_line import Answer, genreid
from tests.drawn_datasets import draw_market1501

TINY = {
    "precision": "fp32",
    "device": "cpu",
    "seed": "5",
    "image.height": "32",
    "image.width": "16",
    "backbone.name": "test_resnet",
    "backbone.weights": "none",
    "cluster.rounds": "2",
    "cluster.iterations": "4",
    "cluster.clusters": "4",
    "cluster.images": "4",
    "cluster.batch_norm_group": "8",
    "cluster.crop_padding": "2",
    "cluster.neck.pooling": "average",
    "cluster.clustering.k1": "8",
    "cluster.clustering.k2": "3",
    "cluster.clustering.eps": "0.6",
}


@dataclass(frozen=True)
class World:
    """Drawn people of two camera networks, and where runs go."""

    root: Path

    def train(self, run: Path, *more: str) -> Answer:
        """Type `genreid train cluster`; what comes later wins."""
        settings = [word for name, value in TINY.items() for word in (f"--{name}", value)]
        return genreid(
            "train", "cluster", "--data", str(self.root / "target"), "--out", str(run), *settings, *more
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("cluster")
    for name, seed in (("source", 1), ("target", 2)):
        draw_market1501(root / name, 6, 3, images_per_camera=3, size=(32, 16), seed=seed)
    before = os.environ.get("GENREID_CACHE")
    os.environ["GENREID_CACHE"] = str(root / "cache")
    yield World(root)
    os.environ.pop("GENREID_CACHE")
    if before is not None:
        os.environ["GENREID_CACHE"] = before


@pytest.fixture(scope="module")
def whole(world: World) -> Path:
    """A run that nobody disturbs."""
    answer = world.train(world.root / "whole", "--diagnose")
    assert answer.code == 0, answer.err
    assert "round 2 of 2: " in answer.err
    assert "not to be used for choosing anything" in answer.err
    return world.root / "whole"


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_rounds_and_losses_are_written(whole: Path) -> None:
    lines = metrics(whole)
    assert [(line["stage"], line["step"]) for line in lines] == [
        ("cluster_rounds", 0),
        ("cluster", 4),
        ("cluster_rounds", 4),
        ("cluster", 8),
    ]
    rounds = [line for line in lines if line["stage"] == "cluster_rounds"]
    assert all(line["clusters"] > 1 and 0 <= line["outliers"] < 1 for line in rounds)
    assert all(0 < line["diagnosis_purity"] <= 1 for line in rounds)
    assert all(line["contrast"] > 0 for line in lines if line["stage"] == "cluster")


def test_the_run_is_evaluated(world: World, whole: Path) -> None:
    answer = genreid(
        "evaluate", str(whole), "--data", str(world.root / "target"), "--device", "cpu", "--json"
    )
    assert answer.code == 0, answer.err
    assert 0 <= json.loads(answer.out)["mAP"] <= 1
    assert isinstance(load_reid_network(whole).network, NeckNetwork)
    other = genreid("evaluate", str(whole), "--data", str(world.root / "target"), "--stage", "pretrained")
    assert other.code == 2
    assert "no pretrained network (adapted)" in other.err


def test_a_stopped_run_is_resumed_to_the_same_weights(world: World, whole: Path, tmp_path: Path) -> None:
    first = world.train(tmp_path / "run", "--diagnose", "--max-minutes", "0", "--json")
    assert first.code == 0
    assert json.loads(first.out) == {
        "finished": False,
        "outcome": "out of time",
        "out": str(tmp_path / "run"),
        "steps": {"cluster": 1},
    }
    assert "the same command resumes it" in first.err
    second = world.train(tmp_path / "run", "--diagnose", "--json", "--checkpoint-minutes", "0.5")
    assert second.code == 0, second.err
    assert json.loads(second.out)["finished"] is True
    assert json.loads(second.out)["steps"] == {"cluster": 8}
    assert "cluster: resumed at step 1 of 8" in second.err
    for file in ("networks.safetensors", "optimizers.safetensors", "state.json"):
        ends = [
            checkpoint_folders(run / "checkpoints" / "cluster")[0] / file for run in (whole, tmp_path / "run")
        ]
        assert ends[0].read_bytes() == ends[1].read_bytes(), file


def test_it_starts_from_another_run(world: World, whole: Path, tmp_path: Path) -> None:
    """The backbone is that run's; batch norms see the target first."""
    few = ["--cluster.rounds", "1", "--cluster.iterations", "1", "--cluster.learning_rate", "0"]
    few += ["--cluster.statistics", "target"]
    answer = world.train(tmp_path / "run", "--init", str(whole), *few)
    assert answer.code == 0, answer.err
    assert "batch-norm statistics are averages over 54 images" in answer.err
    useless = world.train(tmp_path / "other", "--init-stage", "pretrained")
    assert useless.code == 2
    assert "give --init, too" in useless.err
    one, other = (load_reid_network(run).network.backbone.state_dict() for run in (whole, tmp_path / "run"))
    weights = [
        name for name in one if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]
    assert all(torch.equal(one[name], other[name]) for name in weights)


def test_what_cannot_be_done_is_said(world: World, tmp_path: Path) -> None:
    none = world.train(
        tmp_path / "none", "--cluster.clustering.eps", "0.000001", "--cluster.clustering.k2", "1"
    )
    assert none.code == 2
    assert "round 1 of 2: no cluster was found among 54 images" in none.err
    assert "--cluster.clustering.eps" in none.err
    small = world.train(tmp_path / "small", "--cluster.images", "1")
    assert small.code == 2
    assert "images >= 2" in small.err
    empty = genreid("train", "cluster", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert empty.code == 2


def adapt_words(world: World, run: Path) -> list[str]:
    """The command line of `genreid adapt` without what follows its three stages."""
    stages = {f"stage{n}.{what}": "2" for n in ("1_identity", "3") for what in ("iterations", "batch")}
    settings = [word for name, value in {**TINY, **stages}.items() for word in (f"--{name}", value)]
    data = ["--source", str(world.root / "source"), "--target", str(world.root / "target")]
    return ["adapt", *data, "--out", str(run), "--renderer", "none", *settings]


def test_adapt_goes_on_with_clusters(world: World, tmp_path: Path) -> None:
    words = adapt_words(world, tmp_path / "run")
    answer = genreid(*words, "--then", "cluster", "--diagnose")
    assert answer.code == 0, answer.err
    stages_seen = list(dict.fromkeys(line["stage"] for line in metrics(tmp_path / "run")))
    assert stages_seen == ["identity", "finetuning", "cluster_rounds", "cluster"]
    assert isinstance(load_reid_network(tmp_path / "run").network, NeckNetwork)
    again = genreid(*words, "--then", "cluster", "--diagnose")
    assert again.code == 0, again.err
    changed = genreid(*words)
    assert changed.code == 2
    assert "then: cluster there, none now" in changed.err
    useless = genreid(*words, "--diagnose")
    assert useless.code == 2
    assert "--then cluster, got --then none" in useless.err


def test_a_failed_first_clustering_can_be_mended_in_the_same_run(world: World, tmp_path: Path) -> None:
    words = adapt_words(world, tmp_path / "run")
    assert genreid(*words).code == 0, "the paper's three stages, and a look at them"
    none = ["--cluster.clustering.eps", "0.000001", "--cluster.clustering.k2", "1"]
    failed = genreid(*words, "--then", "cluster", *none)
    assert failed.code == 2
    assert "then: cluster instead of none from now on" in failed.err
    assert "try a larger --cluster.clustering.eps" in failed.err
    assert "This stage has not begun" in failed.err
    mended = genreid(*words, "--then", "cluster")
    assert mended.code == 0, mended.err
    stages_seen = list(dict.fromkeys(line["stage"] for line in metrics(tmp_path / "run")))
    assert stages_seen == ["identity", "finetuning", "cluster_rounds", "cluster"]


TAUDL = ["--taudl.iterations", "3", "--taudl.batch", "24", "--taudl.neck.width", "16"]


def test_adapt_goes_on_with_tracklets(world: World, tmp_path: Path) -> None:
    answer = genreid(*adapt_words(world, tmp_path / "run"), "--then", "taudl", *TAUDL)
    assert answer.code == 0, answer.err
    assert "TAUDL uses which images of one camera show one person" in answer.err
    assert [line["stage"] for line in metrics(tmp_path / "run")] == ["identity", "finetuning", "taudl"]


def test_what_tracklets_need_is_asked_for_before_stage_one(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    answer = genreid(*adapt_words(world, run), "--then", "taudl", *TAUDL, "--taudl.batch", "4")
    assert answer.code == 2
    assert "taudl.batch 4 holds no tracklet of 4 images for each of 3 cameras" in answer.err
    assert not (run / "checkpoints").exists()


def test_taudl_alone_says_what_it_uses(world: World, whole: Path, tmp_path: Path) -> None:
    target, run = str(world.root / "target"), tmp_path / "run"
    settings = [
        word
        for name, value in TINY.items()
        if not name.startswith("cluster")
        for word in (f"--{name}", value)
    ]
    answer = genreid(
        "train", "taudl", "--data", target, "--out", str(run), "--init", str(whole), *settings, *TAUDL
    )
    assert answer.code == 0, answer.err
    assert "TAUDL uses which images of one camera show one person" in answer.err
    assert "18 tracklets of 3 cameras" in answer.err
    evaluated = genreid("evaluate", str(run), "--data", target, "--device", "cpu", "--json")
    assert evaluated.code == 0, evaluated.err
    assert "which images of one camera show one person" in evaluated.err
    assert 0 <= json.loads(evaluated.out)["rank1"] <= 1
    assert "which images of one camera show one person" in json.loads(evaluated.out)["uses"]
    (record,) = (run / "evaluations").glob("*.json")
    assert record.stem.endswith("-adapted-taudl")
    assert genreid("train", "taudl", "--help").code == 0
