"""Backbones that give tokens: maps, summaries, sizes; one of every family through the methods' own steps."""

import copy
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from genreid.data.image_config import ImageConfig
from genreid.features.networks import make_ready
from genreid.features.options import FeatureOptions
from genreid.models.backbone import BackboneConfig, build_backbone, build_reid_network, input_statistics
from genreid.models.dgnet import AppearanceConfig, build_appearance_encoder
from genreid.models.folding import fold_batch_norm
from genreid.models.neck import NeckConfig, build_neck_network
from genreid.models.tokens import TokenBackbone
from genreid.training.baseline_config import BaselineConfig
from genreid.training.identity_stage import identity_stage
from genreid.training.identity_step import IdentityConfig
from genreid.training.optimizers import SgdConfig, make_sgd
from tests.tiny_backbones import MAPS, TOKENS
from tests.tiny_dgnet import CPU
from tests.tiny_domains import image_set

SIZE = (64, 32)


def config(name: str, **changes: Any) -> BackboneConfig:
    return BackboneConfig(name, "none", **changes)


def backbone(name: str, size: tuple[int, int] = SIZE) -> TokenBackbone:
    torch.manual_seed(0)
    built = build_backbone(config(name), size).eval()
    assert isinstance(built, TokenBackbone)
    return built


def images(size: tuple[int, int] = SIZE) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(3, 3, *size) * 2 - 1


@pytest.mark.parametrize("name", TOKENS)
def test_the_map_shows_where_a_patch_was(name: str) -> None:
    """A patch that is changed changes its own place most, in networks that hardly mix places."""
    built = backbone(name)
    assert built.grid == (8, 4)
    seen = images()
    changed = seen.clone()
    changed[:, :, 40:48, 8:16] += 1.5
    difference = (built.forward_features(changed) - built.forward_features(seen)).abs().sum(1)
    rows, columns = difference.shape[1:]
    place = difference[0].argmax().item()
    assert (rows, columns) == (8, 4)
    assert divmod(int(place), columns) == (5, 1)


def test_class_tokens_and_registers_are_no_patches() -> None:
    built = backbone("tiny_dinov2")
    network = cast(Any, built.network)
    with torch.inference_mode():
        tokens = network.forward_features(images())
        assert tokens.shape == (3, 1 + 4 + 32, 16)
        expected = torch.stack([tokens[:, 5 + 4 * row : 9 + 4 * row] for row in range(8)], 1)
        torch.testing.assert_close(built.forward_features(images()), expected.permute(0, 3, 1, 2))
        torch.testing.assert_close(built.summary(images()), tokens[:, 0])


@pytest.mark.parametrize(("tokens", "has_summary"), [("head", True), ("patches", False)])
def test_what_stands_for_an_image(tokens: Any, has_summary: bool) -> None:
    torch.manual_seed(0)
    network = build_reid_network(config("tiny_clip", tokens=tokens), 2, SIZE).eval()
    built = network.backbone
    assert isinstance(built, TokenBackbone)
    assert built.has_summary is has_summary
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in input_statistics("tiny_clip"))
    normalised = ((images() + 1) / 2 - mean) / std
    with torch.inference_mode():
        expected = (
            built.summary(normalised) if has_summary else built.forward_features(normalised).mean((2, 3))
        )
        torch.testing.assert_close(network.embed(images()), expected)
        ready = make_ready(network, FeatureOptions())
        torch.testing.assert_close(ready(images()), nn.functional.normalize(expected))
        striped = make_ready(network, FeatureOptions(pooling="lmp", parts=2))(images())
    maps = network.feature_map(images()).detach()
    halves = torch.stack([maps[:, :, :4].amax((2, 3)), maps[:, :, 4:].amax((2, 3))], 2).flatten(1)
    torch.testing.assert_close(striped, nn.functional.normalize(halves))


