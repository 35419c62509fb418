"""The beginning of a round of Cluster Contrast: all images are embedded and clustered (spec baselines H1)."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.cluster import DBSCAN
from sklearn.neighbors import sort_graph_by_row_values
from torch import Tensor
from torch.nn import functional as F

from genreid.data.augment import to_float
from genreid.data.batch import ImageSet
from genreid.data.progress import progress_of
from genreid.models.backbone import ReidNetwork
from genreid.models.folding import fold_batch_norm
from genreid.models.precision import Compute
from genreid.neighbours.jaccard import jaccard_distances
from genreid.neighbours.nearest import nearest
from genreid.neighbours.reciprocal import ReciprocalConfig, encode
from genreid.training.cluster_config import ClusteringConfig

EMBED_BATCH = 128
"""Images embedded at once: speed and memory, not the result."""
MOST_ALIKE = 5000
"""Images that an image may have as near as eps, on average: a collapsed network would have all."""
OUTLIER = -1
"""Label of an image that is in no cluster."""


class RoundReport(NamedTuple):
    """What can be said of a clustering without knowing who the people are.

    Attributes:
        clusters: How many there are.
        outliers: Share of the images that are in none, 0 to 1.
        spanning: Share of the clusters with images of two cameras or more, 0 to 1.
    """

    clusters: int
    outliers: float
    spanning: float


class Diagnosis(NamedTuple):
    """How a clustering fits the true people: for the curious, never for choosing anything.

    Attributes:
        purity: Share of the clustered images that show the most frequent person of their cluster.
        pair_f1: Of pairs of images: harmonic mean of precision and recall; an outlier is in no pair.
    """

    purity: float
    pair_f1: float


@torch.inference_mode()
def embed_all(network: ReidNetwork, images: ImageSet, compute: Compute) -> Tensor:
    """Embed every usable image with the network as it is, in evaluation mode.

    Args:
        network: On the device of `compute`; left as it is.
        images: The data set.
        compute: Device and arithmetic.

    Returns:
        float32 [M, D] of unit length on the CPU, in the order of `images.usable`.
    """
    ready = fold_batch_norm(network).to(memory_format=torch.channels_last)
    parts = []
    with progress_of("embedding images", len(images.usable)) as advance:
        for rows in torch.split(images.usable, EMBED_BATCH):
            batch = to_float(images.bank.gather(rows, compute.device))
            with compute.autocast():
                embedding = ready.embed(batch.contiguous(memory_format=torch.channels_last))
            parts.append(F.normalize(embedding.float(), dim=1).cpu())
            advance(len(rows))
    return torch.cat(parts)


def find_clusters(embedding: Tensor, config: ClusteringConfig) -> NDArray[np.int64]:
    """Cluster embeddings: DBSCAN on Jaccard distances of k-reciprocal neighbours.

    Args:
        embedding: float32 [M, D] of unit length.
        config: k1, k2, eps, min_samples.

    Returns:
        [M] cluster of each, from 0; `OUTLIER` where it is in none.

    Raises:
        ValueError: If there is no cluster, or all images are in one; names the settings to change.
    """
    points = embedding.numpy()
    lists = ReciprocalConfig(k1=config.k1, k2=config.k2, counts_itself=True)
    codes = encode(points, nearest(points, lists.columns), lists)
    # DBSCAN wants each row by rising distance, and never asks for a pair that is further than eps
    distances = sort_graph_by_row_values(
        csr_matrix(jaccard_distances(codes, largest=config.eps, most_per_row=MOST_ALIKE)),
        copy=False,
        warn_when_not_sorted=False,
    )
    dbscan = DBSCAN(eps=config.eps, min_samples=config.min_samples, metric="precomputed")
    labels: NDArray[np.int64] = dbscan.fit_predict(distances).astype(np.int64)
    _expect_clusters(labels, config)
    return labels


def _expect_clusters(labels: NDArray[np.int64], config: ClusteringConfig) -> None:
    """Refuse a clustering that tells nothing apart."""
    found, inside, count = int(labels.max()) + 1, int((labels != OUTLIER).sum()), len(labels)
    if found > 1:
        return
    eps, least = f"--cluster.clustering.eps than {config.eps:g}", config.min_samples
    if 2 * inside > count:
        msg = f"all {inside} images are in one cluster ({count - inside} outliers): try a smaller {eps}"
    else:
        msg = (
            f"{found or 'no'} cluster was found among {count} images: try a larger {eps}, or a smaller "
            f"--cluster.clustering.min_samples than {least}"
        )
    raise ValueError(msg)


def centres_of(embedding: Tensor, labels: Tensor) -> Tensor:
    """Return the mean embedding of each cluster, brought to unit length.

    Args:
        embedding: [M, D].
        labels: [M] int64 cluster of each, from 0; `OUTLIER` counts nowhere.

    Returns:
        [K, D].
    """
    inside = labels != OUTLIER
    sums = embedding.new_zeros(int(labels.max()) + 1, embedding.shape[1])
    return F.normalize(sums.index_add_(0, labels[inside], embedding[inside]), dim=1)


def describe_round(labels: NDArray[np.int64], cameras: NDArray[np.int64]) -> RoundReport:
    """Return what a clustering looks like.

    Args:
        labels: [M] cluster of each image.
        cameras: [M] camera of each.
    """
    inside = labels != OUTLIER
    pairs = np.unique(np.stack((labels[inside], cameras[inside])), axis=1)
    _clusters, seen_by = np.unique(pairs[0], return_counts=True)
    return RoundReport(len(seen_by), float(1 - inside.mean()), float((seen_by > 1).mean()))


def diagnose(labels: NDArray[np.int64], pids: NDArray[np.int64]) -> Diagnosis:
    """Compare a clustering with the true people; images of nobody known are left out.

    Args:
        labels: [M] cluster of each image.
        pids: [M] person of each; 0 and below: nobody known.
    """
    labels, pids = labels[pids > 0], pids[pids > 0]
    inside = labels != OUTLIER
    cells, sizes = np.unique(np.stack((labels[inside], pids[inside])), axis=1, return_counts=True)
    largest = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    np.maximum.at(largest, cells[0], sizes)
    right = _pairs(sizes)
    grouped = _pairs(np.unique(labels[inside], return_counts=True)[1])
    true = _pairs(np.unique(pids, return_counts=True)[1])
    return Diagnosis(float(largest.sum() / max(1, inside.sum())), float(2 * right / max(1, grouped + true)))


def _pairs(counts: NDArray[np.int64]) -> int:
    """Return how many pairs can be made within groups of these sizes."""
    return int((counts * (counts - 1) // 2).sum())
