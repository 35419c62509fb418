"""The truth of a gallery: FeatureSet files, each of up to 4,096 images, never changed once written.

A file's metadata hold, beside where its embeddings come from, what is known of each image (`labels`, JSON).
So a file is whole or not there at all, `FeatureSet.load` reads it like any other, and an index can always be
made anew. Where two files hold the same image, the later one counts: a file is replaced by writing the new
one first.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genreid.data.sample import JUNK_PID, UNKNOWN_CAMID
from genreid.data.whole_file import flush
from genreid.features.feature_set import FeatureSet
from genreid.search.pictures import Labels

logger = logging.getLogger(__name__)

ROWS = 4096
"""Most images in a file: what a killed `gallery add` loses at most, and what a removal writes anew."""
UNKNOWN_TIME = -(2**62)
"""Stands for a time that nobody knows, in arrays: before all others."""
_LABELS = "labels"


class Shard(NamedTuple):
    """One file.

    Attributes:
        path: The file.
        features: Embeddings, memory-mapped; pid and camid are -1.
        keys: int64 [N], content keys.
        labels: What is known of each image.
    """

    path: Path
    features: FeatureSet
    keys: NDArray[np.int64]
    labels: tuple[Labels, ...]

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Shard":
        """Return some of the images; the path is that of the whole file.

        Args:
            rows: Row numbers, or a bool [N] of rows to keep.
        """
        numbers = np.arange(len(self.keys))[rows]
        labels = tuple(self.labels[number] for number in numbers.tolist())
        return Shard(self.path, self.features.select(rows), self.keys[rows], labels)


def times_of(labels: Sequence[Labels]) -> NDArray[np.int64]:
    """Return times as an array, int64 [N], in milliseconds since 1970; unknown ones are `UNKNOWN_TIME`.

    Args:
        labels: N images.
    """
    return np.array([UNKNOWN_TIME if item.time is None else item.time for item in labels], np.int64)


def read_shards(folder: Path) -> tuple[Shard, ...]:
    """Read all files of a gallery; of an image that two files hold, the later one is kept.

    Args:
        folder: Where they lie.

    Raises:
        ValueError: If a file is damaged; it is named.
    """
    shards = [_read(path) for path in sorted(folder.glob("[0-9]*.safetensors"))]
    seen = np.zeros(0, np.int64)
    kept: list[Shard] = []
    for shard in reversed(shards):
        old = np.isin(shard.keys, seen)
        kept.append(shard.select(~old) if old.any() else shard)
        seen = np.concatenate([seen, shard.keys])
    return tuple(reversed(kept))


def write_shard(
    folder: Path, features: FeatureSet, keys: NDArray[np.int64], labels: Sequence[Labels]
) -> Path:
    """Write a file after all others.

    Args:
        folder: Where the gallery's files lie.
        features: N embeddings; pid and camid are not looked at.
        keys: int64 [N].
        labels: What is known of each.

    Returns:
        The file.

    Raises:
        OSError: If the disk does not take it; nothing is left behind.
    """
    text = json.dumps({"key": keys.tolist(), **_columns(labels)})
    numbers = [int(path.name.split("-")[0]) for path in folder.glob("[0-9]*.safetensors")]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = folder / f"{max(numbers, default=0) + 1:06d}-{digest}.safetensors"
    metadata = {**features.metadata, _LABELS: text}
    FeatureSet(
        np.ascontiguousarray(features.embedding),
        np.full(len(keys), JUNK_PID, np.int64),
        np.full(len(keys), UNKNOWN_CAMID, np.int64),
        tuple(item.path for item in labels),
        metadata,
    ).save(path)
    flush(path)
    flush(folder)
    return path


def rewrite(folder: Path, old: Shard, new: Shard) -> None:
    """Replace a file; a power cut leaves the old one, or both, never neither.

    Args:
        folder: Where the gallery's files lie.
        old: What is there.
        new: What shall be there; without images nothing is written.
    """
    if len(new.keys):
        write_shard(folder, new.features, new.keys, new.labels)
    old.path.unlink(missing_ok=True)
    flush(folder)


def _columns(labels: Sequence[Labels]) -> Mapping[str, list[object]]:
    """Return labels column by column, without the paths, which have a place of their own."""
    rows = [asdict(item) for item in labels]
    return {name: [row[name] for row in rows] for name in ("camera", "time", "track")}


def _read(path: Path) -> Shard:
    """Read one file."""
    features = FeatureSet.load(path)
    try:
        said = json.loads(features.metadata[_LABELS])
        keys = np.array(said["key"], np.int64)
        columns = (features.paths or (), said["camera"], said["time"], said["track"])
        labels = tuple(
            Labels(str(name), str(camera), None if time is None else int(time), str(track))
            for name, camera, time, track in zip(*columns, strict=True)
        )
        keys = keys.reshape(len(labels))
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            f"{path} is no file of a gallery ({type(error).__name__}: {error}); delete it and add its images "
            "again with `genreid gallery add`"
        )
        raise ValueError(msg) from error
    return Shard(path, features, keys, labels)
