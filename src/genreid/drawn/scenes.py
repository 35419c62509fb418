"""A camera's place: what it looks at, from where, in which light; and the wide picture crops are cut from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from genreid.drawn.camera import Look
from genreid.drawn.chance import one_of
from genreid.drawn.colour import Colour
from genreid.drawn.easel import Easel
from genreid.drawn.mesh import Floats
from genreid.drawn.props import PROPS
from genreid.drawn.surfaces import GROUNDS, WALLS

SCENE_WIDTH = 7.0
"""Width of a scene over its height: some fifteen crops side by side, so contexts vary within a camera."""
SCENE_SCALE = 1.5
"""Pixels of a scene for a pixel of a picture: crops are of 0.6 to 1 of its height."""
WEATHER = ((1, 0.2), (3, 0.16), (9, 0.06), (30, 0.04), (120, 0.05))
"""Light and dark patches: how many fit into the scene's height, and sigmas of their light's logarithm."""
_SOFT = 0.002
"""Scenes are a little out of focus: the camera looks at the people."""


@dataclass(frozen=True, slots=True)
class Lamp:
    """A pool of coloured light that people pass through, or of shade.

    Attributes:
        gains: Factors of red, green, blue in its middle.
        reach: Its size: the distance, over the scene's height, at which a third of it is left.
    """

    gains: tuple[float, float, float]
    reach: float


@dataclass(frozen=True, slots=True)
class Place:
    """One camera of a network.

    Attributes:
        wall: Name of the wall, as in `surfaces.WALLS`.
        wall_colours: Its two colours.
        ground: Name of the ground, as in `surfaces.GROUNDS`.
        ground_colours: Its two colours.
        horizon: Height at which the ground begins, as a share of the scene from above.
        props: What stands about: names as in `props.PROPS`, with a colour.
        pitch: How far the camera looks down, radians.
        distance: Metres to the people.
        headings: Where people go, radians as in `pose.Pose`: their paths through this place.
        light: Direction of the light: right, up, towards the camera.
        ambient: Light from everywhere.
        direct: Light from one side.
        shadow: Darkness of the shadow at the feet, 0-1.
        crowd: Chance that parts of another person are in the picture.
        obstacles: What may stand before the people: names as in `obstacles.OBSTACLES`, with a colour.
        look: How the camera renders all this.
        lamps: Pools of light, from left to right, evenly spread over the scene; they fall on people, too.
    """

    wall: str
    wall_colours: tuple[Colour, Colour]
    ground: str
    ground_colours: tuple[Colour, Colour]
    horizon: float
    props: tuple[tuple[str, Colour], ...]
    pitch: float
    distance: float
    headings: tuple[float, ...]
    light: tuple[float, float, float]
    ambient: float
    direct: float
    shadow: float
    crowd: float
    obstacles: tuple[tuple[str, Colour], ...]
    look: Look
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a scene a crop shows.

    Attributes:
        left: Its left end, 0-1 of the room there is.
        low: Its lower end, 0-1 of the room there is.
        height: Its height as a share of the scene's.
    """

    left: float
    low: float
    height: float


def paint_scene(place: Place, height: int, random: np.random.Generator) -> Image.Image:
    """Return the wide picture of a place without people.

    Args:
        place: What to paint.
        height: Height in pixels of the pictures that are cut from it.
        random: Decides where things stand.
    """
    easel = Easel(round(height * SCENE_SCALE), SCENE_WIDTH, random)
    WALLS[place.wall](easel, place.horizon, *place.wall_colours)
    GROUNDS[place.ground](easel, place.horizon, *place.ground_colours)
    x = easel.between(0, 0.4)
    while place.props and x < SCENE_WIDTH:
        name, colour = one_of(random, place.props)
        PROPS[name](easel, x, place.horizon, easel.near(colour, 20))
        x += easel.between(0.35, 1.0)
    return _weathered(easel.finished(_SOFT), random)


def _weathered(scene: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return a scene with sun and shade, stains and grain: real walls are not even at any size."""
    light = np.zeros((scene.height, scene.width), np.float32)
    for patches, strength in WEATHER:
        coarse = random.standard_normal((patches, round(patches * SCENE_WIDTH)), dtype=np.float32)
        light += strength * np.asarray(Image.fromarray(coarse).resize(scene.size, Image.Resampling.BICUBIC))
    worn = np.asarray(scene, np.float32) * np.exp(light)[..., None]
    return Image.fromarray(np.clip(worn, 0, 255).astype(np.uint8))


def window_of(random: np.random.Generator) -> Window:
    """Return where a person passes: a part of the scene, decided by `random`."""
    return Window(float(random.random()), float(random.random()), float(random.uniform(0.6, 0.95)))


def beside(window: Window, random: np.random.Generator) -> Window:
    """Return a window a step further on: the next picture of the same walk.

    Args:
        window: Where the walk is.
        random: Decides how far it leads.
    """
    left, low = random.normal(0, (0.02, 0.06))
    return Window(
        float(np.clip(window.left + left, 0, 1)),
        float(np.clip(window.low + low, 0, 1)),
        float(np.clip(window.height * random.uniform(0.95, 1.05), 0.55, 1)),
    )


def look_through(scene: Image.Image, window: Window, size: tuple[int, int]) -> Floats:
    """Cut a picture out of a scene, float32 [H,W,3] of 0-255.

    Args:
        scene: From `paint_scene`.
        window: Which part.
        size: Height and width of the picture.
    """
    tall = window.height * scene.height
    wide = min(tall * size[1] / size[0], scene.width)
    left, top = window.left * (scene.width - wide), window.low * (scene.height - tall)
    cut = scene.resize(
        (size[1], size[0]), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + tall)
    )
    return np.asarray(cut, np.float32)


def light_on(lamps: Sequence[Lamp], window: Window, size: tuple[int, int]) -> Floats:
    """Return the light that falls on each column of a crop, float32 [W,3], 1 = the place's own light.

    Args:
        lamps: Of the place.
        window: Which part of the scene the crop shows.
        size: Height and width of the crop.
    """
    wide = window.height * size[1] / size[0]
    left = window.left * (SCENE_WIDTH - wide)
    across = left + (np.arange(size[1], dtype=np.float32) + 0.5) * (wide / size[1])
    light = np.zeros((size[1], 3), np.float32)
    for number, lamp in enumerate(lamps):
        middle = SCENE_WIDTH * (number + 0.5) / len(lamps)
        share = np.exp(-(((across - middle) / lamp.reach) ** 2))
        light += share[:, None] * np.log(np.asarray(lamp.gains, np.float32))
    return np.exp(light, out=light)
