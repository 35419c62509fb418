"""Things between the camera and the person: they hide parts of a body, and its mask."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from genreid.drawn.colour import Colour, darker
from genreid.drawn.mesh import Layer, as_layer, blank

Obstacle = Callable[[Image.Image, Colour, np.random.Generator], None]
"""Paints a thing on a canvas from `mesh.blank`, in a colour."""
OPAQUE = 255


def railing(canvas: Image.Image, colour: Colour, random: np.random.Generator) -> None:
    """Draw a railing before the legs on a `canvas`, in a `colour`, at a height decided by `random`."""
    draw, (width, height) = ImageDraw.Draw(canvas), canvas.size
    top = float(random.uniform(0.62, 0.8)) * height
    bar, gap = height * 0.02, height * random.uniform(0.07, 0.1)
    post = -float(random.uniform(0, gap))
    while post < width:
        draw.rectangle((post, top, post + bar * 0.5, height), fill=(*darker(colour, 0.85), OPAQUE))
        post += gap
    draw.rectangle((0, top, width, top + bar), fill=(*colour, OPAQUE))


def post(canvas: Image.Image, colour: Colour, random: np.random.Generator) -> None:
    """Draw a post on a `canvas`, in a `colour`, at a side that `random` decides."""
    draw, (width, height) = ImageDraw.Draw(canvas), canvas.size
    thick = float(random.uniform(0.08, 0.16)) * width
    left = float(random.choice((0.1, 0.75)) + random.uniform(-0.08, 0.08)) * width
    draw.rectangle((left, 0, left + thick, height), fill=(*colour, OPAQUE))
    draw.rectangle((left + thick * 0.7, 0, left + thick, height), fill=(*darker(colour, 0.7), OPAQUE))


def bonnet(canvas: Image.Image, colour: Colour, random: np.random.Generator) -> None:
    """Draw the bonnet of a parked car at the feet on a `canvas`, in a `colour`, from a side by `random`."""
    draw, (width, height) = ImageDraw.Draw(canvas), canvas.size
    top, reach = float(random.uniform(0.72, 0.86)) * height, float(random.uniform(0.6, 1.1)) * width
    outline = [
        (0, height),
        (0, top),
        (reach * 0.7, top + height * 0.02),
        (reach, top + height * 0.09),
        (reach, height),
    ]
    shine = [
        (0, top),
        (reach * 0.7, top + height * 0.02),
        (reach * 0.7, top + height * 0.035),
        (0, top + height * 0.02),
    ]
    if random.random() < 0.5:
        outline, shine = ([(width - x, y) for x, y in points] for points in (outline, shine))
    draw.polygon(outline, fill=(*darker(colour, 0.85), OPAQUE))
    draw.polygon(shine, fill=(*darker(colour, 1.3), OPAQUE))


def leaves(canvas: Image.Image, colour: Colour, random: np.random.Generator) -> None:
    """Draw a bush that reaches in from one side of a `canvas`, leaves near a `colour`, by `random`."""
    draw, (width, height) = ImageDraw.Draw(canvas), canvas.size
    side, middle = float(random.choice((0.0, 1.0))) * width, float(random.uniform(0.7, 1.0)) * height
    across, down, size = (
        random.normal(0, 0.18, 45),
        random.normal(0, 0.12, 45),
        random.uniform(0.03, 0.08, 45),
    )
    shades = random.uniform(0.6, 1.2, 45)
    for x, y, radius, shade in zip(across * width, down * height, size * width, shades, strict=True):
        box = (side + x - radius, middle + y - radius, side + x + radius, middle + y + radius)
        draw.ellipse(box, fill=(*darker(colour, float(shade)), OPAQUE))


def put_before(name: str, colour: Colour, size: tuple[int, int], random: np.random.Generator) -> Layer:
    """Draw an obstacle.

    Args:
        name: One of `OBSTACLES`.
        colour: Its colour.
        size: Height and width of the picture.
        random: Decides where it stands.
    """
    canvas = blank(size)
    OBSTACLES[name](canvas, colour, random)
    return as_layer(canvas)


OBSTACLES: dict[str, Obstacle] = {"railing": railing, "post": post, "bonnet": bonnet, "leaves": leaves}
