"""Which device a run uses, and in which arithmetic."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from genreid.models.devices import DeviceName, PrecisionName

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True)
class Compute:
    """A device and the arithmetic used on it.

    Attributes:
        device: Where tensors live.
        bf16: Convolutions and matrix products in bfloat16 under autocast; weights and losses stay float32.
        tf32: float32 products of a GPU in TensorFloat-32.
    """

    device: torch.device
    bf16: bool
    tf32: bool = False

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Run a forward pass in this arithmetic.

        One block covers one forward pass: autocast keeps the cast weights for as long as its block lasts, so
        an optimiser step inside it would go unseen.
        """
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            yield

    def place(self, network: NetworkT) -> NetworkT:
        """Put a network on the device, channels last in memory, and return it.

        Args:
            network: The network to move, in place.
        """
        network.to(self.device)
        return network.to(memory_format=torch.channels_last)

    @property
    def name(self) -> str:
        """The arithmetic's name, as given to `--precision`."""
        return "bf16" if self.bf16 else "tf32" if self.tf32 else "fp32"


def choose_compute(device: DeviceName = "auto", precision: PrecisionName = "auto") -> Compute:
    """Resolve `auto`: a GPU where there is one; bf16 where the hardware multiplies it fast, else float32.

    Args:
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `fp32`, `tf32` (GPU only) or `bf16`.

    Raises:
        ValueError: If CUDA is asked for and not there, or tf32 is asked for on a CPU.
    """
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        msg = "--device cuda: torch sees no CUDA device here; use --device cpu (or auto)"
        raise ValueError(msg)
    chosen = torch.device("cuda" if device == "cuda" or (device == "auto" and has_cuda) else "cpu")
    if precision == "tf32" and chosen.type == "cpu":
        msg = "--precision tf32 is for GPUs; on a CPU use fp32 or bf16"
        raise ValueError(msg)
    bf16 = precision == "bf16" or (precision == "auto" and _fast_bf16(chosen))
    compute = Compute(chosen, bf16, tf32=precision == "tf32")
    if chosen.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = compute.tf32
        torch.backends.cudnn.allow_tf32 = compute.tf32
    return compute


def _fast_bf16(device: torch.device) -> bool:
    """Tell whether the hardware has bfloat16 products of its own."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
