"""Crops of random size and shape, brought back to the size of the image, for a whole batch at once."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_ATTEMPTS = 10
"""Rectangles drawn for an image, of which the first that fits is taken; none: the whole image."""


class SizedCrop(NamedTuple):
    """What is cut out (HHL's and TAUDL's random sized rectangle, spec baselines B7, C7).

    Attributes:
        area: Smallest and largest share of the image.
        aspect: Smallest and largest height over width.
    """

    area: tuple[float, float] = (0.64, 1.0)
    aspect: tuple[float, float] = (2.0, 3.0)


def random_sized_crop(images: Tensor, crop: SizedCrop, generator: torch.Generator) -> Tensor:
    """Cut a random rectangle out of each image and stretch it to the image's size, bilinearly.

    Args:
        images: [B, C, H, W] floating point; left as they are.
        crop: Area and shape of the rectangle.
        generator: All random numbers come from it.

    Returns:
        A new tensor of the same shape and type.
    """
    count, _, height, width = images.shape
    draws = torch.rand(4, count, _ATTEMPTS, generator=generator, device=generator.device)
    area = (crop.area[0] + (crop.area[1] - crop.area[0]) * draws[0]) * height * width
    aspect = crop.aspect[0] + (crop.aspect[1] - crop.aspect[0]) * draws[1]
    tall, wide = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (tall <= height) & (wide <= width)
    first = fits.int().argmax(dim=1, keepdim=True)
    tall, wide, y, x = (values.gather(1, first)[:, 0] for values in (tall, wide, draws[2], draws[3]))
    found = fits.any(dim=1)
    tall, wide = torch.where(found, tall, height), torch.where(found, wide, width)
    top, left = (y * (height - tall + 1)).floor(), (x * (width - wide + 1)).floor()
    window = torch.zeros(count, 2, 3)
    window[:, 0, 0], window[:, 0, 2] = wide / width, (2 * left + wide) / width - 1
    window[:, 1, 1], window[:, 1, 2] = tall / height, (2 * top + tall) / height - 1
    grid = F.affine_grid(window.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
