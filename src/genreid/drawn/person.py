"""A person in a pose -> painted tubes.

In metres of a person of 1.75 m: x to the right of who stands before them, y up from the ground, z ahead.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genreid.drawn.cloth import (
    cloth,
    plain,
    rows_of,
    strap_across,
    straps_of_backpack,
)
from genreid.drawn.colour import Colour, darker
from genreid.drawn.mesh import Floats, Ring, Tube
from genreid.drawn.pose import Pose
from genreid.drawn.wardrobe import Person

SHOULDER, HIP, ANKLE = 1.4, 0.92, 0.08
"""Heights of the joints."""
THIGH, SHIN, UPPER_ARM, FOREARM = 0.42, 0.42, 0.29, 0.26
"""Lengths of the limbs."""
TRUNK_ROWS = 10
"""Rows of facets of a shirt: a hoop is as wide as three pixels of a picture 128 high."""
_TRUNK_HEIGHTS = (0.5, 0.84, 0.93, 1.08, 1.28, 1.4, 1.455, 1.49)
_TRUNK_WIDTHS = (0.25, 0.2, 0.18, 0.155, 0.18, 0.19, 0.14, 0.065)
_TRUNK_DEPTHS = (0.19, 0.145, 0.135, 0.12, 0.135, 0.11, 0.085, 0.06)
_EYES = (40.0, 32.0, 30.0)
_ROOM_TO_STEP = {"trousers": 1.0, "shorts": 1.0, "short skirt": 0.8, "long skirt": 0.6}


class _Limb(NamedTuple):
    """A limb's joints."""

    upper: tuple[float, float, float]
    middle: tuple[float, float, float]
    lower: tuple[float, float, float]


def build_person(person: Person, pose: Pose) -> list[Tube]:
    """Return the tubes of somebody in a pose.

    Args:
        person: Who.
        pose: How.
    """
    legs = [_leg_joints(person, pose, side) for side in (-1, 1)]
    arms = [_arm_joints(person, pose, side) for side in (-1, 1)]
    tubes = [_trunk(person, pose), _pelvis(person), *_head(person, pose)]
    for side, leg in zip((-1, 1), legs, strict=True):
        tubes += _leg(person, leg, side)
    for arm in arms:
        tubes += _arm(person, arm)
    if "skirt" in person.legwear:
        tubes.append(_skirt(person, legs))
    tubes += _carried(person, pose, arms)
    return tubes


def _leg_joints(person: Person, pose: Pose, side: int) -> _Limb:
    """Return hip, knee and ankle; the knee bends while the leg swings ahead."""
    phase = pose.gait + (np.pi if side > 0 else 0.0)
    stride = pose.stride * _ROOM_TO_STEP[person.legwear]
    swing = stride * float(np.sin(phase))
    bend = 0.08 + 1.5 * stride * max(0.0, float(np.cos(phase)))
    x = 0.09 * person.build.hips * side
    thigh, shin = THIGH * person.build.legs, SHIN * person.build.legs
    hip = (x, HIP, 0.0)  # longer legs reach lower: the whole figure is fitted into its frame later
    knee = (x, hip[1] - thigh * float(np.cos(swing)), thigh * float(np.sin(swing)))
    below = swing - bend
    ankle = (x, knee[1] - shin * float(np.cos(below)), knee[2] + shin * float(np.sin(below)))
    return _Limb(hip, knee, ankle)


def _arm_joints(person: Person, pose: Pose, side: int) -> _Limb:
    """Return shoulder, elbow and wrist; arms swing against the legs."""
    phase = pose.gait + (0.0 if side > 0 else np.pi)
    swing = pose.arms * float(np.sin(phase))
    holds = person.carried == "handbag" and person.right_handed == (side > 0)
    bent = swing + (0.1 if holds else pose.elbows[0 if side < 0 else 1])
    shoulder = (0.18 * _shoulders(person) * side, SHOULDER, pose.lean * 0.5)
    out = side * pose.spread
    elbow = _beyond(shoulder, UPPER_ARM, swing, out)
    return _Limb(shoulder, elbow, _beyond(elbow, FOREARM, bent, out * 0.3))


def _beyond(
    start: tuple[float, float, float], length: float, swing: float, out: float
) -> tuple[float, float, float]:
    """Return the far end of an arm's bone."""
    down = length * float(np.cos(swing))
    return start[0] + length * out, start[1] - down, start[2] + length * float(np.sin(swing))


