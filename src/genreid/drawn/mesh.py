"""Painted tubes in space -> pixels and coverage, drawn by Pillow at several times the size and averaged.

A tube is a row of elliptic rings; between two rings lie `SIDES` facets of one colour each. Space is in
metres: x to the body's side, y up, z ahead. Facets that face away are left out; tubes are drawn from far to
near.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.float32]

SIDES = 12
"""Facets around a tube. Facet 0 begins at +x; 2 and 3 look ahead, 8 and 9 back (for a tube from top down)."""
FINER = 3
"""Pixels drawn for every pixel, each way: nine levels of coverage at an edge."""
SEEN_AREA = 3e-5
"""Twice the square metres of a facet from which on it is drawn: a tenth of a pixel 128 high."""
_ANGLES = np.arange(SIDES, dtype=np.float32) * (2 * np.pi / SIDES)
_RIM = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)[None]
_MIDDLES = _ANGLES + np.float32(np.pi / SIDES)
_MIDDLE_RIM = np.stack([np.cos(_MIDDLES), np.sin(_MIDDLES)], 1)


class Ring(NamedTuple):
    """One ring of a tube, in metres.

    Attributes:
        x: Its centre, to the side.
        y: Its centre, up.
        z: Its centre, ahead.
        width: Half its size to the side.
        depth: Half its size the other way.
    """

    x: float
    y: float
    z: float
    width: float
    depth: float


class Tube(NamedTuple):
    """A part of a body.

    Attributes:
        rings: From top down, or from back to front; two or more.
        paint: float32 [rings - 1, SIDES, 3] colours of 0-255.
        nearer: Metres by which it is drawn as if nearer than it is: cloth over what it covers.
        thin: Whether half as many facets will do: limbs are some pixels wide.
    """

    rings: Sequence[Ring]
    paint: Floats
    nearer: float = 0.0
    thin: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """From where a body is seen and how it is lit.

    Attributes:
        heading: Where the body faces, radians: 0 towards the camera, pi / 2 to the picture's right.
        pitch: How far the camera looks down, radians.
        distance: Metres from the camera.
        light: Unit vector towards the light: right, up, towards the camera.
        ambient: Light that comes from everywhere; 1 shows colours as they are.
        direct: Light that comes from one side.
    """

    heading: float
    pitch: float
    distance: float
    light: tuple[float, float, float]
    ambient: float
    direct: float


@dataclass(frozen=True, slots=True)
class Frame:
    """Where in the picture a body goes, as shares of the picture.

    Attributes:
        height: Height of the body.
        centre_x: Middle of the body.
        centre_y: Middle of the body.
    """

    height: float
    centre_x: float
    centre_y: float


class Layer(NamedTuple):
    """Something drawn on nothing.

    Attributes:
        colour: float32 [H,W,3] of 0-255, multiplied by the coverage.
        coverage: float32 [H,W] of 0-1.
    """

    colour: Floats
    coverage: Floats


class _Facets(NamedTuple):
    """What is drawn, far ones first."""

    corners: Floats  # [F,4,2] right and down, metres
    colours: Floats  # [F,3]


def draw_tubes(tubes: Sequence[Tube], view: View, frame: Frame, size: tuple[int, int]) -> Layer:
    """Draw a body.

    Args:
        tubes: Its parts.
        view: From where it is seen.
        frame: Where it goes.
        size: Height and width of the picture.
    """
    facets = _facets(tubes, view)
    height, width = size
    low, high = facets.corners.min((0, 1)), facets.corners.max((0, 1))
    scale = frame.height * height * FINER / float(high[1] - low[1])
    target = np.array([frame.centre_x * width, frame.centre_y * height], np.float32) * FINER
    corners = (facets.corners - (low + high) / 2) * scale + target
    canvas = blank(size)
    polygon = ImageDraw.Draw(canvas).polygon
    flat = corners.reshape(-1, 8).round(1).tolist()
    for outline, ink in zip(flat, _inks(facets.colours), strict=True):
        polygon(outline, fill=ink)
    return as_layer(canvas)


def blank(size: tuple[int, int]) -> Image.Image:
    """Return an empty canvas, `FINER` times a picture of `size` (height, width).

    Its four bands are red, green, blue and coverage (0 or 255). Pillow's name for four bands that are
    averaged as they are is CMYK; of RGBA it would divide the colours by the coverage, at twice the time.
    """
    return Image.new("CMYK", (size[1] * FINER, size[0] * FINER))


def as_layer(canvas: Image.Image) -> Layer:
    """Average a `canvas` from `blank` to the picture's size."""
    pixels = np.asarray(canvas.reduce(FINER), np.float32)
    return Layer(pixels[..., :3], pixels[..., 3] * np.float32(1 / 255))


