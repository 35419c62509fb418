"""DG-Net's networks from its tables 6-8 and spec dg-net F2-F5, slow and obvious; nothing is from the package.

Weights come by name, as in a state dict.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


# Layers


def mirrored(maps: Tensor, margin: int) -> Tensor:
    """Borders as in a mirror, the outermost pixel once."""
    padded = np.pad(maps.detach().numpy(), ((0, 0), (0, 0), (margin, margin), (margin, margin)), "reflect")
    return torch.from_numpy(padded)


def mirrored_by_loops(row: Sequence[float], margin: int) -> list[float]:
    """One row with borders as in a mirror: walk outwards and turn round at each end."""
    result = []
    for place in range(-margin, len(row) + margin):
        index = place
        while not 0 <= index < len(row):
            index = -index if index < 0 else 2 * (len(row) - 1) - index
        result.append(row[index])
    return result


def conv(maps: Tensor, weights: Weights, name: str, stride: int = 1, dilation: int = 1) -> Tensor:
    """A convolution with bias on mirrored borders, such that only the stride shrinks the map."""
    kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    margin = dilation * (kernel.shape[2] - 1) // 2
    return F.conv2d(mirrored(maps, margin), kernel, bias, stride, dilation=dilation)


def doubled(maps: Tensor) -> Tensor:
    """Each pixel twice in height and width."""
    batch, channels, height, width = maps.shape
    result = torch.empty(batch, channels, 2 * height, 2 * width, dtype=maps.dtype)
    for i in range(2 * height):
        for j in range(2 * width):
            result[:, :, i, j] = maps[:, :, i // 2, j // 2]
    return result


def adaptive_instance_norm(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """w (x - mean) / sqrt(biased variance + 1e-5) + b, for each channel of each image."""
    result = torch.empty_like(maps)
    for b in range(maps.shape[0]):
        for c in range(maps.shape[1]):
            pixels = maps[b, c].flatten().tolist()
            mean = sum(pixels) / len(pixels)
            variance = sum((x - mean) ** 2 for x in pixels) / len(pixels)
            normal = (maps[b, c] - mean) / math.sqrt(variance + 1e-5)
            result[b, c] = float(scale[b, c]) * normal + float(shift[b, c])
    return result


def instance_norm(maps: Tensor) -> Tensor:
    """Without scale and shift."""
    ones = torch.ones(maps.shape[:2], dtype=maps.dtype)
    return adaptive_instance_norm(maps, ones, 0 * ones)


def layer_norm(maps: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Over C, H and W of each image; unbiased standard deviation, 1e-5 added to it."""
    result = torch.empty_like(maps)
    for b in range(maps.shape[0]):
        pixels = maps[b].flatten().tolist()
        mean = sum(pixels) / len(pixels)
        deviation = math.sqrt(sum((x - mean) ** 2 for x in pixels) / (len(pixels) - 1))
        for c in range(maps.shape[1]):
            result[b, c] = (maps[b, c] - mean) / (deviation + 1e-5) * float(gamma[c]) + float(beta[c])
    return result