def _shoulders(person: Person) -> float:
    """Return how wide the shoulders are, 1 = average."""
    return person.build.shoulders * (0.6 + 0.4 * person.build.girth)


def _trunk(person: Person, pose: Pose) -> Tube:
    """Return shirt, jacket or coat."""
    heights = np.linspace(1.49, person.hem, TRUNK_ROWS + 1)
    girth, wide = person.build.girth, _shoulders(person)
    hips = person.build.hips * girth
    above = np.clip((heights - 1.0) / 0.35, 0, 1)
    widths = np.interp(heights, _TRUNK_HEIGHTS, _TRUNK_WIDTHS) * (above * wide + (1 - above) * hips)
    depths = np.interp(heights, _TRUNK_HEIGHTS, _TRUNK_DEPTHS) * girth
    ahead = pose.lean * (heights - HIP)
    rings = [
        Ring(0.0, y, z, w, d)
        for y, z, w, d in zip(heights.tolist(), ahead.tolist(), widths.tolist(), depths.tolist(), strict=True)
    ]
    painted = cloth(person.top, TRUNK_ROWS, person.top.second)
    if person.carried == "backpack":
        straps_of_backpack(painted, person.carried_colour)
    elif person.carried == "shoulder bag":
        strap_across(painted, person.carried_colour, right=person.right_handed)
    if person.scarf is not None:
        painted[0] = person.scarf
    return Tube(rings, painted, nearer=0.16)


def _pelvis(person: Person) -> Tube:
    """Return what joins trunk and legs."""
    width, depth = 0.175 * person.build.hips * person.build.girth, 0.125 * person.build.girth
    rings = [
        Ring(0, 1.04, 0, width * 0.9, depth),
        Ring(0, 0.92, 0, width, depth),
        Ring(0, 0.83, 0, width * 0.95, depth * 0.9),
    ]
    return Tube(rings, plain(2, person.bottom.colour), nearer=0.13)


def _leg(person: Person, leg: _Limb, side: int) -> list[Tube]:
    """Return thigh, shin and shoe; shoes point ahead."""
    girth, skin, trousers = person.build.girth, person.skin, person.bottom.colour
    covered = person.legwear == "trousers"
    thigh = rows_of([trousers, trousers if covered or person.legwear == "shorts" else skin])
    loose = 1.0 if covered else 0.8
    shin = rows_of([trousers if covered else skin] * 2)
    if person.boots:
        shin[1] = person.shoes
    if person.side_stripe:
        outer = slice(6, 8) if side < 0 else slice(10, 12)
        thigh[0, outer] = person.bottom.second
        if covered:
            shin[0, outer] = person.bottom.second
            thigh[1, outer] = person.bottom.second
    x, hip, knee, ankle = leg.upper[0], leg.upper, leg.middle, leg.lower
    upper = [_between(hip, knee, share, size * girth) for share, size in ((0, 0.095), (0.5, 0.085))]
    upper.append(_between(hip, knee, 1.06, (0.066 if covered else 0.062) * girth))
    lower = [
        _between(knee, ankle, share, size * loose * girth)
        for share, size in ((-0.05, 0.064), (0.45, 0.062), (1.0, 0.05))
    ]
    floor = ankle[1] - ANKLE
    shoe = [
        Ring(x, floor + 0.04, ankle[2] - 0.08, 0.004, 0.004),
        Ring(x, floor + 0.05, ankle[2] - 0.05, 0.048, 0.055),
        Ring(x, floor + 0.04, ankle[2] + 0.1, 0.05, 0.042),
        Ring(x, floor + 0.025, ankle[2] + 0.18, 0.004, 0.004),
    ]
    return [
        Tube(upper, thigh, nearer=-0.12, thin=True),
        Tube(lower, shin, nearer=-0.115, thin=True),
        Tube(shoe, plain(3, person.shoes), nearer=-0.16, thin=True),
    ]


def _between(
    start: tuple[float, float, float], end: tuple[float, float, float], share: float, radius: float
) -> Ring:
    """Return a ring on the line between two joints."""
    x, y, z = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    return Ring(x, y, z, radius, radius)


