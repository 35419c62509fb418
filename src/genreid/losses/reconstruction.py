"""Reconstruction loss of DG-Net (equations 1, 2, 4 and 5): images and codes, absolute differences."""

from torch import Tensor

from genreid.models.layers import at_least_float32


def reconstruction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean absolute difference, a scalar >= 0 (equations 1, 2, 4, 5).

    Args:
        made: Images [B, 3, H, W] in ImageNet-normalised space, or codes, of any shape.
        wanted: What they shall be, of the same shape.
    """
    return (at_least_float32(made) - at_least_float32(wanted)).abs().mean()
