"""OSNet and OSNet-AIN, which timm does not have; after this import it knows them by name.

Papers: Zhou, Yang, Cavallaro, Xiang, "Omni-scale feature learning for person re-identification", ICCV 2019;
"Learning generalisable omni-scale representations for person re-identification", TPAMI 2021 (AIN: instance
norms in the stem and in four of the six blocks). The layers' names are those of the authors' files, as facts.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

STREAMS = 4
"""Streams of a block: the t-th sees (2t + 1) x (2t + 1) pixels."""
WIDTHS = (64, 256, 384, 512)
_REDUCTION, _GATE_REDUCTION = 4, 16

default_cfgs = generate_default_cfgs(
    {
        name: {
            "input_size": (3, 256, 128),
            "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225),
            "first_conv": "conv1.conv",
            "classifier": "classifier",
        }
        for name in ("osnet_x1_0", "osnet_ain_x1_0")
    }
)


class _ConvNorm(nn.Module):
    """Convolution without bias, norm, and mostly a ReLU."""

    def __init__(
        self,
        widths: tuple[int, int],
        kernel: int = 1,
        *,
        stride: int = 1,
        norm: type[nn.Module] | None = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(*widths, kernel, stride, kernel // 2, bias=False)
        settings: dict[str, Any] = {"affine": True}
        self.bn = None if norm is None else norm(widths[1], **settings)

    def linear(self, maps: Tensor) -> Tensor:
        """Without the ReLU."""
        maps = self.conv(maps)
        return maps if self.bn is None else cast(Tensor, self.bn(maps))

    def forward(self, maps: Tensor) -> Tensor:
        """Bring [B,C_in,H,W] to [B,C_out,H/stride,W/stride]."""
        return self.linear(maps).relu()


class _LiteConv(nn.Module):
    """1x1 convolution, depthwise 3x3 convolution, batch norm, ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        """Refine [B,C,H,W]."""
        return cast(Tensor, self.bn(self.conv2(self.conv1(maps)))).relu()


class _Stream(nn.Module):
    """Several of them in a row."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(_LiteConv(width) for _ in range(depth)))

    def forward(self, maps: Tensor) -> Tensor:
        """Refine [B,C,H,W]."""
        return cast(Tensor, self.layers(maps))


class _Gate(nn.Module):
    """Weight of each channel, by what the whole image shows in them: the unified aggregation gate."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // _GATE_REDUCTION, 1)
        self.fc2 = nn.Conv2d(width // _GATE_REDUCTION, width, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Weight the channels of [B,C,H,W]."""
        hidden = cast(Tensor, self.fc1(maps.mean((2, 3), keepdim=True))).relu()
        return maps * cast(Tensor, self.fc2(hidden)).sigmoid()


class _Block(nn.Module):
    """Omni-scale residual block; with `instance`, an instance norm ends its branch (AIN)."""

    def __init__(self, inputs: int, outputs: int, *, instance: bool) -> None:
        super().__init__()
        middle = outputs // _REDUCTION
        self.conv1 = _ConvNorm((inputs, middle))
        self.conv2 = nn.ModuleList(_Stream(middle, depth) for depth in range(1, STREAMS + 1))
        self.gate = _Gate(middle)
        self.conv3 = _ConvNorm((middle, outputs), norm=None if instance else nn.BatchNorm2d)
        self.downsample = _ConvNorm((inputs, outputs)) if inputs != outputs else None
        self.IN = nn.InstanceNorm2d(outputs, affine=True) if instance else None

    def forward(self, maps: Tensor) -> Tensor:
        """Bring [B,inputs,H,W] to [B,outputs,H,W]."""
        reduced = self.conv1(maps)
        branch = self.conv3.linear(torch.stack([self.gate(stream(reduced)) for stream in self.conv2]).sum(0))
        branch = branch if self.IN is None else self.IN(branch)
        kept = maps if self.downsample is None else self.downsample.linear(maps)
        return (branch + kept).relu()


class OSNet(nn.Module):
    """OSNet without its pooling and its fully connected layer.

    Args:
        instance: For each of the six blocks, whether an instance norm ends its branch; any: the stem has one,
            too (AIN).
        num_classes: Not looked at: there is no classifier.
        in_chans: Channels of the images.
    """

    def __init__(
        self, instance: tuple[bool, ...] = (False,) * 6, num_classes: int = 0, in_chans: int = 3
    ) -> None:
        super().__init__()
        self.num_classes, self.num_features = num_classes, WIDTHS[-1]
        stem = nn.InstanceNorm2d if any(instance) else nn.BatchNorm2d
        self.conv1 = _ConvNorm((in_chans, WIDTHS[0]), 7, stride=2, norm=stem)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for stage in range(3):
            inputs, outputs = WIDTHS[stage : stage + 2]
            first, second = instance[2 * stage : 2 * stage + 2]
            blocks = _Block(inputs, outputs, instance=first), _Block(outputs, outputs, instance=second)
            self.add_module(f"conv{stage + 2}", nn.Sequential(*blocks))
            if stage < 2:
                shrink = nn.Sequential(_ConvNorm((outputs, outputs)), nn.AvgPool2d(2))
                self.add_module(f"pool{stage + 2}", shrink)
        self.conv5 = _ConvNorm((WIDTHS[-1], WIDTHS[-1]))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def group_matcher(self, *, coarse: bool = False) -> dict[str, Any]:
        """Tell timm which tensors are of one layer.

        Args:
            coarse: Whether a stage is one layer.
        """
        return {
            "stem": r"^conv1",
            "blocks": r"^(?:conv|pool)(\d)" if coarse else r"^(?:conv|pool)(\d)(?:\.(\d))?",
        }

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the last map.

        Args:
            images: [B,3,H,W], ImageNet-normalised.

        Returns:
            [B,512,H/16,W/16].
        """
        maps = self.maxpool(self.conv1(images))
        for name in ("conv2", "pool2", "conv3", "pool3", "conv4", "conv5"):
            maps = self.get_submodule(name)(maps)
        return cast(Tensor, maps)


INSTANCE_NORMS: Mapping[str, tuple[bool, ...]] = {
    "osnet_x1_0": (False,) * 6,
    "osnet_ain_x1_0": (True, True, False, True, True, False),
}
"""Name -> which of the six blocks have an instance norm."""


def _maker(name: str) -> Callable[..., Any]:
    """Return the function with which timm builds a network."""

    def make(*, pretrained: bool = False, **settings: Any) -> Any:  # noqa: ANN401 - timm's
        return build_model_with_cfg(OSNet, name, pretrained, instance=INSTANCE_NORMS[name], **settings)

    make.__name__, make.__module__ = name, __name__
    return make


for _name in INSTANCE_NORMS:
    register_model(_maker(_name))
