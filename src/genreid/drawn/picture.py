"""One picture: a window of a scene, a person in it, perhaps others, and what the camera makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.drawn.camera import Moment, expose, moment_of
from genreid.drawn.chance import chance, one_of
from genreid.drawn.mesh import SIDES, Floats, Frame, Layer, Tube, View, draw_tubes
from genreid.drawn.networks import NETWORKS
from genreid.drawn.obstacles import put_before
from genreid.drawn.person import build_person
from genreid.drawn.pose import strike_pose
from genreid.drawn.scenes import (
    Place,
    Window,
    beside,
    light_on,
    look_through,
    paint_scene,
    window_of,
)
from genreid.drawn.wardrobe import Person, dress

Framing = Literal["whole", "cut off", "empty"]
"""A good crop; one that misses half of the person (junk); one without anybody (a false alarm)."""


@dataclass(frozen=True, slots=True)
class Studio:
    """Where and at which size pictures are taken.

    Attributes:
        domain: `A` or `B`.
        seed: Decides everything.
        size: Height and width of the pictures.
    """

    domain: str
    seed: int
    size: tuple[int, int]


class Shot(NamedTuple):
    """What a picture shall show.

    Attributes:
        who: Number of the person; negative numbers are passers-by who have no identity in the data set.
        camid: Camera, from 1.
        number: Of the picture, within person and camera.
        framing: How good the crop is.
    """

    who: int
    camid: int
    number: int
    framing: Framing = "whole"


class Picture(NamedTuple):
    """What the camera gives.

    Attributes:
        pixels: uint8 [H,W,3].
        mask: uint8 [H,W]: 1 where at least half of the pixel is the person, 0 elsewhere.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Walk:
    """What pictures of one person by one camera share."""

    window: Window
    heading: float
    moment: Moment


HEADING_JITTER = 0.28
"""Sigma of a walk's direction about the path's, radians; half of it between two pictures."""
WANDERER_SHARE = 0.15
"""Share of walks in any direction: people turn."""


def take_picture(studio: Studio, shot: Shot) -> Picture:
    """Return a picture; the same studio and shot give the same bytes, whatever was taken before.

    Args:
        studio: Where.
        shot: What.
    """
    place = place_of(studio, shot.camid)
    random = chance(
        studio.seed, studio.domain, "picture", shot.framing, shot.who + 2**31, shot.camid, shot.number
    )
    walk = _walk(studio, shot)
    scene = scene_of(studio, shot.camid)
    window = beside(walk.window, random)
    picture = look_through(scene, window, studio.size)
    covered = np.zeros(studio.size, np.float32)
    if shot.framing != "empty":
        frame = _frame(shot.framing, random)
        person = person_of(studio, shot.who)
        body = _draw(person, place, walk.heading, frame, studio.size, random)
        picture = _shadowed(picture, frame, place.shadow)
        behind, before = _company(studio, place, random)
        for layer in behind:
            picture = over(picture, layer)
        picture, covered = over(picture, body), body.coverage
        for layer in before:
            picture, covered = over(picture, layer), covered * (1 - layer.coverage)
    if place.lamps:
        picture = picture * light_on(place.lamps, window, studio.size)
    return Picture(expose(picture, place.look, walk.moment, random), (covered >= 0.5).astype(np.uint8))


OBSTACLE_SHARE = 0.3
"""Where things stand between the camera and the people: share of pictures with one before the person."""
IN_FRONT_SHARE = 0.35
"""Share of the other people who are nearer to the camera."""
CREASES = 0.06
"""Sigma of the logarithm of a facet's brightness: no cloth is even."""
USUAL = Frame(0.9, 0.5, 0.5)
"""Where a detector puts a person into its box, on average."""
CROP_JITTER = (0.035, 0.045, 0.018)
"""Sigmas of height and centre (across, down) about it: detectors are no better."""
HEIGHTS = (0.78, 1.02)
"""Least and largest height of a person in a good crop."""
PASSERS_BY = 40
"""People without identity who are about in a domain."""


def place_of(studio: Studio, camid: int) -> Place:
    """Return the place of camera `camid` of a `studio`'s network."""
    return NETWORKS[studio.domain][camid - 1]


@lru_cache(maxsize=2 * 6)
def scene_of(studio: Studio, camid: int) -> Image.Image:
    """Return the scene before camera `camid` of a `studio`, painted once."""
    random = chance(studio.seed, studio.domain, "scene", camid)
    return paint_scene(place_of(studio, camid), studio.size[0], random)


