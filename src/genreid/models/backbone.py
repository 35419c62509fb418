"""The re-identification network: a timm backbone, average pooling, one linear classifier (CR-GAN's D_id).

Papers: CR-GAN stage I (spec cr-gan E14, E18) trains this network on the source people; stage II freezes it as
the identity discriminator; stage III fine-tunes it; E20 compares its pooled features. Any timm backbone fits
that gives a feature map or a token for each patch (`models/tokens.py`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genreid.models.pretrained import architecture, load_backbone_weights
from genreid.models.sources import SOURCES, SourceName, make_as_trained
from genreid.models.strided import mend_strides
from genreid.models.tokens import TokenBackbone, build_token_backbone

_PROBE_SIZE = 128
_LITE_PREFIX = "tf_efficientnet_lite"
_LITE_MEAN = 127 / 255
_LITE_STD = 128 / 255


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Which backbone, and what it starts from.

    Attributes:
        name: A timm name with its weight tag, such as `resnet50.tv_in1k` or `tf_efficientnet_lite0`.
        weights: `hub` (timm's download), `package` (out of an installed package, see `models/pretrained.py`),
            `none` (random), or the path of a .safetensors, .pth or .pt file.
        last_stride: Stride of the last stage: 2 as published, or 1 for a map with twice the rows and columns.
        dropout: Probability of dropping a pooled feature while training. CR-GAN's table 10 lists 0.999, which
            is TensorFlow's probability of keeping: nearly off (spec cr-gan E0, E13).
        bottleneck: Width of a linear layer with batch norm between pooling and classifier, whose output is
            then the embedding (512 in DG-Net's teacher, spec dg-net F8). 0: none, as in CR-GAN.
        tokens: What stands for an image where the backbone gives tokens: `head`, what its own head would read
            (a class token, mostly), whatever the pooling; `patches`, its patches, pooled as a feature map.
        source: Whose names a file of weights has, and what is not as timm has it: `timm` (and torchvision's
            ResNets), `torchvision`, `strong_baseline`, `layumi`, `moco`, `fastreid_sbs`, `transreid_ssl`,
            `clipreid`, `solider`, `osnet`, `osnet_ain`.
    """

    name: str = "resnet50.tv_in1k"
    weights: str = "hub"
    last_stride: int = 2
    dropout: float = 0.0
    bottleneck: int = 0
    tokens: Literal["head", "patches"] = "head"
    source: SourceName = "timm"

    def __post_init__(self) -> None:
        if re.fullmatch(r"[\w-]+(\.[\w-]+)?", self.name) is None:
            msg = (
                f"got backbone.name {self.name!r}, expected a timm name such as resnet50.tv_in1k: neither a "
                "place of the hub (hf-hub:) nor a folder (local-dir:) is read; for weights of your own type "
                "--backbone.weights FILE"
            )
            raise ValueError(msg)
        if self.last_stride not in {1, 2}:
            msg = f"got last_stride {self.last_stride}, expected 1 or 2; type --backbone.last_stride 2"
            raise ValueError(msg)
        if not 0.0 <= self.dropout < 1.0:
            msg = f"got dropout {self.dropout}, expected a probability of dropping in [0, 1); 0 is off"
            raise ValueError(msg)
        if self.bottleneck < 0:
            msg = f"got bottleneck {self.bottleneck}, expected a width, or 0 for none"
            raise ValueError(msg)


