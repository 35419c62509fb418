"""Pictures of what a renderer does, laid out as in CR-GAN's figures 6 and 10-13."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from genreid.models.crgan import ConditionPair, Rendering

ROWS = ("X_S", "X_T", "M_S", "1-X_C", "X_G")
"""Source image, target instance, the source's person mask, where the source is kept, the rendering."""
_GAP, _LABEL_WIDTH, _MIN_HEIGHT = 2, 40, 128


def to_uint8(images: Tensor) -> Tensor:
    """Turn [B, C, H, W] in [-1, 1] into uint8 0-255; the inverse of `data.augment.to_float`.

    Args:
        images: Values outside [-1, 1] are clipped.
    """
    return images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def rendering_sheet(pair: ConditionPair, rendering: Rendering) -> Image.Image:
    """Lay out one column for each pair, with the rows X_S, X_T, M_S, 1-X_C, X_G.

    Args:
        pair: What the renderer saw, [B, ., H, W].
        rendering: What it made of it.

    Returns:
        An RGB picture; small images are enlarged so that people can be seen.
    """
    rows = [
        to_uint8(pair.source),
        to_uint8(pair.target),
        _grey(pair.source_mask),
        _grey(1 - rendering.context_mask),
        to_uint8(rendering.image),
    ]
    factor = max(1, -(-_MIN_HEIGHT // rows[0].shape[2]))
    tiles = [row.cpu().permute(0, 2, 3, 1).numpy() for row in rows]
    height, width = tiles[0].shape[1] * factor, tiles[0].shape[2] * factor
    count = len(tiles[0])
    size = (_LABEL_WIDTH + count * (width + _GAP), len(rows) * (height + _GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for line, (name, row) in enumerate(zip(ROWS, tiles, strict=True)):
        top = line * (height + _GAP)
        draw.text((2, top + height // 2), name, fill="black")
        for column, tile in enumerate(row):
            sheet.paste(_enlarged(tile, (width, height)), (_LABEL_WIDTH + column * (width + _GAP), top))
    return sheet


def save_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a picture as PNG, making its folder.

    Args:
        path: The file.
        sheet: The picture.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _grey(mask: Tensor) -> Tensor:
    """Turn [B, 1, H, W] in [0, 1] into grey uint8 [B, 3, H, W]."""
    return mask.float().mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1)


def _enlarged(tile: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    """Return a tile at the given width and height."""
    return Image.fromarray(np.ascontiguousarray(tile)).resize(size, Image.Resampling.NEAREST)
