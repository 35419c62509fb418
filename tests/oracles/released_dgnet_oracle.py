"""The authors' DG-Net files as facts: names and shapes, and what networks of such names must compute.

Written from the tables of the paper and a list of names and shapes; nothing is from the package but the
layers of `dgnet_networks_oracle`, which is an oracle itself, nor from the authors' program.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.oracles import dgnet_networks_oracle as layers

Shapes = dict[str, tuple[int, ...]]
Weights = Mapping[str, Tensor]

BRANCHES = ("conv1", "conv6.0", "conv12.0", "conv18.0")
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


# Names and shapes


def conv_shapes(name: str, rows: int, columns: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (rows, columns, kernel, kernel), f"{name}.bias": (rows,)}


def generator_shapes(dim: int = 16, hidden: int = 512, code: int = 2048) -> Shapes:
    return structure_shapes(dim) | decoder_shapes(dim) | perceptron_shapes(16 * dim, hidden, code)


def structure_shapes(dim: int) -> Shapes:
    shapes = conv_shapes("enc_content.model.0.conv", dim, 1, 3)
    for i, (rows, columns) in enumerate(((2, 1), (2, 2), (4, 2)), 1):
        shapes |= conv_shapes(f"enc_content.model.{i}.conv", rows * dim, columns * dim, 3)
    for i in range(4):
        for j in range(2):
            shapes |= conv_shapes(f"enc_content.model.4.model.{i}.model.{j}.conv", 4 * dim, 4 * dim, 3)
    for name in BRANCHES:
        shapes |= conv_shapes(f"enc_content.model.5.{name}.conv", 2 * dim, 4 * dim, 1)
    for name in ("conv6", "conv12", "conv18"):
        shapes |= conv_shapes(f"enc_content.model.5.{name}.1.conv", 2 * dim, 2 * dim, 3)
    return shapes | conv_shapes("enc_content.model.5.fuse.conv", 8 * dim, 8 * dim, 1)


def decoder_shapes(dim: int) -> Shapes:
    shapes: Shapes = {}
    for i in range(4):
        for j in range(2):
            name = f"dec.model.1.model.{i}.model.{j}"
            shapes |= {f"{name}.norm.running_{what}": (8 * dim,) for what in ("mean", "var")}
            shapes |= conv_shapes(f"{name}.conv", 8 * dim, 8 * dim, 3)
    for i, rows in ((3, 4), (5, 2)):
        shapes |= {f"dec.model.{i}.norm.{what}": (rows * dim,) for what in ("gamma", "beta")}
        shapes |= conv_shapes(f"dec.model.{i}.conv", rows * dim, 2 * rows * dim, 5)
    for i in (6, 7):
        shapes |= conv_shapes(f"dec.model.{i}.conv", 2 * dim, 2 * dim, 3)
    return shapes | conv_shapes("dec.model.8.conv", 3, 2 * dim, 1)


def perceptron_shapes(outputs: int, hidden: int, code: int) -> Shapes:
    shapes: Shapes = {}
    for letter in "wb":
        for i in range(1, 5):
            for j, (rows, columns) in enumerate(((hidden, code), (hidden, hidden), (outputs, hidden))):
                name = f"mlp_{letter}{i}.model.{j}.fc"
                shapes |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
    return shapes


def discriminator_shapes(dim: int = 32, scales: int = 3) -> Shapes:
    shapes: Shapes = {}
    for s in range(scales):
        sizes = ((dim, 3, 1), (dim, dim, 3), (dim, dim, 3), (dim, dim, 3), (2 * dim, dim, 3))
        for i, size in enumerate(sizes):
            shapes |= conv_shapes(f"cnns.{s}.{i}.conv", *size)
        for i in range(5, 9):
            for j in range(2):
                shapes |= conv_shapes(f"cnns.{s}.{i}.model.{j}.conv", 2 * dim, 2 * dim, 3)
        shapes |= conv_shapes(f"cnns.{s}.9", 1, 2 * dim, 1)
    return shapes


def norm_shapes(name: str, channels: int) -> Shapes:
    shapes: Shapes = {
        f"{name}.{what}": (channels,) for what in ("weight", "bias", "running_mean", "running_var")
    }
    return shapes | {f"{name}.num_batches_tracked": ()}


def resnet50_shapes() -> Shapes:
    """ImageNet's classifier among them."""
    shapes: Shapes = {"model.conv1.weight": (64, 3, 7, 7), **norm_shapes("model.bn1", 64)}
    before = 64
    for number, (width, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            name = f"model.layer{number}.{block}"
            shapes |= {f"{name}.conv1.weight": (width, before, 1, 1), **norm_shapes(f"{name}.bn1", width)}
            shapes |= {f"{name}.conv2.weight": (width, width, 3, 3), **norm_shapes(f"{name}.bn2", width)}
            shapes |= {
                f"{name}.conv3.weight": (4 * width, width, 1, 1),
                **norm_shapes(f"{name}.bn3", 4 * width),
            }
            if block == 0:
                shapes |= {f"{name}.downsample.0.weight": (4 * width, before, 1, 1)}
                shapes |= norm_shapes(f"{name}.downsample.1", 4 * width)
            before = 4 * width
    return shapes | {"model.fc.weight": (1000, 2048), "model.fc.bias": (1000,)}


def head_shapes(name: str, people: int, width: int = 512) -> Shapes:
    return {
        f"{name}.add_block.0.weight": (width, 2048),
        f"{name}.add_block.0.bias": (width,),
        **norm_shapes(f"{name}.add_block.1", width),
        f"{name}.classifier.0.weight": (people, width),
        f"{name}.classifier.0.bias": (people,),
    }


def identity_shapes(people: int = 751, width: int = 512) -> Shapes:
    heads = head_shapes("classifier1", people, width) | head_shapes("classifier2", people, width)
    return resnet50_shapes() | heads


def teacher_shapes(people: int = 751, width: int = 512) -> Shapes:
    return resnet50_shapes() | head_shapes("classifier", people, width)


def attention_shapes(name: str, channels: int) -> Shapes:
    """A block of attention behind a residual block."""
    few = channels // 8
    shapes: Shapes = {f"{name}.nonloc.gamma": (1,)}
    for part, rows in (("query", few), ("key", few), ("value", channels)):
        shapes |= conv_shapes(f"{name}.nonloc.{part}_conv", rows, channels, 1)
    return shapes


def drawn(shapes: Shapes, seed: int) -> dict[str, Tensor]:
    """Random tensors of such shapes: weights that keep a signal's size, variances above zero."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            value = torch.tensor(7)
        elif name.endswith("running_var"):
            value = 0.5 + value.abs()
        elif len(shape) > 1:
            value *= (2 / value[0].numel()) ** 0.5
        elif name.endswith(("gamma", "bn1.weight", "bn2.weight", "bn3.weight", ".1.weight")):
            value = 1 + 0.2 * value
        else:
            value *= 0.2
        state[name] = value
    return state


# What they compute


def part(weights: Weights, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def structure_encoder(weights: Weights, images: Tensor) -> Tensor:
    """Table 6; the pyramid's dilations are 3, 6, 9, whatever its layers are called."""
    own = part(weights, "enc_content.model.")
    maps = images.mean(1, keepdim=True)
    for i, stride in enumerate((2, 1, 1, 2)):
        maps = layers.leaky(layers.instance_norm(layers.conv(maps, own, f"{i}.conv", stride)))
    for i in range(4):
        inner = layers.leaky(layers.instance_norm(layers.conv(maps, own, f"4.model.{i}.model.0.conv")))
        maps = maps + layers.instance_norm(layers.conv(inner, own, f"4.model.{i}.model.1.conv"))
    branches = []
    for name, dilation in zip(BRANCHES, (0, 3, 6, 9), strict=True):
        inner = layers.instance_norm(layers.conv(maps, own, f"5.{name}.conv"))
        if dilation:
            inner = layers.conv(layers.leaky(inner), own, f"5.{name[:-2]}.1.conv", dilation=dilation)
            inner = layers.instance_norm(inner)
        branches.append(inner)
    return layers.instance_norm(layers.conv(torch.cat(branches, 1), own, "5.fuse.conv"))


def perceptron(weights: Weights, name: str, values: Tensor) -> Tensor:
    for j in range(3):
        values = values if j == 0 else layers.leaky(values)
        values = layers.linear(values, weights, f"{name}.model.{j}.fc")
    return values


def decoder(weights: Weights, structure: Tensor, code: Tensor) -> Tensor:
    """Table 7; block i reads the i-th quarter of the code."""
    maps, width, quarter = structure, structure.shape[1], code.shape[1] // 4
    for i in range(4):
        own = code[:, i * quarter : (i + 1) * quarter]
        scale, shift = (perceptron(weights, f"mlp_{letter}{i + 1}", own) for letter in "wb")
        name = f"dec.model.1.model.{i}.model"
        inner = layers.conv(maps, weights, f"{name}.0.conv")
        inner = layers.leaky(layers.adaptive_instance_norm(inner, scale[:, :width], shift[:, :width]))
        inner = layers.conv(inner, weights, f"{name}.1.conv")
        maps = maps + layers.adaptive_instance_norm(inner, scale[:, width:], shift[:, width:])
    for i in (3, 5):
        maps = layers.conv(layers.doubled(maps), weights, f"dec.model.{i}.conv")
        gamma, beta = weights[f"dec.model.{i}.norm.gamma"], weights[f"dec.model.{i}.norm.beta"]
        maps = layers.leaky(layers.layer_norm(maps, gamma, beta))
    for i in (6, 7):
        maps = layers.leaky(layers.conv(maps, weights, f"dec.model.{i}.conv"))
    return layers.conv(maps, weights, "dec.model.8.conv")


def discriminator(weights: Weights, images: Tensor, scales: int = 3) -> list[Tensor]:
    """Table 8."""
    scores = []
    for s in range(scales):
        maps = images
        for i, stride in enumerate((1, 1, 2, 1, 2)):
            maps = layers.leaky(layers.conv(maps, weights, f"cnns.{s}.{i}.conv", stride))
        for i in range(5, 9):
            inner = layers.leaky(layers.conv(maps, weights, f"cnns.{s}.{i}.model.0.conv"))
            maps = maps + layers.conv(inner, weights, f"cnns.{s}.{i}.model.1.conv")
        scores.append(layers.conv(maps, weights, f"cnns.{s}.9"))
        images = layers.halved(images)
    return scores


def batch_norm(maps: Tensor, weights: Weights, name: str) -> Tensor:
    """With the stored statistics, eps 1e-5."""
    shape = (1, -1) + (1,) * (maps.ndim - 2)
    mean, var, weight, bias = (
        weights[f"{name}.{what}"].view(shape) for what in ("running_mean", "running_var", "weight", "bias")
    )
    return (maps - mean) / (var + 1e-5).sqrt() * weight + bias


def resnet50(weights: Weights, images: Tensor, last_stride: int = 1) -> Tensor:
    """The last map."""
    own = part(weights, "model.")
    maps = F.conv2d(images, own["conv1.weight"], stride=2, padding=3)
    maps = F.max_pool2d(batch_norm(maps, own, "bn1").relu(), 3, 2, 1)
    for number, (_, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            name = f"layer{number}.{block}"
            stride = 1 if number == 1 or block else last_stride if number == 4 else 2
            kept = maps
            if block == 0:
                kept = F.conv2d(maps, own[f"{name}.downsample.0.weight"], stride=stride)
                kept = batch_norm(kept, own, f"{name}.downsample.1")
            inner = F.conv2d(maps, own[f"{name}.conv1.weight"])
            inner = batch_norm(inner, own, f"{name}.bn1").relu()
            inner = F.conv2d(inner, own[f"{name}.conv2.weight"], stride=stride, padding=1)
            inner = batch_norm(inner, own, f"{name}.bn2").relu()
            inner = F.conv2d(inner, own[f"{name}.conv3.weight"])
            maps = (batch_norm(inner, own, f"{name}.bn3") + kept).relu()
    return maps


def head(weights: Weights, name: str, pooled: Tensor) -> tuple[Tensor, Tensor]:
    """Embedding and logits, without dropout."""
    hidden = layers.linear(pooled, weights, f"{name}.add_block.0")
    embedding = batch_norm(hidden, weights, f"{name}.add_block.1")
    return embedding, layers.linear(embedding, weights, f"{name}.classifier.0")