class InputStatistics(NamedTuple):
    """`mean` and standard deviation `std` of pixels in [0, 1], by channel, that weights were trained with."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ReidOutput(NamedTuple):
    """What the network says of a batch: `embedding` [B,C], average pooled, and `logits` [B,K] of K people."""

    embedding: Tensor
    logits: Tensor


class ReidNetwork(nn.Module):
    """Backbone, global average pooling and a linear classifier; images come in as [-1, 1].

    Use `build_reid_network`; the constructor takes a backbone that is ready.

    Args:
        backbone: Of `build_backbone`: its `forward_features` gives [B,C,h,w].
        num_classes: K, the number of people trained on.
        config: Dropout and bottleneck; its name and weights are not looked at.
        statistics: What the backbone's weights expect of their input.

    Attributes:
        backbone: A timm network whose `forward_features` gives [B,C,h,w].
        bottleneck: Linear layer and batch norm behind the pooling; None without.
        classifier: Linear layer with bias to K; weights drawn from N(0, 0.001^2), bias 0.
        feature_channels: C, the backbone's own width.
        num_classes: K, the number of people trained on.
        input_scale: [1,3,1,1], times this ...
        input_offset: [1,3,1,1], ... plus this turns [-1, 1] into what the backbone was trained with.
    """

    input_scale: Tensor
    input_offset: Tensor

    def __init__(
        self, backbone: nn.Module, num_classes: int, config: BackboneConfig, statistics: InputStatistics
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.feature_channels = int(cast(int, backbone.num_features))
        self.num_classes = num_classes
        self.dropout = config.dropout
        self.bottleneck = (
            build_bottleneck(self.feature_channels, config.bottleneck) if config.bottleneck else None
        )
        self.classifier = nn.Linear(config.bottleneck or self.feature_channels, num_classes)
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)
        mean = torch.tensor(statistics.mean).view(1, 3, 1, 1)
        std = torch.tensor(statistics.std).view(1, 3, 1, 1)
        self.register_buffer("input_scale", 0.5 / std, persistent=False)
        self.register_buffer("input_offset", (0.5 - mean) / std, persistent=False)

    def feature_map(self, images: Tensor) -> Tensor:
        """Return the last convolutional map, or the tokens of the patches, laid out as these are.

        Args:
            images: [B,3,H,W] in [-1, 1].

        Returns:
            [B,C,h,w]; with stride 32, h = ceil(H / 32) and w = ceil(W / 32).
        """
        return cast(Tensor, self.backbone.forward_features(self._normalised(images)))  # type: ignore[operator]

    def _normalised(self, images: Tensor) -> Tensor:
        """Turn [-1, 1] into what the backbone was trained with."""
        return torch.addcmul(self.input_offset, images, self.input_scale)

    def embed(self, images: Tensor) -> Tensor:
        """Return the embedding, not normalised: the pooled feature, or what the bottleneck makes of it.

        Args:
            images: [B,3,H,W] in [-1, 1].

        Returns:
            [B,C], or [B, width of the bottleneck].
        """
        if isinstance(self.backbone, TokenBackbone) and self.backbone.has_summary:
            return self.neck(self.backbone.summary(self._normalised(images)))
        return self.neck(self.pool(self.feature_map(images)))

    def pool(self, feature_map: Tensor) -> Tensor:
        """Average a feature map over all positions.

        Args:
            feature_map: [B,C,h,w].

        Returns:
            [B,C].
        """
        return feature_map.mean(dim=(2, 3))

    def neck(self, pooled: Tensor) -> Tensor:
        """Send a pooled feature through the bottleneck, if there is one.

        Args:
            pooled: [B,C].

        Returns:
            [B,C], or [B, width of the bottleneck].
        """
        return pooled if self.bottleneck is None else cast(Tensor, self.bottleneck(pooled))

    def forward(self, images: Tensor) -> ReidOutput:
        """Return the embedding and the logits of every trained person.

        Args:
            images: [B,3,H,W] in [-1, 1].

        Returns:
            `ReidOutput`; dropout, where it is on, lies between the embedding and the classifier.
        """
        embedding = self.embed(images)
        return ReidOutput(embedding, self.classifier(F.dropout(embedding, self.dropout, self.training)))


def build_bottleneck(inputs: int, width: int) -> nn.Sequential:
    """Return a linear layer and a batch norm, initialised as in DG-Net's teacher (spec dg-net F8).

    The scales of the batch norm are N(1, 0.02), as in the program that trains the teacher.

    Args:
        inputs: Width of what it reads.
        width: Width of what it gives.
    """
    linear, norm = nn.Linear(inputs, width), nn.BatchNorm1d(width)
    nn.init.kaiming_normal_(linear.weight, mode="fan_out")
    nn.init.zeros_(linear.bias)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return nn.Sequential(linear, norm)


def build_reid_network(
    config: BackboneConfig, num_classes: int, size: tuple[int, int] | None = None
) -> ReidNetwork:
    """Build the network and load the weights that the configuration names.

    A network whose weights come out of a checkpoint is built with `weights="none"`.

    Args:
        config: Backbone, weights, last stride, dropout.
        num_classes: How many people the training data holds.
        size: Height and width of the images: some backbones have to know.

    Returns:
        A network in training mode, on the CPU, float32.

    Raises:
        ValueError: For an unknown backbone or one without a map, images of a size that it does not take,
            weights that cannot be had or do not fit, or a last stride that cannot be changed.
    """
    if num_classes < 1:
        msg = f"got {num_classes} classes, expected at least one person in the training data"
        raise ValueError(msg)
    return ReidNetwork(build_backbone(config, size), num_classes, config, statistics_of(config))


def build_backbone(config: BackboneConfig, size: tuple[int, int] | None = None) -> nn.Module:
    """Build the backbone alone and load the weights that the configuration names.

    Args:
        config: Name, weights, last stride; dropout and bottleneck are not looked at.
        size: Height and width of the images: backbones with positions have to know; None: their own.

    Returns:
        A timm network, or one wrapped as a `TokenBackbone`, whose `forward_features` gives [B,C,h,w],
        C = `num_features`; in training mode, on the CPU, float32.

    Raises:
        ValueError: For an unknown backbone or one without a map, images of a size that it does not take,
            weights that cannot be had or do not fit, or a last stride that cannot be changed.
    """
    from genreid.models.depthwise import use_float32_for_depthwise  # noqa: PLC0415 - it needs timm

    backbone = _create_backbone(config, size)
    network = backbone.network if isinstance(backbone, TokenBackbone) else backbone
    use_float32_for_depthwise(network)
    make_as_trained(network, config.source, config.name)
    mend_strides(network)
    load_backbone_weights(network, config.name, config.weights, config.source)
    if config.last_stride == 1:
        _set_last_stride_to_one(backbone, config.name)
    return backbone


def statistics_of(config: BackboneConfig) -> InputStatistics:
    """Return the mean and standard deviation that a backbone's weights expect, whoever trained them.

    Args:
        config: Name and source.

    Raises:
        ValueError: If timm has no configuration of this name.
    """
    theirs = SOURCES[config.source].statistics
    return input_statistics(config.name) if theirs is None else InputStatistics(*theirs)


def input_statistics(name: str) -> InputStatistics:
    """Return the mean and standard deviation that the weights of a backbone expect.

    EfficientNet-Lite is defined with (x - 127) / 128 on 0..255, and its weights were trained so; timm's own
    configuration rounds that to 0.5 and 0.5, which differs by up to 0.008.

    Args:
        name: timm name, with or without a weight tag.

    Returns:
        Statistics of pixels in [0, 1].

    Raises:
        ValueError: If timm has no configuration of this name.
    """
    if name.startswith(_LITE_PREFIX):
        return InputStatistics((_LITE_MEAN,) * 3, (_LITE_STD,) * 3)
    import timm  # noqa: PLC0415 - seconds that only a network needs

    import genreid.models.osnet  # noqa: F401, PLC0415 - which timm has not

    config = timm.models.get_pretrained_cfg(name)
    if config is None:
        msg = f"got backbone {name!r}, of which timm knows nothing; type --backbone.name resnet50.tv_in1k"
        raise ValueError(msg)
    red, green, blue = config.mean
    red_std, green_std, blue_std = config.std
    return InputStatistics((red, green, blue), (red_std, green_std, blue_std))


def _create_backbone(config: BackboneConfig, size: tuple[int, int] | None) -> nn.Module:
    """Return timm's network without weights and without a head, wrapped if it gives no map by itself."""
    import timm  # noqa: PLC0415 - seconds that only a network needs

    import genreid.models.osnet  # noqa: F401, PLC0415 - which timm has not

    name = config.name
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    except (RuntimeError, ValueError) as error:
        similar = ", ".join(timm.list_models(f"*{architecture(name)}*")[:5]) or "none"
        msg = f"got backbone {name!r}, which timm does not know ({error}); names like it: {similar}"
        raise ValueError(msg) from error
    if _gives_map(backbone):
        return backbone
    return build_token_backbone(name, size, config.tokens, SOURCES[config.source].settings)