def leaky(values: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2."""
    return torch.where(values > 0, values, 0.2 * values)


def linear(values: Tensor, weights: Weights, name: str) -> Tensor:
    """A linear layer with bias."""
    return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


# Table 6


def structure_encoder(weights: Weights, images: Tensor) -> Tensor:
    """E_s, row by row; without `pyramid` it is the variant without ASPP."""
    maps = (images[:, 0:1] + images[:, 1:2] + images[:, 2:3]) / 3
    for number, stride in enumerate((2, 1, 1, 2)):
        maps = leaky(instance_norm(conv(maps, weights, f"stem.{number}", stride)))
    for number in range(4):
        inner = leaky(instance_norm(conv(maps, weights, f"blocks.{number}.first")))
        maps = maps + instance_norm(conv(inner, weights, f"blocks.{number}.second"))
    if "widen.weight" in weights:
        return instance_norm(conv(maps, weights, "widen"))
    return pyramid({key[8:]: value for key, value in weights.items() if key.startswith("pyramid.")}, maps)


def pyramid(weights: Weights, maps: Tensor) -> Tensor:
    """ASPP and Conv5: branch 0 is 1x1, IN; the others 1x1, IN, LReLU, 3x3 with dilation 3, 6, 9, IN."""
    width = maps.shape[1] // 2
    branches = []
    for branch, dilation in enumerate((0, 3, 6, 9)):
        rows = slice(branch * width, (branch + 1) * width)
        own = {"r.weight": weights["reduce.weight"][rows], "r.bias": weights["reduce.bias"][rows]}
        inner = instance_norm(conv(maps, own, "r"))
        if branch > 0:
            inner = instance_norm(conv(leaky(inner), weights, f"dilated.{branch - 1}", dilation=dilation))
        branches.append(inner)
    return instance_norm(conv(torch.cat(branches, 1), weights, "fuse"))


# Table 7


def perceptron(values: Tensor, weights: Weights, name: str) -> Tensor:
    """Linear, LReLU, linear, LReLU, linear."""
    hidden = leaky(linear(values, weights, f"{name}.0"))
    hidden = leaky(linear(hidden, weights, f"{name}.2"))
    return linear(hidden, weights, f"{name}.4")


def decoder(weights: Weights, structure: Tensor, appearance: Tensor) -> Tensor:
    """G, row by row; residual block i reads the i-th quarter of the appearance code."""
    maps, channels, quarter = structure, structure.shape[1], appearance.shape[1] // 4
    for i in range(4):
        own = appearance[:, i * quarter : (i + 1) * quarter]
        scale = perceptron(own, weights, f"scales.{i}")
        shift = perceptron(own, weights, f"shifts.{i}")
        assert scale.shape[1] == 2 * channels
        inner = conv(maps, weights, f"blocks.{i}.first")
        inner = leaky(adaptive_instance_norm(inner, scale[:, :channels], shift[:, :channels]))
        inner = conv(inner, weights, f"blocks.{i}.second")
        maps = maps + adaptive_instance_norm(inner, scale[:, channels:], shift[:, channels:])
    for i in range(2):
        maps = conv(doubled(maps), weights, f"enlarge.{i}")
        maps = leaky(layer_norm(maps, weights[f"norms.{i}.gamma"], weights[f"norms.{i}.beta"]))
    for i in range(2):
        maps = leaky(conv(maps, weights, f"refine.{i}"))
    return conv(maps, weights, "paint")


# Table 8


def halved(images: Tensor) -> Tensor:
    """The average of each 3x3 window, two pixels apart; windows are cut off at the border."""
    batch, channels, height, width = images.shape
    result = torch.empty(batch, channels, (height + 1) // 2, (width + 1) // 2, dtype=images.dtype)
    for i in range(result.shape[2]):
        for j in range(result.shape[3]):
            window = images[:, :, max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2]
            result[:, :, i, j] = window.mean((2, 3))
    return result


def scale_discriminator(weights: Weights, images: Tensor, scales: int) -> list[Tensor]:
    """D: seven layers at each scale."""
    scores = []
    for scale in range(scales):
        maps = images
        for number, stride in enumerate((1, 1, 2, 1, 2)):
            maps = leaky(conv(maps, weights, f"judges.{scale}.stem.{number}", stride))
        for number in range(4):
            name = f"judges.{scale}.blocks.{number}"
            maps = maps + conv(leaky(conv(maps, weights, f"{name}.first")), weights, f"{name}.second")
        scores.append(conv(maps, weights, f"judges.{scale}.score"))
        images = halved(images)
    return scores


# F2, F10


def appearance_code(maps: Tensor, order: str) -> Tensor:
    """The maximum of each channel over each quarter of the rows; channel by channel, or stripe by stripe."""
    rows = maps.shape[2] // 4
    code = []
    for image in maps:
        stripes = [[float(c[s * rows : (s + 1) * rows].max()) for s in range(4)] for c in image]
        if order == "channels":
            code.append([stripes[c][s] for c in range(len(image)) for s in range(4)])
        else:
            code.append([stripes[c][s] for s in range(4) for c in range(len(image))])
    return torch.tensor(code, dtype=maps.dtype)


def embedding(values: Tensor, weights: Weights, name: str, *, batch_statistics: bool) -> Tensor:
    """Linear layer and batch norm."""
    hidden = linear(values, weights, f"{name}.bottleneck.0")
    norm = f"{name}.bottleneck.1"
    mean, variance = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
    if batch_statistics:
        mean, variance = hidden.mean(0), hidden.var(0, correction=0)
    return (hidden - mean) / (variance + 1e-5).sqrt() * weights[f"{norm}.weight"] + weights[f"{norm}.bias"]


def normalised(images: Tensor, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> Tensor:
    """From [-1, 1] to (x - mean) / std with x in [0, 1]."""
    channels = [((images[:, c] + 1) / 2 - mean[c]) / std[c] for c in range(3)]
    return torch.stack(channels, 1)


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """Cosine of the angle between two vectors."""
    product = sum(a * b for a, b in zip(first, second, strict=True))
    return product / math.sqrt(sum(a * a for a in first) * sum(b * b for b in second))
