"""Weights and batches out of numpy's generators: the same numbers on every machine, unlike torch's own."""

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from genreid.models.crgan import ConditionPair
from genreid.training.crgan_step import RenderingBatch


def normal(label: str, *shape: int) -> Tensor:
    """Standard normal numbers, float64; the same label and shape give the same numbers."""
    seed = int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "big")
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def fill(network: nn.Module, label: str) -> nn.Module:
    """Give a network lively weights, so that no layer, norm or bias goes unseen."""
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if not value.is_floating_point() or name.startswith("input_"):
                continue
            drawn = normal(f"{label}/{name}", *value.shape)
            if name.endswith("running_var"):
                drawn = 0.5 + drawn.square()
            elif value.dim() > 1:
                drawn = drawn / value[0].numel() ** 0.5
            else:
                drawn = 0.1 * drawn + float(name.endswith("weight"))
            value.copy_(drawn)
    return network


def pair(size: tuple[int, int], batch: int = 4, label: str = "pair") -> ConditionPair:
    """Source and target images [B,3,H,W] in [-1,1] with block masks, float64."""
    height, width = size
    images = [torch.tanh(normal(f"{label}/{domain}", batch, 3, height, width)) for domain in "st"]
    masks = []
    for domain in "st":
        shift = normal(f"{label}/{domain}/mask", batch)
        rows = torch.arange(height)[None, :, None] > height * (0.2 + 0.1 * torch.tanh(shift))[:, None, None]
        middle = width / 2 + 0.2 * width * torch.tanh(shift)
        columns = (torch.arange(width)[None, None, :] - middle[:, None, None]).abs() < width / 4
        masks.append((rows & columns)[:, None].double())
    return ConditionPair(images[0], images[1], masks[0], masks[1])


def batch_of(drawn: ConditionPair, people: int, cameras: int) -> RenderingBatch:
    """Label the pairs with people and cameras in turn."""
    numbers = torch.arange(len(drawn.source))
    return RenderingBatch(drawn, (3 * numbers + 1) % people, (2 * numbers + 1) % cameras)


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's parameters and buffers by name, as the oracles take them."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
