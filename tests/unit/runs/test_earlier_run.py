"""What a run takes over from an earlier one: a finished stage, or its backbone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.runs.checkpoint import CheckpointState, checkpoint_folders, save_checkpoint
from genreid.runs.config_file import config_to_dict
from genreid.runs.earlier_run import start_backbone_from, take_over_if_it_fits, take_over_stage
from genreid.runs.loop import Stage

BACKBONE = BackboneConfig("test_resnet", weights="none")
FACTS = {"backbone": config_to_dict(BACKBONE), "num_classes": 3, "size": [32, 16]}
STAGE = Stage("identity", 4, lambda _step: None, lambda _batch, _step: {}, {}, {}, FACTS)


def save_run(run: Path, step: int = 4, seed: int = 0, config: BackboneConfig = BACKBONE) -> ReidNetwork:
    """Write a stage `identity` of four iterations, at some step."""
    torch.manual_seed(seed)
    network = build_reid_network(config, 3)
    state = CheckpointState("identity", step, 4, {**FACTS, "backbone": config_to_dict(config)})
    save_checkpoint(run / "checkpoints" / "identity", state, {"identity": network}, {})
    return network


def files_of(run: Path) -> dict[str, bytes]:
    (newest, *_) = checkpoint_folders(run / "checkpoints" / "identity")
    return {path.name: path.read_bytes() for path in newest.iterdir()}


def test_a_finished_stage_is_copied_as_it_is(tmp_path: Path) -> None:
    save_run(tmp_path / "other")
    take_over_stage(tmp_path / "other", tmp_path / "run", STAGE, "--pretrained")
    assert files_of(tmp_path / "run") == files_of(tmp_path / "other")
    names = {path.name for path in (tmp_path / "run" / "checkpoints" / "identity").iterdir()}
    assert names == {"00000004"}, "no draft is left"


def test_a_run_keeps_the_stage_that_it_has(tmp_path: Path) -> None:
    save_run(tmp_path / "other", seed=1)
    save_run(tmp_path / "run", seed=2)
    before = files_of(tmp_path / "run")
    take_over_stage(tmp_path / "other", tmp_path / "run", STAGE, "--pretrained")
    assert files_of(tmp_path / "run") == before


def test_a_draft_of_a_killed_process_does_no_harm(tmp_path: Path) -> None:
    save_run(tmp_path / "other")
    draft = tmp_path / "run" / "checkpoints" / "identity" / ".draft-00000004-1"
    draft.mkdir(parents=True)
    (draft / "half").write_text("a file", encoding="utf-8")
    take_over_stage(tmp_path / "other", tmp_path / "run", STAGE, "--pretrained")
    assert files_of(tmp_path / "run") == files_of(tmp_path / "other")


@pytest.mark.parametrize("step", [None, 3])
def test_a_stage_that_is_not_finished_is_refused(tmp_path: Path, step: int | None) -> None:
    other = tmp_path / "other"
    if step is not None:
        save_run(other, step)
    with pytest.raises(
        ValueError, match=f"--pretrained {other} has no finished stage 'identity' .* finish that run first"
    ):
        take_over_stage(other, tmp_path / "run", STAGE, "--pretrained")
    assert not (tmp_path / "run").exists()


OTHER_DATA = replace(STAGE, facts={**FACTS, "num_classes": 5})


def test_a_stage_of_other_data_is_refused_and_nothing_is_copied(tmp_path: Path) -> None:
    save_run(tmp_path / "other")
    with pytest.raises(ValueError, match=r"num_classes: 3 there, 5 now\n.* or leave --pretrained out"):
        take_over_stage(tmp_path / "other", tmp_path / "run", OTHER_DATA, "--pretrained")
    assert not (tmp_path / "run").exists()


FITTING = [(STAGE, 4, True), (STAGE, 3, False), (OTHER_DATA, 4, False)]


@pytest.mark.parametrize(("stage", "step", "taken"), FITTING)
def test_a_stage_that_fits_is_copied_and_another_left(
    tmp_path: Path, stage: Stage[None], step: int, taken: bool
) -> None:
    save_run(tmp_path / "other", step)
    take_over_if_it_fits(tmp_path / "other", tmp_path / "run", stage)
    assert (tmp_path / "run").exists() == taken


def test_a_damaged_stage_is_taken_over_again(tmp_path: Path) -> None:
    save_run(tmp_path / "other")
    take_over_stage(tmp_path / "other", tmp_path / "run", STAGE, "--pretrained")
    (tmp_path / "run" / "checkpoints" / "identity" / "00000004" / "state.json").write_text("{")
    take_over_stage(tmp_path / "other", tmp_path / "run", STAGE, "--pretrained")
    assert files_of(tmp_path / "run") == files_of(tmp_path / "other")


def test_a_backbone_starts_from_another_runs(tmp_path: Path) -> None:
    trained = save_run(tmp_path / "other", seed=1)
    torch.manual_seed(2)
    network = build_reid_network(BACKBONE, 7)
    start_backbone_from(network.backbone, tmp_path / "other")
    twin = trained.backbone.state_dict()
    assert all(torch.equal(value, twin[name]) for name, value in network.backbone.state_dict().items())


def test_a_backbone_starts_from_the_stage_asked_for(tmp_path: Path) -> None:
    trained = save_run(tmp_path / "other", seed=1)
    network = build_reid_network(BACKBONE, 7)
    start_backbone_from(network.backbone, tmp_path / "other", "pretrained")
    twin = trained.backbone.state_dict()
    assert all(torch.equal(value, twin[name]) for name, value in network.backbone.state_dict().items())
    with pytest.raises(ValueError, match=r"holds no adapted network \(pretrained\)"):
        start_backbone_from(network.backbone, tmp_path / "other", "adapted")


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    save_run(tmp_path / "other")
    words = f"--init {tmp_path / 'other'}: that run has another backbone; give the same backbone.name here"
    with pytest.raises(ValueError, match=words):
        start_backbone_from(nn.Linear(2, 2), tmp_path / "other")


def test_a_run_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoints at all"):
        start_backbone_from(nn.Linear(2, 2), tmp_path)
