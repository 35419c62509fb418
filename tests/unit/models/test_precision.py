"""Device and arithmetic of a run."""

import pytest
import torch
from torch import nn

from genreid.models.devices import PrecisionName
from genreid.models.precision import Compute, choose_compute


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize(("has", "name"), [(False, "fp32"), (True, "bf16")])
def test_auto_takes_bf16_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, has: bool, name: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has, "amx_bf16": False})
    assert choose_compute().name == name
    assert choose_compute().device == torch.device("cpu")


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_what_is_asked_for_is_taken(name: PrecisionName) -> None:
    assert choose_compute("cpu", name).name == name


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="--device cuda: torch sees no CUDA device"):
        choose_compute("cuda")
    with pytest.raises(ValueError, match="--precision tf32 is for GPUs"):
        choose_compute("cpu", "tf32")


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    assert choose_compute() == Compute(torch.device("cuda"), bf16=True)
    tf32 = choose_compute("cuda", "tf32")
    assert (tf32.name, tf32.bf16, tf32.tf32) == ("tf32", False, True)
    assert torch.backends.cudnn.allow_tf32
    assert choose_compute("auto", "fp32").name == "fp32"
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert choose_compute("cpu", "fp32").device == torch.device("cpu")
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_autocast() -> None:
    layer, images = nn.Conv2d(3, 4, 3), torch.rand(1, 3, 5, 5)
    with Compute(torch.device("cpu"), bf16=True).autocast():
        assert layer(images).dtype == torch.bfloat16
    with Compute(torch.device("cpu"), bf16=False).autocast():
        assert layer(images).dtype == torch.float32


def test_place_puts_a_network_on_the_device_channels_last() -> None:
    layer = nn.Conv2d(3, 4, 3)
    placed = Compute(torch.device("cpu"), bf16=False).place(layer)
    assert placed is layer
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
