"""A transformer through the commands of every method, and networks that are ranked without a run."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from genreid.models.tokens import TokenBackbone
from genreid.runs.trained_networks import load_appearance, load_reid_network
from tests.command_line import Answer, genreid
from tests.drawn_datasets import draw_market1501
from tests.tiny_backbones import TOKENS

SIZE = ("--image.height", "64", "--image.width", "32")
NAME = "tiny_clip"
assert NAME in TOKENS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("backbones")
    draw_market1501(folder / "people", 4, 2, images_per_camera=2, size=(64, 32), seed=1)
    before = os.environ.get("GENREID_CACHE")
    os.environ["GENREID_CACHE"] = str(folder / "cache")
    yield folder
    os.environ.pop("GENREID_CACHE")
    if before is not None:
        os.environ["GENREID_CACHE"] = before


def words(**settings: object) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name.replace('__', '.')}", str(value))]


def backbone(prefix: str = "backbone") -> list[str]:
    return [f"--{prefix}.name", NAME, f"--{prefix}.weights", "none"]


def run(root: Path, *command: object) -> Answer:
    answer = genreid(*command, "--device", "cpu", "--precision", "fp32")
    assert answer.code == 0, answer.err
    return answer


def test_baseline_clustering_and_evaluation_with_stripes(root: Path) -> None:
    data = ["--data", root / "people"]
    one = words(identity__iterations=1, identity__batch=4, identity__sgd__layer_decay=0.7)
    run(root, "train", "baseline", *data, "--out", root / "base", *SIZE, *backbone(), *one)
    built = load_reid_network(root / "base").network.backbone
    assert isinstance(built, TokenBackbone)
    assert built.grid == (8, 4)
    few = words(cluster__rounds=1, cluster__iterations=1, cluster__clusters=2, cluster__images=2)
    few += words(cluster__clustering__k1=4, cluster__clustering__k2=2, cluster__clustering__eps=0.9)
    few += words(init=root / "base", backbone__last_stride=2)
    run(root, "train", "cluster", *data, "--out", root / "cluster", *SIZE, *backbone(), *few)
    answer = run(root, "evaluate", root / "cluster", *data, "--pooling", "lmp", "--parts", "4", "--json")
    assert json.loads(answer.out)["valid_queries"] > 0


def test_adapt(root: Path) -> None:
    both = ["--source", root / "people", "--target", root / "people", "--out", root / "adapt"]
    tiny = words(generator__width=2, domain__width=2, camera__width=2, stage1_identity__iterations=1)
    tiny += words(stage1_identity__batch=4, stage1_camera__iterations=1, stage1_camera__batch=4)
    tiny += words(stage2__iterations=1, stage2__batch=2, stage3__iterations=1, stage3__batch=4)
    masks = words(source_masks=root / "masks", target_masks=root / "masks")
    draw_market1501(
        root / "drawn", 4, 2, images_per_camera=2, size=(64, 32), seed=1, masks_root=root / "masks"
    )
    run(root, "adapt", *both, *masks, *SIZE, *backbone(), *tiny)
    assert load_reid_network(root / "adapt").stage == "adapted"


def test_dgnet(root: Path) -> None:
    tiny = words(structure__width=2, decoder__mlp_width=6, discriminator__width=2, discriminator__scales=2)
    tiny += words(training__iterations=1, training__batch=2, teacher__identity__iterations=1)
    tiny += words(teacher__image__height=64, teacher__image__width=32, teacher__backbone__bottleneck=5)
    tiny += words(
        teacher__identity__batch=4, appearance__backbone__last_stride=2, teacher__backbone__last_stride=2
    )
    networks = [*backbone("appearance.backbone"), *backbone("teacher.backbone")]
    run(root, "train", "dgnet", "--data", root / "people", "--out", root / "dgnet", *SIZE, *networks, *tiny)
    assert load_appearance(root / "dgnet").network.feature_channels == 16


def test_a_network_is_ranked_without_a_run(root: Path) -> None:
    run_folder = root / "as_it_is"
    one = words(identity__iterations=1, identity__batch=4, identity__sgd__backbone_rate=0)
    run(root, "train", "baseline", "--data", root / "people", "--out", run_folder, *SIZE, *backbone(), *one)
    built = load_reid_network(run_folder).network.backbone
    assert isinstance(built, TokenBackbone)
    state = built.network.state_dict()
    torch.save(state, root / "weights.pth")
    with_run = run(root, "evaluate", run_folder, "--data", root / "people", "--json")
    named = ["--backbone.name", NAME, "--backbone.weights", root / "weights.pth"]
    without = run(root, "evaluate", *named, *SIZE, "--data", root / "people", "--json")
    assert json.loads(without.out) == json.loads(with_run.out)
    assert f"weights.pth: {len(state)} tensors taken, none missing\n" in without.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--image.height", "64", "--data", "DIR"], "needs --image.width"),
        ([*SIZE], "needs --data"),
        ([*SIZE, "--data", "DIR", "--stage", "adapted"], "there is no run"),
        ([*SIZE, "--data", "DIR", "--backbone.tokens", "all"], "expected 'head' | 'patches', got 'all'"),
        ([*SIZE, "--query", "q", "--gallery", "g"], "--backbone.name describes a network without a run"),
    ],
)
def test_what_is_missing_or_does_not_go_together(more: list[str], said: str) -> None:
    answer = genreid("evaluate", "--backbone.name", NAME, *more)
    assert (answer.code, said in answer.err) == (2, True), answer.err
