"""CR-GAN's layers against loops: TensorFlow's padding, up-sampling, residual blocks, initial weights."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.layers import (
    DownBlock,
    InstanceNorm,
    SameConv2d,
    ScoreConv2d,
    UpBlock,
    UpsampledConv2d,
    at_least_float32,
    initialise,
    instance_norm,
    same_padding,
)
from tests.drawn_tensors import fill, normal, weights_of
from tests.oracles import crgan_oracle as oracle


def double(network: nn.Module, label: str = "layer") -> nn.Module:
    return fill(network.double(), label)


def check_gradients(network: nn.Module, *inputs: Tensor, oracle_output: Tensor, output: Tensor) -> None:
    """Compare outputs, and the gradients of a random sum of them."""
    torch.testing.assert_close(output, oracle_output, rtol=1e-10, atol=1e-12)
    weight = normal("cotangent", *output.shape)
    wanted = [*inputs]
    ours = torch.autograd.grad((output * weight).sum(), wanted, retain_graph=True)
    theirs = torch.autograd.grad((oracle_output * weight).sum(), wanted, retain_graph=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 4])
@pytest.mark.parametrize("size", range(1, 17))
def test_same_padding_is_tensorflows(size: int, kernel: int, stride: int) -> None:
    assert same_padding(size, kernel, stride) == oracle.tensorflow_same(size, kernel, stride)


def test_same_padding_of_the_spec() -> None:
    """Spec E2: even n 1/1, n = 7 1/2, n = 1 1/2; with stride 1 always 1/2."""
    assert [same_padding(n, 4, 2) for n in (112, 7, 1)] == [(1, 1), (1, 2), (1, 2)]
    assert [same_padding(n, 4, 1) for n in (112, 7, 1)] == [(1, 2)] * 3


@pytest.mark.parametrize(("kernel", "stride"), [(4, 1), (4, 2), (1, 1), (1, 2)])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 4), (7, 4), (8, 6)])
def test_same_convolution(size: tuple[int, int], kernel: int, stride: int) -> None:
    conv = double(SameConv2d(2, 3, kernel=kernel, stride=stride))
    images = normal("images", 2, 2, *size)
    output = conv(images)
    pads = (
        *oracle.tensorflow_same(size[0], kernel, stride),
        *oracle.tensorflow_same(size[1], kernel, stride),
    )
    weights = weights_of(conv)
    expected = oracle.conv_by_loops(images.numpy(), weights["weight"].numpy(), stride, pads)
    np.testing.assert_allclose(
        output.detach().numpy(), expected + weights["bias"].numpy()[:, None, None], atol=1e-12
    )
    assert output.shape[2:] == (-(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("size", "larger"),
    [
        ((8, 8), None),  # the double, large enough for the kernel to be folded
        ((8, 5), (16, 10)),
        ((5, 7), (10, 14)),
        ((3, 2), (6, 4)),  # the double of few pixels
        ((2, 1), (4, 2)),
        ((1, 1), (2, 1)),  # the three levels of 224x112 that are no doubles (spec E2)
        ((4, 2), (7, 4)),
        ((7, 4), (14, 7)),
        ((8, 8), (15, 16)),
    ],
)
def test_upsampled_convolution(size: tuple[int, int], larger: tuple[int, int] | None, bias: bool) -> None:
    conv = double(UpsampledConv2d(3, 2, bias=bias))
    maps = normal("maps", 2, 3, *size).requires_grad_()
    output = conv(maps) if larger is None else conv(maps, torch.Size(larger))
    height, width = larger or (2 * size[0], 2 * size[1])
    weights = {f"c.{name}": value for name, value in conv.named_parameters()}
    expected = oracle.conv_same(oracle.nearest(maps, height, width), weights, "c")
    check_gradients(conv, maps, *conv.parameters(), output=output, oracle_output=expected)
    assert (conv.bias is not None) == bias


@pytest.mark.parametrize("padding", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [(4, 4), (6, 9)])
def test_score_convolution(size: tuple[int, int], padding: int) -> None:
    conv = double(ScoreConv2d(5, padding=padding))
    maps = normal("maps", 2, 5, *size).requires_grad_()
    weight, bias = conv.get_parameter("weight"), conv.get_parameter("bias")
    expected = F.conv2d(F.pad(maps, (padding,) * 4), weight, bias)
    check_gradients(conv, maps, weight, bias, output=conv(maps), oracle_output=expected)


def test_instance_norm() -> None:
    norm = double(InstanceNorm(3))
    maps = (0.01 * normal("maps", 2, 3, 4, 5) + 3).requires_grad_()  # a small variance: epsilon counts
    weights = {f"n.{name}": value for name, value in norm.named_parameters()}
    expected = oracle.instance_norm(maps, weights, "n")
    check_gradients(norm, maps, *norm.parameters(), output=norm(maps), oracle_output=expected)


def test_instance_norm_starts_as_plain_normalisation() -> None:
    norm = InstanceNorm(3)
    assert norm.weight.tolist() == [1, 1, 1]
    assert norm.bias.tolist() == [0, 0, 0]
    output = norm(torch.rand(2, 3, 8, 8))
    torch.testing.assert_close(output.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("convs", [1, 2])
@pytest.mark.parametrize("size", [(8, 6), (7, 4), (2, 1)])
def test_down_block(size: tuple[int, int], convs: int) -> None:
    block = double(DownBlock(3, 5, convs, slope=0.3))
    maps = normal("maps", 2, 3, *size).requires_grad_()
    weights = {f"b.{name}": value for name, value in block.named_parameters()}
    output = block(maps)
    expected = oracle.down_block(maps, weights, "b", slope=0.3)
    check_gradients(block, maps, *block.parameters(), output=output, oracle_output=expected)
    assert output.shape[2:] == (-(-size[0] // 2), -(-size[1] // 2))


@pytest.mark.parametrize("convs", [1, 2])
@pytest.mark.parametrize(
    ("size", "larger"), [((1, 1), (2, 1)), ((4, 2), (7, 4)), ((7, 4), (14, 7)), ((8, 6), (16, 12))]
)
def test_up_block(size: tuple[int, int], larger: tuple[int, int], convs: int) -> None:
    block = double(UpBlock(3, 5, convs))
    maps = normal("maps", 2, 3, *size).requires_grad_()
    weights = {f"b.{name}": value for name, value in block.named_parameters()}
    output = block(maps, torch.Size(larger))
    expected = oracle.up_block(maps, weights, "b", larger)
    check_gradients(block, maps, *block.parameters(), output=output, oracle_output=expected)
    assert output.shape == (2, 5, *larger)


def test_initial_weights_are_normal_with_std_0_02_and_biases_zero() -> None:
    network = nn.Sequential(SameConv2d(64, 256), nn.ReLU(), nn.Conv2d(256, 64, 4), InstanceNorm(64))
    torch.manual_seed(0)
    initialise(network)
    first, second, norm = network[0], network[2], network[3]
    for conv in (first, second):
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        assert conv.weight.std().item() == pytest.approx(0.02, rel=0.005)  # 262,144 weights: 0.14 % of error
        assert abs(conv.weight.mean().item()) < 2e-4
        assert not conv.bias.any()
    assert isinstance(norm, InstanceNorm)
    assert norm.weight.tolist() == [1] * 64
    initialise(network, std=0.5)
    assert first.get_parameter("weight").std().item() == pytest.approx(0.5, rel=0.005)


def test_at_least_float32() -> None:
    for given, expected in (
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ):
        assert at_least_float32(torch.ones(2, dtype=given)).dtype == expected


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_an_instance_norm_is_right_whatever_the_layout(
    batch: int, layout: torch.memory_format
) -> None:
    """torch's own is wrong for one image whose gradient comes channels last."""
    maps, wanted = normal("maps", batch, 3, 5, 4), normal("wanted", batch, 3, 5, 4)
    plain = maps.clone().requires_grad_()
    mean = plain.mean((2, 3), keepdim=True)
    variance = (plain - mean).square().mean((2, 3), keepdim=True)
    (expected,) = torch.autograd.grad((plain - mean) / (variance + 1e-5).sqrt(), plain, wanted)
    laid_out = maps.contiguous(memory_format=layout).requires_grad_()
    made = instance_norm(laid_out)
    (found,) = torch.autograd.grad(made, laid_out, wanted.contiguous(memory_format=layout))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
