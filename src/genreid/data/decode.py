"""One image file -> one array, or the reason why not. Nothing a file holds can stop the caller."""

import stat
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 50_000_000
"""Larger images are not decoded: no crop of a person is that large, but a forged header may say so."""

Kind = Literal["image", "image_bicubic", "mask"]
"""What a file is, and how it is resized: a photograph bilinearly or bicubically, both with antialiasing; a
person mask by the nearest pixel."""
UInt8 = npt.NDArray[np.uint8]

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded, whatever a file's name ends in. Left to itself, Pillow opens forty formats, and starts
Ghostscript for one of them (PostScript)."""
DECODE_ERRORS = (Exception,)
"""Damaged or hostile files make decoders raise anything, from `SyntaxError` to `ZeroDivisionError`."""


class UnreadableImageError(ValueError):
    """A file that is not an image this package can use; the message is the reason, without the path."""


def decode(path: Path, size: tuple[int, int], kind: Kind) -> UInt8:
    """Decode one file at a fixed size.

    Args:
        path: The file.
        size: Height and width of the result.
        kind: What it is.

    Returns:
        Image: uint8 [3,H,W] in RGB. Mask: uint8 [1,H,W] of 0/1.

    Raises:
        UnreadableImageError: If the file cannot be used; the message says why.
    """
    try:
        return _decode_mask(path, size) if kind == "mask" else _decode_image(path, size, kind)
    except UnreadableImageError:
        raise
    except DECODE_ERRORS as error:
        raise UnreadableImageError(_reason(path, error)) from error


def read_image(path: Path) -> UInt8:
    """Return a whole image at its own size as uint8 [H,W,3] in RGB, turned upright if its EXIF data say so.

    Args:
        path: The file.

    Raises:
        UnreadableImageError: If the file cannot be used; the message says why.
    """
    try:
        with open_image(path) as image:
            return np.asarray(upright_rgb(image))
    except UnreadableImageError:
        raise
    except DECODE_ERRORS as error:
        raise UnreadableImageError(_reason(path, error)) from error


def mask_bits(image: Image.Image) -> UInt8:
    """Return a mask file's values as uint8 [H,W] of 0/1.

    Args:
        image: An opened mask: 1 bit, or 8 bits that are all 0/1 or all 0/255.

    Raises:
        UnreadableImageError: If the image holds anything else.
    """
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    values = np.asarray(image)
    if (
        values.ndim != 2
        or values.dtype != np.uint8
        or not set(np.unique(values)) <= {0, values.max(initial=0)}
    ):
        message = f"not a mask: expected a 1-bit PNG, got mode {image.mode} with more than two values"
        raise UnreadableImageError(message)
    if values.max(initial=0) not in {0, 1, 255}:
        message = f"not a mask: expected values 0 and 1, or 0 and 255, got 0 and {values.max()}"
        raise UnreadableImageError(message)
    return (values > 0).astype(np.uint8)


def _decode_image(path: Path, size: tuple[int, int], kind: Kind) -> UInt8:
    """Decode, turn upright and resize a photograph."""
    height, width = size
    with open_image(path) as image:
        # A JPEG far larger than needed is decoded at 1/2, 1/4 or 1/8; the resize gets twice the target.
        image.draft("RGB", (2 * width, 2 * height))
        return resized(upright_rgb(image), size, kind)


def resized(image: Image.Image, size: tuple[int, int], kind: Kind = "image") -> UInt8:
    """Return an RGB image at a given size as uint8 [3,H,W], with antialiasing.

    Args:
        image: Of mode RGB.
        size: Height and width.
        kind: `image` or `image_bicubic`.
    """
    height, width = size
    if image.size != (width, height):
        how = Image.Resampling.BICUBIC if kind == "image_bicubic" else Image.Resampling.BILINEAR
        image = image.resize((width, height), how)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _decode_mask(path: Path, size: tuple[int, int]) -> UInt8:
    """Decode and resize a mask; the result stays 0/1."""
    height, width = size
    with open_image(path) as image:
        bits = mask_bits(image)
    if bits.shape != size:
        bits = np.asarray(Image.fromarray(bits).resize((width, height), Image.Resampling.NEAREST))
    return bits[None]


def open_image(path: Path) -> Image.Image:
    """Open a file and look at its header only; everything that is decoded is opened here.

    Args:
        path: The file.

    Raises:
        UnreadableImageError: If it is no plain file, empty, or too large; the message says why.
        OSError: If it is not there, or an image of none of `FORMATS`.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        message = "not a plain file"
        raise UnreadableImageError(message)
    if status.st_size == 0:
        message = "empty file"
        raise UnreadableImageError(message)
    image = Image.open(path, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        image.close()
        message = f"too large: {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}"
        raise UnreadableImageError(message)
    return image


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an image in RGB, turned as its EXIF data say.

    Args:
        image: Of any mode.
    """
    if "exif" in image.info:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(path: Path, error: BaseException) -> str:
    """Say in a few words why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "a link that leads nowhere" if path.is_symlink() else "no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
