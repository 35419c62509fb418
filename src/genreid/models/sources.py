"""Weights that other projects have trained: their names, and what of their networks is not timm's.

Names, shapes and settings of each project's public code are used here as facts; nothing of the code is. What
a file holds beside the backbone (necks, classifiers, text encoders, queues) is left out: the backbone's own
map or class token is ranked and trained on, so figures differ from a project's own, which ranks what its neck
gives.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor, nn

StateDict = dict[str, Tensor]
SourceName = Literal[
    "timm", "torchvision", "strong_baseline", "layumi", "moco", "fastreid_sbs", "transreid_ssl", "clipreid",
    "solider", "osnet", "osnet_ain",
]  # fmt: skip
"""Whose names a file of weights has; `timm` also reads torchvision's ResNets and the package's own files."""
Renaming = Callable[[StateDict, nn.Module], StateDict]

HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SEMANTIC_WEIGHT = 0.2
"""SOLIDER's share of meaning against appearance, of its own commands for re-identification."""
_SBS_BLOCKS = {6: (0, 2, 3, 0), 23: (0, 2, 9, 0)}
"""Blocks of layer3 (ResNet-50, ResNet-101) -> how many of each layer's last blocks attention follows."""


class Named(NamedTuple):
    """Weights under timm's names.

    Attributes:
        state: Those of the backbone.
        dropped: Names of the file's other tensors.
    """

    state: StateDict
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """One project's files.

    Attributes:
        rename: From the project's names, prefix taken off, to timm's.
        prefixes: What the backbone's names begin with, one of these; the rest of the file is left out.
        dropped: Names, prefix taken off, that no backbone of timm's has, and that are not needed.
        refused: The same -> why a file with such names cannot be read.
        statistics: Mean and standard deviation of its images, where they are not those of the timm name.
        inside: Key of the file under which the weights lie.
        settings: What timm has to be told to build the network as the project does.
        caveat: In what figures can differ from the project's, beside the neck.
    """

    rename: Renaming
    prefixes: tuple[str, ...] = ("",)
    dropped: str = r"(fc|head|classifier)\..*"
    refused: Mapping[str, str] = field(default_factory=dict)
    statistics: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None
    inside: str = ""
    settings: Mapping[str, bool] = field(default_factory=dict)
    caveat: str = ""


def _as_they_are(state: StateDict, _network: nn.Module) -> StateDict:
    """Names that are timm's already."""
    return state