def test_positions_have_the_images_size() -> None:
    assert cast(Any, backbone("tiny_clip", (64, 32)).network).pos_embed.shape == (1, 1 + 32, 16)
    assert cast(Any, backbone("tiny_clip", (96, 48)).network).pos_embed.shape == (1, 1 + 72, 16)


def test_a_size_that_is_no_multiple_of_the_patch_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"patches of 8 pixels, and images are 68x32: type --image.height 64"
    ):
        build_backbone(config("tiny_clip"), (68, 32))


def test_a_network_without_a_map_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'pit_ti_224', whose features .* are neither a map .* nor a token"):
        build_backbone(config("pit_ti_224"), (64, 32))


def test_last_stride_of_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="last_stride 1 is not possible with backbone 'tiny_clip'"):
        build_backbone(config("tiny_clip", last_stride=1), SIZE)


@pytest.mark.parametrize("name", [*TOKENS, *MAPS])
def test_every_family_learns(name: str) -> None:
    """Baseline, which is stage I of CR-GAN; its frozen D_id; clustering's network; DG-Net's E_a."""
    people = image_set("people", 6, 3, SIZE)
    training = IdentityConfig(iterations=1, batch=4, sgd=SgdConfig(layer_decay=0.5))
    stage = identity_stage(
        BaselineConfig(image=ImageConfig(height=64, width=32), backbone=config(name), identity=training),
        people, 0, CPU,
    )  # fmt: skip
    network = cast(Any, stage.networks["identity"])
    before = copy.deepcopy(network.backbone.state_dict())
    batch = stage.draw(0)
    assert all(term.isfinite() for term in stage.learn(batch, 0).values())
    after = network.backbone.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    frozen, seen = fold_batch_norm(network), batch.images.clone().requires_grad_()
    frozen(seen).logits.square().sum().backward()
    assert seen.grad is not None
    assert seen.grad.abs().sum() > 0
    neck = build_neck_network(config(name), NeckConfig(), SIZE)
    neck(batch.images).embedding.square().mean().backward()
    encoder = build_appearance_encoder(AppearanceConfig(backbone=config(name), head_width=4), 3, SIZE)
    said = encoder(batch.images)
    assert said.code.shape == (4, 4 * network.feature_channels)
    (said.code.mean() + said.primary.logits.square().mean() + said.fine.logits.square().mean()).backward()
    for built in (neck, encoder):
        learnt = [value.grad is not None and bool(value.grad.any()) for value in built.backbone.parameters()]
        assert sum(learnt) > len(learnt) / 4  # those behind a ReLU that is shut do not
    rebuilt = build_reid_network(config(name), 3, SIZE)
    rebuilt.load_state_dict(network.state_dict())
    torch.testing.assert_close(rebuilt.eval()(batch.images), network.eval()(batch.images))


def test_early_layers_learn_by_smaller_rates() -> None:
    network = build_reid_network(config("tiny_clip"), 3, SIZE)
    settings = SgdConfig(backbone_rate=0.1, classifier_rate=0.3, layer_decay=0.5)
    groups = make_sgd(network, settings).param_groups
    built = cast(Any, network.backbone).network
    rates = {id(value): group["base_lr"] for group in groups for value in group["params"]}
    assert len(rates) == len(list(network.parameters()))
    assert rates[id(network.classifier.weight)] == pytest.approx(0.3)
    assert rates[id(built.norm.weight)] == pytest.approx(0.1)
    assert rates[id(built.blocks[1].mlp.fc1.weight)] == pytest.approx(0.1)
    assert rates[id(built.blocks[0].mlp.fc1.weight)] == pytest.approx(0.05)
    assert rates[id(built.patch_embed.proj.weight)] == pytest.approx(0.025)
    one = make_sgd(network, replace(settings, layer_decay=1.0)).param_groups
    assert [group["base_lr"] for group in one] == [0.1, 0.3]
    with pytest.raises(ValueError, match=r"layer_decay must be in \(0, 1\], got 0"):
        SgdConfig(layer_decay=0)
