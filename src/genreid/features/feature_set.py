"""Embeddings of a list of images with what evaluation needs to know of each: `FeatureSet` and its file.

The file is a safetensors file with the tensors

- `embedding` float32 [N, D], rows of unit length,
- `pid` int64 [N], `camid` int64 [N],
- `paths` uint8 [bytes], optional: the images' paths as UTF-8 lines (in a tensor, because the header of a
  safetensors file is limited to 100 MB),

and text metadata, all optional (such as the model's fingerprint, the recipe, the package's version). It is
written beside its name and renamed into place, and read as a memory map: a file of any size opens at once and
takes memory only where it is read.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from genreid.data.whole_file import beside

logger = logging.getLogger(__name__)

UNIT_TOLERANCE = 1e-5
"""A row whose norm is this near to 1 is of unit length and is written bit for bit as it is."""
ROWS_AT_ONCE = 16_384
"""Rows that are read, checked or normalised at once: bounds the memory of the working copy."""
REMEDY = "Write it again with `genreid extract RUN --data DIR --out FILE`"


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Embeddings of N images.

    Raises:
        ValueError: If an array has another shape or type than stated below.
    """

    embedding: NDArray[np.float32]
    """float32 [N, D]; of unit length in a file."""
    pid: NDArray[np.int64]
    """int64 [N]: identities; -1 junk, 0 distractor."""
    camid: NDArray[np.int64]
    """int64 [N]: cameras; -1 unknown."""
    paths: tuple[str, ...] | None = None
    """The N images' paths, for messages and pictures."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Where the embeddings come from."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        _expect_embedding(self.embedding)
        for name in ("pid", "camid"):
            _expect_labels(name, getattr(self, name), len(self.embedding))
        if self.paths is not None and len(self.paths) != len(self.embedding):
            msg = f"expected {len(self.embedding)} paths, one for each embedding, got {len(self.paths)}"
            raise ValueError(msg)
        strangers = [key for key, value in self.metadata.items() if not isinstance(value, str)]
        if strangers:
            msg = f"metadata must be text, got another type under {', '.join(map(repr, strangers))}"
            raise ValueError(msg)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.embedding)

    def select(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "FeatureSet":
        """Return some of the images.

        Args:
            rows: A slice (no copy), row numbers, or a bool [N] of rows to keep.
        """
        numbers = np.arange(len(self))[rows]
        paths = None if self.paths is None else tuple(self.paths[number] for number in numbers)
        return FeatureSet(self.embedding[rows], self.pid[rows], self.camid[rows], paths, self.metadata)

    def save(self, path: str | Path) -> None:
        """Write the set as a safetensors file, its embeddings with unit length.

        A row of zeros has no direction: it is written as it is, and a warning names it.

        Args:
            path: File to write; what is there is replaced only when the new file is complete.

        Raises:
            ValueError: If an embedding holds NaN or an infinite value; the row is named.
        """
        target = Path(path).expanduser()
        tensors: dict[str, NDArray[Any]] = {
            "embedding": self._unit_embedding(),
            "pid": np.ascontiguousarray(self.pid),
            "camid": np.ascontiguousarray(self.camid),
        }
        if self.paths is not None:
            tensors["paths"] = _encode_paths(self.paths)
        with beside(target) as part:
            try:
                save_file(tensors, part, metadata=dict(self.metadata))
            except SafetensorError as error:
                msg = f"cannot write {target}: {error}"
                raise OSError(msg) from error

    @classmethod
    def load(cls, path: str | Path) -> "FeatureSet":
        """Read a file that `save` has written; the embeddings stay on disk until they are used.

        Args:
            path: The safetensors file.

        Returns:
            The set; `embedding` is a read-only memory map of the file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no safetensors file, is cut short, or holds other tensors.
        """
        source = Path(path).expanduser()
        if not source.is_file():
            msg = f"no feature file at {source}. {REMEDY}"
            raise FileNotFoundError(msg)
        contents = _read_contents(source)
        shape, tensors = contents.embedding_shape, contents.tensors
        paths = _decode_paths(tensors["paths"], shape[0], source) if "paths" in tensors else None
        embedding = _map_embedding(source, shape)
        try:
            return cls(embedding, tensors["pid"], tensors["camid"], paths, contents.metadata)
        except ValueError as error:
            msg = f"{source}: {error}. {REMEDY}"
            raise ValueError(msg) from error

    def name_of(self, row: int) -> str:
        """Return how a message names a row: its number and, where it is known, its path.

        Args:
            row: Row number, from 0.
        """
        return f"row {row}" if self.paths is None else f"row {row} ({self.paths[row]})"

    def squared_norms(self) -> NDArray[np.float64]:
        """Return the squared length of every embedding, computed in float64: float64 [N].

        Raises:
            ValueError: If a row holds NaN or an infinite value, or is too long for float32; it is named.
        """
        norms = np.empty(len(self), np.float64)
        for start in range(0, len(self), ROWS_AT_ONCE):
            block = self.embedding[start : start + ROWS_AT_ONCE]
            np.einsum("ij,ij->i", block, block, dtype=np.float64, out=norms[start : start + ROWS_AT_ONCE])
        bad = np.flatnonzero(~(norms < np.finfo(np.float32).max))
        if bad.size:
            msg = (
                f"{bad.size} of {len(self)} embeddings hold NaN, infinite or enormous values, the first in "
                f"{self.name_of(int(bad[0]))}; expected finite numbers. Has the network diverged?"
            )
            raise ValueError(msg)
        return norms

    def _unit_embedding(self) -> NDArray[np.float32]:
        """Return the embeddings with unit length; no copy where they have it already."""
        norms = np.sqrt(self.squared_norms())
        zeros = np.flatnonzero(norms == 0.0)
        if zeros.size:
            first = self.name_of(int(zeros[0]))
            logger.warning("%d embeddings are all zeros and stay so, the first in %s", zeros.size, first)
        off = (np.abs(norms - 1.0) > UNIT_TOLERANCE) & (norms > 0.0)
        if not off.any():
            return np.ascontiguousarray(self.embedding)
        unit = np.array(self.embedding, order="C")
        for start in range(0, len(self), ROWS_AT_ONCE):
            rows = start + np.flatnonzero(off[start : start + ROWS_AT_ONCE])
            unit[rows] = unit[rows] / norms[rows, None]
        return unit


def _expect_embedding(embedding: NDArray[np.float32]) -> None:
    """Refuse what is not float32 [N, D]."""
    if embedding.ndim != 2 or embedding.shape[1] == 0 or embedding.dtype != np.float32:
        msg = f"embedding: expected float32 [N, D], got {embedding.dtype} {list(embedding.shape)}"
        raise ValueError(msg)


def _expect_labels(name: str, labels: NDArray[np.int64], images: int) -> None:
    """Refuse what is not int64 [N]."""
    if labels.shape != (images,) or labels.dtype != np.int64:
        msg = f"{name}: expected int64 [{images}], got {labels.dtype} {list(labels.shape)}"
        raise ValueError(msg)


class _Contents(NamedTuple):
    """What a file holds, the embeddings themselves left on disk."""

    embedding_shape: tuple[int, int]
    tensors: dict[str, NDArray[Any]]
    metadata: dict[str, str]


def _read_contents(source: Path) -> _Contents:
    """Check a file and read all of it but the embeddings."""
    try:
        with safe_open(source, framework="numpy") as handle:
            file: Any = handle  # the library has no types
            described = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            _expect_tensors(
                {name: (tensor.get_dtype(), tensor.get_shape()) for name, tensor in described.items()}, source
            )
            tensors = {name: file.get_tensor(name) for name in described.keys() & {"pid", "camid", "paths"}}
            images, width = described["embedding"].get_shape()
            return _Contents((images, width), tensors, dict(file.metadata() or {}))
    except SafetensorError as error:
        msg = f"{source} is not a whole safetensors file ({error}). {REMEDY}"
        raise ValueError(msg) from error


def _expect_tensors(described: Mapping[str, tuple[str, list[int]]], source: Path) -> None:
    """Refuse a file whose tensors have other names, types or numbers of axes than a feature set's."""
    missing = {"embedding", "pid", "camid"} - described.keys()
    if missing:
        got = ", ".join(sorted(described)) or "none"
        msg = f"{source}: expected the tensors embedding, pid and camid, got {got}. {REMEDY}"
        raise ValueError(msg)
    for name, expected in {"embedding": "F32", "pid": "I64", "camid": "I64", "paths": "U8"}.items():
        dtype, shape = described.get(name, (expected, [0]))
        axes = 2 if name == "embedding" else 1
        if dtype != expected or len(shape) != axes:
            msg = f"{source}: {name}: expected {expected} with {axes} axes, got {dtype} {shape}. {REMEDY}"
            raise ValueError(msg)


