"""Changes to whole batches at once, where the batch lies; random numbers come from the given generator."""

from typing import NamedTuple

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


def random_crop(images: Tensor, padding: int, generator: torch.Generator, fill: float = 0.0) -> Tensor:
    """Pad each image on all sides and cut a window of the old size out at a random place.

    Args:
        images: [B,C,H,W] of any type.
        padding: Pixels added on each side, 0 or more; a window may start at any of the 2 * padding + 1
            places of each axis.
        generator: Two numbers a row are drawn from it.
        fill: Value of the added pixels, in the images' own scale.

    Returns:
        A new tensor of the same shape and type.
    """
    batch, _, height, width = images.shape
    padded = F.pad(images, (padding,) * 4, value=fill)
    places = torch.randint(0, 2 * padding + 1, (2, batch), generator=generator, device=generator.device)
    top, left = places.to(images.device)
    # A view of all windows, [B,C,2p+1,2p+1,H,W], of which one is copied for each image.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(batch, device=images.device), :, top, left]
