"""The convolutions of a training step, one by one: recorded as they are run, and timed alone.

Recorded below autograd, so that what counts is what was computed: the kernel and padding that reach the
backend, the number type that autocast chose, and of the backward pass the parts that were asked for (no
gradient for frozen weights, none for images).
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.measure import seconds_of

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}


class Convolution(NamedTuple):
    """One call of the backend, forward or backward.

    Attributes:
        images: Shape of the input.
        weight: Shape of the kernel.
        dtype: Number type, such as `bfloat16`.
        bias: Whether there is one.
        stride: Height and width.
        padding: Height and width.
        dilation: Height and width.
        groups: Groups.
        output: Shape of the output.
        wanted: Gradients of input, weight and bias; all False: the forward pass.
    """

    images: tuple[int, ...]
    weight: tuple[int, ...]
    dtype: str
    bias: bool
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    output: tuple[int, ...]
    wanted: tuple[bool, bool, bool]

    @property
    def flops(self) -> int:
        """Products and sums of this call."""
        one = 2 * math.prod(self.output) * self.weight[1] * math.prod(self.weight[2:])
        return one * (1 if not any(self.wanted) else sum(self.wanted[:2]))


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the convolutions that run while it is active.

    Attributes:
        calls: How often each ran.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[Convolution] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Run what is called, and note convolutions."""
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default:
            images, weight, bias, stride, padding, dilation, transposed, _, groups = args
            assert not transposed
            self._note((images, weight, result), bias is not None, (stride, padding, dilation, groups))
        elif func is torch.ops.aten.convolution_backward.default:
            gradient, images, weight, _, stride, padding, dilation, transposed, _, groups, wanted = args
            assert not transposed
            settings = (stride, padding, dilation, groups)
            self._note((images, weight, gradient), wanted[2], settings, tuple(wanted))
        return result

    def _note(
        self,
        tensors: tuple[Tensor, Tensor, Tensor],
        bias: bool,  # noqa: FBT001
        settings: tuple[Sequence[int], Sequence[int], Sequence[int], int],
        wanted: tuple[bool, bool, bool] = (False, False, False),
    ) -> None:
        """Count one call."""
        images, weight, output = (tuple(tensor.shape) for tensor in tensors)
        stride, padding, dilation, groups = settings
        dtype = str(tensors[0].dtype).removeprefix("torch.")
        pairs = (tuple(stride), tuple(padding), tuple(dilation))
        self.calls[Convolution(images, weight, dtype, bias, *pairs, groups, output, wanted)] += 1


def record(work: Callable[[], object]) -> Counter[Convolution]:
    """Run a work and return how often it ran each convolution.

    Args:
        work: Such as a training step.
    """
    recorder = Recorder()
    with recorder:
        work()
    return recorder.calls


def alone(conv: Convolution, layout: str) -> Callable[[], object]:
    """Return what runs a convolution alone, on random numbers.

    Args:
        conv: Which.
        layout: `NCHW` or `channels_last`.
    """
    dtype: torch.dtype = getattr(torch, conv.dtype)
    images, weight, output = (
        torch.randn(shape).to(dtype).contiguous(memory_format=LAYOUTS[layout])
        for shape in (conv.images, conv.weight, conv.output)
    )
    settings = (list(conv.stride), list(conv.padding), list(conv.dilation), False, [0, 0], conv.groups)
    if any(conv.wanted):
        sizes = [conv.output[1]] if conv.bias else None
        call = torch.ops.aten.convolution_backward.default
        return lambda: call(output, images, weight, sizes, *settings, list(conv.wanted))
    bias = torch.randn(conv.output[1]).to(dtype) if conv.bias else None
    return lambda: torch.ops.aten.convolution.default(images, weight, bias, *settings)


def times_alone(calls: Counter[Convolution]) -> dict[Convolution, dict[str, float]]:
    """Time each distinct convolution once in each layout, after one run that is not counted.

    Args:
        calls: Of `record`.

    Returns:
        Seconds of one call, by layout.
    """
    found: dict[Convolution, dict[str, float]] = {}
    with torch.no_grad():
        for conv, layout in itertools.product(calls, LAYOUTS):
            work = alone(conv, layout)
            work()
            found.setdefault(conv, {})[layout] = seconds_of(work)
    return found
