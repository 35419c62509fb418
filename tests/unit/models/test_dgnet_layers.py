"""DG-Net's layers: borders, norms, AdaIN and the doubling convolution against the oracle, with gradients."""

import math

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from genreid.models.dgnet_layers import (
    DilatedPyramid,
    ImageLayerNorm,
    ReflectConv2d,
    leaky,
    modulate_instances,
    normalise_instances,
    reflect_pad,
)
from genreid.models.doubling import DoublingConv2d
from tests.drawn_tensors import fill, normal, weights_of
from tests.oracles import dgnet_networks_oracle as oracle

FAINT = 1e-3
"""Maps so faint that an epsilon of 1e-5 matters."""


# Borders


@pytest.mark.parametrize(
    ("size", "margin"), [((5, 7), 2), ((4, 3), 2), ((4, 3), 3), ((2, 3), 9), ((1, 2), 3)]
)
def test_reflected_border(size: tuple[int, int], margin: int) -> None:
    maps = normal("pad", 2, 3, *size)
    assert torch.equal(reflect_pad(maps, margin), oracle.mirrored(maps, margin))
    row = maps[0, 0, 0].tolist()
    assert oracle.mirrored(maps, margin)[0, 0, margin].tolist() == oracle.mirrored_by_loops(row, margin)


def test_no_border_is_the_map_itself() -> None:
    maps = normal("pad", 1, 1, 2, 2)
    assert reflect_pad(maps, 0) is maps


