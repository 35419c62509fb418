"""Colours moved and people painted over, pixel by pixel, from facts D2 of docs/methods/facts.md."""

import torch
from torch import Tensor


def moved_colours(source: Tensor, target: Tensor) -> Tensor:
    """x = (X_S - mean(X_S)) / max(std(X_S), 1e-3) * std(X_T) + mean(X_T), by image and channel, clamped."""
    made = torch.empty_like(source)
    for number in range(len(source)):
        for channel in range(3):
            values = [float(value) for value in source[number, channel].flatten()]
            wanted = [float(value) for value in target[number, channel].flatten()]
            mean, deviation = _moments(values)
            shift, scale = _moments(wanted)
            moved = [(value - mean) / max(deviation, 1e-3) * scale + shift for value in values]
            clamped = [min(1.0, max(-1.0, value)) for value in moved]
            made[number, channel] = torch.tensor(clamped, dtype=source.dtype).view(source.shape[2:])
    return made


def painted_over(images: Tensor, masks: Tensor) -> Tensor:
    """(1 - M) X + M fill; fill = the average of X around, weighted by 1 - M, over a square of H/4 + 1."""
    made = images.clone()
    height, width = images.shape[2:]
    reach = height // 8
    for number in range(len(images)):
        for row in range(height):
            for column in range(width):
                mask = float(masks[number, 0, row, column])
                if mask == 0:
                    continue
                weight, total = 0.0, torch.zeros(3, dtype=images.dtype)
                for y in range(max(0, row - reach), min(height, row + reach + 1)):
                    for x in range(max(0, column - reach), min(width, column + reach + 1)):
                        background = 1 - float(masks[number, 0, y, x])
                        weight += background
                        total += background * images[number, :, y, x]
                area = (2 * reach + 1) ** 2
                fill = (total / area) / max(weight / area, 1e-3)
                made[number, :, row, column] = (1 - mask) * images[number, :, row, column] + mask * fill
    return made


def _moments(values: list[float]) -> tuple[float, float]:
    """Mean, and deviation with the number of values below."""
    mean = sum(values) / len(values)
    return mean, (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
