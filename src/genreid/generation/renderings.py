"""Pictures of what renderers do: pairs (CR-GAN's figures 10-13), or one person under many targets (6, 7)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from genreid.data.decode import DECODE_ERRORS, open_image
from genreid.data.whole_file import beside
from genreid.generation.sheets import Sheet, draw_sheet
from genreid.models.crgan import ConditionPair, Rendering

MARK = "genreid generate"
"""Stands in every PNG and JPEG file that is drawn: a file without it is not replaced unasked."""


def to_uint8(images: Tensor, *, truncated: bool = False) -> Tensor:
    """Turn [B, C, H, W] in [-1, 1] into uint8 0-255; the inverse of `data.augment.to_float`.

    Args:
        images: Values outside [-1, 1] are clipped.
        truncated: Cut values off to whole numbers, as DG-Net's authors saved pictures; they are then darker
            by half a grey level than when they are rounded.
    """
    values = images.float().add(1).mul(127.5)
    return (values if truncated else values.round()).clamp(0, 255).to(torch.uint8)


def rendering_sheet(pair: ConditionPair, rendering: Rendering) -> Image.Image:
    """Lay out one column for each pair, with the rows X_S, X_T, M_S, 1-X_C, X_G.

    Source image, target instance, the source's person mask, where the source is kept, the rendering. Masks
    that are black everywhere are left out: the renderer uses none, or makes the whole image anew.

    Args:
        pair: What the renderer saw, [B, ., H, W].
        rendering: What it made of it.

    Returns:
        An RGB picture; small images are enlarged so that people can be seen.
    """
    masks = {"M_S": pair.source_mask, "1-X_C": 1 - rendering.context_mask}
    rows = {
        "X_S": to_uint8(pair.source),
        "X_T": to_uint8(pair.target),
        **{label: _grey(mask) for label, mask in masks.items() if mask.any()},
        "X_G": to_uint8(rendering.image),
    }
    tiles = [list(row.cpu().numpy()) for row in rows.values()]
    return draw_sheet(Sheet(tiles, row_labels=list(rows)))


def context_sheet(source: Tensor, target: Tensor, renderings: Mapping[str, Tensor]) -> Image.Image:
    """Lay out each person under every target, as in CR-GAN's figures 6 and 7: the renderers below each other.

    A person's first row shows the source image and the targets, the others what a renderer makes of them.

    Args:
        source: P people, [P, 3, H, W] in [-1, 1].
        target: N targets, [N, 3, H, W].
        renderings: Name of a renderer -> [P * N, 3, H, W], the targets of one person together.

    Returns:
        An RGB picture; small images are enlarged.
    """
    people, guides = (list(to_uint8(images).cpu().numpy()) for images in (source, target))
    made = {name: to_uint8(images).cpu().numpy() for name, images in renderings.items()}
    count = len(guides)
    rows, labels, breaks = [], [], set()
    for number, person in enumerate(people):
        rows += [[person, *guides]]
        rows += [[None, *images[number * count : (number + 1) * count]] for images in made.values()]
        labels += ["X_S, then X_T", *made]
        breaks.add(len(rows) - 1)
    return draw_sheet(
        Sheet(rows, row_labels=labels, row_breaks=frozenset(breaks), column_breaks=frozenset({0}))
    )


def save_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a picture, making its folder; PNG and JPEG say that genreid made it.

    Args:
        path: The file; its ending says the format, such as `.png`.
        sheet: The picture.

    Raises:
        ValueError: As `check_sheet_path`.
    """
    check_sheet_path(path)
    ending = path.suffix.lower()
    with beside(path) as part, part.open("wb") as file:
        sheet.save(file, format=Image.registered_extensions()[ending], **_marked(ending))


def check_sheet_path(path: Path, *, replaces: bool = True) -> None:
    """Refuse a file that no picture can be written to, before anything is computed for it.

    Args:
        path: Where a picture shall go.
        replaces: Whether it may replace a file that `save_sheet` has not written.

    Raises:
        ValueError: If its ending is that of no format, it is a folder, or a file that is not to be replaced.
    """
    if path.is_dir() or path.suffix.lower() not in Image.registered_extensions():
        msg = f"{path}: expected the name of a picture's file, such as {path / 'sheet.png'}"
        raise ValueError(msg)

    if not replaces and path.exists() and not _is_marked(path):
        msg = f"{path} is there and was not drawn by genreid; give another --out, or --force to replace it"
        raise ValueError(msg)


def _marked(ending: str) -> dict[str, Any]:
    """Return what Pillow writes into a file beside the pixels: who made it, where the format has a place."""
    if ending == ".png":
        info = PngInfo()
        info.add_text("Software", MARK)
        return {"pnginfo": info}
    return {"comment": MARK} if ending in {".jpg", ".jpeg"} else {}


def _is_marked(path: Path) -> bool:
    """Tell whether a file is a picture of `save_sheet`."""
    try:
        with open_image(path) as image:
            return MARK in {image.info.get("Software"), _text(image.info.get("comment"))}
    except DECODE_ERRORS:
        return False


def _text(comment: object) -> str:
    """Return a JPEG's comment as text."""
    return comment.decode("ascii", "replace") if isinstance(comment, bytes) else ""


def _grey(mask: Tensor) -> Tensor:
    """Turn [B, 1, H, W] in [0, 1] into grey uint8 [B, 3, H, W]."""
    return mask.float().mul(255).round().to(torch.uint8).expand(-1, 3, -1, -1)
