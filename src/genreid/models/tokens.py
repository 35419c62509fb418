"""Backbones that are no convolutional networks, such as vision transformers: their tokens as a feature map.

A transformer gives a token for each patch of the image and, most of them, class tokens beside these. The
patch tokens, laid out as the patches are, are a feature map like any other: stripes of it are pooled (LMP),
and DG-Net's appearance code is taken from it. What stands for the image as a whole is what the network was
trained to be pooled to: a class token, the mean of the patches, or an attention over them.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

Pooled = Literal["head", "patches"]
"""What stands for an image: what the network's own head would read, or the mean of its map."""
_MOST_PREFIXES = 16


class TokenBackbone(nn.Module):
    """A timm network made to give a feature map, whatever it gives.

    Use `build_token_backbone`; the constructor takes a network and how its output is laid out.

    Args:
        network: The timm network.
        grid: Rows and columns of patches, for images of its size.
        pooled: What stands for an image.

    Attributes:
        network: The timm network.
        grid: Rows and columns of patches, for images of its size.
        has_summary: Whether `summary` is there.
        num_features: C.
    """

    def __init__(self, network: nn.Module, grid: tuple[int, int], pooled: Pooled) -> None:
        super().__init__()
        self.network = network
        self.grid = grid
        self.has_summary = pooled == "head"
        self.num_features = int(cast(int, network.num_features))

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the patch tokens as a map.

        Args:
            images: [B,3,H,W] of the network's size, with the statistics that it expects.

        Returns:
            [B,C,h,w].
        """
        return self._as_map(cast(Tensor, self.network.forward_features(images)))  # type: ignore[operator]

    def summary(self, images: Tensor) -> Tensor:
        """Return what the network's own head reads of an image, such as its class token.

        Args:
            images: [B,3,H,W] of the network's size, with the statistics that it expects.

        Returns:
            [B,C].
        """
        tokens = self.network.forward_features(images)  # type: ignore[operator]
        return cast(Tensor, self.network.forward_head(tokens, pre_logits=True))  # type: ignore[operator]

    def _as_map(self, tokens: Tensor) -> Tensor:
        """Lay tokens [B,n+h*w,C] or maps [B,h,w,C] out as [B,C,h,w]; n class tokens come first."""
        if tokens.ndim == 4 and tokens.shape[1] == self.num_features:
            return tokens
        rows, columns = self.grid
        patches = tokens.flatten(1, -2)[:, -rows * columns :]
        return patches.transpose(1, 2).reshape(len(patches), -1, rows, columns)


def build_token_backbone(
    name: str, size: tuple[int, int] | None, pooled: Pooled, settings: Mapping[str, Any] | None = None
) -> TokenBackbone:
    """Build a network without weights and without a head, for images of a size.

    Args:
        name: timm name.
        size: Height and width of the images; None: those that it was made for.
        pooled: What stands for an image; `head` becomes `patches` where the head has layers of its own.
        settings: More that timm is told.

    Raises:
        ValueError: If it cannot take images of this size, or gives neither a map nor tokens.
    """
    network = _create(name, size, settings or {})
    height, width = size or _own_size(network)
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            tokens = network.forward_features(torch.zeros(1, 3, height, width))  # type: ignore[operator]
            summary = network.forward_head(tokens, pre_logits=True)  # type: ignore[operator]
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        raise ValueError(_wrong_size(name, network, height, width)) from error
    channels = int(cast(int, network.num_features))
    grid = _grid_of(tokens, network, height, width)
    if grid is None:
        shape = list(tokens.shape) if isinstance(tokens, Tensor) else type(tokens).__name__
        msg = (
            f"got backbone {name!r}, whose features ({shape}) are neither a map [1, {channels}, h, w] nor a "
            "token for each patch; type --backbone.name resnet50.tv_in1k"
        )
        raise ValueError(msg)
    network.train(was_training)
    fits = isinstance(summary, Tensor) and summary.shape == (1, channels)
    return TokenBackbone(network, grid, pooled if fits else "patches")


def _create(name: str, size: tuple[int, int] | None, more: Mapping[str, Any]) -> nn.Module:
    """Build timm's network for a size; those that take any size are not told one."""
    import timm  # noqa: PLC0415 - seconds that only a network needs

    told: dict[str, Any] = {} if size is None else {"img_size": size}
    for settings in ({**more, **told, "dynamic_img_size": True}, {**more, **told}, more):
        try:
            network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **settings)
        except TypeError:  # it does not know such a setting
            continue
        except (AssertionError, ValueError) as error:
            msg = f"backbone {name!r} cannot take images of {size}: {error}; give it images of another size"
            raise ValueError(msg) from error
        return network
    msg = f"timm cannot build {name}"
    raise AssertionError(msg)


def _own_size(network: nn.Module) -> tuple[int, int]:
    """Return height and width of the images that a network was made for."""
    described = cast(Mapping[str, Any], network.pretrained_cfg)
    _, height, width = described["input_size"]
    return int(height), int(width)


def _grid_of(tokens: object, network: nn.Module, height: int, width: int) -> tuple[int, int] | None:
    """Return rows and columns of the map that is in what a network gives; None: there is none."""
    channels = int(cast(int, network.num_features))
    if not isinstance(tokens, Tensor) or tokens.ndim not in {3, 4}:
        return None
    if tokens.ndim == 4:
        if tokens.shape[1] == channels:
            return tokens.shape[2], tokens.shape[3]
        return (tokens.shape[1], tokens.shape[2]) if tokens.shape[3] == channels else None
    info = cast(list[Mapping[str, Any]], getattr(network, "feature_info", None) or [{}])
    reduction = int(info[-1].get("reduction", 0))
    if not reduction or tokens.shape[2] != channels:
        return None
    grid = math.ceil(height / reduction), math.ceil(width / reduction)
    return grid if 0 <= tokens.shape[1] - grid[0] * grid[1] <= _MOST_PREFIXES else None


def _wrong_size(name: str, network: nn.Module, height: int, width: int) -> str:
    """Say which sizes a network takes."""
    info = cast(list[Mapping[str, Any]], getattr(network, "feature_info", None) or [{}])
    step = int(info[-1].get("reduction", 0))
    if step and (height % step or width % step):
        near = [max(step, round(side / step) * step) for side in (height, width)]
        return (
            f"backbone {name!r} sees patches of {step} pixels, and images are {height}x{width}: type "
            f"--image.height {near[0]} --image.width {near[1]}, or another backbone.name"
        )
    own = "x".join(str(side) for side in _own_size(network))
    return (
        f"backbone {name!r} cannot take images of {height}x{width}; it was made for {own}: set "
        "--image.height and --image.width, or another backbone.name"
    )
