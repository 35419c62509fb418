"""DG-Net's E_a: its code, its heads, the space it lives in, and the feature for matching."""

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from genreid.models.appearance import IdentityHead
from genreid.models.backbone import BackboneConfig, InputStatistics
from genreid.models.dgnet import (
    AppearanceConfig,
    AppearanceEncoder,
    build_appearance_encoder,
    combine_halves,
    from_normalised,
    to_normalised,
)
from genreid.models.frozen import frozen_call
from tests.drawn_tensors import fill, normal, weights_of
from tests.oracles import dgnet_networks_oracle as oracle

IMAGENET = InputStatistics(oracle.MEAN, oracle.STD)


class Stub(nn.Module):
    """A backbone whose map is what comes in, on five channels."""

    num_features = 5

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 5, 1)
        self.seen: Tensor | None = None

    def forward_features(self, images: Tensor) -> Tensor:
        self.seen = images
        maps: Tensor = self.mix(images)
        return maps


def build(
    order: Literal["channels", "stripes"] = "channels",
    head_input: Literal["global_max", "code"] = "global_max",
    statistics: InputStatistics = IMAGENET,
) -> AppearanceEncoder:
    config = AppearanceConfig(head_width=6, code_order=order, head_input=head_input)
    network = AppearanceEncoder(Stub(), 4, config, statistics).double()
    fill(network, "appearance")
    return network


# The space


