"""SPGAN's stage: its batches, its checkpoint with the pools in it, and its generator as a renderer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genreid.data.image_config import ImageConfig
from genreid.models.crgan import ConditionPair
from genreid.models.spgan import Translator
from genreid.runs.checkpoint import load_newest
from genreid.runs.config_file import save_config
from genreid.runs.loop import Session, Stage, run_stage
from genreid.runs.run_log import RunLog
from genreid.runs.trained_renderer import RENDERERS, load_renderer
from genreid.training.adapt_config import AdaptConfig
from genreid.training.crgan_stages import Workbench, make_renderer
from genreid.training.image_pool import ImagePool
from genreid.training.spgan_config import SpganConfig
from genreid.training.spgan_stage import spgan_stage, zoomed
from genreid.training.spgan_step import SpganBatch
from tests.drawn_tensors import normal
from tests.oracles import spgan_oracle as oracle
from tests.tiny_domains import domains
from tests.tiny_spgan import CPU, tiny_config

IMAGE = ImageConfig(height=32, width=16)
CONFIG = replace(
    tiny_config(), iterations=6, siamese=replace(tiny_config().siamese, dropout=0.5), generator_every=2
)


def make_stage(config: SpganConfig = CONFIG, seed: int = 3) -> Stage[SpganBatch]:
    whole = replace(AdaptConfig(), image=IMAGE, spgan=config)
    return spgan_stage(Workbench(whole, seed, CPU), domains(masks=False))


def run(stage: Stage[SpganBatch], folder: Path, stop: int = -1, *, killed: bool = False) -> bool:
    """Run a stage; at a step it is asked to stop, or killed there."""
    session = Session(folder, 3)
    folder.mkdir(exist_ok=True)

    def draw(number: int) -> SpganBatch:
        if number == stop and killed:
            raise KeyboardInterrupt
        session.stop_reason = "the test asks" if number == stop else ""
        return stage.draw(number)

    with RunLog(folder) as log:
        return run_stage(replace(stage, draw=draw), session, log)


def files(folder: Path) -> list[bytes]:
    newest = folder / "checkpoints" / "spgan" / "00000006"
    return [(newest / name).read_bytes() for name in ("networks.safetensors", "optimizers.safetensors")]


def test_a_stopped_or_killed_run_ends_in_the_very_same_checkpoint(tmp_path: Path) -> None:
    """Pools, moments and all: stopped with full pools, then killed, then brought to its end."""
    assert run(make_stage(), tmp_path / "whole")
    torch.manual_seed(77)
    assert not run(make_stage(), tmp_path / "run", stop=3)
    with pytest.raises(KeyboardInterrupt):
        run(make_stage(), tmp_path / "run", stop=5, killed=True)
    assert run(make_stage(), tmp_path / "run")
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    saved = load_newest(tmp_path / "run" / "checkpoints" / "spgan")
    assert saved is not None
    for name in ("target_pool", "source_pool"):
        kept = saved.network(name)["images"]
        assert kept.shape == (3, 3, 32, 16)
        assert kept.flatten(1).any(dim=1).all(), "it is full"


def test_another_seed_goes_another_way() -> None:
    one, other = make_stage(), make_stage(seed=4)
    assert not torch.equal(one.draw(0).source, other.draw(0).source)
    weights = [stage.networks["generator"].state_dict()["first.weight"] for stage in (one, other)]
    assert not torch.equal(*weights)


def test_batches_are_functions_of_the_step() -> None:
    stage, again = make_stage(), make_stage()
    for step in (5, 0):
        first, second = stage.draw(step), again.draw(step)
        assert torch.equal(first.source, second.source)
        assert torch.equal(first.target, second.target)
    assert first.source.shape == (2, 3, 32, 16)
    assert not torch.equal(first.source, first.target)
    assert not torch.equal(stage.draw(1).source, first.source)


@pytest.mark.parametrize("zoom", [286 / 256, 1.5, 1.0])
def test_a_window_is_that_of_the_enlarged_image(zoom: float) -> None:
    images = normal("zoomed", 3, 3, 16, 8)
    made = zoomed(images, zoom, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    places = [torch.randint(0, round(zoom * n) - n + 1, (3,), generator=generator) for n in (16, 8)]
    for row, image in enumerate(images):
        expected = oracle.window(image, zoom, int(places[0][row]), int(places[1][row]))
        torch.testing.assert_close(made[row], expected, rtol=1e-9, atol=1e-9)
    if zoom == 1:
        torch.testing.assert_close(made, images)


def test_windows_begin_everywhere() -> None:
    """36 - 32 = 4: all five places of a row, the first and the last, too."""
    ramp = torch.arange(32.0)[None, None, :, None].expand(400, 1, 32, 16).contiguous()
    made = zoomed(ramp, 1.125, torch.Generator().manual_seed(0))
    assert len(set(made[:, 0, 16, 0].mul(100).round().tolist())) == 36 - 32 + 1


def test_the_pool_hands_out_what_it_was_given() -> None:
    """Each image is a number; with room they come back, later some are older ones."""
    pool = ImagePool(5, 2, 2)
    shown: list[float] = []
    torch.manual_seed(0)
    for step in range(200):
        images = torch.arange(3.0)[:, None, None, None].expand(3, 3, 2, 2) + 3 * step + 1
        out = pool.exchange(images, 3 * step)
        assert not out.requires_grad
        shown += out[:, 0, 0, 0].tolist()
        if step == 0:
            assert torch.equal(out, images)
    older = sum(number != place for place, number in enumerate(shown, start=1))
    assert 0.4 < older / len(shown) < 0.6
    twice = {number for number in shown if shown.count(number) > 1}
    assert twice <= {1, 2, 3, 4, 5}, "shown when they came, and when they left; all others once"
    kept = pool.images[:, 0, 0, 0].tolist()
    assert set(kept) | set(shown) == set(range(1, 601))


def test_a_pool_of_none() -> None:
    images = torch.rand(2, 3, 4, 4)
    assert torch.equal(ImagePool(0, 4, 4).exchange(images, 0), images)


def test_the_generator_is_the_renderer_of_the_run(tmp_path: Path) -> None:
    config = replace(AdaptConfig(), image=IMAGE, spgan=CONFIG)
    stage = make_stage()
    assert run(stage, tmp_path / "run")
    save_config(tmp_path / "run" / "config.yaml", config)
    (tmp_path / "run" / "job.json").write_text(json.dumps({"renderer": "spgan"}))
    loaded = load_renderer(tmp_path / "run")
    assert loaded.size == (32, 16)
    assert isinstance(loaded.network, Translator)
    trained = stage.network("generator", Translator)
    images = torch.tanh(normal("source", 2, 3, 32, 16)).float()
    found = loaded.network(_pair(images, images.flip(0)))
    torch.testing.assert_close(found.image, trained.translate(images), rtol=1e-4, atol=1e-5)
    assert torch.equal(found.image, loaded.network(_pair(images, images)).image), "the target is not seen"
    assert torch.equal(found.context_mask, torch.ones(2, 1, 32, 16))
    assert torch.equal(found.residual, found.image)


def _pair(source: Tensor, target: Tensor) -> ConditionPair:
    return ConditionPair(source, target, torch.zeros_like(source[:, :1]), torch.zeros_like(source[:, :1]))


def test_what_it_needs() -> None:
    choice = RENDERERS["spgan"]
    assert (choice.kind.needs_masks, choice.kind.is_trained, choice.needs_camera) == (False, True, False)
    made = make_renderer("spgan", replace(AdaptConfig(), image=IMAGE, spgan=CONFIG))
    assert isinstance(made, Translator)
    assert len(made.blocks) == 1
