"""Figures of quality by loops over pixels, images and features, from their definitions."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import sqrtm

Array = NDArray[np.float64]


def enlarged(image: Array, side: int) -> Array:
    """TensorFlow 1's bilinear resize of [H, W]: pixel i looks at i * size / side; no half pixels."""
    height, width = image.shape
    result = np.zeros((side, side))
    for i in range(side):
        for j in range(side):
            y, x = i * height / side, j * width / side
            top, left = math.floor(y), math.floor(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            above = image[top, left] * (1 - (x - left)) + image[top, right] * (x - left)
            below = image[bottom, left] * (1 - (x - left)) + image[bottom, right] * (x - left)
            result[i, j] = above * (1 - (y - top)) + below * (y - top)
    return result


def frechet(first: Array, second: Array) -> float:
    """By scipy's matrix root of the product of both covariances."""
    covariances = [np.cov(side.T) for side in (first, second)]
    shift = first.mean(0) - second.mean(0)
    root = sqrtm(covariances[0] @ covariances[1])
    return float(shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root.real))


def squared_discrepancy(first: Array, second: Array) -> float:
    """Equation 3 of Binkowski et al., pair by pair."""
    count, width = first.shape

    def kernel(x: Array, y: Array) -> float:
        return float((sum(a * b for a, b in zip(x, y, strict=True)) / width + 1) ** 3)

    total = 0.0
    for i in range(count):
        for j in range(count):
            if i != j:
                total += (kernel(first[i], first[j]) + kernel(second[i], second[j])) / (count * (count - 1))
            total -= 2 * kernel(first[i], second[j]) / count**2
    return total


def ssim(first: Array, second: Array) -> float:
    """Wang et al. 2004 of [C, H, W], 0 to 255: Gaussian windows, one after the other."""
    window = np.array(
        [[math.exp(-(y * y + x * x) / (2 * 1.5**2)) for x in range(-5, 6)] for y in range(-5, 6)]
    )
    window /= window.sum()
    return _over_windows(first, second, window, 255.0, 1.0)


def dssim_lab(first: Array, second: Array) -> float:
    """(1 - SSIM) / 2 in Lab of sRGB [3, H, W] from 0 to 1: flat windows of 49 pixels, sample covariances."""
    window = np.full((7, 7), 1 / 49)
    return (1 - _over_windows(lab(first), lab(second), window, 100.0, 49 / 48)) / 2


def _over_windows(first: Array, second: Array, window: Array, data_range: float, bias: float) -> float:
    """The mean of the index over all windows that lie within the picture."""
    size = len(window)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    found = []
    for channel in range(first.shape[0]):
        for y in range(first.shape[1] - size + 1):
            for x in range(first.shape[2] - size + 1):
                a = first[channel, y : y + size, x : x + size]
                b = second[channel, y : y + size, x : x + size]
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                variance_a = bias * (window * (a - mean_a) ** 2).sum()
                variance_b = bias * (window * (b - mean_b) ** 2).sum()
                covariance = bias * (window * (a - mean_a) * (b - mean_b)).sum()
                found.append(
                    (2 * mean_a * mean_b + c1)
                    * (2 * covariance + c2)
                    / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
                )
    return float(np.mean(found))


def lab(image: Array) -> Array:
    """CIE 1976 L*a*b* of sRGB, pixel by pixel, under D65."""
    matrix = [[0.412453, 0.35758, 0.180423], [0.212671, 0.71516, 0.072169], [0.019334, 0.119193, 0.950227]]
    result = np.zeros_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            linear = [
                value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
                for value in image[:, y, x]
            ]
            xyz = [sum(m * v for m, v in zip(row, linear, strict=True)) for row in matrix]
            f = [
                value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
                for value in (xyz[0] / 0.95047, xyz[1], xyz[2] / 1.08883)
            ]
            result[:, y, x] = (116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2]))
    return result


def context_distance(generated: Array, contexts: Array, people: list[Array]) -> float:
    """Mean over images [N, 3, H, W] of the mean difference over background pixels; masks [N, H, W]."""
    found = []
    for number in range(len(generated)):
        differences = []
        for y in range(generated.shape[2]):
            for x in range(generated.shape[3]):
                if not any(masks[number, y, x] for masks in people):
                    pair = generated[number, :, y, x], contexts[number, :, y, x]
                    differences.append(np.abs(pair[0] - pair[1]).mean() / 255)
        if differences:
            found.append(np.mean(differences))
    return float(np.mean(found))
