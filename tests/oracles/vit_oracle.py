"""A vision transformer from its paper, under OpenAI's names of CLIP; nothing is from the package or timm.

Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021; CLIP adds a layer norm before the blocks and
has x sigmoid(1.702 x) in its perceptrons.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def layer_norm(rows: Tensor, weights: Weights, name: str, epsilon: float = 1e-5) -> Tensor:
    mean = rows.mean(-1, keepdim=True)
    variance = (rows - mean).square().mean(-1, keepdim=True)
    return (rows - mean) / (variance + epsilon).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attention(rows: Tensor, weights: Weights, name: str, heads: int) -> Tensor:
    """Head by head."""
    width = rows.shape[1]
    all_three = rows @ weights[f"{name}.in_proj_weight"].T + weights[f"{name}.in_proj_bias"]
    asked, offered, given = (all_three[:, part * width : (part + 1) * width] for part in range(3))
    each = width // heads
    parts = []
    for head in range(heads):
        own = slice(head * each, (head + 1) * each)
        shares = (asked[:, own] @ offered[:, own].T / math.sqrt(each)).exp()
        parts.append(shares / shares.sum(1, keepdim=True) @ given[:, own])
    return torch.cat(parts, 1) @ weights[f"{name}.out_proj.weight"].T + weights[f"{name}.out_proj.bias"]


def clip_tokens(weights: Weights, image: Tensor, heads: int) -> Tensor:
    """All tokens of one image [3,H,W] behind the last layer norm: the class token, then the patches."""
    kernel = weights["conv1.weight"]
    side = kernel.shape[2]
    tokens = [weights["class_embedding"]]
    for row in range(image.shape[1] // side):
        for column in range(image.shape[2] // side):
            patch = image[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
            tokens.append((kernel * patch).sum((1, 2, 3)))
    rows = layer_norm(torch.stack(tokens) + weights["positional_embedding"], weights, "ln_pre")
    block = 0
    while f"transformer.resblocks.{block}.ln_1.weight" in weights:
        name = f"transformer.resblocks.{block}"
        rows = rows + attention(layer_norm(rows, weights, f"{name}.ln_1"), weights, f"{name}.attn", heads)
        inner = layer_norm(rows, weights, f"{name}.ln_2")
        inner = inner @ weights[f"{name}.mlp.c_fc.weight"].T + weights[f"{name}.mlp.c_fc.bias"]
        inner = inner / (1 + (-1.702 * inner).exp())
        rows = rows + inner @ weights[f"{name}.mlp.c_proj.weight"].T + weights[f"{name}.mlp.c_proj.bias"]
        block += 1
    return layer_norm(rows, weights, "ln_post")


def clip_shapes(width: int, blocks: int, side: int, places: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "class_embedding": (width,),
        "positional_embedding": (1 + places, width),
        "proj": (width, width // 2),
        "conv1.weight": (width, 3, side, side),
    }
    for name in (
        "ln_pre",
        "ln_post",
        *(f"transformer.resblocks.{i}.ln_{j}" for i in range(blocks) for j in (1, 2)),
    ):
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    for i in range(blocks):
        name = f"transformer.resblocks.{i}"
        shapes |= {
            f"{name}.attn.in_proj_weight": (3 * width, width),
            f"{name}.attn.in_proj_bias": (3 * width,),
        }
        for layer, rows, columns in (
            ("attn.out_proj", width, width), ("mlp.c_fc", 4 * width, width), ("mlp.c_proj", width, 4 * width)
        ):  # fmt: skip
            shapes |= {f"{name}.{layer}.weight": (rows, columns), f"{name}.{layer}.bias": (rows,)}
    return shapes