def test_padding_keeps_bfloat16_under_autocast() -> None:
    maps = normal("maps", 1, 2, 4, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert reflect_pad(maps, 1).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 1, 1), (1, 1, 1), (3, 1, 3), (3, 1, 9)]
)
def test_convolution_with_reflected_borders(kernel: int, stride: int, dilation: int) -> None:
    layer = ReflectConv2d(2, 3, kernel, stride=stride, dilation=dilation).double()
    fill(layer, "conv")
    maps = normal("maps", 2, 2, 12, 10)
    expected = oracle.conv(maps, {f"c.{k}": v for k, v in weights_of(layer).items()}, "c", stride, dilation)
    torch.testing.assert_close(layer(maps), expected)
    assert layer(maps).shape[2:] == (12 // stride, 10 // stride)


def test_leaky_relu() -> None:
    assert leaky(torch.tensor([-10.0, 0.0, 3.0])).tolist() == [-2.0, 0.0, 3.0]


# Norms


@pytest.mark.parametrize("size", [1.0, FAINT])
def test_instance_norm(size: float) -> None:
    maps = size * (normal("maps", 2, 3, 4, 5) + 2)
    torch.testing.assert_close(normalise_instances(maps), oracle.instance_norm(maps), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [1.0, FAINT])
def test_adain_takes_scale_and_shift_as_they_are(size: float) -> None:
    maps, scale, shift = size * normal("maps", 2, 3, 4, 5), normal("scale", 2, 3), normal("shift", 2, 3)
    expected = oracle.adaptive_instance_norm(maps, scale, shift)
    torch.testing.assert_close(modulate_instances(maps, scale, shift), expected, rtol=1e-9, atol=1e-9)
    nothing = modulate_instances(maps, 0 * scale, shift)
    torch.testing.assert_close(nothing, shift[:, :, None, None].expand_as(maps))


@pytest.mark.parametrize("size", [1.0, FAINT, 1e-5])
def test_layer_norm(size: float) -> None:
    layer = ImageLayerNorm(3).double()
    fill(layer, "norm")
    maps = size * (normal("maps", 2, 3, 2, 3) + 2)
    expected = oracle.layer_norm(maps, layer.gamma.detach(), layer.beta.detach())
    torch.testing.assert_close(layer(maps), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_of_the_norms(channels_last: bool) -> None:
    maps = normal("maps", 2, 3, 3, 4)
    maps = maps.contiguous(memory_format=torch.channels_last) if channels_last else maps
    scale, shift = normal("scale", 2, 3).requires_grad_(), normal("shift", 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(modulate_instances, (maps.requires_grad_(), scale, shift))
    assert torch.autograd.gradcheck(normalise_instances, (maps,))
    layer = ImageLayerNorm(3).double()

    def norm(maps: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        result: Tensor = functional_call(layer, {"gamma": gamma, "beta": beta}, (maps,))
        return result

    gamma, beta = normal("gamma", 3).requires_grad_(), normal("beta", 3).requires_grad_()
    assert torch.autograd.gradcheck(norm, (maps, gamma, beta))


def test_constant_maps_have_finite_gradients() -> None:
    """Where autograd of torch's own standard deviation gives no number."""
    maps = torch.full((2, 3, 4, 4), 0.25, requires_grad=True)
    layer = ImageLayerNorm(3)
    (layer(maps).square().sum() + layer(maps).sum() + normalise_instances(maps).sum()).backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()


def test_norms_reckon_in_float32_on_bfloat16_maps() -> None:
    """One value in a thousand apart: statistics in bfloat16 would miss by tens of percent."""
    maps = (100 + 2 * normal("maps", 2, 8, 32, 32)).bfloat16()
    layer = ImageLayerNorm(8)
    with torch.autocast("cpu", torch.bfloat16):
        results = normalise_instances(maps), layer(maps)
    exact = maps.double()
    expected = (
        oracle.instance_norm(exact),
        oracle.layer_norm(exact, layer.gamma.detach(), layer.beta.detach()),
    )
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == torch.bfloat16
        torch.testing.assert_close(result.double(), wanted, rtol=2**-8, atol=1e-4)


def test_gamma_is_drawn_evenly_from_0_to_1() -> None:
    torch.manual_seed(0)
    layer = ImageLayerNorm(400_000)
    assert 0 <= layer.gamma.min() < 1e-3
    assert 1 - 1e-3 < layer.gamma.max() <= 1
    assert layer.gamma.mean().item() == pytest.approx(0.5, rel=5e-3)
    assert layer.gamma.std().item() == pytest.approx(math.sqrt(1 / 12), rel=5e-3)
    assert not layer.beta.any()


# ASPP


@pytest.mark.parametrize("size", [(20, 20), (8, 4)])
def test_pyramid(size: tuple[int, int]) -> None:
    """At 8x4 every dilation but the first reaches beyond the opposite border."""
    layer = DilatedPyramid(4).double()
    fill(layer, "pyramid")
    maps = normal("maps", 1, 4, *size)
    torch.testing.assert_close(layer(maps), oracle.pyramid(weights_of(layer), maps), rtol=1e-9, atol=1e-9)


# Doubling


def plainly(layer: ReflectConv2d, maps: Tensor) -> Tensor:
    """Double, mirror, convolve."""
    return ReflectConv2d.forward(layer, F.interpolate(maps, scale_factor=2, mode="nearest"))


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (8, 4), (3, 9), (1, 1)])
def test_doubling_convolution(size: tuple[int, int]) -> None:
    layer = DoublingConv2d(3, 5).double()
    fill(layer, "conv")
    maps = normal("maps", 2, 3, *size).requires_grad_()
    weights = {f"c.{k}": v for k, v in weights_of(layer).items()}
    torch.testing.assert_close(
        layer(maps), oracle.conv(oracle.doubled(maps.detach()), weights, "c"), rtol=1e-9, atol=1e-9
    )
    rise = normal("rise", *layer(maps).shape)
    inputs = (maps, *layer.parameters())
    given = torch.autograd.grad(layer(maps), inputs, rise)
    torch.testing.assert_close(given, torch.autograd.grad(plainly(layer, maps), inputs, rise))


def test_doubling_convolution_in_float32() -> None:
    layer = DoublingConv2d(8, 4)
    fill(layer, "conv")
    maps = normal("maps", 2, 8, 12, 10).float()
    torch.testing.assert_close(layer(maps), plainly(layer, maps), rtol=1e-5, atol=1e-5)
    assert layer(maps).is_contiguous(memory_format=torch.channels_last)


def test_doubling_convolution_saves_most_products() -> None:
    """36 instead of 100 for each four outputs, and a little for the border."""
    with torch.device("meta"):
        layer, maps = DoublingConv2d(8, 8), torch.empty(1, 8, 64, 32)
    counts = []
    for run in (lambda: layer(maps), lambda: plainly(layer, maps)):
        with FlopCounterMode(display=False) as counter:
            run()
        counts.append(counter.get_total_flops())
    assert 0.36 < counts[0] / counts[1] < 0.38
