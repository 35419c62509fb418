"""The networks of a run folder, rebuilt from its checkpoints."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.models.crgan import Generator, GeneratorConfig
from genreid.models.renderers import ColourTransfer, Composite, CutAndPaste, Untouched
from genreid.runs.checkpoint import CheckpointState, save_checkpoint
from genreid.runs.config_file import config_to_dict, save_config
from genreid.runs.trained_networks import load_reid_network
from genreid.runs.trained_renderer import load_renderer
from genreid.training.adapt_config import AdaptConfig, FinetuningConfig
from tests.drawn_tensors import fill, pair

BACKBONE = BackboneConfig("test_resnet", weights="none")


def save_network(run: Path, stage: str, step: int, label: str) -> torch.nn.Module:
    """Write the checkpoint of a re-id network as the stages do."""
    network = fill(build_reid_network(BACKBONE, 5), label)
    facts = {"backbone": config_to_dict(BACKBONE), "num_classes": 5, "size": [64, 32], "source": "x"}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    state = CheckpointState(stage, step, 10, facts)
    save_checkpoint(run / "checkpoints" / stage, state, {"identity": network}, {"identity": optimizer})
    return network.to(memory_format=torch.channels_last).eval()  # as it is loaded, or sums come out otherwise


def test_the_last_network_of_a_run_is_loaded(tmp_path: Path) -> None:
    save_network(tmp_path, "identity", 10, "pretrained")
    adapted = save_network(tmp_path, "finetuning", 10, "adapted")
    loaded = load_reid_network(tmp_path)
    assert (loaded.stage, loaded.size, loaded.step) == ("adapted", (64, 32), 10)
    assert not loaded.network.training
    images = pair((64, 32), 2).source.float()
    assert torch.equal(loaded.network(images).logits, adapted(images).logits)


def test_an_earlier_network_can_be_asked_for(tmp_path: Path) -> None:
    pretrained = save_network(tmp_path, "identity", 10, "pretrained")
    assert load_reid_network(tmp_path).stage == "pretrained"
    save_network(tmp_path, "finetuning", 10, "adapted")
    loaded = load_reid_network(tmp_path, "pretrained")
    images = pair((64, 32), 2).source.float()
    assert torch.equal(loaded.network(images).logits, pretrained(images).logits)


def test_an_unfinished_network_is_loaded_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_network(tmp_path, "identity", 4, "pretrained")
    assert load_reid_network(tmp_path).step == 4
    assert "stage identity is at step 4 of 10" in caplog.text


def test_a_network_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no re-id network \(no checkpoints at all\)"):
        load_reid_network(tmp_path)
    save_network(tmp_path, "identity", 10, "pretrained")
    with pytest.raises(ValueError, match=r"holds no adapted network \(pretrained\); make one with"):
        load_reid_network(tmp_path, "adapted")


def adapt_run(run: Path, renderer: str, *, erase: bool = False) -> Path:
    """The part of a run of `genreid adapt` that says what its renderer is."""
    run.mkdir()
    config = AdaptConfig(image=ImageConfig(height=40, width=20), stage3=FinetuningConfig(erase_target=erase))
    save_config(run / "config.yaml", config)
    (run / "job.json").write_text(json.dumps({"renderer": renderer}))
    return run


@pytest.mark.parametrize("erase", [False, True])
def test_cut_and_paste_needs_no_checkpoint(tmp_path: Path, erase: bool) -> None:
    loaded = load_renderer(adapt_run(tmp_path / "run", "cut_paste", erase=erase))
    assert isinstance(loaded.network, CutAndPaste)
    assert loaded.network.erase_target == erase
    assert loaded.size == (40, 20)


@pytest.mark.parametrize(
    ("name", "kind"), [("none", Untouched), ("colour", ColourTransfer), ("composite", Composite)]
)
def test_what_is_not_trained_needs_no_checkpoint(tmp_path: Path, name: str, kind: type[nn.Module]) -> None:
    assert isinstance(load_renderer(adapt_run(tmp_path / "run", name)).network, kind)


def test_a_renderer_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"job\.json: renderer must be one of crgan, .*, got 'cyclegan'"):
        load_renderer(adapt_run(tmp_path / "run", "cyclegan"))


@pytest.mark.parametrize("dual", [True, False])
def test_a_generator_comes_from_stage_two(tmp_path: Path, dual: bool) -> None:
    run = adapt_run(tmp_path / "run", "crgan" if dual else "crgan_single")
    with pytest.raises(ValueError, match="holds no generator yet; stage II of `genreid adapt --out"):
        load_renderer(run)
    config = GeneratorConfig(width=2, dual_condition=dual)
    network = fill(Generator(config, 40, 20), "generator")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    facts = {"generator": config_to_dict(config), "size": [40, 20]}
    state = CheckpointState("rendering", 4, 4, facts)
    save_checkpoint(
        run / "checkpoints" / "rendering", state, {"generator": network}, {"generator": optimizer}
    )
    loaded = load_renderer(run)
    assert not loaded.network.training
    given = type(pair((40, 20)))(*(part.float() for part in pair((40, 20), 2)))
    torch.testing.assert_close(loaded.network(given).image, network(given).image, rtol=1e-4, atol=1e-5)
