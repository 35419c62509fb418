"""What counts as a step's arithmetic: convolutions that really ran, gradients that were wanted."""

import torch
from torch import nn

from benchmarks.convolutions import LAYOUTS, alone, record, times_alone
from benchmarks.crgan_arithmetic import sums


def test_frozen_weights_and_images_have_no_gradients() -> None:
    first, frozen = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, stride=2, bias=False)
    frozen.requires_grad_(requires_grad=False)
    images = torch.randn(2, 3, 9, 7)
    calls = record(lambda: torch.autograd.backward(frozen(first(images)).sum()))
    assert {(conv.images, conv.wanted): count for conv, count in calls.items()} == {
        ((2, 3, 9, 7), (False, False, False)): 1,
        ((2, 4, 9, 7), (False, False, False)): 1,
        ((2, 4, 9, 7), (True, False, False)): 1,
        ((2, 3, 9, 7), (False, True, True)): 1,
    }
    expected = sorted((2 * 2 * 6 * 4 * 3 * 4 * 9, 2 * 2 * 4 * 9 * 7 * 3 * 9))
    assert sorted(conv.flops for conv in calls if not any(conv.wanted)) == expected
    assert sorted(conv.flops for conv in calls if any(conv.wanted)) == expected


def test_alone_computes_what_the_step_computed() -> None:
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    images = torch.randn(2, 4, 9, 7, requires_grad=True)
    calls = record(lambda: torch.autograd.backward(conv(images).sum()))
    assert all(count == 1 for count in calls.values())
    for call in calls:
        for layout in LAYOUTS:
            found = alone(call, layout)()
            shapes = [list(x.shape) for x in found] if isinstance(found, tuple) else [list(found.shape)]  # type: ignore[attr-defined]
            assert shapes == ([[2, 4, 9, 7], [6, 2, 3, 3], [6]] if any(call.wanted) else [[2, 6, 5, 4]])


def test_the_sum_takes_the_faster_layout_and_counts_calls() -> None:
    conv = nn.Conv2d(3, 4, 3)
    images = torch.randn(1, 3, 5, 5)
    calls = record(lambda: [conv(images).detach() for _ in range(3)])
    (only,) = calls
    assert set(times_alone(calls)[only]) == set(LAYOUTS)
    turns = [{only: {"NCHW": 2.0, "channels_last": 1.0}}, {only: {"NCHW": 0.5, "channels_last": 1.5}}]
    assert sums(turns, calls) in ([6.0, 1.5], [3.0, 4.5])
    turns.append({only: {"NCHW": 3.0, "channels_last": 1.2}})
    assert sums(turns, calls) == [3.0, 4.5, 1.2 * 3]
