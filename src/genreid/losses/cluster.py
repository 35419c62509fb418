"""Cluster contrast: every image is pulled to its cluster's centre and pushed from all others (spec H1)."""

from torch import Tensor
from torch.nn import functional as F


def cluster_contrast_loss(embedding: Tensor, centroids: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the mean of -log softmax(f_i C^T / temperature) at the image's own cluster, a scalar >= 0.

    Args:
        embedding: f, [B, D] of unit length.
        centroids: C, [K, D] of unit length, the memory; it is not learnt by gradient.
        labels: [B] int64 cluster of each image, 0 <= label < K.
        temperature: The smaller, the more the most similar wrong centres count; the paper: 0.05.
    """
    return F.cross_entropy(embedding @ centroids.detach().T / temperature, labels)
