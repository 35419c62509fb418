"""A view of one image, pixel by pixel (facts D4): scaled, shifted, turned over, a piece cut out."""

import math

import torch
from torch import Tensor


def view(
    image: Tensor, scale: float, side: float, shift: list[float], piece: tuple[list[float], list[float]]
) -> Tensor:
    """What stands at a pixel is looked up where it came from, between its four neighbours; outside is 0."""
    channels, height, width = image.shape
    (top, left), (high, wide) = piece
    made = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y, x = (row + 0.5) / height, (column + 0.5) / width  # 0 to 1
            if top <= y < top + high and left <= x < left + wide:
                continue
            from_y = 0.5 + (y - 0.5 - shift[0]) / scale
            from_x = 0.5 + side * (x - 0.5 - shift[1]) / scale
            for channel in range(channels):
                value = _between(image[channel], from_y * height - 0.5, from_x * width - 0.5)
                made[channel, row, column] = value
    return made


def _between(plane: Tensor, y: float, x: float) -> float:
    """Bilinear value at a place given in pixels; pixels outside count 0."""
    total = 0.0
    for near_y in (math.floor(y), math.floor(y) + 1):
        for near_x in (math.floor(x), math.floor(x) + 1):
            if 0 <= near_y < plane.shape[0] and 0 <= near_x < plane.shape[1]:
                total += (1 - abs(y - near_y)) * (1 - abs(x - near_x)) * float(plane[near_y, near_x])
    return total
