"""A canvas to paint scenes on: lengths as shares of its height, colours that vary a little."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from genreid.drawn.colour import Colour, jittered


class Easel:
    """A wide picture and a brush. All lengths are shares of the picture's height.

    Args:
        pixels: Height in pixels.
        width: Width of the picture.
        random: Decides every variation.
    """

    def __init__(self, pixels: int, width: float, random: np.random.Generator) -> None:
        self.width = width
        self.random = random
        self._pixels = pixels
        self._image = Image.new("RGB", (int(width * pixels), pixels))
        self._draw = ImageDraw.Draw(self._image)

    def box(self, left: float, top: float, right: float, low: float, colour: Colour) -> None:
        """Paint a rectangle.

        Args:
            left: Its left end.
            top: Its upper end.
            right: Its right end.
            low: Its lower end.
            colour: Its colour.
        """
        scale = self._pixels
        self._draw.rectangle(
            (
                int(left * scale),
                int(top * scale),
                max(int(left * scale), int(right * scale) - 1),
                max(int(top * scale), int(low * scale) - 1),
            ),
            fill=colour,
        )

    def shape(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Paint a polygon with corners at `points` in a `colour`."""
        self._draw.polygon([(x * self._pixels, y * self._pixels) for x, y in points], fill=colour)

    def blot(self, x: float, y: float, radius: float, colour: Colour, flat: float = 1.0) -> None:
        """Paint an ellipse.

        Args:
            x: Its middle.
            y: Its middle.
            radius: Half its width.
            colour: Its colour.
            flat: Its height over its width.
        """
        x, y, across, down = (v * self._pixels for v in (x, y, radius, radius * flat))
        self._draw.ellipse((x - across, y - down, x + across, y + down), fill=colour)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, thick: float) -> None:
        """Paint a line along `points` in a `colour`, so `thick`."""
        scale = self._pixels
        self._draw.line([(x * scale, y * scale) for x, y in points], colour, max(1, round(thick * scale)))

    def near(self, colour: Colour, most: int = 12) -> Colour:
        """Return a colour near `colour`, each channel at `most` so far off."""
        return jittered(self.random, colour, most)

    def between(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return float(self.random.uniform(low, high))

    def finished(self, soft: float) -> Image.Image:
        """Return the picture, blurred by a sigma of `soft` shares of its height: out of focus."""
        return self._image.filter(ImageFilter.GaussianBlur(soft * self._pixels))
