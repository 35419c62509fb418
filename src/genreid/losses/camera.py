"""Camera loss of CR-GAN (equation 5): a rendering shall look as if the target's camera had taken it."""

from torch import Tensor
from torch.nn import functional as F


def camera_loss(logits: Tensor, cameras: Tensor) -> Tensor:
    """Return the mean of -log p(y_c | X_G), a scalar >= 0 (equation 5).

    Args:
        logits: [B, C] scores of the C target cameras.
        cameras: [B] int64 camera class of the target instance, 0 <= camera < C.
    """
    return F.cross_entropy(logits, cameras)
