"""Changes to whole batches at once, where the batch lies; random numbers come from the given generator."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class FlippedBatch(NamedTuple):
    """Images and their masks, turned over together.

    Attributes:
        images: [B,C,H,W], of the type that was given.
        masks: [B,1,H,W], of the type that was given, or None.
    """

    images: Tensor
    masks: Tensor | None


def to_float(images: Tensor) -> Tensor:
    """Turn uint8 [B,3,H,W] into float32 [B,3,H,W] in [-1,1]; 0 becomes -1 and 255 becomes 1 exactly.

    Args:
        images: As an `ImageBank` gives them, values 0-255.

    Raises:
        ValueError: If the images are not uint8.
    """
    if images.dtype != torch.uint8:
        message = f"to_float takes uint8 images with values 0-255, got {images.dtype}"
        raise ValueError(message)
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def random_flip(images: Tensor, masks: Tensor | None, generator: torch.Generator) -> FlippedBatch:
    """Turn each image over, left for right, with probability 1/2, and its mask with it.

    Args:
        images: [B,C,H,W] of any type.
        masks: [B,1,H,W] of any type, or None.
        generator: One number a row is drawn from it.
    """
    flip = (torch.rand(images.shape[0], generator=generator, device=generator.device) < 0.5).to(images.device)
    chosen = flip[:, None, None, None]
    flipped = torch.where(chosen, images.flip(3), images)
    return FlippedBatch(flipped, None if masks is None else torch.where(chosen, masks.flip(3), masks))


def random_crop(
    images: Tensor, padding: int, generator: torch.Generator, fill: float | Literal["edge"] = 0.0
) -> Tensor:
    """Pad each image on all sides and cut a window of the old size out at a random place.

    Args:
        images: [B,C,H,W] of any type.
        padding: Pixels added on each side, 0 or more; a window may start at any of the 2 * padding + 1
            places of each axis.
        generator: Two numbers a row are drawn from it.
        fill: Value of the added pixels, in the images' own scale; `edge` repeats the edge.

    Returns:
        A new tensor of the same shape and type.
    """
    batch, _, height, width = images.shape
    sides = (padding,) * 4
    padded = F.pad(images, sides, mode="replicate") if fill == "edge" else F.pad(images, sides, value=fill)
    places = torch.randint(0, 2 * padding + 1, (2, batch), generator=generator, device=generator.device)
    top, left = places.to(images.device)
    # A view of all windows, [B,C,2p+1,2p+1,H,W], of which one is copied for each image.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(batch, device=images.device), :, top, left]


class Erasing(NamedTuple):
    """Random erasing (Zhong 2017), with the numbers of spec dg-net F1.

    Attributes:
        probability: Share of the images that lose a rectangle.
        area: Smallest and largest share of the image that is erased.
        aspect: Smallest and largest height over width of the rectangle.
        fill: Value of the erased pixels, in the images' own scale.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    aspect: tuple[float, float] = (0.3, 1 / 0.3)
    fill: float = 0.0


_ERASING_ATTEMPTS = 100
"""Rectangles drawn for an image, of which the first that fits is taken."""


def random_erasing(images: Tensor, erasing: Erasing, generator: torch.Generator) -> Tensor:
    """Fill a random rectangle of some of the images; each image has its own luck.

    Area and aspect are uniform; a rectangle that does not fit into the image is drawn anew.

    Args:
        images: [B,C,H,W] floating point; left as they are.
        erasing: How often, how large.
        generator: All random numbers come from it.

    Returns:
        A new tensor of the same shape and type.
    """
    count, _, height, width = images.shape
    draws = torch.rand(5, count, _ERASING_ATTEMPTS, generator=generator, device=generator.device)
    area = _between(draws[0], erasing.area) * height * width
    aspect = _between(draws[1], erasing.aspect)
    sides = torch.stack(((area * aspect).sqrt().round(), (area / aspect).sqrt().round()))
    fits = (sides[0] < height) & (sides[1] < width)
    first = fits.int().argmax(dim=1, keepdim=True)
    tall, wide, y, x = (values.gather(1, first) for values in (*sides, draws[2], draws[3]))
    top, left = (y * (height - tall + 1)).floor(), (x * (width - wide + 1)).floor()
    chosen = (draws[4, :, :1] < erasing.probability) & fits.gather(1, first)
    rows, columns = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= top) & (rows < top + tall) & chosen
    inside_columns = (columns >= left) & (columns < left + wide)
    erased = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return images.masked_fill(erased.to(images.device), erasing.fill)


def _between(uniform: Tensor, limits: tuple[float, float]) -> Tensor:
    """Spread numbers of [0, 1) over a range."""
    return limits[0] + (limits[1] - limits[0]) * uniform