def _inks(colours: Floats) -> list[int]:
    """Return colours [F,3] as the numbers Pillow takes for opaque ones: quicker than tuples."""
    levels = np.clip(colours, 0, 255).astype(np.int64)
    packed = levels[:, 0] | levels[:, 1] << 8 | levels[:, 2] << 16 | 255 << 24
    found: list[int] = packed.tolist()
    return found


def _facets(tubes: Sequence[Tube], view: View) -> _Facets:
    """Put all tubes in front of the camera; leave out what faces away; sort from far to near."""
    counts = np.array([len(tube.rings) for tube in tubes])
    rings = np.array([ring for tube in tubes for ring in tube.rings], np.float32)
    ends = np.cumsum(counts)
    starts = ends - counts
    across, ahead = _axes(rings[ends - 1, :3] - rings[starts, :3])
    turn = _turn(view)
    of_ring = np.repeat(np.arange(len(tubes)), counts)
    axes = np.stack([across, ahead], 1) @ turn.T  # [T,2,3], as the camera sees it
    centres = (rings[:, :3] - np.array([0, 0.9, 0], np.float32)) @ turn.T
    rims = _RIM * rings[:, None, 3:5]  # [K,SIDES,2]
    points = centres[:, None] + rims @ axes[of_ring]
    flat = points[..., :2] * (view.distance / (view.distance - points[..., 2:]))
    flat[..., 1] *= -1
    inner = np.ones(len(rings), bool)
    inner[ends - 1] = False  # no facet leads from a tube to the next
    depths = np.add.reduceat(centres[:, 2], starts) / counts + [tube.nearer for tube in tubes]
    order = np.argsort(depths, kind="stable")
    rank = np.empty(len(tubes), np.int64)
    rank[order] = np.arange(len(tubes))
    above = np.flatnonzero(inner)
    corners = _quads(flat, above)
    light = _shade(axes, view)[of_ring[above]]
    colours = np.concatenate([tube.paint for tube in tubes]) * light[..., None]
    coarse = np.repeat([tube.thin for tube in tubes], counts)[above]
    _join_pairs(corners, colours, coarse)
    shown = _area(corners) > SEEN_AREA
    row, side = np.nonzero(shown)
    nearest_last = np.argsort(rank[of_ring[above]][row], kind="stable")
    row, side = row[nearest_last], side[nearest_last]
    return _Facets(corners[row, side], colours[row, side])


def _axes(along: Floats) -> tuple[Floats, Floats]:
    """Return two unit vectors square to each tube: one to the body's side, one ahead (or up)."""
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    across = np.array([1, 0, 0], np.float32) - along * along[:, :1]
    across = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    return across, np.cross(along, across)


def _turn(view: View) -> Floats:
    """Return the rotation [3,3] from the body to the camera."""
    sin, cos = np.sin(view.heading), np.cos(view.heading)
    down, level = np.sin(view.pitch), np.cos(view.pitch)
    turned = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    tilted = np.array([[1, 0, 0], [0, level, -down], [0, down, level]])
    turn: Floats = (tilted @ turned).astype(np.float32)
    return turn


def _quads(flat: Floats, above: NDArray[np.int64]) -> Floats:
    """Return the corners [S,SIDES,4,2] of the facets below the rings `above`."""
    beside = np.roll(flat, -1, 1)
    return np.stack([flat[above], beside[above], beside[above + 1], flat[above + 1]], 2)


def _join_pairs(corners: Floats, colours: Floats, rows: NDArray[np.bool_]) -> None:
    """Make one facet of every two in some rows, in place; the second of a pair shrinks to nothing."""
    joined, mixed = corners[rows], colours[rows]
    joined[:, ::2, 1:3] = joined[:, 1::2, 1:3]
    joined[:, 1::2] = 0
    mixed[:, ::2] = (mixed[:, ::2] + mixed[:, 1::2]) / 2
    corners[rows], colours[rows] = joined, mixed


def _area(corners: Floats) -> Floats:
    """Return twice the area of each facet [S,SIDES]: negative where it faces away."""
    first, second = corners[..., 2, :] - corners[..., 0, :], corners[..., 3, :] - corners[..., 1, :]
    area: Floats = second[..., 0] * first[..., 1] - second[..., 1] * first[..., 0]
    return area


def _shade(axes: Floats, view: View) -> Floats:
    """Return how bright [T,SIDES] the facets of each tube are."""
    normals = _MIDDLE_RIM @ axes
    towards = normals @ np.array(view.light, np.float32)
    return (view.ambient + view.direct * np.maximum(towards, 0)).astype(np.float32)
