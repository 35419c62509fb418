"""Older generated images, which CycleGAN and SPGAN show their discriminators (spec/baselines.md B2)."""

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Keeps some of the images that it was given; as a module it goes into a checkpoint with them.

    Args:
        capacity: Images that are kept; 0: none, what is given comes back.
        height: Image height in pixels.
        width: Image width in pixels.
    """

    images: Tensor

    def __init__(self, capacity: int, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(capacity, 3, height, width))

    @torch.no_grad()
    def exchange(self, images: Tensor, given: int) -> Tensor:
        """Return as many images as are given, some of them older ones; those take their place here.

        Image by image: a pool with room keeps it and returns it; a full one returns it, or with
        probability 1/2 one that it holds, which the new one replaces.

        Args:
            images: [B, 3, H, W].
            given: How many images it was given before: with its capacity, how full it is.
        """
        capacity = len(self.images)
        if capacity == 0:
            return images
        # drawn on the CPU: nothing waits for a device
        swaps = (torch.rand(len(images)) < 0.5).tolist()
        places = torch.randint(capacity, (len(images),)).tolist()
        shown = images.clone()
        for number, (swap, place) in enumerate(zip(swaps, places, strict=True)):
            if given + number < capacity:
                self.images[given + number] = images[number]
            elif swap:
                shown[number] = self.images[place]
                self.images[place] = images[number]
        return shown