def _map_embedding(source: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the embeddings of a file that safetensors has found sound, without reading them.

    The library copies a tensor into memory and has no mapped form for NumPy; its format says where the
    tensor lies: 8 bytes with the header's length, the header as JSON, then the tensors.
    """
    if 0 in shape:
        return np.zeros(shape, np.float32)
    with source.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        begin = 8 + length + json.loads(file.read(length))["embedding"]["data_offsets"][0]
    mapped = np.asarray(np.memmap(source, np.dtype("<f4"), "r", begin, shape))
    return mapped if mapped.flags.aligned else mapped.copy()


def _encode_paths(paths: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return paths as UTF-8 lines; a line break in a name, which would break the list, becomes a symbol."""
    if any("\n" in path for path in paths):
        logger.warning("a path with a line break in it is stored with the symbol U+2424 in its place")
        paths = tuple(path.replace("\n", "\N{SYMBOL FOR NEWLINE}") for path in paths)
    return np.frombuffer("\n".join(paths).encode("utf-8", "surrogateescape"), np.uint8)


def _decode_paths(lines: NDArray[np.uint8], images: int, source: Path) -> tuple[str, ...]:
    """Return the paths of a file, which must be one for each image."""
    text = lines.tobytes().decode("utf-8", "surrogateescape")
    paths = tuple(text.split("\n")) if images else ()
    if len(paths) != images:
        msg = f"{source}: expected {images} paths, one for each embedding, got {len(paths)}. {REMEDY}"
        raise ValueError(msg)
    return paths