def test_normalised_space() -> None:
    images = torch.tanh(normal("images", 2, 3, 4, 5))
    torch.testing.assert_close(to_normalised(images), oracle.normalised(images), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(from_normalised(oracle.normalised(images)), images)
    loud = from_normalised(torch.tensor([-9.0, 9.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1))
    assert loud.flatten(1).tolist() == [[-1.0] * 3, [1.0] * 3]


def test_the_backbone_gets_what_its_weights_expect() -> None:
    lite = InputStatistics((127 / 255,) * 3, (128 / 255,) * 3)
    network = build(statistics=lite)
    images = torch.tanh(normal("images", 2, 3, 8, 4))
    network.feature_map(to_normalised(images))
    assert isinstance(network.backbone, Stub)
    assert network.backbone.seen is not None
    expected = oracle.normalised(images, *lite)
    # the buffers are float32, as the networks are
    torch.testing.assert_close(network.backbone.seen, expected, rtol=1e-5, atol=1e-6)


def test_an_imagenet_backbone_gets_the_very_same_tensor() -> None:
    network = build()
    images = normal("images", 2, 3, 8, 4)
    network.feature_map(images)
    assert network.backbone.seen is images
    assert torch.equal(network.input_scale, torch.ones(1, 3, 1, 1, dtype=torch.float64))
    assert not network.input_offset.any()


# Code and heads


@pytest.mark.parametrize("order", ["channels", "stripes"])
@pytest.mark.parametrize("head_input", ["global_max", "code"])
@pytest.mark.parametrize("training", [True, False])
def test_code_and_heads_against_the_oracle(
    order: Literal["channels", "stripes"], head_input: Literal["global_max", "code"], training: bool
) -> None:
    network = build(order, head_input).train(training)
    weights = weights_of(network)
    images = normal("images", 3, 3, 16, 8)
    output = network(images, dropout=False)
    maps = network.feature_map(images).detach()
    code = oracle.appearance_code(maps, order)
    torch.testing.assert_close(output.code, code)
    read = code if head_input == "code" else maps.amax((2, 3))
    for name, head in (("primary", output.primary), ("fine", output.fine)):
        embedding = oracle.embedding(read, weights, name, batch_statistics=training)
        torch.testing.assert_close(head.embedding, embedding)
        torch.testing.assert_close(head.logits, oracle.linear(embedding, weights, f"{name}.classifier"))


def test_the_code_is_laid_out_channel_by_channel() -> None:
    """By hand: channel c has 10 c + s in stripe s; the decoder's quarters are channels (spec dg-net F2)."""
    maps = torch.tensor([[[10.0 * c + s] * 2 for s in range(4)] for c in range(3)])[None]
    network = build()
    network.feature_map = lambda images: maps.double()  # type: ignore[method-assign]
    assert network._pool(maps)[0].tolist() == [[0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]]
    assert build("stripes")._pool(maps)[0].tolist() == [[0, 10, 20, 1, 11, 21, 2, 12, 22, 3, 13, 23]]


def test_gradients_of_the_code_reach_the_backbone() -> None:
    """Whether they shall is for the training step to say."""
    network = build()
    network(normal("images", 2, 3, 8, 4)).code.sum().backward()
    assert network.backbone.get_parameter("mix.weight").grad is not None


@pytest.mark.parametrize(("name", "probability"), [("primary", 0.5), ("fine", 0.75)])
def test_dropout_lies_between_embedding_and_classifier(name: str, probability: float) -> None:
    config = AppearanceConfig(head_width=50)
    torch.manual_seed(0)
    network = AppearanceEncoder(Stub(), 50, config, IMAGENET)
    head = network.get_submodule(name)
    assert isinstance(head, IdentityHead)
    with torch.no_grad():
        head.classifier.weight.copy_(torch.eye(50))
        embedding, logits = getattr(network(torch.randn(400, 3, 4, 1)), name)
        calm = getattr(network(torch.randn(4, 3, 4, 1), dropout=False), name)
        still = getattr(network.eval()(torch.randn(4, 3, 4, 1)), name)
    kept = logits != 0
    torch.testing.assert_close(logits[kept], embedding[kept] / (1 - probability))
    assert 1 - kept.float().mean().item() == pytest.approx(probability, abs=0.015)
    torch.testing.assert_close(calm.logits, calm.embedding)
    torch.testing.assert_close(still.logits, still.embedding)


def test_a_frozen_call_gives_gradients_to_the_image_alone() -> None:
    network = build().train()
    before = weights_of(network)
    images = normal("images", 3, 3, 8, 4).requires_grad_()
    output = frozen_call(network, images, {"dropout": False})
    (output.code.sum() + output.primary.logits.square().sum() + output.fine.logits.square().sum()).backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


# Size, initial weights


def test_resnet_50_at_256x128() -> None:
    backbone = BackboneConfig(name="resnet50.tv_in1k", weights="none", last_stride=1)
    with torch.device("meta"):
        network = build_appearance_encoder(AppearanceConfig(backbone=backbone), 751)
        maps = network.feature_map(torch.empty(2, 3, 256, 128))
        output = network(torch.empty(2, 3, 256, 128))
    assert maps.shape == (2, 2048, 16, 8)
    assert output.code.shape == (2, 8192)
    for head in (output.primary, output.fine):
        assert (head.embedding.shape, head.logits.shape) == ((2, 512), (2, 751))
    assert (network.feature_channels, network.num_classes) == (2048, 751)
    classifier_of_1000 = 2048 * 1000 + 1000
    trunk = 25_557_032 - classifier_of_1000  # torchvision's published count
    head_size = 2048 * 512 + 512 + 2 * 512 + 512 * 751 + 751
    assert sum(p.numel() for p in network.parameters()) == trunk + 2 * head_size
    assert all(layer.dilation == (1, 1) for layer in network.modules() if isinstance(layer, nn.Conv2d))


def test_initial_weights_of_a_head() -> None:
    torch.manual_seed(0)
    head = IdentityHead(4, 200_000, 3, 0.5)
    linear, norm = head.bottleneck
    assert isinstance(linear, nn.Linear)
    assert isinstance(norm, nn.BatchNorm1d)
    assert linear.weight.std().item() == pytest.approx((2 / 200_000) ** 0.5, rel=5e-3)  # fan out
    assert (norm.weight == 1).all(), "the teacher's is N(1, 0.02)"
    assert head.classifier.weight.std().item() == pytest.approx(0.001, rel=5e-3)
    assert not any(values.any() for values in (linear.bias, norm.bias, head.classifier.bias))


def test_heads_stay_float32_under_autocast() -> None:
    network = build().float().train()
    with torch.autocast("cpu", torch.bfloat16):
        output = network(normal("images", 4, 3, 8, 4).float())
    assert output.code.dtype == torch.bfloat16
    for head in (output.primary, output.fine):
        assert head.embedding.dtype == head.logits.dtype == torch.float32
    (output.primary.logits.square().sum() + output.fine.logits.square().sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


# The feature for matching


@pytest.mark.parametrize("weight", [0.5, 0.0, 1.0, 2.0])
def test_joined_halves_rank_as_the_weighted_sum_of_cosines(weight: float) -> None:
    first = normal("p", 2, 7), 3 * normal("f", 2, 7)
    joined = combine_halves(*first, weight)
    assert joined.shape == (2, 14)
    torch.testing.assert_close(joined.norm(dim=1), torch.ones(2, dtype=torch.float64))
    (primary_q, primary_g), (fine_q, fine_g) = first[0].tolist(), first[1].tolist()
    score = oracle.cosine(primary_q, primary_g) + weight * oracle.cosine(fine_q, fine_g)
    assert (joined[0] @ joined[1]).item() == pytest.approx(score / (1 + weight), abs=1e-12)
    torch.testing.assert_close(combine_halves(*first), combine_halves(*first, 0.5))


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got fine_weight -1, expected a number >= 0"):
        combine_halves(torch.ones(1, 2), torch.ones(1, 2), -1)


# Settings


def test_defaults_are_the_published_ones() -> None:
    assert AppearanceConfig() == AppearanceConfig(
        backbone=BackboneConfig("resnet50.tv_in1k", "hub", 1, 0.0, 0),
        head_width=512,
        primary_dropout=0.5,
        fine_dropout=0.75,
        code_order="channels",
        head_input="global_max",
    )


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"head_width": 0}, "got head_width 0, expected at least 1"),
        ({"primary_dropout": 1.0}, r"got primary_dropout 1\.0, fine_dropout 0\.75, expected probabilities"),
        ({"fine_dropout": -0.1}, r"got primary_dropout 0\.5, fine_dropout -0\.1, expected probabilities"),
        ({"backbone": BackboneConfig(dropout=0.5)}, r"got dropout 0\.5, bottleneck 0, expected 0 for both"),
        ({"backbone": BackboneConfig(bottleneck=9)}, r"got dropout 0\.0, bottleneck 9, expected 0 for both"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        AppearanceConfig(**wrong)  # type: ignore[arg-type]


def test_nobody_to_classify_is_refused() -> None:
    with pytest.raises(ValueError, match="got 0 classes, expected at least one person"):
        build_appearance_encoder(AppearanceConfig(), 0)
