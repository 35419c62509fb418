"""How well a folder of person masks covers a data set."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genreid.data.decode_all import decode_all
from genreid.data.decode_rows import Decoding
from genreid.data.mask_paths import mask_path

if TYPE_CHECKING:
    from genreid.data.bank import ImageBank

logger = logging.getLogger(__name__)

CHECKED_SIZE = (128, 64)
"""Height and width that masks are looked at."""
SHAPE_TOLERANCE = 1.05
"""So many times may height over width of a mask differ from that of its image: sizes are rounded."""
MOST_USELESS = 0.2
"""Share of useless masks from which on nothing is trained on them."""


@dataclass(frozen=True, slots=True)
class MaskCheck:
    """Coverage of a data set by masks.

    Attributes:
        images: Number of images.
        found: Number of images whose mask can be read.
        missing: Masks that are not there.
        unreadable: Masks that cannot be read, with the reason.
        shared: Masks that two images would share, for their paths differ in the suffix only.
        empty: Number of masks without a person's pixel.
        full: Number of masks that are all person.
        misshapen: Masks that are not of their image's shape.
        mean_share: Mean share of person pixels, 0-1; 0 if no mask can be read.
    """

    images: int
    found: int
    missing: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...]
    shared: tuple[Path, ...]
    empty: int
    full: int
    misshapen: tuple[Path, ...]
    mean_share: float


def check_masks(
    root: Path,
    masks_root: Path,
    images: Sequence[Path],
    sizes: Mapping[int, tuple[int, int]],
    *,
    shown: bool = True,
) -> MaskCheck:
    """Look at the mask of every image.

    Args:
        root: The data set's folder.
        masks_root: The masks' folder.
        images: Image files below `root`.
        sizes: Row of an image -> its height and width, of those that can be read.
        shown: Whether progress is shown.

    Raises:
        ValueError: If the masks' folder is absent, or an image does not lie below `root`.
    """
    if not masks_root.is_dir():
        message = f"no folder of masks at {masks_root}. Make it with: genreid mask {root} --out {masks_root}"
        raise ValueError(message)
    owners: dict[Path, int] = defaultdict(int)
    size_of: dict[Path, tuple[int, int]] = {}
    for row, image in enumerate(images):
        mask = mask_path(masks_root, root, image)
        owners[mask] += 1
        if row in sizes:
            size_of[mask] = sizes[row]
    masks = sorted(owners)
    present = [path for path in masks if path.is_file()]
    decoded = decode_all(present, Decoding(CHECKED_SIZE, "mask"), shown=shown)
    shares = decoded.shares.values()
    return MaskCheck(
        images=len(images),
        found=len(shares),
        missing=tuple(sorted(set(masks) - set(present))),
        unreadable=tuple((present[row], reason) for row, reason in decoded.reasons.items()),
        shared=tuple(path for path in masks if owners[path] > 1),
        empty=sum(share == 0 for share in shares),
        full=sum(share == 1 for share in shares),
        misshapen=tuple(
            present[row]
            for row, size in decoded.sizes.items()
            if not _same_shape(size, size_of.get(present[row], size))
        ),
        mean_share=sum(shares) / len(shares) if shares else 0.0,
    )


def expect_useful_masks(images: "ImageBank", masks: "ImageBank", root: Path, masks_root: Path) -> None:
    """Warn of masks that say nothing of their images, and refuse a folder with many of them.

    A mask is useless if it is all background, all person, or of another shape than its image.

    Args:
        images: The images.
        masks: Their masks, row by row.
        root: The data set's folder.
        masks_root: The masks' folder.

    Raises:
        ValueError: If more than a fifth of the masks are useless; says how many are what, and what to type.
    """
    rows = [row for row in images.readable_indices.tolist() if row not in masks.reasons]
    shares = np.array([masks.array[row].mean() for row in rows])
    misshapen = [
        row for row in rows if row in images.sizes and not _same_shape(masks.sizes[row], images.sizes[row])
    ]
    useless = {row for row, share in zip(rows, shares, strict=True) if share in {0, 1}} | set(misshapen)
    if not useless:
        return
    first = masks.paths[min(useless)]
    found = (
        f"{masks_root}: {len(useless)} of {len(rows)} masks are of no use, such as {first}: "
        f"{(shares == 0).sum()} all background, {(shares == 1).sum()} all person, {len(misshapen)} of "
        "another shape than their image"
    )
    if len(useless) > MOST_USELESS * len(rows):
        msg = f"{found}. Make others: genreid mask {root} --out NEW_MASKS"
        raise ValueError(msg)
    logger.warning("%s", found)


def _same_shape(mask: tuple[int, int], image: tuple[int, int]) -> bool:
    """Tell whether two pictures, each height and width, are of one shape."""
    ratio = (mask[0] * image[1]) / (mask[1] * image[0])
    return 1 / SHAPE_TOLERANCE <= ratio <= SHAPE_TOLERANCE
