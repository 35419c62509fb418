"""Pictures of what a renderer does, laid out as in CR-GAN's figures 6 and 10-13."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from genreid.generation.sheets import Sheet, draw_sheet
from genreid.models.crgan import ConditionPair, Rendering

ROWS = ("X_S", "X_T", "M_S", "1-X_C", "X_G")
"""Source image, target instance, the source's person mask, where the source is kept, the rendering."""


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
    tiles = [list(row.cpu().numpy()) for row in rows]
    return draw_sheet(Sheet(tiles, row_labels=ROWS))


def save_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a picture, making its folder.

    Args:
        path: The file; its ending says the format, such as `.png`.
        sheet: The picture.

    Raises:
        ValueError: As `check_sheet_path`.
    """
    check_sheet_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def check_sheet_path(path: Path) -> None:
    """Refuse a file that no picture can be written to, before anything is computed for it.

    Args:
        path: Where a picture shall go.

    Raises:
        ValueError: If its ending is that of no format, or it is a folder.
    """
    if path.is_dir() or path.suffix.lower() not in Image.registered_extensions():
        msg = f"{path}: expected the name of a picture's file, such as {path / 'sheet.png'}"
        raise ValueError(msg)


def _grey(mask: Tensor) -> Tensor:
    """Turn [B, 1, H, W] in [0, 1] into grey uint8 [B, 3, H, W]."""
    return mask.float().mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1)