def _gives_map(backbone: nn.Module) -> bool:
    """Tell whether a network gives a map [B, num_features, h, w] of images of any size."""
    try:
        probed = _probe(backbone)
    except (AssertionError, RuntimeError):  # how timm's networks of fixed input size refuse
        return False
    return isinstance(probed, Tensor) and probed.ndim == 4 and probed.shape[1] == backbone.num_features


def _probe(backbone: nn.Module) -> Tensor:
    """Return the feature map of one grey image; nothing of the backbone changes."""
    was_training = backbone.training
    backbone.eval()
    with torch.inference_mode():
        features = backbone.forward_features(torch.zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE))  # type: ignore[operator]
    backbone.train(was_training)
    return cast(Tensor, features)


def _set_last_stride_to_one(backbone: nn.Module, name: str) -> None:
    """Set the stride of the layers that halve the map for the last time to 1, without dilation.

    They are found by running the network: their input is twice as high as the final map, their output not.
    """
    if isinstance(backbone, TokenBackbone):
        msg = f"last_stride 1 is not possible with backbone {name!r}; type --backbone.last_stride 2"
        raise ValueError(msg)
    rows = int(_probe(backbone).shape[2])
    halving: list[str] = []
    hooks = [
        module.register_forward_hook(_record_halving(label, rows, halving))
        for label, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d | nn.AvgPool2d | nn.MaxPool2d)
    ]
    _probe(backbone)
    for hook in hooks:
        hook.remove()
    for label in halving:
        _remove_stride(backbone, label)
    if not halving or int(_probe(backbone).shape[2]) != 2 * rows:
        msg = f"last_stride 1 is not possible with backbone {name!r}; type --backbone.last_stride 2"
        raise ValueError(msg)


def _record_halving(
    label: str, rows: int, found: list[str]
) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    """Return a hook that appends `label` to `found` if its layer takes 2 * rows and gives rows."""

    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if inputs[0].shape[2] == 2 * rows and output.shape[2] == rows:
            found.append(label)

    return hook


def _remove_stride(backbone: nn.Module, label: str) -> None:
    """Give a convolution stride 1; a pooling layer that halves becomes the identity."""
    layer = backbone.get_submodule(label)
    if isinstance(layer, nn.Conv2d):
        layer.stride = (1, 1)
    else:
        backbone.set_submodule(label, nn.Identity())
