"""What tools make of pixels, and how near embeddings are, pixel by pixel and row by row."""

import math

import numpy as np
from numpy.typing import NDArray


def handed_over(
    images: NDArray[np.uint8], divisor: float, mean: tuple[float, ...], std: tuple[float, ...]
) -> NDArray[np.float64]:
    """(pixel / divisor - mean) / std, one number after the other."""
    found = np.zeros(images.shape)
    for place in np.ndindex(images.shape):
        channel = place[1]
        found[place] = (float(images[place]) / divisor - mean[channel]) / std[channel]
    return found


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Of two vectors of any length."""
    product = sum(float(a) * float(b) for a, b in zip(one, other, strict=True))
    lengths = [math.sqrt(sum(float(a) ** 2 for a in vector)) for vector in (one, other)]
    return product / (lengths[0] * lengths[1])


def nearest_other(embeddings: NDArray[np.float32]) -> list[int]:
    """The row of the largest cosine to each row, itself left out."""
    rows = range(len(embeddings))
    return [
        max((row for row in rows if row != own), key=lambda row: cosine(embeddings[own], embeddings[row]))
        for own in rows
    ]


def psnr(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Of two pictures in [0, 1], in dB."""
    squares = [(float(a) - float(b)) ** 2 for a, b in zip(one.flat, other.flat, strict=True)]
    return -10 * math.log10(sum(squares) / len(squares))


def stripe_maxima(maps: NDArray[np.float32], stripes: int) -> NDArray[np.float32]:
    """The maximum of each channel in rows floor(p*h/P) to ceil((p+1)*h/P) - 1, as [B,C,P,1]."""
    batch, channels, height, width = maps.shape
    found = np.full((batch, channels, stripes, 1), -np.inf, np.float32)
    for b, c, p in np.ndindex(batch, channels, stripes):
        for row in range(math.floor(p * height / stripes), math.ceil((p + 1) * height / stripes)):
            for column in range(width):
                found[b, c, p, 0] = max(found[b, c, p, 0], maps[b, c, row, column])
    return found