@lru_cache(maxsize=4096)
def person_of(studio: Studio, who: int) -> Person:
    """Return person `who` of a `studio`'s domain: the same in every picture."""
    return dress(chance(studio.seed, studio.domain, "person", who + 2**31))


def over(picture: Floats, layer: Layer) -> Floats:
    """Return a `picture` [H,W,3] with a `layer` before it."""
    return picture * (1 - layer.coverage[..., None]) + layer.colour


def _walk(studio: Studio, shot: Shot) -> _Walk:
    """Return what the pictures of one person by one camera share."""
    place = place_of(studio, shot.camid)
    random = chance(studio.seed, studio.domain, "walk", shot.who + 2**31, shot.camid)
    wanders = random.random() < WANDERER_SHARE
    path = random.uniform(-np.pi, np.pi) if wanders else one_of(random, place.headings)
    heading = float(path + random.normal(0, HEADING_JITTER))
    return _Walk(window_of(random), heading, moment_of(place.look, random))


def _frame(framing: Framing, random: np.random.Generator) -> Frame:
    """Return where the person is: near the middle, or half outside."""
    if framing == "cut off":
        side = one_of(random, (-1, 1))
        return Frame(
            float(random.uniform(1.2, 1.9)),
            0.5 + side * float(random.uniform(0.25, 0.5)),
            0.5 + one_of(random, (-1, 1)) * float(random.uniform(0.2, 0.5)),
        )
    height, x, y = random.normal((USUAL.height, USUAL.centre_x, USUAL.centre_y), CROP_JITTER)
    return Frame(float(np.clip(height, *HEIGHTS)), float(x), float(y))


def _draw(
    person: Person,
    place: Place,
    heading: float,
    frame: Frame,
    size: tuple[int, int],
    random: np.random.Generator,
) -> Layer:
    """Draw somebody who goes in about a direction."""
    heading = heading + float(random.normal(0, HEADING_JITTER / 2))
    pose = strike_pose(random, heading)
    view = View(heading, place.pitch, place.distance, place.light, place.ambient, place.direct)
    return draw_tubes(_creased(build_person(person, pose), random), view, frame, size)


def _creased(tubes: Sequence[Tube], random: np.random.Generator) -> Sequence[Tube]:
    """Return the parts of a body with folds of cloth: facets that are lighter or darker in this picture."""
    ends = np.cumsum([len(tube.paint) for tube in tubes])
    folds = np.exp(random.standard_normal((ends[-1], SIDES, 1), dtype=np.float32) * np.float32(CREASES))
    return [
        tube._replace(paint=tube.paint * fold)
        for tube, fold in zip(tubes, np.split(folds, ends[:-1]), strict=True)
    ]


def _company(
    studio: Studio, place: Place, random: np.random.Generator
) -> tuple[Sequence[Layer], Sequence[Layer]]:
    """Draw what else there is: layers behind the person and before."""
    behind: list[Layer] = []
    before: list[Layer] = []
    if random.random() < place.crowd:
        layer, in_front = _passer_by(studio, place, random)
        (before if in_front else behind).append(layer)
    if place.obstacles and random.random() < OBSTACLE_SHARE:
        before.append(put_before(*one_of(random, place.obstacles), studio.size, random))
    return behind, before


def _passer_by(studio: Studio, place: Place, random: np.random.Generator) -> tuple[Layer, bool]:
    """Draw parts of somebody else at the edge; say whether they are in front."""
    in_front = random.random() < IN_FRONT_SHARE
    # Those in front stay at the edge: a crop is of the person who is seen best.
    off = random.uniform(0.52, 0.66) if in_front else random.uniform(0.3, 0.6)
    height = random.uniform(0.95, 1.15) if in_front else random.uniform(0.55, 0.85)
    frame = Frame(float(height), 0.5 + one_of(random, (-1, 1)) * float(off), float(random.uniform(0.4, 0.55)))
    person = person_of(studio, -1 - int(random.integers(PASSERS_BY)))
    heading = float(one_of(random, place.headings))
    return _draw(person, place, heading, frame, studio.size, random), in_front


def _shadowed(picture: Floats, frame: Frame, darkness: float) -> Floats:
    """Return a picture [H,W,3] with a soft shadow at the feet."""
    height, width = picture.shape[:2]
    across = (np.arange(width, dtype=np.float32) / width - frame.centre_x) / 0.3
    down = (np.arange(height, dtype=np.float32) / height - frame.centre_y - frame.height * 0.48) / 0.04
    shade = np.outer(np.exp(-(down**2)), np.exp(-(across**2))) * np.float32(darkness)
    return picture * (1 - shade[..., None])