def _arm(person: Person, arm: _Limb) -> list[Tube]:
    """Return upper arm, and forearm with the hand."""
    girth = 0.5 + 0.5 * person.build.girth
    sleeve, skin = person.sleeve_colour, person.skin
    covered = {"none": 0, "short": 2, "long": 5}[person.sleeves]
    rows = [sleeve if row < covered else skin for row in range(5)]
    pattern = person.top.pattern
    if pattern in {"hoops", "checks", "tartan"} and covered:
        rows[1] = person.top.second
        rows[3] = person.top.second if covered > 3 else rows[3]
    upper = [
        _between(arm.upper, arm.middle, share, size * girth)
        for share, size in ((-0.13, 0.012), (0.0, 0.056), (0.5, 0.055), (1.03, 0.046))
    ]
    lower = [
        _between(arm.middle, arm.lower, share, size * girth)
        for share, size in ((-0.05, 0.046), (0.5, 0.043), (0.95, 0.034), (1.15, 0.038), (1.4, 0.014))
    ]
    above = rows_of([rows[0], *rows[:2]])
    below = rows_of([*rows[3:], skin, skin])
    # Beside the trunk an arm is drawn over it; behind it the distance decides.
    return [Tube(upper, above, nearer=0.18, thin=True), Tube(lower, below, nearer=0.19, thin=True)]


def _head(person: Person, pose: Pose) -> list[Tube]:
    """Return neck, head, hair and hat."""
    size, ahead = person.build.head, pose.lean * 0.62 + 0.01
    offsets = (0.118, 0.105, 0.07, 0.03, 0.0, -0.04, -0.08, -0.11)
    radii = (0.004, 0.054, 0.08, 0.087, 0.086, 0.08, 0.063, 0.03)
    puff = 0.014 if person.cut in {"full", "bob", "long"} else 0.0
    rings = [
        Ring(0, 1.62 + y * size, ahead, (r + (puff if y > 0 else 0)) * size, (r * 1.2 + puff * 0.6) * size)
        for y, r in zip(offsets, radii, strict=True)
    ]
    face = _turned(_face(person), pose.head_turn)
    neck = [Ring(0, 1.56, ahead * 0.95, 0.05, 0.055), Ring(0, 1.46, ahead * 0.7, 0.058, 0.06)]
    tubes = [
        Tube(neck, plain(1, person.skin if person.scarf is None else person.scarf), nearer=0.15),
        Tube(rings, face, nearer=0.17),
    ]
    return tubes + _hair(person, ahead) + _hat(person, ahead)


def _face(person: Person) -> Floats:
    """Paint a head: hair above and behind, skin in front, eyes, perhaps a beard."""
    skin = np.asarray(person.skin, np.float32)
    painted = plain(7, skin)
    if person.cut != "bald":
        painted[:2] = person.hair
        painted[:, 7:11] = person.hair
        painted[2:4, 5:7] = person.hair
        painted[2:4, 11:] = person.hair
        painted[2, :2] = painted[2, 4:] = person.hair
    painted[3, 2:4] = skin * 0.65 + np.asarray(_EYES, np.float32) * 0.35
    painted[5, 2:4] = skin * np.asarray((0.9, 0.75, 0.75), np.float32)
    if person.beard:
        painted[5:, 0:6] = person.hair
    if person.cut == "short":
        painted[6, 7:11] = skin
    return painted


def _turned(painted: Floats, steps: int) -> Floats:
    """Turn paint around a tube by whole facets."""
    return painted if steps == 0 else np.roll(painted, steps, axis=1)


def _hair(person: Person, ahead: float) -> list[Tube]:
    """Return hair that hangs or stands off the head."""
    drops = {"long": (1.34, 0.1, 0.045), "bob": (1.5, 0.095, 0.06), "ponytail": (1.36, 0.035, 0.035)}
    if person.cut == "bun":
        z = ahead - 0.07
        rings = [Ring(0, 1.79, z, 0.02, 0.02), Ring(0, 1.76, z, 0.05, 0.05), Ring(0, 1.7, z, 0.03, 0.03)]
        return [Tube(rings, plain(2, person.hair), nearer=0.14)]
    if person.cut not in drops:
        return []
    end, width, depth = drops[person.cut]
    back = ahead - (0.12 if person.cut == "ponytail" else 0.06)
    rings = [
        Ring(0, 1.68, back + 0.01, width * 0.8, depth),
        Ring(0, 1.58, back, width, depth),
        Ring(0, (1.58 + end) / 2, back - 0.015, width, depth),
        Ring(0, end, back - 0.02, width * 0.7, depth * 0.5),
    ]
    return [Tube(rings, plain(3, person.hair), nearer=0.14)]


