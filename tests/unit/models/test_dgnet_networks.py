"""DG-Net's E_s, G and D: sizes and shapes of tables 6-8, every number against the oracle, initial weights."""

import math
import re

import pytest
import torch
from torch import Tensor, nn

from genreid.models.dgnet import (
    Decoder,
    DecoderConfig,
    ScaleDiscriminator,
    ScaleDiscriminatorConfig,
    StructureConfig,
    StructureEncoder,
)
from tests.drawn_tensors import fill, normal, weights_of
from tests.oracles import dgnet_networks_oracle as oracle


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def conv(kernel: int, inputs: int, outputs: int) -> int:
    """Numbers in a convolution with bias."""
    return kernel * kernel * inputs * outputs + outputs


# Tables 6-8


@pytest.mark.parametrize("aspp", [True, False])
def test_structure_encoder_has_the_size_of_table_6(aspp: bool) -> None:
    with torch.device("meta"):
        network = StructureEncoder(StructureConfig(aspp=aspp))
        code = network(torch.empty(2, 3, 256, 128))
    rows = conv(3, 1, 16) + conv(3, 16, 32) + conv(3, 32, 32) + conv(3, 32, 64) + 4 * 2 * conv(3, 64, 64)
    branches = conv(1, 64, 32) + 3 * (conv(1, 64, 32) + conv(3, 32, 32)) + conv(1, 128, 128)
    assert count(network) == rows + (branches if aspp else conv(1, 64, 128))
    assert code.shape == (2, 128, 64, 32)
    assert network.out_channels == 128


def test_decoder_has_the_size_of_table_7() -> None:
    with torch.device("meta"):
        network = Decoder(DecoderConfig(), 128, 2048)
        image = network(torch.empty(2, 128, 64, 32), torch.empty(2, 8192))
    rows = (
        4 * 2 * conv(3, 128, 128) + conv(5, 128, 64) + conv(5, 64, 32) + 2 * conv(3, 32, 32) + conv(1, 32, 3)
    )
    norms = 2 * 64 + 2 * 32
    perceptron = conv(1, 2048, 512) + conv(1, 512, 512) + conv(1, 512, 256)
    assert count(network) == rows + norms + 8 * perceptron
    assert image.shape == (2, 3, 256, 128)


def test_discriminator_has_the_size_of_table_8() -> None:
    with torch.device("meta"):
        network = ScaleDiscriminator(ScaleDiscriminatorConfig())
        scores = network(torch.empty(2, 3, 256, 128))
    rows = conv(1, 3, 32) + conv(3, 32, 32) + conv(3, 32, 32) + conv(3, 32, 32) + conv(3, 32, 64)
    assert count(network) == 3 * (rows + 4 * 2 * conv(3, 64, 64) + conv(1, 64, 1))
    assert [tuple(score.shape) for score in scores] == [(2, 1, 64, 32), (2, 1, 32, 16), (2, 1, 16, 8)]


def test_width_scales_every_layer() -> None:
    structure = StructureEncoder(StructureConfig(width=3))
    shapes = [tuple(layer.weight.shape[:2]) for layer in structure.modules() if isinstance(layer, nn.Conv2d)]
    reduced = [(24, 12), (6, 6), (6, 6), (6, 6), (24, 24)]
    assert shapes == [(3, 1), (6, 3), (6, 6), (12, 6), *[(12, 12)] * 8, *reduced]
    decoder = Decoder(DecoderConfig(mlp_width=7), 24, 5)
    shapes = [tuple(layer.weight.shape) for layer in decoder.modules() if isinstance(layer, nn.Linear)]
    assert shapes == [(7, 5), (7, 7), (48, 7)] * 8
    shapes = [tuple(layer.weight.shape[:2]) for layer in decoder.modules() if isinstance(layer, nn.Conv2d)]
    assert shapes == [*[(24, 24)] * 8, (12, 24), (6, 12), (6, 6), (6, 6), (3, 6)]
    judge = ScaleDiscriminator(ScaleDiscriminatorConfig(width=2, scales=1))
    shapes = [tuple(layer.weight.shape[:2]) for layer in judge.modules() if isinstance(layer, nn.Conv2d)]
    assert shapes == [(2, 3), (2, 2), (2, 2), (2, 2), (4, 2), *[(4, 4)] * 8, (1, 4)]


