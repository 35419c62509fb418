"""`genreid train dgnet` on drawn people, as a user types it: whole, stopped, resumed, every way to feed."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from genreid.generation.swapping import Swapper
from genreid.runs.checkpoint import checkpoint_folders, load_newest
from genreid.runs.trained_networks import load_appearance, load_dgnet, load_reid_network
from genreid.training.dgnet_step import dgnet_step
from tests.command_line import Answer, genreid
from tests.drawn_datasets import draw_market1501

TINY = {
    "precision": "fp32",
    "device": "cpu",
    "seed": "5",
    "image.height": "32",
    "image.width": "16",
    "appearance.backbone.name": "test_resnet",
    "appearance.backbone.weights": "none",
    "appearance.head_width": "6",
    "structure.width": "2",
    "decoder.mlp_width": "6",
    "discriminator.width": "2",
    "discriminator.scales": "2",
    "training.iterations": "4",
    "training.batch": "2",
    "training.crop_padding": "2",
    "training.code_ramp.start": "0.2",
    "training.code_ramp.full": "0.5",
    "training.cycle_ramp.start": "0.2",
    "training.cycle_ramp.full": "0.5",
    "training.feeding_ramp.start": "0.2",
    "training.feeding_ramp.full": "0.5",
    "teacher.image.height": "32",
    "teacher.image.width": "16",
    "teacher.backbone.name": "test_resnet",
    "teacher.backbone.weights": "none",
    "teacher.backbone.bottleneck": "5",
    "teacher.identity.iterations": "3",
    "teacher.identity.batch": "4",
}
REAL = {"identity", "positive_identity", "fine_identity"}
MADE = {
    "discriminator",
    "gradient_penalty",
    "itself",
    "same_person",
    "adversarial",
    "generated_identity",
    "structure_code",
    "cycle",
}
FED = {"primary", "fine"}


@dataclass(frozen=True)
class World:
    """Three drawn people, four others, and where runs go."""

    root: Path

    def words(self, run: Path, *more: str, data: str = "people") -> list[str]:
        """The command line; what comes later wins."""
        settings = [word for name, value in TINY.items() for word in (f"--{name}", value)]
        return ["train", "dgnet", "--data", str(self.root / data), "--out", str(run), *settings, *more]

    def taught(self, run: Path, whole: Path, *more: str) -> Answer:
        """Run with the teacher of another run."""
        return genreid(*self.words(run, "--teacher-run", str(whole), *more))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("dgnet")
    for name, people, seed in (("people", 3, 1), ("others", 4, 2)):
        draw_market1501(root / name, people, 2, size=(32, 16), seed=seed)
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
    answer = genreid(*world.words(run))
    assert answer.code == 0, answer.err
    return run


class Killed(BaseException):
    """What nobody catches."""


@pytest.fixture(scope="module")
def resumed(world: World) -> Path:
    """The same run: out of time in the teacher, killed in DG-Net, out of time there, and then finished."""
    run = world.root / "resumed"
    words = world.words(run)
    first = genreid(*words, "--max-minutes", "0")
    assert first.code == 0
    assert "stopped at a checkpoint, since --max-minutes 0 is over; the same command resumes it" in first.err
    assert [(line["stage"], line["step"]) for line in metrics(run)] == [("identity", 1)]

    def killed(setup: Any, batch: Any, number: int) -> Any:
        if number == 2:
            raise Killed
        return dgnet_step(setup, batch, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genreid.training.dgnet_stage.dgnet_step", killed)
        with pytest.raises(Killed):
            genreid(*words)
    assert load_newest(run / "checkpoints" / "dgnet") is None, "what was not saved is lost"
    for step_number in (1, 2):
        assert genreid(*words, "--max-minutes", "0").code == 0
        assert newest(run, "dgnet").name == f"{step_number:08d}"
    last = genreid(*words)
    assert last.code == 0, last.err
    assert "dgnet: resumed at step 2 of 4" in last.err
    return run


def newest(run: Path, stage: str) -> Path:
    return checkpoint_folders(run / "checkpoints" / stage)[0]


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def terms_of(run: Path, stage: str) -> set[str]:
    named = {name for line in metrics(run) if line["stage"] == stage for name in line}
    return named & (REAL | MADE | FED | {"appearance_code"})


def stages_of(run: Path) -> list[str]:
    return list(dict.fromkeys(line["stage"] for line in metrics(run)))


def test_images_are_resized_bicubically_as_published(world: World, whole: Path) -> None:
    for load in (load_appearance, load_dgnet, load_reid_network):
        assert load(whole).kind == "image_bicubic"
    assert Swapper.from_run(whole).kind == "image_bicubic"


def test_a_run_trains_the_teacher_and_then_dgnet(whole: Path) -> None:
    assert [(line["stage"], line["step"]) for line in metrics(whole)] == [("identity", 3), ("dgnet", 4)]
    assert terms_of(whole, "dgnet") == REAL | MADE | FED
    for name in ("config.yaml", "job.json", "tensorboard"):
        assert (whole / name).exists(), name
    checkpoint = load_newest(whole / "checkpoints" / "dgnet")
    assert checkpoint is not None
    assert checkpoint.state.finished
    for name in ("appearance", "structure", "decoder", "discriminator"):
        assert checkpoint.network(name)


def test_classes_are_the_people_of_the_data(whole: Path) -> None:
    assert load_appearance(whole).network.num_classes == 3
    assert load_reid_network(whole, "pretrained").network.num_classes == 3


def test_a_stopped_killed_and_resumed_run_ends_in_the_very_same_weights(whole: Path, resumed: Path) -> None:
    for stage in ("identity", "dgnet"):
        for file in ("networks.safetensors", "optimizers.safetensors", "state.json"):
            one, other = ((newest(run, stage) / file).read_bytes() for run in (whole, resumed))
            assert one == other, f"{stage}/{file}"


def test_its_networks_can_be_loaded(whole: Path) -> None:
    loaded = load_dgnet(whole)
    assert (loaded.size, loaded.step) == ((32, 16), 4)
    appearance, structure, decoder = loaded.networks
    images = torch.zeros(2, 3, 32, 16)
    with torch.inference_mode():
        assert decoder(structure(images), appearance(images).code).shape == images.shape
    assert load_appearance(whole).stage == "dgnet"


def test_a_finished_run_is_left_as_it_is(world: World, whole: Path) -> None:
    before = metrics(whole)
    answer = genreid(*world.words(whole))
    assert answer.code == 0
    assert "finished" in answer.err
    assert metrics(whole) == before


# The teacher


@pytest.fixture(scope="module")
def taught(world: World, whole: Path) -> Path:
    run = world.root / "taught"
    answer = world.taught(run, whole)
    assert answer.code == 0, answer.err
    return run


def test_a_teacher_is_taken_over_and_leads_to_the_same_weights(whole: Path, taught: Path) -> None:
    assert stages_of(taught) == ["dgnet"]
    for stage in ("identity", "dgnet"):
        one, other = ((newest(run, stage) / "networks.safetensors").read_bytes() for run in (whole, taught))
        assert one == other, stage


@pytest.mark.parametrize(
    ("more", "data", "named"),
    [
        ((), "others", "num_classes: 3 there, 4 now"),
        (("--holdout", "1"), "people", "num_classes: 3 there, 2 now"),
        (("--teacher.backbone.bottleneck", "4"), "people", "backbone.bottleneck: 5 there, 4 now"),
    ],
    ids=["data", "people", "network"],
)
def test_another_teacher_is_refused_before_anything_is_copied(
    world: World, whole: Path, tmp_path: Path, more: tuple[str, ...], data: str, named: str
) -> None:
    run = tmp_path / "run"
    answer = genreid(*world.words(run, "--teacher-run", str(whole), *more, data=data))
    assert answer.code == 2
    assert f"--teacher-run {whole}: its stage 'identity' is of other data or settings:" in answer.err
    assert named in answer.err
    assert "leave --teacher-run out" in answer.err
    assert "Traceback" not in answer.err
    assert not (run / "checkpoints").exists()


def test_a_run_without_a_teacher_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    answer = genreid(*world.words(tmp_path / "run", "--teacher-run", str(tmp_path / "other")))
    assert answer.code == 2
    assert "has no finished stage 'identity' to take over" in answer.err


# Ways to feed E_a


def test_offline_feeding_comes_after_dgnet(world: World, whole: Path) -> None:
    run = world.root / "offline"
    answer = world.taught(run, whole, "--training.feeding", "offline")
    assert answer.code == 0, answer.err
    assert stages_of(run) == ["dgnet", "offline"]
    assert terms_of(run, "dgnet") == REAL | MADE
    assert terms_of(run, "offline") == REAL | FED
    assert load_appearance(run).stage == "offline"
    student, own = load_appearance(run).network, load_dgnet(run).networks.appearance
    assert not torch.equal(student.primary.classifier.weight, own.primary.classifier.weight)
    before = metrics(run)
    assert genreid(*world.words(run, "--teacher-run", str(whole), "--training.feeding", "offline")).code == 0
    assert metrics(run) == before


def test_without_feeding_nobody_is_asked(world: World) -> None:
    run = world.root / "none"
    answer = genreid(*world.words(run, "--training.feeding", "none"))
    assert answer.code == 0, answer.err
    assert stages_of(run) == ["dgnet"]
    assert terms_of(run, "dgnet") == REAL | MADE


@pytest.mark.parametrize("feeding", ["online", "offline"])
def test_without_generation_only_real_images_teach(world: World, tmp_path: Path, feeding: str) -> None:
    run = tmp_path / "run"
    answer = genreid(*world.words(run, "--training.generation", "false", "--training.feeding", feeding))
    assert answer.code == 0, answer.err
    assert stages_of(run) == ["dgnet"]
    assert terms_of(run, "dgnet") == REAL


def test_the_papers_text_can_be_run(world: World, whole: Path, tmp_path: Path) -> None:
    answer = world.taught(tmp_path / "run", whole, "--recipe", "paper_text")
    assert answer.code == 0, answer.err
    expected = (MADE | FED | {"identity", "appearance_code"}) - {"positive_identity", "fine_identity"}
    assert terms_of(tmp_path / "run", "dgnet") == expected


# Settings


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--training.weights.cycle", "1"), "training.weights.cycle: 2.0 there, 1.0 now"),
        (("--seed", "6"), "seed: 5 there, 6 now"),
        (("--training.feeding", "none"), "training.feeding: online there, none now"),
    ],
    ids=["weight", "seed", "feeding"],
)
def test_other_settings_on_the_same_run_are_refused(
    world: World, whole: Path, more: tuple[str, ...], named: str
) -> None:
    answer = genreid(*world.words(whole, *more))
    assert answer.code == 2
    assert named in answer.err
    assert "another --out" in answer.err


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--image.height", "36"), "multiples of 8, got 36x16"),
        (
            ("--image.height", "64"),
            "teacher.image is 32x16 bicubic, image 64x16 bicubic; the teacher sees",
        ),
        (("--training.batch", "1"), "batch >= 2"),
        (("--training.feeding", "often"), "feeding"),
    ],
    ids=["size", "teacher", "batch", "feeding"],
)
def test_settings_that_do_not_fit_are_refused(
    world: World, tmp_path: Path, more: tuple[str, ...], named: str
) -> None:
    answer = genreid(*world.words(tmp_path / "run", *more))
    assert answer.code == 2
    assert named in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "run").exists()


def test_people_can_be_held_out_and_the_backbone_be_another_runs(
    world: World, whole: Path, tmp_path: Path
) -> None:
    """Tiny learning rates show what the teacher and E_a started from."""
    slow = [
        word for part in ("training", "teacher.identity") for word in (f"--{part}.sgd.backbone_rate", "1e-12")
    ]
    run = tmp_path / "run"
    answer = genreid(*world.words(run, "--holdout", "1", "--init", str(whole), *slow))
    assert answer.code == 0, answer.err
    loaded = load_appearance(run).network
    assert loaded.num_classes == 2
    before = dict(load_appearance(whole).network.backbone.named_parameters())
    for network in (loaded, load_reid_network(run, "pretrained").network):
        for name, parameter in network.backbone.named_parameters():
            torch.testing.assert_close(parameter, before[name], rtol=0, atol=1e-6)
