"""Colours, near and darker ones."""

import numpy as np

Colour = tuple[int, int, int]
"""Red, green, blue of 0-255."""


def jittered(random: np.random.Generator, colour: Colour, most: int) -> Colour:
    """Return a colour near another.

    Args:
        random: Decides.
        colour: Where to begin.
        most: Largest difference of a channel.
    """
    red, green, blue = (min(255, max(0, value + int(random.integers(-most, most + 1)))) for value in colour)
    return red, green, blue


def darker(colour: Colour, factor: float) -> Colour:
    """Return a `colour` times a `factor`."""
    red, green, blue = (min(255, int(value * factor)) for value in colour)
    return red, green, blue
