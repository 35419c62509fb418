"""DG-Net's embedding has two halves, a primary and a fine one: take one alone, or weight them anew.

An embedding is [primary, sqrt(w) * fine] / sqrt(1 + w) with both halves of unit length, so that the cosine of
two of them, times 1 + w, is cos(primary) + w * cos(fine): the published score, in which the query's fine half
alone is multiplied by w = 0.5 (spec dg-net F10; w is beta in the paper's figure 8). The metadata of a
`FeatureSet` say under `halves` where they lie, such as `primary:512,fine:512`, and under `fine_weight` w.
"""

import re
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from genreid.features.feature_set import FeatureSet
from genreid.features.options import expect_fine_weight

Half = Literal["primary", "fine"]

_HALVES = re.compile(r"primary:(\d+),fine:(\d+)")


def describe_halves(primary: int, fine: int, fine_weight: float) -> dict[str, str]:
    """Return what the metadata say of embeddings with two halves.

    Args:
        primary: Width of the primary half.
        fine: Width of the fine half, which is left out if its weight is 0.
        fine_weight: w.
    """
    weight = {"fine_weight": f"{fine_weight:g}"}
    return weight if fine_weight == 0 else {"halves": f"primary:{primary},fine:{fine}", **weight}


def halves_in(features: FeatureSet) -> dict[Half, slice]:
    """Return which columns hold which half; nothing for embeddings of one piece.

    Args:
        features: Any embeddings.

    Raises:
        ValueError: If the metadata do not fit the embeddings.
    """
    text = features.metadata.get("halves")
    if text is None:
        return {}
    found, width = _HALVES.fullmatch(text), features.embedding.shape[1]
    primary, fine = (int(number) for number in found.groups()) if found else (0, 0)
    if primary < 1 or fine < 1 or primary + fine != width:
        msg = (
            f"metadata: got halves {text!r} of embeddings of {width} numbers, expected "
            f"primary:P,fine:F with P + F = {width}; write the file again with `genreid extract`"
        )
        raise ValueError(msg)
    return {"primary": slice(0, primary), "fine": slice(primary, width)}


def take_half(features: FeatureSet, name: Half) -> FeatureSet:
    """Return one half of every embedding, with unit length.

    Args:
        features: Embeddings with two halves.
        name: `primary` or `fine`.

    Returns:
        [N,P] or [N,F]; a half of zeros stays so.

    Raises:
        ValueError: If the embeddings have no halves.
    """
    columns = _expect_halves(features)[name]
    rest = {key: value for key, value in features.metadata.items() if key not in {"halves", "fine_weight"}}
    return _with(features, _unit(features.embedding[:, columns]), {**rest, "half": name})


def weight_fine_half(features: FeatureSet, fine_weight: float) -> FeatureSet:
    """Return the embeddings with another weight of their fine half.

    Args:
        features: Embeddings with two halves.
        fine_weight: w >= 0; with 0 the primary half remains alone.

    Returns:
        [N,P+F], or [N,P] for 0, of unit length.

    Raises:
        ValueError: If the embeddings have no halves, or the weight is negative or not finite.
    """
    expect_fine_weight(fine_weight)
    columns = _expect_halves(features)
    primary, fine = (_unit(features.embedding[:, columns[name]]) for name in get_args(Half))
    rest = {key: value for key, value in features.metadata.items() if key != "halves"}
    metadata = {**rest, **describe_halves(primary.shape[1], fine.shape[1], fine_weight)}
    if fine_weight == 0:
        return _with(features, primary, metadata)
    return _with(features, _unit(np.hstack((primary, np.float32(fine_weight**0.5) * fine))), metadata)


def _expect_halves(features: FeatureSet) -> dict[Half, slice]:
    """Return which columns hold which half, or refuse embeddings of one piece."""
    columns = halves_in(features)
    if not columns:
        msg = (
            "these embeddings have no primary and fine half (metadata: no `halves`); those of "
            "`genreid extract RUN` have them if RUN is of `genreid train dgnet`"
        )
        raise ValueError(msg)
    return columns


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of unit length; zeros stay zeros."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return vectors / np.where(norms > 0, norms, 1).astype(np.float32)[:, None]


def _with(features: FeatureSet, embedding: NDArray[np.float32], metadata: Mapping[str, str]) -> FeatureSet:
    """Return the same images with other embeddings."""
    return FeatureSet(embedding, features.pid, features.camid, features.paths, metadata)
