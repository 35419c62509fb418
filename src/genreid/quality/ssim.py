"""SSIM: how alike the structures of two pictures are, 1 for equal ones.

Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004: a
Gaussian window of 11 x 11 pixels with a deviation of 1.5, K1 = 0.01, K2 = 0.03; of each colour of RGB, over
all windows that lie within the picture.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 11
DEVIATION = 1.5
K1, K2 = 0.01, 0.03


def structural_similarity(first: Tensor, second: Tensor, data_range: float = 255.0) -> Tensor:
    """Return the similarity of each pair: [B].

    Args:
        first: float [B, C, H, W], sides of 11 pixels at least.
        second: The pictures at the other side, of the same shape.
        data_range: Largest value less the smallest one that there can be.
    """
    places = torch.arange(WINDOW, dtype=first.dtype, device=first.device) - WINDOW // 2
    window = torch.exp(-places.square() / (2 * DEVIATION**2))
    window = window / window.sum()
    return similarity_of_means(first, second, window, (data_range, 1.0))


def similarity_of_means(first: Tensor, second: Tensor, window: Tensor, scales: tuple[float, float]) -> Tensor:
    """Return the similarity of each pair under a separable window.

    Args:
        first: float [B, C, H, W].
        second: The same.
        window: [K] weights of sum 1.
        scales: The data range; what (co)variances are multiplied by, such as n / (n - 1).
    """
    data_range, bias = scales
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    whole = torch.cat((first, second, first * first, second * second, first * second))
    a, b, aa, bb, ab = _averaged(whole, window).chunk(5)
    variances = bias * (aa - a * a), bias * (bb - b * b)
    covariance = bias * (ab - a * b)
    luminance = (2 * a * b + c1) / (a * a + b * b + c1)
    structure = (2 * covariance + c2) / (variances[0] + variances[1] + c2)
    return (luminance * structure).mean((1, 2, 3))


def _averaged(images: Tensor, window: Tensor) -> Tensor:
    """Return weighted means over windows that lie within the pictures."""
    channels, size = images.shape[1], len(window)
    rows = window.view(1, 1, size, 1).expand(channels, 1, size, 1)
    columns = window.view(1, 1, 1, size).expand(channels, 1, 1, size)
    return F.conv2d(F.conv2d(images, rows, groups=channels), columns, groups=channels)
