"""The size of images, and how they are resized: a setting of every method."""

from dataclasses import dataclass
from typing import Literal

from genreid.data.decode import Kind


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """Size that every image is resized to, and how."""

    height: int = 224
    """Height in pixels."""
    width: int = 112
    """Width in pixels."""
    resampling: Literal["bilinear", "bicubic"] = "bilinear"
    """How images are resized, for training and test; always with antialiasing."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.height < 16 or self.width < 8:
            msg = f"image: at least 16x8 pixels (height x width), got {self.height}x{self.width}"
            raise ValueError(msg)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def __str__(self) -> str:
        return f"{self.height}x{self.width} {self.resampling}"

    @property
    def kind(self) -> Kind:
        """How images are resized, as the decoder calls it."""
        return "image_bicubic" if self.resampling == "bicubic" else "image"
