"""What a network sees in a list of images, kept in the cache: real images are looked at once."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import nn

from genreid.data.cache import cache_root
from genreid.data.progress import progress_of
from genreid.data.whole_file import beside
from genreid.models.precision import Compute
from genreid.quality.images import Images, batches

Features = dict[str, NDArray[np.float32]]
"""Name -> float32 [N, D]."""
_VERSION = 1
"""Grows when the same images give other features."""


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that turns images in [-1, 1] into features by name.

    Attributes:
        title: What progress calls it.
        network: In evaluation mode.
        digest: Of its weights.
    """

    title: str
    network: nn.Module
    digest: str


def features_of(images: Images, seer: FeatureNetwork, compute: Compute) -> Features:
    """Return what a network sees in some images; what was seen before comes from the cache.

    Args:
        images: N images.
        seer: The network.
        compute: Device and arithmetic.

    Returns:
        float32 [N, D] by name.
    """
    key = f"{_VERSION} {seer.digest} {images.digest} {compute.name}"
    path = cache_root() / "quality" / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"
    if path.is_file():
        try:
            return load_file(path)
        except SafetensorError:
            path.unlink()
    network = compute.place(seer.network).eval()
    parts: dict[str, list[NDArray[np.float32]]] = {}
    with progress_of(f"{seer.title}: images", len(images)) as advance, torch.inference_mode():
        for places in batches(len(images)):
            with compute.autocast():
                found = network(images.batch(places, compute.device))
            for name, values in found.items():
                parts.setdefault(name, []).append(values.float().cpu().numpy())
            advance(len(places))
    features = {name: np.concatenate(values) for name, values in parts.items()}
    with beside(path) as part:
        save_file(features, part)
    return features
