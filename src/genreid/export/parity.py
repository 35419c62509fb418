"""From picture file to embedding in both worlds: how near? Run by every export before it says done."""

import io
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.drawn.picture import Shot, Studio, take_picture
from genreid.export.runtimes import Arrays, Run

PEOPLE, PICTURES = 6, 4
"""Drawn people, and pictures of each."""
SIZES = ((128, 64), (256, 128), (97, 41), (64, 32))
"""Heights and widths of the pictures, one after the other."""
COSINE, COSINE_HALF, PSNR = 0.9999, 0.999, 60.0
"""An export that is farther away is not handed over."""

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 [B,3,H,W] -> float32 [B,D]."""


@dataclass(frozen=True)
class Parity:
    """How near embeddings are.

    Attributes:
        cosine_min: The smallest cosine of the two embeddings of a file.
        rank1_agreement: Share of files whose nearest other file is the same in both.
        files: Picture files.
        batches: Sizes of batches.
    """

    cosine_min: float
    rank1_agreement: float
    files: int
    batches: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "batches": list(self.batches)}


@dataclass(frozen=True)
class PictureParity:
    """How near generated pictures are.

    Attributes:
        psnr_min: The smallest peak signal-to-noise ratio of the two pictures of a pair, in dB; 200: equal.
        files: Picture files.
        batches: Sizes of batches.
    """

    psnr_min: float
    files: int
    batches: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "batches": list(self.batches)}


class DrawnFile(NamedTuple):
    """A picture file and where its person is.

    Attributes:
        path: JPEG, every fourth one PNG.
        mask: uint8 [H,W] of 0/1, at the picture's own size.
    """

    path: Path
    mask: NDArray[np.uint8]


def draw_files(folder: Path) -> list[DrawnFile]:
    """Draw people into files of several sizes.

    Args:
        folder: Where to.
    """
    drawn = []
    for number in range(PEOPLE * PICTURES):
        studio = Studio("A", 0, SIZES[number % len(SIZES)])
        picture = take_picture(studio, Shot(1 + number // PICTURES, 1 + number % PICTURES, number))
        path = folder / f"{number:02d}.{'png' if number % 4 == 3 else 'jpg'}"
        encoded = io.BytesIO()
        Image.fromarray(picture.pixels).save(encoded, "PNG" if path.suffix == ".png" else "JPEG", quality=90)
        path.write_bytes(encoded.getvalue())
        drawn.append(DrawnFile(path, picture.mask))
    return drawn


def batches_up_to(largest: int) -> tuple[int, ...]:
    """Return the sizes of batches that are tried: 1, 2, 7 and the largest.

    Args:
        largest: The largest.
    """
    return tuple(sorted({*(size for size in (1, 2, 7) if size < largest), largest}))


def compare_embeddings(
    pixels: NDArray[np.uint8], expected: NDArray[np.float32], embed: Embed, largest: int
) -> Parity:
    """Embed pictures in batches of several sizes and compare.

    Args:
        pixels: Pictures at the network's size, uint8 [N,3,H,W].
        expected: The embeddings of their files by torch, [N,D] of unit length.
        embed: The exported network; what it gives is brought to unit length first.
        largest: The largest batch; pictures are taken again where there are fewer.
    """
    smallest, found = np.inf, expected
    for batch in batches_up_to(largest):
        found = np.empty_like(expected)
        for rows in _rows(len(pixels), batch):
            embeddings = embed(pixels[rows]).astype(np.float64)
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            found[rows] = embeddings
            # a NaN must not pass
            smallest = min(smallest, float(np.nan_to_num((embeddings * expected[rows]).sum(1), nan=-1).min()))
    agreement = float((_nearest(found) == _nearest(expected)).mean())
    return Parity(smallest, agreement, len(pixels), batches_up_to(largest))


def compare_pictures(inputs: Arrays, reference: Run, exported: Run, largest: int) -> PictureParity:
    """Generate pictures in batches of several sizes and compare.

    Args:
        inputs: The generator's inputs, each [N,.,H,W].
        reference: The generator in torch.
        exported: The exported one.
        largest: The largest batch.
    """
    psnr = np.inf
    for batch in batches_up_to(largest):
        for rows in _rows(len(inputs[0]), batch):
            some = tuple(one[rows] for one in inputs)
            for made, wanted in zip(exported(some), reference(some), strict=True):
                error = ((made.astype(np.float64) - wanted) ** 2).mean((1, 2, 3)).max()
                psnr = min(psnr, -np.inf if np.isnan(error) else -10 * np.log10(max(error, 1e-20)))
    return PictureParity(float(psnr), len(inputs[0]), batches_up_to(largest))


def _rows(count: int, batch: int) -> Iterator[NDArray[np.int64]]:
    """Yield row numbers in batches of one size; the last one begins again from the first row."""
    for start in range(0, count, batch):
        yield np.arange(start, start + batch) % count


def _nearest(embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the nearest other row of each row."""
    cosines = embeddings @ embeddings.T
    np.fill_diagonal(cosines, -np.inf)
    nearest: NDArray[np.int64] = cosines.argmax(1)
    return nearest
