"""`genreid adapt` on drawn people, as a user types it: all stages, stopped and resumed, every renderer."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genreid.data.decode import decode
from genreid.generation.renderings import to_uint8
from genreid.models.crgan import ConditionPair, Generator
from genreid.runs.checkpoint import checkpoint_folders, load_newest
from genreid.runs.trained_networks import load_reid_network
from genreid.runs.trained_renderer import RENDERERS, RendererName, load_renderer
from tests.command_line import Answer, genreid
from tests.drawn_datasets import Canvas, Shot, draw_market1501

STAGES = ["identity", "camera", "rendering", "finetuning"]
LONG = 60
"""Iterations of stage II: long enough to be stopped between its first line of metrics and its end."""
TINY = {
    "precision": "fp32",
    "device": "cpu",
    "seed": "5",
    "image.height": "32",
    "image.width": "16",
    "backbone.name": "test_resnet",
    "backbone.weights": "none",
    "generator.width": "2",
    "domain.width": "2",
    "camera.width": "2",
    "spgan.generator.width": "2",
    "spgan.generator.blocks": "1",
    "spgan.discriminator.width": "2",
    "spgan.siamese.width": "2",
    "spgan.iterations": "4",
    "stage1_identity.iterations": "4",
    "stage1_identity.batch": "4",
    "stage1_camera.iterations": "3",
    "stage1_camera.batch": "4",
    "stage2.batch": "3",
    "stage3.iterations": "5",
    "stage3.batch": "4",
    "stage3.crop_padding": "2",
}


@dataclass(frozen=True)
class World:
    """Drawn people of two camera networks, with exact masks, and where runs go."""

    root: Path

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def target(self) -> Path:
        return self.root / "target"

    def words(self, run: Path, *more: str, stage2: int = 4, target: str = "target") -> list[str]:
        """The command line of `genreid adapt`; what comes later wins."""
        data = ["--source", str(self.source), "--target", str(self.root / target), "--out", str(run)]
        masks = ["--source-masks", str(self.root / "source_masks")]
        masks += ["--target-masks", str(self.root / f"{target}_masks")]
        settings = [word for name, value in TINY.items() for word in (f"--{name}", value)]
        return ["adapt", *data, *masks, *settings, "--stage2.iterations", str(stage2), *more]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("adapt")
    for name, seed, cameras in (("source", 1, 2), ("target", 2, 3)):
        folder, masks = root / name, root / f"{name}_masks"
        draw_market1501(folder, 3, cameras, size=(32, 16), seed=seed, masks_root=masks)
    flat = Canvas(root / "nowhere", (32, 16), 3, root / "nowhere_masks")  # own crops: nobody knows the camera
    for number in range(8):
        flat.write(f"crop{number}.jpg", Shot(number, number, 1))
    before = os.environ.get("GENREID_CACHE")
    os.environ["GENREID_CACHE"] = str(root / "cache")
    yield World(root)
    os.environ.pop("GENREID_CACHE")
    if before is not None:
        os.environ["GENREID_CACHE"] = before


@pytest.fixture(scope="module")
def whole(world: World) -> Path:
    """A run that nobody disturbs."""
    run = world.root / "whole"
    answer = genreid(*world.words(run, stage2=LONG))
    assert answer.code == 0, answer.err
    return run


def start(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start the true command line."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "genreid.cli.main", *words], stdout=file, stderr=file, env=environment
        )


def metrics(run: Path) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_stage(process: subprocess.Popen[bytes], run: Path, stage: str) -> None:
    """Wait until a stage has written its first line of metrics."""
    limit = time.monotonic() + 300
    while not any(line["stage"] == stage for line in metrics(run)):
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < limit, "it takes too long"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def stopped(world: World) -> Path:
    """The same run, stopped after its first step, then by SIGTERM in stage II."""
    run, log = world.root / "stopped", world.root / "stopped.log"
    words = world.words(run, stage2=LONG)
    answer = genreid(*words, "--max-minutes", "0")
    assert answer.code == 0
    assert "stopped at a checkpoint, since --max-minutes 0 is over; the same command resumes it" in answer.err
    assert [line["step"] for line in metrics(run)] == [1], "no session without a step"
    process = start(words, log)
    wait_for_stage(process, run, "rendering")
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 130, log.read_text()
    assert "stopped at a checkpoint, since SIGTERM was received" in log.read_text()
    return run


@pytest.fixture(scope="module")
def resumed(world: World, stopped: Path) -> Path:
    """The stopped run, copied, killed once more without a warning, and then brought to its end."""
    run, log = world.root / "resumed", world.root / "resumed.log"
    shutil.copytree(stopped, run)
    words = world.words(run, stage2=LONG)
    process = start(words, log)
    lines = len(metrics(run))
    while process.poll() is None and len(metrics(run)) == lines:
        time.sleep(0.005)
    process.kill()
    process.wait()
    answer = genreid(*words)
    assert answer.code == 0, answer.err
    return run


def newest(run: Path, stage: str) -> Path:
    return checkpoint_folders(run / "checkpoints" / stage)[0]


def assert_same_end(one: Path, other: Path) -> None:
    """Compare the files of the last checkpoints, bit for bit."""
    for stage in STAGES:
        for file in ("networks.safetensors", "optimizers.safetensors", "state.json"):
            assert (newest(one, stage) / file).read_bytes() == (newest(other, stage) / file).read_bytes(), (
                stage
            )


def test_a_run_goes_through_all_stages(whole: Path) -> None:
    assert [line["stage"] for line in metrics(whole)] == [
        "identity",
        "camera",
        *["rendering"] * 3,
        "finetuning",
    ]
    last = {line["stage"]: line["step"] for line in metrics(whole)}
    assert last == {"identity": 4, "camera": 3, "rendering": LONG, "finetuning": 5}
    terms = {name for line in metrics(whole) if line["stage"] == "rendering" for name in line}
    assert {"domain", "adversarial", "identity", "camera", "context", "context_mask"} <= terms
    for name in ("config.yaml", "job.json", "images/renderings.png", "tensorboard"):
        assert (whole / name).exists(), name
    assert newest(whole, "rendering").name == "00000060"


def test_a_stopped_and_resumed_run_ends_in_the_very_same_weights(whole: Path, resumed: Path) -> None:
    assert_same_end(resumed, whole)


def test_the_adapted_network_differs_from_the_pretrained_one(whole: Path) -> None:
    adapted, pretrained = (load_reid_network(whole, stage).network for stage in ("adapted", "pretrained"))
    assert not torch.equal(adapted.classifier.weight, pretrained.classifier.weight)
    assert load_reid_network(whole).stage == "adapted"
    assert isinstance(load_renderer(whole).network, Generator)


def test_the_adapted_network_can_be_evaluated(world: World, whole: Path) -> None:
    answer = genreid("evaluate", str(whole), "--data", str(world.target), "--json")
    assert answer.code == 0, answer.err
    figures = json.loads(answer.out)
    keys = {"rank1", "rank5", "rank10", "rank20", "mAP", "mAP_trapezoid", "mINP"}
    assert keys | {"queries", "valid_queries", "gallery"} <= set(figures)
    assert all(0 <= figures[key] <= 1 for key in keys)
    assert figures["valid_queries"] == 9


def test_a_finished_run_is_left_as_it_is(world: World, whole: Path) -> None:
    before = metrics(whole)
    answer = genreid(*world.words(whole, stage2=LONG))
    assert answer.code == 0
    assert "finished" in answer.err
    assert metrics(whole) == before


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--stage2.weights.context", "4"], "stage2.weights.context: 5.0 there, 4.0 now"),
        (["--seed", "6"], "seed: 5 there, 6 now"),
        (["--renderer", "cut_paste"], "renderer: crgan there, cut_paste now"),
        (["--holdout", "1"], "holdout: 0 there, 1 now"),
        (["--precision", "bf16"], "precision: fp32 there, bf16 now"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_other_settings_on_the_same_run_are_refused(
    world: World, whole: Path, more: list[str], named: str
) -> None:
    answer = genreid(*world.words(whole, *more, stage2=LONG))
    assert answer.code == 2
    assert named in answer.err
    assert "another --out" in answer.err
    assert "Traceback" not in answer.err


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    world: World, whole: Path, resumed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(resumed, run)
    shutil.rmtree(run / "checkpoints" / "finetuning")
    assert len(checkpoint_folders(run / "checkpoints" / "rendering")) > 1
    damaged = newest(run, "rendering")
    networks = damaged / "networks.safetensors"
    networks.write_bytes(networks.read_bytes()[:-100])
    answer = genreid(*world.words(run, stage2=LONG))
    assert answer.code == 0, answer.err
    assert f"checkpoint {damaged} is damaged" in answer.err
    assert "rendering: resumed at step" in answer.err
    assert_same_end(run, whole)


# Renderers, with stage I of another run


def short_run(world: World, whole: Path, name: str, *more: str) -> Answer:
    return genreid(*world.words(world.root / name, "--pretrained", str(whole), *more))


@pytest.mark.parametrize(
    "renderer", ["crgan", "crgan_single", "spgan", "cut_paste", "colour", "composite", "none"]
)
def test_every_renderer_takes_stage_one_over(world: World, whole: Path, renderer: RendererName) -> None:
    answer = short_run(world, whole, renderer, "--renderer", renderer)
    assert answer.code == 0, answer.err
    run = world.root / renderer
    stages = [line["stage"] for line in metrics(run)]
    trained = RENDERERS[renderer].stage
    assert stages == ([trained] if trained else []) + ["finetuning"]
    for file in ("networks.safetensors", "optimizers.safetensors"):
        copied = (newest(run, "identity") / file).read_bytes()
        assert copied == (newest(whole, "identity") / file).read_bytes()
    assert type(load_renderer(run).network) is RENDERERS[renderer].kind
    assert load_reid_network(run).stage == "adapted"


def test_a_start_from_the_composition_and_an_averaged_generator(world: World, whole: Path) -> None:
    """Settings beyond the paper go through stages II and III, and the averaged generator is what renders."""
    words = ("--generator.prior", "composite", "--stage2.average", "0.5", "--stage2.identity_views", "true")
    answer = short_run(world, whole, "beyond", *words)
    assert answer.code == 0, answer.err
    run = world.root / "beyond"
    networks = load_newest(run / "checkpoints" / "rendering")
    assert networks is not None
    averaged, last = (networks.network(name)["heads.weight"] for name in ("average", "generator"))
    assert averaged.any()
    assert not torch.equal(averaged, last)
    renderer = load_renderer(run).network
    assert isinstance(renderer, Generator)
    assert torch.equal(renderer.heads.weight, averaged)


def test_the_quick_recipe_composes(world: World) -> None:
    """It trains no generator unless --renderer says so; the run remembers what was chosen."""
    for name, more, renderer in (("quick", (), "composite"), ("slow", ("--renderer", "none"), "none")):
        answer = genreid(*world.words(world.root / name, "--recipe", "quick", *more))
        assert answer.code == 0, answer.err
        job = json.loads((world.root / name / "job.json").read_text(encoding="utf-8"))
        assert job["renderer"] == renderer
        assert {line["stage"] for line in metrics(world.root / name)} == {"identity", "finetuning"}


def test_renderers_lead_to_different_networks(world: World, whole: Path) -> None:
    weights = {}
    for renderer in RENDERERS:
        run = world.root / renderer
        if not run.exists():
            short_run(world, whole, renderer, "--renderer", renderer)
        weights[(newest(run, "finetuning") / "networks.safetensors").read_bytes()] = renderer
    assert len(weights) == len(RENDERERS)


def image_and_mask(path: Path) -> list[torch.Tensor]:
    """As a renderer takes them."""
    mask = path.parents[1].with_name(f"{path.parents[1].name}_masks") / path.parent.name / f"{path.stem}.png"
    return [
        torch.from_numpy(decode(path, (32, 16), "image")).float()[None] / 127.5 - 1,
        torch.from_numpy(decode(mask, (32, 16), "mask")).float()[None],
    ]


def test_one_person_under_many_targets(world: World, whole: Path, tmp_path: Path) -> None:
    """Figures 6 and 7: below the person and the targets what each run makes of them."""
    runs = [world.root / renderer for renderer in ("cut_paste", "composite")]
    for run in runs:
        if not run.exists():
            short_run(world, whole, run.name, "--renderer", run.name)
    (person,) = sorted((world.source / "bounding_box_train").glob("*.jpg"))[:1]
    guides = sorted((world.target / "bounding_box_train").glob("*.jpg"))[:2]
    out = tmp_path / "sheet.png"
    words = ["--renderings", "--source", person, "--target", *guides, "--out", out]
    answer = genreid("generate", *runs, *words)
    assert answer.code == 0, answer.err
    with Image.open(out) as image:
        sheet = np.asarray(image).transpose(2, 0, 1)
    rows, left = [0, 130, 260], sheet.shape[2] - 3 * 66 - 8
    shown = [
        [sheet[:, top : top + 128 : 4, x : x + 64 : 4] for x in (left, left + 74, left + 140)] for top in rows
    ]
    source, *targets = (image_and_mask(path) for path in (person, *guides))
    for column, target in enumerate(targets, start=1):
        assert np.array_equal(shown[0][column], to_uint8(target[0])[0].numpy())
        pair = ConditionPair(source[0], target[0], source[1], target[1])
        for row, run in enumerate(runs, start=1):
            made = load_renderer(run).network(pair).image
            apart = shown[row][column].astype(int) - to_uint8(made)[0].numpy()
            assert np.abs(apart).max() <= 1
    assert np.array_equal(shown[0][0], to_uint8(source[0])[0].numpy())
    assert (shown[1][0] == 255).all()
    answer = genreid("generate", whole, "--renderings", "--contexts", "4", "--count", "2")
    assert answer.code == 0, answer.err
    with Image.open(whole / "images" / "contexts-seed0.png") as image:
        assert image.height == 4 * 130 + 2 * 8
    for more, message in (
        (["--source", guides[0]], "expected an image that the run was made with, such as"),
        (["--source", person, "--count", "2"], "--count are drawn, --source names them all"),
        (["--contexts", "0"], "--contexts must be 1 or more, got 0"),
    ):
        answer = genreid("generate", whole, "--renderings", *more)
        assert (answer.code, message in answer.err) == (2, True), answer.err


@pytest.mark.parametrize("renderer", ["none", "colour", "spgan"])
def test_no_masks_are_needed_where_none_are_used(world: World, whole: Path, renderer: str) -> None:
    run = world.root / f"maskless_{renderer}"
    words = [
        w for w in world.words(run, "--pretrained", str(whole), "--renderer", renderer) if "masks" not in w
    ]
    assert genreid(*words).code == 0
    assert not (run / "masks").exists()


def test_an_unfinished_stage_one_is_not_taken_over(world: World, whole: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    answer = genreid(*world.words(tmp_path / "run", "--pretrained", str(other)))
    assert answer.code == 2
    assert f"{other} has no finished stage 'identity' to take over" in answer.err


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--image.height", "40"], "size"),
        (["--backbone.name", "test_resnet", "--backbone.last_stride", "1"], "backbone"),
        (["--source-split", "all"], "num_classes"),
    ],
    ids=["size", "backbone", "people"],
)
def test_stage_one_of_other_data_or_networks_is_refused(
    world: World, whole: Path, tmp_path: Path, more: list[str], named: str
) -> None:
    answer = genreid(*world.words(tmp_path / "run", "--pretrained", str(whole), *more))
    assert answer.code == 2
    assert "is of other data or settings" in answer.err
    assert named in answer.err.split("settings:")[1]
    assert not list((tmp_path / "run").glob("checkpoints/*")), "nothing was copied, so it can be mended"


@pytest.mark.parametrize("other", ["network", "target"])
def test_a_camera_network_that_does_not_fit_is_trained_anew(
    world: World, whole: Path, tmp_path: Path, other: str
) -> None:
    """The natural use of --pretrained: the same source, and another target."""
    words = ["--pretrained", str(whole), *(["--camera.width", "3"] if other == "network" else [])]
    target = "one_less" if other == "target" else "target"
    if other == "target" and not (world.root / target).exists():
        for end in ("", "_masks"):
            shutil.copytree(world.root / f"target{end}", world.root / f"{target}{end}")
        next((world.root / target).glob("bounding_box_train/*.jpg")).unlink()
    answer = genreid(*world.words(tmp_path / "run", *words, target=target))
    assert answer.code == 0, answer.err
    stages = dict.fromkeys(line["stage"] for line in metrics(tmp_path / "run"))
    assert list(stages) == ["camera", "rendering", "finetuning"]


# Data


def test_unknown_cameras_switch_the_camera_loss_off(world: World, tmp_path: Path) -> None:
    answer = genreid(*world.words(tmp_path / "run", "--target-format", "folder", target="nowhere"))
    assert answer.code == 0, answer.err
    assert "cameras are unknown: the camera loss is off" in answer.err
    assert [line["stage"] for line in metrics(tmp_path / "run")] == ["identity", "rendering", "finetuning"]
    assert all("camera" not in line for line in metrics(tmp_path / "run"))
    assert not (tmp_path / "run" / "checkpoints" / "camera").exists()


def test_people_can_be_held_out(world: World, tmp_path: Path) -> None:
    answer = genreid(*world.words(tmp_path / "run", "--holdout", "1", "--renderer", "none"))
    assert answer.code == 0, answer.err
    assert load_reid_network(tmp_path / "run").network.num_classes == 2


def test_all_splits_of_the_source_can_be_used(world: World, tmp_path: Path) -> None:
    """Junk and distractors are no people."""
    answer = genreid(*world.words(tmp_path / "run", "--source-split", "all", "--renderer", "none"))
    assert answer.code == 0, answer.err
    assert load_reid_network(tmp_path / "run").network.num_classes == 6


def test_a_missing_mask_is_named(world: World, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    shutil.copytree(world.root / "source_masks", masks)
    gone = min((masks / "bounding_box_train").iterdir())
    gone.unlink()
    answer = genreid(*world.words(tmp_path / "run", "--source-masks", str(masks)))
    assert answer.code == 2
    assert gone.name in answer.err
    assert "genreid mask" in answer.err
