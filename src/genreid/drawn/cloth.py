"""Paint on facets: patterns of cloth, skin, hair."""

from collections.abc import Sequence

import numpy as np

from genreid.drawn.colour import Colour
from genreid.drawn.mesh import SIDES, Floats
from genreid.drawn.wardrobe import Garment

FRONT = slice(2, 4)
"""Facets that look ahead."""
CHEST = slice(1, 5)
"""Facets of the front half but its edges."""
BACK = slice(7, 11)
"""The same behind."""
TARTAN_MIX = 0.5
"""Where stripes both ways cross, the second colour is whole; elsewhere this share of it."""


def plain(rows: int, colour: Colour | Floats) -> Floats:
    """Return facets of one colour.

    Args:
        rows: Number of rows of facets.
        colour: Their colour.
    """
    painted = np.empty((rows, SIDES, 3), np.float32)
    painted[:] = colour
    return painted


def rows_of(colours: Sequence[Colour | Floats]) -> Floats:
    """Return facets with one of the `colours` in each row."""
    painted = np.empty((len(colours), SIDES, 3), np.float32)
    painted[:] = np.asarray(colours, np.float32)[:, None]
    return painted


def cloth(garment: Garment, rows: int, inner: Colour) -> Floats:
    """Return the facets of a garment from top down.

    Args:
        garment: Cloth and pattern.
        rows: Number of rows of facets.
        inner: What an open jacket shows.
    """
    painted = plain(rows, garment.colour)
    match garment.pattern:
        case "hoops":
            painted[1::2] = garment.second
        case "wide hoops":
            painted[2::5] = garment.second
            painted[3::5] = garment.second
        case "pinstripes":
            painted[:, ::2] = garment.second
        case "checks":
            painted[::2, ::2] = garment.second
            painted[1::2, 1::2] = garment.second
        case "tartan":
            half = np.asarray(garment.colour) * (1 - TARTAN_MIX) + np.asarray(garment.second) * TARTAN_MIX
            painted[::3] = half
            painted[:, ::3] = half
            painted[::3, ::3] = garment.second
        case "front print":
            painted[rows // 4 : rows // 2 + 1, FRONT] = garment.second
        case "back print":
            painted[rows // 4 : rows // 2 + 1, BACK] = garment.second
        case "yoke":
            painted[: max(1, rows // 3)] = garment.second
        case "open":
            painted[:, FRONT] = inner
        case "plain":
            pass
    return painted


def strap_across(painted: Floats, colour: Colour, *, right: bool) -> None:
    """Draw a strap from one shoulder to the other hip, in front and behind.

    Args:
        painted: Facets of a trunk from top down; changed.
        colour: The strap.
        right: Whether it ends at the right hip.
    """
    rows = len(painted)
    for row in range(rows):
        step = row * 4 // rows
        painted[row, (4 - step if right else 1 + step)] = colour
        painted[row, (7 + step if right else 10 - step)] = colour


def straps_of_backpack(painted: Floats, colour: Colour) -> None:
    """Draw two straps in front.

    Args:
        painted: Facets of a trunk from top down; changed.
        colour: The straps.
    """
    painted[: len(painted) * 2 // 3, 1:5:3] = colour
