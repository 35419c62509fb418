"""Person masks on disk: PNG of one bit a pixel, under the image's own relative path (`data.mask_paths`)."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.data.decode import DECODE_ERRORS, UnreadableImageError, mask_bits, open_image
from genreid.data.mask_paths import SOFT_REMEDY, mask_path
from genreid.data.whole_file import write_whole

__all__ = ["NotAMaskError", "mask_path", "read_mask", "write_mask"]


_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


class NotAMaskError(ValueError):
    """A whole image where a mask was expected: another's file, not to be written over."""


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Return the mask in a PNG file as uint8 [H,W]: 1 = person, 0 = background.

    One-bit files are what `write_mask` writes; files of nothing but two values, 0 and 1 or 0 and 255, in one
    channel or in equal ones, are taken as well.

    Args:
        path: The mask's file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or no mask; says what to do.
    """
    try:
        image = open_image(path)
        image.load()
    except FileNotFoundError:
        raise
    except DECODE_ERRORS as error:
        if _of_another_kind(path):
            message = f"{path} is no mask: not even a PNG file"
            raise NotAMaskError(message) from error
        message = f"the mask {path} is damaged ({error}). Delete it and run `genreid mask` again."
        raise ValueError(message) from error
    with image:
        try:
            return mask_bits(image)
        except UnreadableImageError as error:
            message = f"{path} is {error}. {SOFT_REMEDY}"
            raise NotAMaskError(message) from error


def _of_another_kind(path: Path) -> bool:
    """Tell whether a file that cannot be read was never a mask: it holds something, and that is no PNG."""
    if not path.is_file():
        return path.exists()
    with path.open("rb") as file:
        head = file.read(len(_PNG_HEAD))
    return not _PNG_HEAD.startswith(head)


def write_mask(path: Path, mask: NDArray[np.uint8]) -> None:
    """Write a mask as a PNG of one bit a pixel; the file is there whole or not at all.

    Args:
        path: Where to; its folder is made.
        mask: uint8 [H,W] of 0 and 1.

    Raises:
        OSError: If the disk does not take the file.
    """
    assert mask.ndim == 2, mask.shape
    encoded = io.BytesIO()
    # Encoded in memory: Pillow writing straight to a file costs ten times as much for files this small.
    Image.fromarray(mask != 0).save(encoded, format="PNG")
    write_whole(path, encoded.getvalue())