def _hat(person: Person, ahead: float) -> list[Tube]:
    """Return what is on the head."""
    if person.hat == "none":
        return []
    size, colour = person.build.head, person.hat_colour
    low = 1.66 if person.hat == "beanie" else 1.68
    crown = [
        Ring(0, 1.77, ahead, 0.04 * size, 0.05 * size),
        Ring(0, 1.745, ahead, 0.085 * size, 0.1 * size),
        Ring(0, low, ahead, 0.096 * size, 0.112 * size),
    ]
    tubes = [Tube(crown, plain(2, colour), nearer=0.2)]
    if person.hat == "cap":
        brim = [
            Ring(0, low + 0.01, ahead + 0.06, 0.085, 0.014),
            Ring(0, low, ahead + 0.16, 0.08, 0.014),
            Ring(0, low - 0.01, ahead + 0.19, 0.04, 0.01),
        ]
        tubes.append(Tube(brim, plain(2, colour), nearer=0.21))
    if person.hat == "brimmed":
        disc = [
            Ring(0, low + 0.03, ahead, 0.09, 0.1),
            Ring(0, low + 0.01, ahead, 0.17, 0.18),
            Ring(0, low, ahead, 0.165, 0.175),
        ]
        tubes.append(Tube(disc, plain(2, colour), nearer=0.205))
    return tubes


def _skirt(person: Person, legs: Sequence[_Limb]) -> Tube:
    """Return a skirt, wide enough for the step."""
    end = 0.55 if person.legwear == "short skirt" else 0.25
    girth = person.build.girth
    step = max(abs(leg.middle[2]) for leg in legs)
    rows = 4 if person.legwear == "short skirt" else 7
    rings = []
    for row in range(rows + 1):
        down = row / rows
        rings.append(
            Ring(
                0,
                1.06 + (end - 1.06) * down,
                0,
                (0.15 + 0.09 * down) * girth * person.build.hips,
                (0.125 + 0.06 * down) * girth + step * 0.5 * down,
            )
        )
    return Tube(rings, cloth(person.bottom, rows, person.bottom.second), nearer=0.14)


def _carried(person: Person, pose: Pose, arms: Sequence[_Limb]) -> list[Tube]:
    """Return the bag."""
    side, colour = (1 if person.right_handed else -1), person.carried_colour
    dark = darker(colour, 0.7)
    hand = arms[1 if side > 0 else 0].lower
    match person.carried:
        case "backpack":
            z = -0.13 * person.build.girth - 0.1
            return [
                _box(0, (1.47, 1.05), z + pose.lean * 0.4, (0.15, 0.1), (colour, colour, dark), nearer=0.16)
            ]
        case "shoulder bag":
            x = side * (0.21 * person.build.hips * person.build.girth + 0.03)
            return [_box(x, (1.02, 0.78), -0.02, (0.05, 0.15), (colour, colour, dark), nearer=0.24)]
        case "handbag":
            x, y, z = hand[0], hand[1] - 0.1, hand[2]
            return [_box(x, (y, y - 0.28), z, (0.05, 0.14), (dark, colour, colour), nearer=0.22)]
        case "suitcase":
            return [
                _box(side * 0.34, (0.6, 0.04), -0.3, (0.15, 0.1), (colour, dark, colour)),
                _box(side * 0.34, (0.95, 0.6), -0.3, (0.08, 0.012), (dark, dark, dark)),
            ]
        case "nothing":
            return []


def _box(
    x: float,
    ends: tuple[float, float],
    z: float,
    half: tuple[float, float],
    colours: Sequence[Colour],
    nearer: float = 0.0,
) -> Tube:
    """Return a bag: a tube that closes at both ends."""
    top, end = ends
    tall = top - end
    rings = [
        Ring(x, top - tall * down, z, half[0] * size, half[1] * size)
        for down, size in ((0, 0.5), (0.08, 0.95), (0.6, 1), (0.94, 0.97), (1, 0.6))
    ]
    return Tube(rings, rows_of([colours[0], colours[0], colours[1], colours[2]]), nearer)
