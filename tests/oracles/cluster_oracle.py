"""Cluster Contrast in slow loops, from spec baselines H1; nothing of genreid is imported."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def unit(vector: Array) -> Array:
    """Unit length."""
    length: float = float(np.sqrt((vector * vector).sum()))
    return vector / length


def contrast(embedding: Array, centroids: Array, labels: Sequence[int], temperature: float = 0.05) -> float:
    """CE(f C^T / 0.05, cluster), image by image."""
    losses = []
    for vector, label in zip(embedding, labels, strict=True):
        scores = [float(np.dot(vector, centre)) / temperature for centre in centroids]
        largest = max(scores)
        total = sum(np.exp(score - largest) for score in scores)
        losses.append(largest + np.log(total) - scores[label])
    return float(np.mean(losses))


def momentum_update(centroids: Array, embedding: Array, labels: Sequence[int], momentum: float) -> Array:
    """For every sample in order: c_y <- m c_y + (1 - m) f, renormalise."""
    memory = centroids.copy()
    for vector, label in zip(embedding, labels, strict=True):
        memory[label] = unit(momentum * memory[label] + (1 - momentum) * vector)
    return memory


def hard_update(centroids: Array, embedding: Array, labels: Sequence[int], momentum: float) -> Array:
    """Only the least similar sample of the cluster updates."""
    memory = centroids.copy()
    for cluster in sorted(set(labels)):
        samples = [vector for vector, label in zip(embedding, labels, strict=True) if label == cluster]
        hardest = min(samples, key=lambda vector: float(np.dot(vector, centroids[cluster])))
        memory[cluster] = unit(momentum * memory[cluster] + (1 - momentum) * hardest)
    return memory


def gem(feature_map: Array, power: float = 3.0) -> Array:
    """(mean x^p)^(1/p) of every channel, x at least 1e-6."""
    images, channels = feature_map.shape[:2]
    result = np.zeros((images, channels))
    for image in range(images):
        for channel in range(channels):
            values = [max(float(value), 1e-6) ** power for value in feature_map[image, channel].ravel()]
            result[image, channel] = (sum(values) / len(values)) ** (1 / power)
    return result


def batch_norm(values: Array, weight: Array, bias: Array, epsilon: float = 1e-5) -> Array:
    """Batch norm of [B, D] with the batch's own statistics."""
    mean = values.mean(axis=0)
    variance = ((values - mean) ** 2).mean(axis=0)
    result: Array = (values - mean) / np.sqrt(variance + epsilon) * weight + bias
    return result


def pair_f1(labels: Sequence[int], pids: Sequence[int]) -> float:
    """Harmonic mean of precision and recall over all pairs; label -1 is in no pair."""
    both = grouped = true = 0
    for i in range(len(labels)):
        for j in range(i):
            together, same = labels[i] == labels[j] != -1, pids[i] == pids[j]
            both, grouped, true = both + (together and same), grouped + together, true + same
    precision, recall = both / grouped, both / true
    return 2 * precision * recall / (precision + recall)


def purity(labels: Sequence[int], pids: Sequence[int]) -> float:
    """Share of clustered images that show their cluster's most frequent person."""
    right = 0
    for cluster in set(labels) - {-1}:
        people = [pid for pid, label in zip(pids, labels, strict=True) if label == cluster]
        right += max(people.count(pid) for pid in people)
    return right / sum(label != -1 for label in labels)


def adam(weight: Array, gradients: Sequence[Array], rates: Sequence[float], decay: float) -> Array:
    """Adam (0.9, 0.999) with an L2 penalty, epsilon 1e-8."""
    value, first, second = weight.copy(), np.zeros_like(weight), np.zeros_like(weight)
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        whole = gradient + decay * value
        first, second = 0.9 * first + 0.1 * whole, 0.999 * second + 0.001 * whole**2
        value = value - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return value
