"""The re-id network: shapes, input range, strides, head."""

from typing import Any, cast

import pytest
import torch
from torch import nn

from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network, input_statistics

TINY = "test_resnet.r160_in1k"


def build(name: str = TINY, num_classes: int = 5, last_stride: int = 2) -> ReidNetwork:
    torch.manual_seed(0)
    return build_reid_network(
        BackboneConfig(name, weights="none", last_stride=last_stride), num_classes
    ).eval()


def test_default_is_torchvisions_resnet50_from_the_hub() -> None:
    assert BackboneConfig() == BackboneConfig("resnet50.tv_in1k", "hub", 2, 0.0)


def test_shapes_and_width_come_from_the_backbone() -> None:
    network = build(num_classes=7)
    images = torch.rand(2, 3, 64, 32) * 2 - 1
    output = network(images)
    assert network.feature_channels == network.backbone.num_features
    assert network.feature_map(images).shape == (2, network.feature_channels, 2, 1)
    assert output.embedding.shape == (2, network.feature_channels)
    assert output.logits.shape == (2, 7)


def test_embedding_is_the_mean_of_the_map_and_logits_are_linear_in_it() -> None:
    network = build()
    images = torch.rand(2, 3, 96, 64) * 2 - 1
    feature_map = network.feature_map(images)
    rows, columns = feature_map.shape[2:]
    positions = [feature_map[:, :, i, j] for i in range(rows) for j in range(columns)]
    mean = torch.stack(positions).sum(dim=0) / (rows * columns)
    torch.testing.assert_close(network.embed(images), mean)
    expected = mean @ network.classifier.weight.T + network.classifier.bias
    torch.testing.assert_close(network(images).logits, expected)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("resnet50.tv_in1k", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("resnet18", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("tf_efficientnet_lite0", (127 / 255,) * 3, (128 / 255,) * 3),
        ("tf_efficientnet_lite2.in1k", (127 / 255,) * 3, (128 / 255,) * 3),
        (TINY, (0.5,) * 3, (0.5,) * 3),
    ],
)
def test_input_statistics(name: str, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    assert input_statistics(name) == (mean, std)


def test_input_statistics_of_an_unknown_name() -> None:
    with pytest.raises(ValueError, match="'nonsense', of which timm knows nothing"):
        input_statistics("nonsense")


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
def test_input_is_converted_to_the_backbones_statistics(name: str) -> None:
    network = build(name)
    pixels = torch.randint(0, 256, (1, 3, 64, 32)).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in input_statistics(name))
    expected = cast(Any, network.backbone).forward_features((pixels / 255 - mean) / std)
    torch.testing.assert_close(network.feature_map(pixels / 127.5 - 1), expected, atol=1e-5, rtol=1e-4)


def test_statistics_are_not_saved() -> None:
    assert not [key for key in build().state_dict() if key.startswith("input_")]


@pytest.mark.parametrize("name", [TINY, "resnet18", "resnet50d", "tf_efficientnet_lite0", "mobilenetv2_100"])
def test_last_stride_one_doubles_the_map_without_dilation(name: str) -> None:
    images = torch.rand(1, 3, 128, 64) * 2 - 1
    published, wider = build(name), build(name, last_stride=1)
    rows, columns = published.feature_map(images).shape[2:]
    assert wider.feature_map(images).shape[2:] == (2 * rows, 2 * columns)
    assert all(layer.dilation == (1, 1) for layer in wider.modules() if isinstance(layer, nn.Conv2d))
    assert wider.state_dict().keys() == published.state_dict().keys()


def test_last_stride_one_samples_the_map_more_densely() -> None:
    """With the same weights, every second position of a basic block's strided branch is the published one."""
    images = torch.rand(1, 3, 128, 64) * 2 - 1
    published, wider = build("resnet18"), build("resnet18", last_stride=1)
    wider.load_state_dict(published.state_dict())
    before = published.backbone.get_submodule("layer3")
    stem = nn.Sequential(*[published.backbone.get_submodule(n) for n in ("conv1", "bn1", "act1", "maxpool")])
    x = before(
        published.backbone.get_submodule("layer2")(published.backbone.get_submodule("layer1")(stem(images)))
    )
    coarse = published.backbone.get_submodule("layer4.0.conv1")(x)
    dense = wider.backbone.get_submodule("layer4.0.conv1")(x)
    torch.testing.assert_close(dense[:, :, ::2, ::2], coarse)


def test_last_stride_that_cannot_change_is_named() -> None:
    with pytest.raises(ValueError, match="last_stride 1 is not possible with backbone 'test_convnext'"):
        build("test_convnext", last_stride=1)


def test_unknown_backbone_suggests_names() -> None:
    with pytest.raises(ValueError, match=r"timm does not know.*names like it: none"):
        build("rasnet50")


@pytest.mark.parametrize(("last_stride", "dropout"), [(3, 0.0), (0, 0.0), (2, 1.0), (2, -0.1)])
def test_settings_out_of_range(last_stride: int, dropout: float) -> None:
    with pytest.raises(ValueError, match=r"got (last_stride|dropout)"):
        BackboneConfig(last_stride=last_stride, dropout=dropout)


def test_no_people_is_refused() -> None:
    with pytest.raises(ValueError, match="got 0 classes"):
        build(num_classes=0)


def test_classifier_starts_small_with_zero_bias() -> None:
    network = build(num_classes=400)
    assert network.classifier.weight.std().item() == pytest.approx(0.001, rel=0.03)
    assert network.classifier.bias.abs().max().item() == 0.0


def test_dropout_only_while_training_and_only_before_the_classifier() -> None:
    torch.manual_seed(0)
    network = build_reid_network(BackboneConfig("resnet18", "none", dropout=0.5), 3)
    images = torch.rand(4, 3, 64, 32) * 2 - 1
    first, second = network(images), network(images)
    torch.testing.assert_close(first.embedding, second.embedding)
    assert not torch.equal(first.logits, second.logits)
    network.eval()
    torch.testing.assert_close(network(images), network(images))


def test_gradients_reach_images_of_a_frozen_network() -> None:
    """Spec cr-gan E14: the frozen identity discriminator passes gradients on and keeps none."""
    network = build().requires_grad_(requires_grad=False)
    images = (torch.rand(2, 3, 64, 32) * 2 - 1).requires_grad_()
    network(images).logits.square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.parameters())