def _torchvision(state: StateDict, _network: nn.Module) -> StateDict:
    """Names of torchvision's ViT; its ResNets and DenseNets have timm's names."""
    return _renamed(
        state,
        (
            (r"class_token", "cls_token"),
            (r"conv_proj\.", "patch_embed.proj."),
            (r"encoder\.pos_embedding", "pos_embed"),
            (r"encoder\.layers\.encoder_layer_(\d+)\.ln_(\d)\.", r"blocks.\1.norm\2."),
            (r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_", r"blocks.\1.attn.qkv."),
            (r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\.", r"blocks.\1.attn.proj."),
            (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(0|linear_1)\.", r"blocks.\1.mlp.fc1."),
            (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(3|linear_2)\.", r"blocks.\1.mlp.fc2."),
            (r"encoder\.ln\.", "norm."),
        ),
    )


def _clip(state: StateDict, _network: nn.Module) -> StateDict:
    """OpenAI's names of CLIP's image encoder."""
    named = _renamed(
        state,
        (
            (r"conv1\.", "patch_embed.proj."),
            (r"class_embedding", "cls_token"),
            (r"positional_embedding", "pos_embed"),
            (r"ln_pre\.", "norm_pre."),
            (r"transformer\.resblocks\.(\d+)\.ln_(\d)\.", r"blocks.\1.norm\2."),
            (r"transformer\.resblocks\.(\d+)\.attn\.in_proj_", r"blocks.\1.attn.qkv."),
            (r"transformer\.resblocks\.(\d+)\.attn\.out_proj\.", r"blocks.\1.attn.proj."),
            (r"transformer\.resblocks\.(\d+)\.mlp\.c_fc\.", r"blocks.\1.mlp.fc1."),
            (r"transformer\.resblocks\.(\d+)\.mlp\.c_proj\.", r"blocks.\1.mlp.fc2."),
            (r"ln_post\.", "norm."),
        ),
    )
    reshaped = (
        {"cls_token": (1, 1, -1), "pos_embed": (1, *named["pos_embed"].shape)} if "pos_embed" in named else {}
    )
    return {key: value.view(reshaped[key]) if key in reshaped else value for key, value in named.items()}


def _fastreid(state: StateDict, network: nn.Module) -> StateDict:
    """FastReID's ResNets with attention behind some blocks, which stand beside the layers in its files."""
    named: StateDict = {}
    for key, value in state.items():
        block = re.fullmatch(r"(layer\d)\.(\d+)\.(.*)", key)
        attention = re.fullmatch(r"NL_(\d)\.(\d+)\.(.*)", key)
        if block is not None and isinstance(_block(network, block[1], int(block[2])), nn.Sequential):
            named[f"{block[1]}.{block[2]}.0.{block[3]}"] = value
        elif attention is not None:
            layer = f"layer{attention[1]}"
            blocks = cast(nn.Sequential, network.get_submodule(layer))
            first = len(blocks) - sum(isinstance(one, nn.Sequential) for one in blocks)
            named[f"{layer}.{first + int(attention[2])}.1.{attention[3]}"] = value
        else:
            named[key] = value
    return named


def _solider(state: StateDict, _network: nn.Module) -> StateDict:
    """Names of SOLIDER's Swin (OpenMMLab's); its semantic weight scales and shifts maps between stages."""
    named = _renamed(
        state,
        (
            (r"patch_embed\.projection\.", "patch_embed.proj."),
            (r"stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.", r"layers.\1.blocks.\2.attn."),
            (r"stages\.(\d+)\.blocks\.(\d+)\.ffn\.layers\.0\.0\.", r"layers.\1.blocks.\2.mlp.fc1."),
            (r"stages\.(\d+)\.blocks\.(\d+)\.ffn\.layers\.1\.", r"layers.\1.blocks.\2.mlp.fc2."),
            (r"stages\.(\d+)\.blocks\.", r"layers.\1.blocks."),
            (r"norm3\.", "norm."),
        ),
    )
    shares = torch.tensor([SEMANTIC_WEIGHT, 1 - SEMANTIC_WEIGHT])
    result: StateDict = {}
    for key, value in named.items():
        merging = re.fullmatch(r"stages\.(\d+)\.downsample\.(norm|reduction)\.(weight|bias)", key)
        if merging is None:
            result[key] = value
            continue
        stage, place = int(merging[1]), f"layers.{int(merging[1]) + 1}.downsample"
        moved = _as_timm_merges(value)
        if merging[2] == "reduction":
            scale, shift = (
                named[f"semantic_embed_{letter}.{stage}.weight"] @ shares
                + named[f"semantic_embed_{letter}.{stage}.bias"]
                for letter in "wb"
            )
            moved = moved * nn.functional.softplus(scale)[:, None]
            result[f"{place}.reduction.bias"] = shift
        result[f"{place}.{merging[2]}.{merging[3]}"] = moved
    return {key: value for key, value in result.items() if not key.startswith("semantic_embed_")}


def _as_timm_merges(value: Tensor) -> Tensor:
    """Reorder the last axis, four pixels of C channels: from channel by channel to pixel by pixel."""
    channels = value.shape[-1] // 4
    by_pixel = value.view(*value.shape[:-1], channels, 4).transpose(-1, -2)
    return by_pixel[..., [0, 2, 1, 3], :].flatten(-2)


def _osnet(state: StateDict, _network: nn.Module) -> StateDict:
    """Names of OSNet's first form, where the streams of a block have letters."""
    streams = (
        (rf"(conv\d\.\d)\.conv2{letter}\.", rf"\1.conv2.{t}.layers.") for t, letter in enumerate("bcd", 1)
    )
    rules = (r"(conv\d\.\d)\.conv2a\.", r"\1.conv2.0.layers.0."), (r"conv(\d)\.2\.0\.", r"pool\1.0.")
    return _renamed(state, (*rules, *streams))


_IBN = "an instance norm stands beside its batch norms (IBN), which no timm network of this name has"
SOURCES: Mapping[str, Source] = {
    "timm": Source(_as_they_are),
    "torchvision": Source(_torchvision, dropped=r"(fc|heads|classifier)\..*"),
    "strong_baseline": Source(_as_they_are, ("base.",), refused={r".*\.IN\..*": _IBN}),
    "layumi": Source(_as_they_are, ("model.",)),
    "moco": Source(_as_they_are, ("encoder_q.", "base_encoder.", "momentum_encoder.")),
    "fastreid_sbs": Source(_fastreid, ("backbone.",), refused={r".*\.IN\..*": _IBN}),
    "transreid_ssl": Source(
        _as_they_are,
        ("base.", "backbone.", ""),
        r"(fc|head|head_dist|bottleneck|classifier)\..*",
        {
            r"patch_embed\.conv\..*": "its patches come out of a convolutional stem (ICS), unlike timm's",
            r"b[12]\..*": "its last block stands there twice (JPM), as in no timm ViT",
            r"sie_embed": "it adds an embedding of each image's camera (SIE), and cameras are not told here",
        },
        HALF,
        "teacher",
    ),
    "clipreid": Source(
        _clip,
        ("image_encoder.", "visual."),
        r"proj",
        {
            r"cv_embed": "it adds an embedding of each image's camera (SIE), and cameras are not told here",
            r"attnpool\..*": "it is a ResNet; only the ViT-B/16 is known",
        },
        HALF,
    ),
    "solider": Source(
        _solider,
        ("base.", "backbone.", ""),
        r"norm[012]\..*|semantic_embed_[wb]\.3\..*|.*relative_position_index|(fc|head|bottleneck|classifier)\..*",
        {},
        HALF,
        "teacher",
        {"always_partition": True},
        "where 7 does not divide the rows and columns of a map, SOLIDER pads it before it shifts windows and "
        "timm afterwards: embeddings differ a little (they do not at 224x224)",
    ),
    "osnet": Source(_osnet),
    "osnet_ain": Source(_as_they_are),
}
assert set(SOURCES) == set(get_args(SourceName))


def under_timm_names(state: Mapping[str, Tensor], source: str, network: nn.Module, origin: str) -> Named:
    """Bring a project's weights under timm's names.

    Args:
        state: What the file holds.
        source: One of `SOURCES`.
        network: The timm network that they are meant for, made what the project's is (`make_as_trained`).
        origin: The file, for the message.

    Raises:
        ValueError: If the file is not of this project, or is of a network that timm does not have.
    """
    known = SOURCES[source]
    plain = {re.sub(r"^(module\.)+", "", key): value for key, value in state.items()}
    prefix = next((one for one in known.prefixes if any(key.startswith(one) for key in plain)), None)
    if prefix is None:
        expected = " or ".join(known.prefixes)
        msg = (
            f"{origin}: no tensor's name begins with {expected}, as those of {source} do; it has "
            f"{', '.join(list(plain)[:3])}; check --backbone.source"
        )
        raise ValueError(msg)
    own = {key.removeprefix(prefix): value for key, value in plain.items() if key.startswith(prefix)}
    for key in (*own, *plain):
        why = next((why for pattern, why in known.refused.items() if re.fullmatch(pattern, key)), None)
        if why is not None:
            msg = f"{origin} holds {key}: {why}"
            raise ValueError(msg)
    unused = [key for key in own if re.fullmatch(known.dropped, key)]
    kept = {key: value for key, value in own.items() if key not in set(unused)}
    beside = [key for key in plain if not key.startswith(prefix)]
    return Named(known.rename(kept, network), (*beside, *(prefix + key for key in unused)))


def make_as_trained(network: nn.Module, source: str, name: str) -> None:
    """Give a timm network what a project's has and timm's has not, in place.

    Args:
        network: Just built.
        source: One of `SOURCES`.
        name: Its timm name, for the message.

    Raises:
        ValueError: If a project has no such network.
    """
    if source == "fastreid_sbs":
        layers = [
            cast(nn.Sequential, getattr(network, f"layer{number}", nn.Sequential())) for number in range(1, 5)
        ]
        counts = _SBS_BLOCKS.get(len(layers[2]))
        if counts is None or not hasattr(layers[0][0], "conv3"):
            msg = (
                f"fastreid_sbs is a ResNet-50 or a ResNet-101, got backbone {name!r}; type --backbone.name "
                "resnet50.tv_in1k"
            )
            raise ValueError(msg)
        network.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)  # without borders
        for layer, count in zip(layers, counts, strict=True):
            for place in range(len(layer) - count, len(layer)):
                channels = cast(nn.Conv2d, layer[place].conv3).out_channels
                layer[place] = nn.Sequential(layer[place], NonLocal(channels))
    if source == "solider":
        for merging in network.modules():
            if type(merging).__name__ == "PatchMerging":
                old = cast(nn.Linear, merging.reduction)
                merging.reduction = nn.Linear(old.in_features, old.out_features)


class NonLocal(nn.Module):
    """Attention of every place to every other, with one number a place, as FastReID has it.

    x + BN(W(y)), y at place i the mean over places j of theta(x_i) phi(x_j) g(x_j): the dot-product form of
    Wang et al., "Non-local neural networks", CVPR 2018, with one inner channel.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g, self.theta, self.phi = (nn.Conv2d(channels, 1, 1) for _ in range(3))
        norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(norm.weight)
        self.W = nn.Sequential(nn.Conv2d(1, channels, 1), norm)

    def forward(self, maps: Tensor) -> Tensor:
        """Refine `maps` [B,C,H,W]."""
        gathered = (self.phi(maps) * self.g(maps)).mean((2, 3), keepdim=True)
        return maps + cast(Tensor, self.W(self.theta(maps) * gathered))


def _renamed(state: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> StateDict:
    """Apply the first rule that fits the beginning of each name."""
    result: StateDict = {}
    for key, value in state.items():
        rule = next(((old, new) for old, new in rules if re.match(old, key)), None)
        result[key if rule is None else re.sub(f"^{rule[0]}", rule[1], key)] = value
    return result


def _block(network: nn.Module, layer: str, number: int) -> nn.Module | None:
    """Return a block of a ResNet; None: it has no such block."""
    blocks = getattr(network, layer, ())
    return blocks[number] if number < len(blocks) else None
