"""Convolutions with a stride are kept from two faults of oneDNN; the sums stay."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genreid.models.backbone import BackboneConfig, build_backbone
from genreid.models.dgnet_layers import ReflectConv2d
from genreid.models.layers import SameConv2d
from genreid.models.strided import PointConv2d, StridedConv2d, mend_strides
from tests.drawn_tensors import normal
from tests.guards.tree import ROOT

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


@pytest.mark.parametrize("instructions", [AVX2, {}], ids=["avx2", "whatever the CPU has"])
def test_no_network_corrupts_memory_on_one_thread(instructions: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.every_network"],
        env={**os.environ, **instructions, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "alive\n"), ended.stderr[-2000:]


@pytest.mark.parametrize("channels", [2, 7, 15, 16])
@pytest.mark.parametrize(("size", "stride"), [((9, 7), 2), ((8, 6), 2), ((12, 9), (3, 1))])
def test_sums_and_gradients_are_those_of_the_plain_convolution(
    channels: int, size: tuple[int, int], stride: int | tuple[int, int]
) -> None:
    conv = PointConv2d(channels, 4, 1, stride=stride).double()
    maps = normal("maps", 3, channels, *size).requires_grad_()
    plain = F.conv2d(maps, conv.weight, conv.bias, stride)
    torch.testing.assert_close(conv(maps), plain)
    assert conv.bias is not None
    parts = (maps, conv.weight, conv.bias)
    weights = normal("weights", *plain.shape)
    found, expected = (torch.autograd.grad((out * weights).sum(), parts) for out in (conv(maps), plain))
    torch.testing.assert_close(found, expected)


WIDTH_ONE = [  # kernel, padding, map: the output is one pixel wide
    (3, 1, (3, 2)),
    (3, 1, (16, 2)),
    (3, 1, (2, 1)),
    (4, 1, (5, 3)),
    (4, 2, (1, 1)),
    (5, 2, (4, 2)),
    (7, 3, (1, 1)),
]


@pytest.mark.parametrize(("kernel", "padding", "size"), WIDTH_ONE)
def test_narrow_maps_come_out_right_in_bfloat16(kernel: int, padding: int, size: tuple[int, int]) -> None:
    """On a CPU with bfloat16 units the plain convolution gives what stood in memory, forward or backward."""
    conv = StridedConv2d(192, 96, kernel, 2, padding, bias=False)
    maps = normal("maps", 8, 192, *size).float().contiguous(memory_format=torch.channels_last)
    parts = (maps.requires_grad_(), conv.weight)
    exact = F.conv2d(maps, conv.weight, None, 2, padding)
    weights = normal("weights", *exact.shape).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = conv(maps)
    assert made.dtype == torch.bfloat16
    found, expected = (torch.autograd.grad((out.float() * weights).sum(), parts) for out in (made, exact))
    for ours, wanted in ((made, exact), *zip(found, expected, strict=True)):
        assert (ours.float() - wanted).abs().max() < 0.02 * wanted.abs().max()


@pytest.mark.parametrize("conv", [SameConv2d(192, 96, stride=2), ReflectConv2d(192, 96, stride=2)])
def test_own_convolutions_come_out_right_in_bfloat16(conv: nn.Conv2d) -> None:
    for size in ((4, 2), (2, 1), (3, 2), (1, 1)):
        maps = normal("maps", 8, 192, *size).float().contiguous(memory_format=torch.channels_last)
        exact = conv(maps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = conv(maps)
        assert (made.float() - exact).abs().max() < 0.02 * exact.abs().max()


def test_other_maps_stay_bfloat16() -> None:
    conv = StridedConv2d(4, 4, 3, 2, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv(torch.ones(1, 4, 8, 4)).dtype == torch.bfloat16
    assert conv(torch.ones(1, 4, 3, 2)).dtype == torch.float32


def test_only_what_is_exposed_is_exchanged() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1, stride=2),
        nn.Conv2d(4, 32, 1, stride=2, bias=False),
        nn.Conv2d(32, 4, 1, stride=2),
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 3, stride=2),
        nn.Conv2d(4, 4, 1, stride=2, padding=1),
    ).eval()
    state, drawn = network.state_dict(), torch.random.get_rng_state()
    mend_strides(network)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    kept = nn.Conv2d
    assert [type(conv) for conv in network] == [PointConv2d, PointConv2d, kept, kept, StridedConv2d, kept]
    after = network.state_dict()
    assert list(after) == list(state)
    assert all(after[name].data_ptr() == value.data_ptr() for name, value in state.items())
    assert not any(module.training for module in network)


def test_backbones_are_built_so_and_their_last_stride_can_be_taken_out() -> None:
    backbone = build_backbone(BackboneConfig("repvgg_a0", "none", last_stride=1))
    exchanged = [module for module in backbone.modules() if isinstance(module, PointConv2d)]
    assert [(conv.in_channels, conv.stride) for conv in exchanged] == [(3, (2, 2))]
