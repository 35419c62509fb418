"""How well a folder of person masks covers a data set."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genreid.data.decode_all import decode_all
from genreid.data.decode_rows import Decoding
from genreid.data.mask_paths import mask_path

CHECKED_SIZE = (128, 64)
"""Height and width that masks are looked at."""


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
        mean_share: Mean share of person pixels, 0-1; 0 if no mask can be read.
    """

    images: int
    found: int
    missing: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...]
    shared: tuple[Path, ...]
    empty: int
    full: int
    mean_share: float


def check_masks(root: Path, masks_root: Path, images: Sequence[Path], *, shown: bool = True) -> MaskCheck:
    """Look at the mask of every image.

    Args:
        root: The data set's folder.
        masks_root: The masks' folder.
        images: Image files below `root`.
        shown: Whether progress is shown.

    Raises:
        ValueError: If the masks' folder is absent, or an image does not lie below `root`.
    """
    if not masks_root.is_dir():
        message = f"no folder of masks at {masks_root}. Make it with: genreid mask {root} --out {masks_root}"
        raise ValueError(message)
    owners: dict[Path, int] = defaultdict(int)
    for image in images:
        owners[mask_path(masks_root, root, image)] += 1
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
        mean_share=sum(shares) / len(shares) if shares else 0.0,
    )
