"""Pictures as a user has them (files, Pillow images, arrays) into arrays, or a clear word why not."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.data.decode import Kind, UnreadableImageError, decode, read_image, resized, upright_rgb

if TYPE_CHECKING:  # `Embedder.from_onnx` needs no torch
    from torch import Tensor

Picture = Path | str | Image.Image | NDArray[np.uint8]
"""A file, a Pillow image, or an array uint8 [3, H, W] in RGB; of any size."""
Pictures = Union[Sequence[Picture], NDArray[np.uint8], "Tensor"]
"""A list of pictures, each of its own size; or one array or tensor uint8 [N, 3, H, W]."""


class UnreadablePictureError(ValueError):
    """A file that is no picture; the message names it and says why."""


def check_list(name: str, pictures: Pictures) -> None:
    """Refuse one picture in place of a list, and an empty list.

    Args:
        name: What the caller calls the list.
        pictures: What was given.

    Raises:
        ValueError: If it is no list of one picture or more; says what to type.
    """
    if isinstance(pictures, str | Path | Image.Image):
        msg = f"{name} must be a list of pictures, got one: {pictures}; type [picture]"
        raise ValueError(msg)
    if (isinstance(pictures, np.ndarray) or _is_tensor(pictures)) and pictures.ndim == 3:
        msg = f"{name} must be a list of pictures, got one array {list(pictures.shape)}; type [picture]"
        raise ValueError(msg)
    if len(pictures) == 0:
        msg = f"{name} is empty; give one picture or more"
        raise ValueError(msg)


def read_pixels(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture at its own size as uint8 [H, W, 3].

    Args:
        picture: A file, a Pillow image or an array.

    Raises:
        ValueError: If it is no picture, or its file cannot be read; names the file.
    """
    if isinstance(picture, Image.Image):
        return np.asarray(upright_rgb(picture))
    if isinstance(picture, str | Path):
        try:
            return read_image(Path(picture).expanduser())
        except UnreadableImageError as error:
            raise _unreadable(picture, error) from error
    return np.ascontiguousarray(_checked(picture).transpose(1, 2, 0))


def read_at_size(picture: Picture, size: tuple[int, int], kind: Kind = "image") -> NDArray[np.uint8]:
    """Return a picture at a given size as uint8 [3, H, W], resized as in an `ImageBank`.

    Args:
        picture: A file, a Pillow image or an array.
        size: Height and width.
        kind: `image` or `image_bicubic`.

    Raises:
        ValueError: If it is no picture, or its file cannot be read (`UnreadablePictureError`).
    """
    if isinstance(picture, str | Path):
        try:
            return decode(Path(picture).expanduser(), size, kind)
        except UnreadableImageError as error:
            raise _unreadable(picture, error) from error
    return resized(Image.fromarray(read_pixels(picture)), size, kind)


def _unreadable(picture: Path | str, error: UnreadableImageError) -> UnreadablePictureError:
    """Name a file that cannot be read."""
    return UnreadablePictureError(f"{picture} cannot be read: {error}")


def _checked(picture: object) -> NDArray[np.uint8]:
    """Refuse what is not uint8 [3, H, W], with a hint for the usual other order."""
    if _is_tensor(picture):
        picture = picture.numpy(force=True)
    if not isinstance(picture, np.ndarray):
        msg = f"a picture must be a path, a Pillow image or an array, got a {type(picture).__name__}"
        raise ValueError(msg)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[0] != 3 or 0 in picture.shape:
        turned = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[-1] == 3
        hint = "; type image.transpose(2, 0, 1)" if turned else ""
        msg = f"a picture must be uint8 [3, H, W] in RGB, got {picture.dtype} {list(picture.shape)}{hint}"
        raise ValueError(msg)
    return picture


def _is_tensor(value: object) -> "TypeGuard[Tensor]":
    """Tell whether something is a tensor; where torch has not been imported, there are none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
