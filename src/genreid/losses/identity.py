"""Identity loss of CR-GAN (equation 7), also the loss that trains the re-id network itself."""

from torch import Tensor
from torch.nn import functional as F


def identity_loss(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean of -log p(y_j | X), a scalar >= 0 (equation 7).

    Args:
        logits: [B, K] scores of the K source people.
        labels: [B] int64 class of each image, 0 <= label < K.
        label_smoothing: Share of the target's mass spread evenly over all classes; 0 = the paper.
    """
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
