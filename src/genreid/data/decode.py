"""One image file -> one array, or the reason why not. Nothing a file holds can stop the caller."""

import stat
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

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


_LEAST_16_BITS = 1 << 14
_TURNED = frozenset({5, 6, 7, 8})
"""Orientations in EXIF data that swap height and width."""


class UnreadableImageError(ValueError):
    """A file that is not an image this package can use; the message is the reason, without the path."""


class Decode(NamedTuple):
    """One file, decoded.

    Attributes:
        pixels: Image: uint8 [3,H,W] in RGB. Mask: uint8 [1,H,W] of 0/1.
        own_size: Height and width that the file has itself, turned upright.
    """

    pixels: UInt8
    own_size: tuple[int, int]


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
    return decode_with_size(path, size, kind).pixels


def decode_with_size(path: Path, size: tuple[int, int], kind: Kind) -> Decode:
    """Decode one file at a fixed size, and look at its own.

    Args:
        path: The file.
        size: Height and width of the result.
        kind: What it is.

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
        image: An opened mask: 1 bit, or 8 bits that are all 0/1 or all 0/255, in one channel or equal ones.

    Raises:
        UnreadableImageError: If the image holds anything else.
    """
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    values = one_channel(image)
    if values.ndim != 2 or values.dtype != np.uint8:
        message = f"not a mask: expected a 1-bit PNG, got an image of mode {image.mode} with unequal channels"
        raise UnreadableImageError(message)
    if not set(np.unique(values)) <= {0, values.max(initial=0)}:
        message = f"not a mask of two values, but a soft mask or a label map: values 0 to {values.max()}"
        raise UnreadableImageError(message)
    if values.max(initial=0) not in {0, 1, 255}:
        message = f"not a mask: expected values 0 and 1, or 0 and 255, got 0 and {values.max()}"
        raise UnreadableImageError(message)
    return np.asarray(values > 0, np.uint8)


def one_channel(image: Image.Image) -> npt.NDArray[np.integer]:
    """Return an image's values as [H,W] where its channels are equal, else as they are, [H,W,C].

    Args:
        image: An opened mask or label map; of a palette's entries their numbers count.
    """
    values = np.asarray(image)
    if image.mode in {"RGB", "RGBA"}:
        grey = values[..., :1]
        opaque = image.mode == "RGB" or (values[..., 3] == 255).all()
        if opaque and (values[..., :3] == grey).all():
            return grey[..., 0]
    return values


def _decode_image(path: Path, size: tuple[int, int], kind: Kind) -> Decode:
    """Decode, turn upright and resize a photograph."""
    height, width = size
    with open_image(path) as image:
        own = image.size[::-1]
        if "exif" in image.info and image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED:
            own = image.size
        # A JPEG far larger than needed is decoded at 1/2, 1/4 or 1/8; the resize gets twice the target.
        image.draft("RGB", (2 * width, 2 * height))
        return Decode(resized(upright_rgb(image), size, kind), own)


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


def _decode_mask(path: Path, size: tuple[int, int]) -> Decode:
    """Decode and resize a mask; the result stays 0/1."""
    height, width = size
    with open_image(path) as image:
        bits = mask_bits(image)
    own = (bits.shape[0], bits.shape[1])
    if own != size:
        bits = np.asarray(Image.fromarray(bits).resize((width, height), Image.Resampling.NEAREST))
    return Decode(bits[None], own)


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
    """Return an image in RGB, turned as its EXIF data say; values of more than 8 bits by `eight_bits`.

    Args:
        image: Of any mode.

    Raises:
        UnreadableImageError: If its values have no known scale.
    """
    if "exif" in image.info:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(eight_bits(np.asarray(image)))
    return image if image.mode == "RGB" else image.convert("RGB")


def eight_bits(values: npt.NDArray[np.generic]) -> UInt8:
    """Scale the values of one channel to 8 bits: 16 bits lose their low byte, floats of 0 to 1 are x 255.

    Args:
        values: Of any number of bits, whole or floating point.

    Raises:
        UnreadableImageError: If they have another range, so that nobody can say what is white; or are whole
            and below 16,384, as 12 and 14 bits of thermal and depth cameras are: they would come out dark.
    """
    least, most = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if np.issubdtype(values.dtype, np.floating):
        if least >= 0.0 and most <= 1.0:  # false for NaN
            return (values.astype(np.float64) * 255 + 0.5).astype(np.uint8)
        expected = "floats from 0 to 1"
    elif least == most == 0 or (least >= 0 and _LEAST_16_BITS <= most <= 65_535):
        return (values.astype(np.int64) >> 8).astype(np.uint8)
    else:
        expected = f"16 bits whose brightest is {_LEAST_16_BITS:,} or more"
    message = f"its values go from {least:g} to {most:g}, expected {expected}: save it with 8 bits a channel"
    raise UnreadableImageError(message)


def _reason(path: Path, error: BaseException) -> str:
    """Say in a few words why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "a link that leads nowhere" if path.is_symlink() else "no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
