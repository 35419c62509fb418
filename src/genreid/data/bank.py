"""Every image decoded once into one memory-mapped array: `ImageBank`.

No JPEG is decoded in a training loop. The array is cached under a key of the file list, sizes, times and
target size, so the second run starts at once and a changed file makes a new bank. A batch is a gather of
rows, on the accelerator where the whole bank fits there.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from genreid.data.bank_file import BankKey, open_or_build
from genreid.data.decode import Kind, UInt8

logger = logging.getLogger(__name__)

DEVICE_SHARE = 0.5
"""Largest share of an accelerator's free memory that a bank may take."""


@dataclass(eq=False)
class ImageBank:
    """Images (or masks) of one size, decoded.

    Attributes:
        paths: The files, in the order of the rows.
        array: uint8 [N,3,H,W], RGB 0-255 (masks: [N,1,H,W] of 0/1), memory-mapped, read only. Rows of
            unreadable files are 0.
        reasons: Row -> why its file could not be read.
        sizes: Row -> height and width of the file itself, as far as they are known.
        sums: CRC-32 of each row; empty where nobody counted.
    """

    paths: tuple[Path, ...]
    array: UInt8
    reasons: Mapping[int, str]
    sizes: Mapping[int, tuple[int, int]] = field(default_factory=dict, repr=False)
    sums: tuple[int, ...] = field(default=(), repr=False)
    _resident: dict[torch.device, Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def build(
        cls,
        paths: Sequence[Path],
        size: tuple[int, int],
        kind: Kind = "image",
        cache_dir: Path | None = None,
        workers: int | None = None,
        progress: bool | None = None,  # noqa: FBT001
    ) -> Self:
        """Decode all files in parallel, or open the cached result of an earlier call.

        Args:
            paths: The files; unreadable ones are listed in `unreadable` and never stop the job.
            size: Height and width that every image is resized to.
            kind: Photographs of any format that Pillow reads, and how they are resized; or `mask`: 1-bit PNG.
            cache_dir: Where banks are kept; default: `banks` in the cache.
            workers: Processes that decode; default: one for each core, at most 16.
            progress: False shows none; default: a bar on a terminal, plain log lines elsewhere.

        Raises:
            ValueError: If masks are missing or the disk has no room; names them and says what to type.
        """
        key = BankKey.of(tuple(paths), size, kind)
        content = open_or_build(key, cache_dir, workers, shown=progress is not False)
        for row, reason in list(content.reasons.items())[:5]:
            logger.warning("cannot read %s: %s", key.paths[row], reason)
        if len(content.reasons) > 5:
            count = len(content.reasons)
            logger.warning("cannot read %d files in all; `genreid data check` lists them", count)
        return cls(key.paths, *content)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def unreadable(self) -> tuple[Path, ...]:
        """The files that could not be read, in the order of the rows."""
        return tuple(self.paths[row] for row in self.reasons)

    @cached_property
    def readable_indices(self) -> Tensor:
        """The rows whose files could be read: int64 [M], ascending."""
        keep = torch.ones(len(self), dtype=torch.bool)
        keep[list(self.reasons)] = False
        return keep.nonzero().squeeze(1)

    @property
    def height_width(self) -> tuple[int, int]:
        """Height and width of every image."""
        return self.array.shape[2], self.array.shape[3]

    def to_device(self, device: torch.device | str) -> Self:
        """Keep a copy on an accelerator if it fits in half of its free memory; returns this bank.

        Args:
            device: Where batches will be wanted. The CPU needs no copy.
        """
        place = _exact(device)
        if place.type == "cpu" or place in self._resident:
            return self
        free = torch.cuda.mem_get_info(place)[0] if place.type == "cuda" else 0
        if self.array.nbytes > DEVICE_SHARE * free:
            logger.info("bank of %d images stays in host memory: it does not fit on %s", len(self), place)
            return self
        self._resident[place] = torch.from_numpy(self.array.copy()).to(place)
        return self

    def gather(self, indices: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return some rows as a new tensor, uint8 [B,C,H,W].

        Args:
            indices: Rows, int64 [B]; better on the CPU, or the host has to wait for the device.
            device: Where the result is wanted.

        Raises:
            IndexError: If a row does not exist.
        """
        place = _exact(device)
        if place in self._resident:
            return self._resident[place].index_select(0, indices.to(place, non_blocking=True))
        host = indices.cpu()
        if host.numel() and (int(host.min()) < 0 or int(host.max()) >= len(self)):
            message = f"rows {int(host.min())} to {int(host.max())} asked of a bank of {len(self)} images"
            raise IndexError(message)
        batch = torch.from_numpy(self.array[host.numpy()])
        if place.type == "cuda":
            return batch.pin_memory().to(place, non_blocking=True)
        return batch.to(place)


def _exact(device: torch.device | str) -> torch.device:
    """Name a device in full, for `cuda` and `cuda:0` are unequal."""
    place = torch.device(device)
    if place.type == "cuda" and place.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return place
