"""Reconstruction loss of DG-Net (equations 1, 2, 4 and 5): images and codes, absolute differences."""

import torch
from torch import Tensor


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean absolute difference, a scalar >= 0 (equations 1, 2, 4, 5).

    Args:
        made: Images [B, 3, H, W] in ImageNet-normalised space, or codes, of any shape; 16-bit numbers are
            compared as float32.
        wanted: What they shall be, of the same shape.
    """
    precise = torch.promote_types(made.dtype, torch.float32)
    return (made.to(precise) - wanted.to(precise)).abs().mean()
