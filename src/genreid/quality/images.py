"""Images that are measured: decoded, in batches, with a text that says which they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from genreid.data.augment import to_float
from genreid.data.bank import ImageBank
from genreid.data.bank_file import BankKey
from genreid.data.decode import Kind

BATCH = 32
"""Images in one pass: memory and speed, not the result."""


class UnmeasurableError(ValueError):
    """A figure that cannot be had; the message is one sentence: what is missing, and what to do."""


@dataclass(frozen=True, eq=False)
class Images:
    """Decoded images of one size.

    Attributes:
        bank: The images.
        rows: int64 [N] of those that can be read.
        digest: Two lists of images share it only if they are the same files, decoded alike.
    """

    bank: ImageBank
    rows: Tensor
    digest: str

    @classmethod
    def of(cls, paths: Sequence[Path], size: tuple[int, int], kind: Kind) -> Self:
        """Decode some files.

        Args:
            paths: The files; those that cannot be read are left out.
            size: Height and width that they are resized to.
            kind: How.
        """
        bank = ImageBank.build(paths, size, kind)
        return cls(bank, bank.readable_indices, BankKey.of(tuple(paths), size, kind).digest)

    @classmethod
    def all_of(cls, paths: Sequence[Path], size: tuple[int, int], kind: Kind) -> Self:
        """Decode some files, each of which is needed.

        Args:
            paths: The files.
            size: Height and width that they are resized to.
            kind: How.

        Raises:
            UnmeasurableError: If one cannot be read.
        """
        images = cls.of(paths, size, kind)
        if len(images.rows) < len(paths):
            broken = images.bank.unreadable
            msg = f"{len(broken)} of {len(paths)} images cannot be read, such as {broken[0]}; make them anew"
            raise UnmeasurableError(msg)
        return images

    def __len__(self) -> int:
        """The number of images that can be read."""
        return len(self.rows)

    def at_least(self, side: int, network: str) -> None:
        """Refuse images that are too small.

        Args:
            side: Pixels that both sides must have.
            network: What needs them.

        Raises:
            UnmeasurableError: If a side has fewer.
        """
        height, width = self.bank.height_width
        if min(height, width) < side:
            msg = (
                f"images of {height} x {width} pixels are too small for {network}, which needs {side} x "
                f"{side}; generate larger ones with a run of a larger --image.height and --image.width"
            )
            raise UnmeasurableError(msg)

    def grey_levels(self, places: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return some images as float32 [B, C, H, W] of 0-255.

        Args:
            places: int64 [B], places in `rows`.
            device: Where they are wanted.
        """
        return self.bank.gather(self.rows[places], device).float()

    def batch(self, places: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Return some images as float32 [B, 3, H, W] in [-1, 1].

        Args:
            places: int64 [B], places in `rows`.
            device: Where they are wanted.
        """
        return to_float(self.bank.gather(self.rows[places], device))


def batches(count: int, size: int = BATCH) -> Iterator[Tensor]:
    """Yield the places 0 to count - 1, a batch at a time: int64 [B].

    Args:
        count: Number of places.
        size: Of a batch; the last one may be smaller.
    """
    for start in range(0, count, size):
        yield torch.arange(start, min(start + size, count))
