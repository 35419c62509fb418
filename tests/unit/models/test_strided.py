"""1x1 convolutions with a stride are sliced first, since oneDNN corrupts memory there; the sums stay."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genreid.models.backbone import BackboneConfig, build_backbone
from genreid.models.strided import PointConv2d, slice_before_strides
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
    parts = (maps, conv.weight, conv.bias)
    weights = normal("weights", *plain.shape)
    found, expected = (torch.autograd.grad((out * weights).sum(), parts) for out in (conv(maps), plain))
    torch.testing.assert_close(found, expected)


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
    slice_before_strides(network)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert [type(conv) is PointConv2d for conv in network] == [True, True, False, False, False, False]
    after = network.state_dict()
    assert list(after) == list(state)
    assert all(after[name].data_ptr() == value.data_ptr() for name, value in state.items())
    assert not any(module.training for module in network)


def test_backbones_are_built_so_and_their_last_stride_can_be_taken_out() -> None:
    backbone = build_backbone(BackboneConfig("repvgg_a0", "none", last_stride=1))
    exchanged = [module for module in backbone.modules() if isinstance(module, PointConv2d)]
    assert [(conv.in_channels, conv.stride) for conv in exchanged] == [(3, (2, 2))]