# Numbers


@pytest.mark.parametrize(("aspp", "size"), [(True, (48, 40)), (True, (16, 8)), (False, (16, 24))])
def test_structure_encoder_against_the_oracle(aspp: bool, size: tuple[int, int]) -> None:
    network = StructureEncoder(StructureConfig(width=1, aspp=aspp)).double()
    fill(network, "structure")
    images = normal("images", 2, 3, *size)
    expected = oracle.structure_encoder(weights_of(network), images)
    torch.testing.assert_close(network(images), expected, rtol=1e-8, atol=1e-8)
    assert expected.shape == (2, 8, size[0] // 4, size[1] // 4)


def test_decoder_against_the_oracle() -> None:
    network = Decoder(DecoderConfig(mlp_width=5), 8, 3).double()
    fill(network, "decoder")
    with torch.no_grad():
        for number, norm in enumerate(network.norms):
            norm.get_parameter("gamma").copy_(normal(f"gamma/{number}", 4 // (number + 1)).abs() + 1)
        network.paint.bias.zero_()  # type: ignore[union-attr]
    structure, appearance = normal("structure", 2, 8, 6, 5), normal("appearance", 2, 12)
    expected = oracle.decoder(weights_of(network), structure, appearance)
    assert expected.min() < -1  # unbounded, on both sides
    assert expected.max() > 1
    torch.testing.assert_close(network(structure, appearance), expected, rtol=1e-8, atol=1e-8)


def test_discriminator_against_the_oracle() -> None:
    network = ScaleDiscriminator(ScaleDiscriminatorConfig(width=2)).double()
    fill(network, "discriminator")
    images = normal("images", 2, 3, 40, 24)
    expected = oracle.scale_discriminator(weights_of(network), images, 3)
    torch.testing.assert_close(list(network(images)), expected, rtol=1e-8, atol=1e-8)


def test_discriminator_has_second_derivatives_for_its_gradient_penalty() -> None:
    network = ScaleDiscriminator(ScaleDiscriminatorConfig(width=2))
    images = normal("images", 1, 3, 16, 16).float().requires_grad_()
    scores = sum((score.sum() for score in network(images)), torch.zeros(()))
    (slope,) = torch.autograd.grad(scores, images, create_graph=True)
    slope.square().sum().backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for name, p in network.named_parameters() if name.endswith("weight")]
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_inputs_are_left_as_they_are() -> None:
    """Activations work in place: not on what belongs to the caller."""
    structure, decoder = StructureEncoder(StructureConfig(width=1)), Decoder(DecoderConfig(mlp_width=4), 8, 3)
    judge = ScaleDiscriminator(ScaleDiscriminatorConfig(width=1))
    images, maps, code = (
        normal(f"{n}", *s).float() for n, s in enumerate([(1, 3, 16, 16), (1, 8, 4, 4), (1, 12)])
    )
    before = [values.clone() for values in (images, maps, code)]
    structure(images), decoder(maps, code), judge(images)
    assert all(torch.equal(a, b) for a, b in zip(before, (images, maps, code), strict=True))


# Initial weights


def spread(layers: list[nn.Module], unit: float | None) -> float:
    """Standard deviation of all weights, each layer's in units of sqrt(2 / fan_in), or of `unit`."""
    parts = []
    for layer in layers:
        weight = layer.get_parameter("weight").detach()
        parts.append(weight.flatten() / (unit or math.sqrt(2 / weight[0].numel())))
    return torch.cat(parts).std().item()


def learned(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


@pytest.mark.parametrize("name", ["structure", "decoder", "discriminator"])
def test_initial_weights(name: str) -> None:
    torch.manual_seed(0)
    network: nn.Module = {  # type: ignore[no-untyped-call]
        "structure": lambda: StructureEncoder(StructureConfig()),
        "decoder": lambda: Decoder(DecoderConfig(mlp_width=128), 64, 256),
        "discriminator": lambda: ScaleDiscriminator(ScaleDiscriminatorConfig(scales=1)),
    }[name]()
    layers = learned(network)
    assert spread(layers, 0.02 if name == "discriminator" else None) == pytest.approx(1, rel=6e-3)
    assert all(not layer.get_parameter("bias").any() for layer in layers)


# Arithmetic


def test_all_run_and_learn_under_bfloat16_autocast() -> None:
    torch.manual_seed(0)
    structure = StructureEncoder(StructureConfig(width=4)).to(memory_format=torch.channels_last)
    decoder = Decoder(DecoderConfig(mlp_width=8), 32, 6).to(memory_format=torch.channels_last)
    judge = ScaleDiscriminator(ScaleDiscriminatorConfig(width=4)).to(memory_format=torch.channels_last)
    images = normal("images", 2, 3, 64, 32).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        code = structure(images)
        made = decoder(code, normal("appearance", 2, 24).float())
        scores = judge(made)
    assert code.dtype == torch.bfloat16
    assert made.dtype == torch.float32
    assert {score.dtype for score in scores} == {torch.float32}
    exact = decoder(structure(images), normal("appearance", 2, 24).float())
    assert (made - exact).abs().mean() < 0.05 * exact.abs().mean()
    (made.square().mean() + sum(score.square().mean() for score in scores)).backward()
    for network in (structure, decoder, judge):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


# Refusals


@pytest.mark.parametrize(("size", "axis"), [((100, 64), "height"), ((128, 60), "width"), ((4, 8), "height")])
def test_sizes_that_are_no_multiples_of_8_are_refused(size: tuple[int, int], axis: str) -> None:
    message = (
        rf"got images of {size[0]}x{size[1]}, expected a {axis} that is a multiple of 8; set --image\.{axis} "
    )
    with pytest.raises(ValueError, match=message):
        StructureEncoder(StructureConfig(width=1))(torch.zeros(1, 3, *size))


def test_wrong_settings_are_refused() -> None:
    for wrong, text in (
        (lambda: StructureConfig(width=0), "structure: got width 0, expected at least 1"),
        (lambda: DecoderConfig(mlp_width=0), "decoder: got mlp_width 0, expected at least 1"),
        (lambda: ScaleDiscriminatorConfig(width=0), "discriminator: width >= 1 and scales >= 1, got 0, 3"),
        (lambda: ScaleDiscriminatorConfig(scales=0), "discriminator: width >= 1 and scales >= 1, got 32, 0"),
    ):
        with pytest.raises(ValueError, match=re.escape(text)):
            wrong()


def test_defaults_are_the_published_ones() -> None:
    assert StructureConfig() == StructureConfig(width=16, aspp=True)
    assert DecoderConfig() == DecoderConfig(mlp_width=512)
    assert ScaleDiscriminatorConfig() == ScaleDiscriminatorConfig(width=32, scales=3)


def test_the_decoder_reads_each_quarter_in_its_own_block() -> None:
    """Also in words of gradients: block i's perceptrons see the i-th contiguous quarter and nothing else."""
    network = Decoder(DecoderConfig(mlp_width=4), 8, 3)
    for i in range(4):
        seen: list[Tensor] = []
        handle = network.scales[i].register_forward_hook(lambda _m, x, _y, seen=seen: seen.append(x[0]))
        network(torch.randn(1, 8, 4, 4), torch.arange(12.0)[None])
        handle.remove()
        assert seen[0].tolist() == [[3.0 * i, 3.0 * i + 1, 3.0 * i + 2]]
