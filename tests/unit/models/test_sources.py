"""Files of other projects: state dicts of their names and shapes give the networks that those names mean."""

import logging
import re
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.backbone import BackboneConfig, build_backbone, build_reid_network, statistics_of
from genreid.models.pretrained import fit_state_dict
from genreid.models.sources import SEMANTIC_WEIGHT, SOURCES, under_timm_names
from genreid.models.tokens import TokenBackbone
from tests.oracles import released_dgnet_oracle as resnet
from tests.oracles import vit_oracle
from tests.tiny_backbones import TOKENS

State = dict[str, Tensor]
SIZE = (64, 32)
assert TOKENS  # registered


@pytest.fixture(scope="module")
def plain() -> State:
    """A ResNet-50 of random weights, under torchvision's names."""
    return resnet.part(resnet.drawn(resnet.resnet50_shapes(), 1), "model.")


def images(*size: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(1, 3, *(size or SIZE))


def load(state: State, path: Path, name: str, source: Any, size: tuple[int, int] = SIZE) -> nn.Module:
    torch.save({"state_dict": state}, path)
    return build_backbone(BackboneConfig(name, str(path), source=source), size).eval()


BESIDE = {"bottleneck.weight": torch.zeros(4), "classifier.weight": torch.zeros(3, 4)}


@pytest.mark.parametrize(
    ("source", "prefix", "beside"),
    [
        ("layumi", "model.", ["classifier.add_block.0.weight"]),
        ("moco", "module.encoder_q.", ["queue", "encoder_k.conv1.weight", "encoder_q.fc.2.weight"]),
        ("torchvision", "module.", []),
        ("strong_baseline", "base.", ["bottleneck.weight", "classifier.weight"]),
    ],
)
def test_names_of_resnets(plain: State, source: str, prefix: str, beside: list[str]) -> None:
    state = {prefix + key: value for key, value in plain.items()} | {key: torch.zeros(1) for key in beside}
    named = under_timm_names(state, source, nn.Identity(), "F")
    without = {key: value for key, value in plain.items() if not key.startswith("fc.")}
    assert named.state.keys() == without.keys()
    assert all(named.state[key] is value for key, value in without.items())
    outer = prefix.removeprefix("module.")
    assert set(named.dropped) == {*beside, f"{outer}fc.weight", f"{outer}fc.bias"}


def test_a_resnet_computes_what_its_file_says(
    tmp_path: Path, plain: State, caplog: pytest.LogCaptureFixture
) -> None:
    state = {f"base.{key}": value for key, value in plain.items()} | BESIDE
    with caplog.at_level(logging.INFO):
        backbone = load(state, tmp_path / "w.pth", "resnet50.tv_in1k", "strong_baseline").double()
    weights = {f"model.{key}": value.double() for key, value in plain.items()}
    expected = resnet.resnet50(weights, images().double(), 2)
    torch.testing.assert_close(cast(Any, backbone).forward_features(images().double()), expected)
    assert (
        "w.pth: 318 tensors taken, none missing; left out: bottleneck.weight, classifier.weight"
        in caplog.text
    )
    assert "base.fc.weight" in caplog.text


def non_local(maps: Tensor, weights: State, name: str) -> Tensor:
    """FastReID's attention, place by place, batch norm with the stored statistics."""
    rows = maps[0].flatten(1).T
    theta, phi, g = (
        rows @ weights[f"{name}.{part}.weight"].flatten(1).T + weights[f"{name}.{part}.bias"]
        for part in ("theta", "phi", "g")
    )
    seen = torch.zeros(len(rows), 1, dtype=rows.dtype)
    for i in range(len(rows)):
        for j in range(len(rows)):
            seen[i] += theta[i] * phi[j] * g[j] / len(rows)
    spread = seen @ weights[f"{name}.W.0.weight"].flatten(1).T + weights[f"{name}.W.0.bias"]
    return maps + resnet.batch_norm(spread.T.view_as(maps[0])[None], weights, f"{name}.W.1")


def attention_shapes() -> resnet.Shapes:
    shapes: resnet.Shapes = {}
    for layer, count, channels in ((2, 2, 512), (3, 3, 1024)):
        for number in range(count):
            name = f"NL_{layer}.{number}"
            for part in ("g", "theta", "phi"):
                shapes |= {f"{name}.{part}.weight": (1, channels, 1, 1), f"{name}.{part}.bias": (1,)}
            shapes |= {f"{name}.W.0.weight": (channels, 1, 1, 1), f"{name}.W.0.bias": (channels,)}
            shapes |= resnet.norm_shapes(f"{name}.W.1", channels)
    return shapes


def test_fastreid_sbs_has_attention_behind_its_last_blocks(tmp_path: Path, plain: State) -> None:
    own = plain | resnet.drawn(attention_shapes(), 2)
    state = {f"backbone.{key}": value for key, value in own.items() if not key.startswith("fc.")}
    state |= {"heads.bottleneck.0.weight": torch.zeros(3), "pixel_mean": torch.zeros(3)}
    backbone = cast(Any, load(state, tmp_path / "w.pth", "resnet50.tv_in1k", "fastreid_sbs"))
    weights = {key: value.double() for key, value in own.items()}
    maps = F.conv2d(images().double(), weights["conv1.weight"], stride=2, padding=3)
    maps = F.max_pool2d(resnet.batch_norm(maps, weights, "bn1").relu(), 3, 2, ceil_mode=True)
    network = backbone.double()
    for number, count in ((1, 0), (2, 2), (3, 3), (4, 0)):
        layer = network.get_submodule(f"layer{number}")
        for place, block in enumerate(layer):
            first = len(layer) - count
            plain_block = block[0] if place >= first else block
            maps = plain_block(maps)
            if place >= first:
                maps = non_local(maps, weights, f"NL_{number}.{place - first}")
    torch.testing.assert_close(backbone.forward_features(images().double()), maps)
    torch.testing.assert_close(network.layer2[3][0].conv1.weight.float(), own["layer2.3.conv1.weight"])
    torch.testing.assert_close(network.layer2[1].conv1.weight.float(), own["layer2.1.conv1.weight"])


def clip_state(places: int = 32) -> State:
    shapes = vit_oracle.clip_shapes(16, 2, 8, places)
    return {key: 2 * value for key, value in resnet.drawn(shapes, 3).items()}


def test_clipreid(tmp_path: Path) -> None:
    own = clip_state()
    state = {f"image_encoder.{key}": value for key, value in own.items()}
    state |= {
        "prompt_learner.cls_ctx": torch.zeros(2),
        "text_encoder.ln_final.weight": torch.zeros(2),
        **BESIDE,
    }
    built = cast(TokenBackbone, load(state, tmp_path / "w.pth", "tiny_clip", "clipreid"))
    tokens = vit_oracle.clip_tokens(own, images()[0], heads=2)
    torch.testing.assert_close(built.summary(images())[0], tokens[0], rtol=1e-4, atol=1e-4)
    expected = tokens[1:].T.reshape(16, 8, 4)
    torch.testing.assert_close(built.forward_features(images())[0], expected, rtol=1e-4, atol=1e-4)
    assert statistics_of(BackboneConfig("tiny_clip", source="clipreid")).mean == (0.5, 0.5, 0.5)


def test_transreid_ssl(tmp_path: Path) -> None:
    """Names are timm's; a DINO file has the teacher beside the student."""
    torch.manual_seed(3)
    built = build_backbone(BackboneConfig("tiny_dinov2", "none"), SIZE)
    own = {
        key: torch.randn_like(value) for key, value in cast(TokenBackbone, built).network.state_dict().items()
    }
    path = tmp_path / "w.pth"
    state = {f"module.backbone.{key}": value for key, value in own.items()} | {
        "module.head.mlp.0.weight": torch.zeros(1)
    }
    torch.save({"student": {}, "teacher": state, "epoch": 3}, path)
    loaded = build_backbone(BackboneConfig("tiny_dinov2", str(path), source="transreid_ssl"), SIZE)
    torch.testing.assert_close(dict(cast(TokenBackbone, loaded).network.state_dict()), own)


def test_torchvisions_vit(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models.vision_transformer")
    torch.manual_seed(0)
    reference = models.VisionTransformer(64, 8, 2, 2, 16, 64, num_classes=3).eval()
    torch.save(reference.state_dict(), tmp_path / "w.pth")
    config = BackboneConfig("tiny_vit_plain", str(tmp_path / "w.pth"), source="torchvision")
    built = cast(TokenBackbone, build_backbone(config, (64, 64)).eval())
    reference.heads = nn.Identity()
    torch.testing.assert_close(built.summary(images(64, 64)), reference(images(64, 64)), rtol=1e-4, atol=1e-5)


def solider_name(key: str) -> str:
    """SOLIDER's name of one of timm's tensors."""
    key = re.sub(r"^norm\.", "norm3.", key)
    key = re.sub(r"^patch_embed\.proj\.", "patch_embed.projection.", key)
    key = re.sub(r"^layers\.1\.downsample", "stages.0.downsample", key)
    key = re.sub(r"^layers\.", "stages.", key)
    return (
        key.replace(".attn.", ".attn.w_msa.")
        .replace("mlp.fc1", "ffn.layers.0.0")
        .replace("mlp.fc2", "ffn.layers.1")
    )


def solider_state(network: nn.Module) -> State:
    """A Swin of two stages under SOLIDER's names, of random weights; the merging is OpenMMLab's."""
    torch.manual_seed(5)
    state = {solider_name(key): torch.randn_like(value) for key, value in network.state_dict().items()}
    del state["stages.0.downsample.reduction.bias"]  # a linear layer without one
    for letter in "wb":
        state |= {f"semantic_embed_{letter}.{i}.weight": torch.randn(16, 2) for i in (0, 3)}
        state |= {f"semantic_embed_{letter}.{i}.bias": torch.randn(16) for i in (0, 3)}
    return state | {f"norm{i}.weight": torch.randn(8) for i in range(3)}


def test_solider(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    empty = build_backbone(BackboneConfig("tiny_swin", "none", source="solider"), SIZE)
    own = solider_state(cast(TokenBackbone, empty).network)
    state = {f"base.{key}": value for key, value in own.items()} | BESIDE
    built = cast(Any, load(state, tmp_path / "w.pth", "tiny_swin", "solider"))
    network = built.network
    pairs = {
        "patch_embed.projection.weight": network.patch_embed.proj.weight,
        "stages.1.blocks.1.attn.w_msa.relative_position_bias_table": network.layers[1]
        .blocks[1]
        .attn.relative_position_bias_table,
        "stages.0.blocks.0.ffn.layers.0.0.weight": network.layers[0].blocks[0].mlp.fc1.weight,
        "stages.0.blocks.0.ffn.layers.1.bias": network.layers[0].blocks[0].mlp.fc2.bias,
        "stages.1.blocks.0.norm2.bias": network.layers[1].blocks[0].norm2.bias,
        "norm3.weight": network.norm.weight,
    }
    assert all(torch.equal(own[key], value) for key, value in pairs.items())
    maps = torch.randn(2, 8, 16, 8)
    pixels = F.unfold(maps, 2, stride=2).transpose(1, 2)  # OpenMMLab's order
    name = "stages.0.downsample"
    merged = F.layer_norm(pixels, (32,), own[f"{name}.norm.weight"], own[f"{name}.norm.bias"])
    merged = merged @ own[f"{name}.reduction.weight"].T
    share = torch.tensor([0.2, 0.8])
    scale, shift = (
        share @ own[f"semantic_embed_{letter}.0.weight"].T + own[f"semantic_embed_{letter}.0.bias"]
        for letter in "wb"
    )
    expected = (merged * (1 + scale.exp()).log() + shift).view(2, 8, 4, 16)
    got = network.layers[1].downsample(maps.permute(0, 2, 3, 1))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert SEMANTIC_WEIGHT == 0.2
    assert "SOLIDER pads it before it shifts windows" in caplog.text


def lite(maps: Tensor, weights: State, name: str) -> Tensor:
    """OSNet's light convolution."""
    maps = F.conv2d(maps, weights[f"{name}.conv1.weight"])
    depthwise = weights[f"{name}.conv2.weight"]
    maps = F.conv2d(maps, depthwise, padding=1, groups=len(depthwise))
    return resnet.batch_norm(maps, weights, f"{name}.bn").relu()


def conv_norm(maps: Tensor, weights: State, name: str) -> Tensor:
    maps = F.conv2d(maps, weights[f"{name}.conv.weight"])
    return resnet.batch_norm(maps, weights, f"{name}.bn") if f"{name}.bn.weight" in weights else maps


def instance_norm(maps: Tensor, weights: State, name: str) -> Tensor:
    mean, variance = maps.mean((2, 3), keepdim=True), maps.var((2, 3), keepdim=True, correction=0)
    weight, bias = weights[f"{name}.weight"].view(1, -1, 1, 1), weights[f"{name}.bias"].view(1, -1, 1, 1)
    return (maps - mean) / (variance + 1e-5).sqrt() * weight + bias


def osnet_block(maps: Tensor, weights: State, name: str, streams: list[list[str]]) -> Tensor:
    """Four streams of one to four light convolutions, each gated by the same gate, added up."""
    reduced, total = conv_norm(maps, weights, f"{name}.conv1").relu(), torch.zeros(())
    for stream in streams:
        seen = reduced
        for layer in stream:
            seen = lite(seen, weights, f"{name}.{layer}")
        hidden = (
            weights[f"{name}.gate.fc1.weight"].flatten(1) @ seen.mean((2, 3))[0]
            + weights[f"{name}.gate.fc1.bias"]
        ).relu()
        gate = (
            weights[f"{name}.gate.fc2.weight"].flatten(1) @ hidden + weights[f"{name}.gate.fc2.bias"]
        ).sigmoid()
        total = total + seen * gate.view(1, -1, 1, 1)
    branch = conv_norm(total, weights, f"{name}.conv3")
    branch = instance_norm(branch, weights, f"{name}.IN") if f"{name}.IN.weight" in weights else branch
    kept = (
        conv_norm(maps, weights, f"{name}.downsample")
        if f"{name}.downsample.conv.weight" in weights
        else maps
    )
    return (branch + kept).relu()


def osnet(weights: State, image: Tensor, streams: list[list[str]], shrink: str) -> Tensor:
    maps = F.conv2d(image, weights["conv1.conv.weight"], stride=2, padding=3)
    ain = "conv1.bn.running_mean" not in weights
    maps = instance_norm(maps, weights, "conv1.bn") if ain else resnet.batch_norm(maps, weights, "conv1.bn")
    maps = F.max_pool2d(maps.relu(), 3, 2, 1)
    for stage in (2, 3, 4):
        for block in (0, 1):
            maps = osnet_block(maps, weights, f"conv{stage}.{block}", streams)
        if stage < 4:
            maps = F.avg_pool2d(conv_norm(maps, weights, shrink.format(stage)).relu(), 2)
    return conv_norm(maps, weights, "conv5").relu()


def osnet_shapes(ain: bool, streams: list[list[str]], shrink: str) -> resnet.Shapes:
    """Under the authors' names; the last fully connected layer among them."""

    def layer(name: str, rows: int, columns: int, kernel: int = 1, *, norm: bool = True) -> resnet.Shapes:
        shapes: resnet.Shapes = {f"{name}.conv.weight": (rows, columns, kernel, kernel)}
        return shapes | resnet.norm_shapes(f"{name}.bn", rows) if norm else shapes

    shapes = layer("conv1", 64, 3, 7, norm=not ain) | layer("conv5", 512, 512) | {"fc.0.weight": (512, 512)}
    if ain:
        shapes |= {"conv1.bn.weight": (64,), "conv1.bn.bias": (64,)}
    before = 64
    for stage, width in ((2, 256), (3, 384), (4, 512)):
        for block in (0, 1):
            name, middle = f"conv{stage}.{block}", width // 4
            instance = ain and (stage, block) not in {(3, 0), (4, 1)}
            shapes |= layer(f"{name}.conv1", middle, before) | layer(
                f"{name}.conv3", width, middle, norm=not instance
            )
            shapes |= layer(f"{name}.downsample", width, before) if before != width else {}
            shapes |= {f"{name}.IN.weight": (width,), f"{name}.IN.bias": (width,)} if instance else {}
            for part, rows, columns in (("fc1", middle // 16, middle), ("fc2", middle, middle // 16)):
                shapes |= {
                    f"{name}.gate.{part}.weight": (rows, columns, 1, 1),
                    f"{name}.gate.{part}.bias": (rows,),
                }
            for one in (f"{name}.{each}" for stream in streams for each in stream):
                shapes |= {
                    f"{one}.conv1.weight": (middle, middle, 1, 1),
                    f"{one}.conv2.weight": (middle, 1, 3, 3),
                }
                shapes |= resnet.norm_shapes(f"{one}.bn", middle)
            before = width
        shapes |= layer(shrink.format(stage), width, width) if stage < 4 else {}
    return shapes


LETTERS = [
    ["conv2a"],
    *([f"conv2{letter}.{i}" for i in range(n)] for letter, n in (("b", 2), ("c", 3), ("d", 4))),
]
NUMBERS = [[f"conv2.{t}.layers.{i}" for i in range(t + 1)] for t in range(4)]


@pytest.mark.parametrize(
    ("source", "name", "streams", "shrink"),
    [
        ("osnet", "osnet_x1_0", LETTERS, "conv{}.2.0"),
        ("osnet_ain", "osnet_ain_x1_0", NUMBERS, "pool{}.0"),
    ],
)
def test_osnet(tmp_path: Path, source: str, name: str, streams: list[list[str]], shrink: str) -> None:
    own = resnet.drawn(osnet_shapes(source == "osnet_ain", streams, shrink), 4)
    state = {f"module.{key}": value for key, value in own.items()} | {
        "module.classifier.weight": torch.zeros(3, 512)
    }
    built = cast(Any, load(state, tmp_path / "w.pth", name, source)).double()
    weights = {key: value.double() for key, value in own.items()}
    torch.testing.assert_close(
        built.forward_features(images().double()), osnet(weights, images().double(), streams, shrink)
    )
    assert statistics_of(BackboneConfig(name)).std == (0.229, 0.224, 0.225)
    learnt = sum(value.numel() for value in built.parameters())
    gates = sum(value.numel() for key, value in built.named_parameters() if ".gate." in key)
    behind_the_pooling = 512 * 512 + 3 * 512
    # torchreid's own count has each gate as often as it runs, which is four times
    assert learnt + 3 * gates + behind_the_pooling == 2_193_616


def test_positions_are_resampled_from_the_files_grid(tmp_path: Path) -> None:
    """Read for images twice as large, every position is there twice, blended between."""
    state = {f"visual.{key}": value for key, value in clip_state(places=8 * 4).items()}
    own = state["visual.positional_embedding"]
    ramp = torch.arange(8.0).repeat_interleave(4)  # by row
    own[1:] = ramp[:, None]
    built = cast(Any, load(state, tmp_path / "w.pth", "tiny_clip", "clipreid", (128, 64)))
    got = built.network.pos_embed[0]
    assert got.shape == (1 + 16 * 8, 16)
    torch.testing.assert_close(got[0], own[0])
    rows = got[1:].view(16, 8, 16)
    torch.testing.assert_close(rows[4:12, :, 0].mean(1), 1.75 + 0.5 * torch.arange(8.0), atol=0.02, rtol=0)
    assert rows.std(1).max() < 1e-4


def test_the_network_of_a_source_is_rebuilt_without_its_file(tmp_path: Path) -> None:
    config = BackboneConfig("tiny_swin", "none", source="solider")
    network = build_reid_network(config, 2, SIZE)
    again = build_reid_network(config, 2, SIZE)
    again.load_state_dict(network.state_dict())
    seen = torch.rand(1, 3, *SIZE)
    torch.testing.assert_close(again.eval()(seen), network.eval()(seen))


@pytest.mark.parametrize(
    ("source", "key", "said"),
    [
        ("strong_baseline", "base.layer1.0.bn1.IN.weight", "instance norm stands beside its batch norms"),
        ("transreid_ssl", "base.patch_embed.conv.0.weight", "convolutional stem"),
        ("transreid_ssl", "base.sie_embed", "each image's camera"),
        ("transreid_ssl", "b1.0.norm1.weight", "its last block stands there twice"),
        ("clipreid", "cv_embed", "each image's camera"),
        ("clipreid", "image_encoder.attnpool.k_proj.weight", "only the ViT-B/16 is known"),
    ],
)
def test_what_timm_has_not_is_refused(source: str, key: str, said: str) -> None:
    prefix = SOURCES[source].prefixes[0]
    with pytest.raises(ValueError, match=said) as error:
        under_timm_names(
            {f"{prefix}conv1.weight": torch.zeros(1), key: torch.zeros(1)}, source, nn.Identity(), "F"
        )
    assert "F holds" in str(error.value)


def test_a_file_of_another_project_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"no tensor's name begins with base\., as those of strong_baseline do; it has a, b"
    ):
        under_timm_names({"a": torch.zeros(1), "b": torch.zeros(1)}, "strong_baseline", nn.Identity(), "F")


def test_fastreid_of_another_network_is_refused() -> None:
    with pytest.raises(
        ValueError, match="fastreid_sbs is a ResNet-50 or a ResNet-101, got backbone 'test_resnet'"
    ):
        build_backbone(BackboneConfig("test_resnet", "none", source="fastreid_sbs"))


@pytest.mark.parametrize("prefix", ["module.", "base.", "module.encoder_q."])
def test_usual_prefixes_are_taken_off_without_a_source(prefix: str) -> None:
    network = build_backbone(BackboneConfig("test_resnet", "none"))
    state = {prefix + key: torch.ones_like(value) for key, value in network.state_dict().items()}
    assert fit_state_dict(network, state | {"queue": torch.zeros(1)}, "F") == ["queue"]
