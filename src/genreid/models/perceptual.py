"""LPIPS and the VGG16 trunk: networks of pictures, with which the quality of generated ones is measured.

LPIPS: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018, in
its version 0.1 on AlexNet. Both trunks are torchvision's AlexNet and VGG16 up to their last ReLU, trained on
ImageNet; `quality/lpips_weights.py` fetches the weights.
"""

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

MEAN = (-0.030, -0.088, -0.188)
STD = (0.458, 0.448, 0.450)
"""ImageNet's statistics for images in [-1, 1], as LPIPS rounds them."""
EPSILON = 1e-10
"""Added to the length of a feature vector before it is divided by it."""


class Trunk(nn.Module):
    """Convolutions with ReLU, in blocks that end where LPIPS looks at the maps.

    Args:
        blocks: The layers of each block.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, blocks: Sequence[Sequence[nn.Module]]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(*layers) for layers in blocks)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    @property
    def widths(self) -> list[int]:
        """Channels at the end of each block."""
        return [
            [layer.out_channels for layer in block.modules() if isinstance(layer, nn.Conv2d)][-1]
            for block in self.blocks
        ]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps at the end of each block, [B, C, h, w] each.

        Args:
            images: [B, 3, H, W] in [-1, 1].
        """
        maps = (images - self.mean) / self.std
        ends = []
        for block in self.blocks:
            maps = block(maps)
            ends.append(maps)
        return ends

    def load_in_order(self, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Load the convolutions' weights, in the order in which they run.

        Args:
            layers: Weight [out, in, h, w] and bias [out] of each.
        """
        convolutions = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d)]
        for convolution, (weight, bias) in zip(convolutions, layers, strict=True):
            convolution.load_state_dict({"weight": weight, "bias": bias})


def alexnet() -> Trunk:
    """Return AlexNet up to its fifth ReLU (Krizhevsky, arXiv:1404.5997), without its weights."""
    return Trunk(
        [
            [nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU()],
            [nn.MaxPool2d(3, stride=2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()],
            [nn.MaxPool2d(3, stride=2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()],
            [nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()],
            [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()],
        ]
    )


def vgg16() -> Trunk:
    """Return VGG16 up to relu5_3 (Simonyan and Zisserman, ICLR 2015), without its weights."""
    blocks: list[list[nn.Module]] = []
    width = 3
    for number, (wanted, convolutions) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if number else []
        for _ in range(convolutions):
            layers += [nn.Conv2d(width, wanted, 3, padding=1), nn.ReLU()]
            width = wanted
        blocks.append(layers)
    return Trunk(blocks)


class PerceptualDistance(nn.Module):
    """LPIPS: how different two pictures look, from 0.

    At each of five depths: feature vectors of unit length, squared differences, weighted by channel, averaged
    over the picture; then the sum over the depths.

    Args:
        trunk: AlexNet for version 0.1 as most papers report it.
    """

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in trunk.widths)

    @classmethod
    def of_weights(cls, weights: Mapping[str, Tensor]) -> Self:
        """Return LPIPS on AlexNet with its weights.

        Args:
            weights: As `quality/lpips_weights.py` keeps them: `trunk.N.weight`, `trunk.N.bias`, `head.N`.
        """
        network = cls(alexnet())
        network.trunk.load_in_order(_trunk_of(weights))
        for number, head in enumerate(network.heads):
            head.load_state_dict({"weight": weights[f"head.{number}"]})
        return network

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of each pair, [B].

        Args:
            first: [B, 3, H, W] in [-1, 1].
            second: The pictures at the other side, of the same shape.
        """
        total = torch.zeros(len(first), device=first.device)
        for a, b, head in zip(self.trunk(first), self.trunk(second), self.heads, strict=True):
            difference = (_unit(a) - _unit(b)).square()
            total = total + head(difference).mean((1, 2, 3))
        return total


class VggFeatures(nn.Module):
    """What VGG16 sees in a picture: relu5_3, averaged over the picture.

    Args:
        trunk: VGG16.
    """

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk

    @classmethod
    def of_weights(cls, weights: Mapping[str, Tensor]) -> Self:
        """Return VGG16 with its weights.

        Args:
            weights: As `quality/lpips_weights.py` keeps them: `trunk.N.weight`, `trunk.N.bias`.
        """
        network = cls(vgg16())
        network.trunk.load_in_order(_trunk_of(weights))
        return network

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return [B, 512] under the name `relu5_3`.

        Args:
            images: [B, 3, H, W] in [-1, 1].
        """
        return {"relu5_3": self.trunk(images)[-1].mean((2, 3))}


def _unit(maps: Tensor) -> Tensor:
    """Return feature vectors of unit length."""
    return maps / (maps.square().sum(1, keepdim=True).sqrt() + EPSILON)


def _trunk_of(weights: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of each convolution, in order."""
    count = sum(name.startswith("trunk.") for name in weights) // 2
    return [(weights[f"trunk.{number}.weight"], weights[f"trunk.{number}.bias"]) for number in range(count)]
