"""Things that stand about in scenes: doors, windows, railings, trees, benches, bicycles, cars, clothes."""

from collections.abc import Callable

from genreid.drawn.chance import one_of, weighted
from genreid.drawn.colour import Colour, darker
from genreid.drawn.easel import Easel
from genreid.drawn.wardrobe import CLOTH

Prop = Callable[[Easel, float, float, Colour], None]
"""Paints a thing at a place along the wall, with the height of the ground's far end, in a colour."""


def door(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a door on an `easel` at `x`, down to the `ground`, in a `colour`."""
    top = max(0.02, ground - 0.52)
    easel.box(x, top, x + 0.24, ground, darker(colour, 0.6))
    easel.box(x + 0.02, top + 0.02, x + 0.22, ground, colour)
    easel.box(x + 0.05, top + 0.06, x + 0.19, top + 0.2, darker(colour, 1.5))
    easel.blot(x + 0.19, ground - 0.24, 0.01, (220, 210, 160))


def window(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a window on an `easel` at `x`, above the `ground`, with a frame of a `colour`."""
    top = max(0.03, ground - 0.5)
    easel.box(x, top, x + 0.3, top + 0.26, colour)
    for left in (x + 0.02, x + 0.16):
        easel.box(left, top + 0.02, left + 0.12, top + 0.24, easel.near((84, 104, 122), 25))


def pole(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a lamp post on an `easel` at `x`, standing on the `ground`, in a `colour`."""
    easel.box(x, 0, x + 0.035, ground + 0.1, colour)
    easel.box(x - 0.015, ground + 0.05, x + 0.05, ground + 0.1, darker(colour, 0.8))


def railing(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a railing on an `easel` from `x`, standing on the `ground`, in a `colour`."""
    end, top = x + easel.between(0.8, 1.6), ground - 0.22
    easel.box(x, top, end, top + 0.02, colour)
    easel.box(x, ground - 0.02, end, ground, colour)
    post = x
    while post < end:
        easel.box(post, top, post + 0.012, ground + 0.01, colour)
        post += 0.055


def tree(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a tree on an `easel` at `x`, growing from the `ground`, with leaves near a `colour`."""
    easel.shape(
        [(x - 0.035, ground + 0.08), (x + 0.045, ground + 0.08), (x + 0.025, 0), (x - 0.015, 0)], (86, 66, 48)
    )
    for _ in range(90):
        shade = easel.near(darker(colour, easel.between(0.6, 1.2)), 16)
        easel.blot(
            x + easel.between(-0.28, 0.28),
            easel.between(-0.05, ground * 0.55),
            easel.between(0.015, 0.06),
            shade,
        )


def bush(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a bush on an `easel` at `x`, on the `ground`, with leaves near a `colour`."""
    for _ in range(70):
        shade = easel.near(darker(colour, easel.between(0.55, 1.15)), 16)
        easel.blot(
            x + easel.between(-0.2, 0.2),
            ground + 0.04 - easel.between(0, 0.28),
            easel.between(0.012, 0.045),
            shade,
        )


def bench(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a bench on an `easel` at `x`, on the `ground`, in a `colour`."""
    for y in (-0.14, -0.1, -0.03):
        easel.box(x, ground + y, x + 0.5, ground + y + 0.028, colour)
    for left in (x + 0.04, x + 0.42):
        easel.box(left, ground - 0.14, left + 0.025, ground + 0.08, (50, 50, 52))


def bicycle(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a bicycle on an `easel` at `x`, on the `ground`, in a `colour`."""
    low = ground + 0.0
    inside = easel.near((120, 118, 112), 20)
    for left in (x, x + 0.3):
        easel.blot(left, low, 0.1, (30, 30, 32))
        easel.blot(left, low, 0.085, inside)
    easel.line([(x, low), (x + 0.1, low - 0.16), (x + 0.26, low - 0.16), (x + 0.3, low)], colour, 0.018)
    easel.line([(x + 0.1, low - 0.16), (x + 0.15, low), (x + 0.26, low - 0.16)], colour, 0.018)


def car(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a parked car on an `easel` at `x`, on the `ground`, in a `colour`."""
    low = ground + 0.06
    roof = [(x + 0.22, low - 0.2), (x + 0.34, low - 0.36), (x + 0.72, low - 0.36), (x + 0.88, low - 0.2)]
    easel.shape(roof, colour)
    panes = [(x + 0.27, low - 0.2), (x + 0.36, low - 0.33), (x + 0.7, low - 0.33), (x + 0.82, low - 0.2)]
    easel.shape(panes, (62, 74, 86))
    easel.box(x, low - 0.2, x + 1.06, low - 0.04, colour)
    easel.box(x, low - 0.08, x + 1.06, low - 0.04, darker(colour, 0.6))
    for wheel in (x + 0.22, x + 0.84):
        easel.blot(wheel, low - 0.04, 0.085, (26, 26, 28))
        easel.blot(wheel, low - 0.04, 0.04, (150, 150, 152))


def poster(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a poster on an `easel` at `x`, above the `ground`, on a `colour`."""
    top = max(0.02, ground - 0.46)
    easel.box(x, top, x + 0.24, top + 0.34, (235, 235, 230))
    easel.box(x + 0.015, top + 0.015, x + 0.225, top + 0.325, colour)
    easel.blot(x + 0.12, top + 0.13, 0.07, easel.near(darker(colour, 1.5), 60))
    for line in range(3):
        easel.box(x + 0.04, top + 0.23 + line * 0.03, x + 0.2, top + 0.245 + line * 0.03, (240, 240, 240))


def stall(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a market stall on an `easel` at `x`, on the `ground`, with an awning of a `colour`."""
    top = max(0.0, ground - 0.5)
    for stripe in range(8):
        shade = colour if stripe % 2 else (238, 234, 226)
        easel.box(x + stripe * 0.1, top, x + stripe * 0.1 + 0.1, top + 0.12, shade)
    easel.box(x + 0.02, ground - 0.16, x + 0.78, ground + 0.05, (132, 98, 64))
    for _ in range(40):
        fruit = one_of(easel.random, ((214, 60, 40), (236, 160, 40), (120, 168, 60), (232, 214, 90)))
        easel.blot(
            x + easel.between(0.04, 0.76), ground - easel.between(0.14, 0.2), 0.02, easel.near(fruit, 20)
        )


def pillar(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a pillar on an `easel` at `x`, on the `ground`, in a `colour`, one side in shade."""
    easel.box(x, 0, x + 0.16, ground + 0.06, colour)
    easel.box(x + 0.11, 0, x + 0.16, ground + 0.06, darker(colour, 0.75))


def barrier(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a ticket gate on an `easel` at `x`, on the `ground`, with a light of a `colour`."""
    for gate in range(4):
        left = x + gate * 0.22
        easel.box(left, ground - 0.24, left + 0.1, ground + 0.06, (146, 150, 156))
        easel.box(left, ground - 0.24, left + 0.1, ground - 0.2, (84, 88, 94))
        easel.box(left + 0.03, ground - 0.17, left + 0.07, ground - 0.13, colour)


def neon(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a lit sign on an `easel` at `x`, high above the `ground`, in a `colour`."""
    top = max(0.02, ground * 0.1)
    easel.box(x, top, x + 0.5, top + 0.12, darker(colour, 0.4))
    for letter in range(5):
        left = x + 0.03 + letter * 0.09
        easel.box(left, top + 0.03, left + 0.055, top + 0.09, darker(colour, 1.4))


def clothes(easel: Easel, x: float, ground: float, colour: Colour) -> None:
    """Paint a rack of clothes on an `easel` at `x`, on the `ground`, on a bar of a `colour`."""
    top = max(0.04, ground - 0.42)
    for number in range(6):
        cloth, left = easel.near(weighted(easel.random, CLOTH), 14), x + 0.03 + number * 0.12
        low = top + easel.between(0.24, 0.36)
        easel.shape(
            [
                (left, top + 0.05),
                (left + 0.05, top),
                (left + 0.1, top + 0.05),
                (left + 0.1, low),
                (left, low),
            ],
            cloth,
        )
        easel.box(left + 0.05, top + 0.04, left + 0.06, low, darker(cloth, 0.8))
    easel.box(x, top - 0.01, x + 0.78, top + 0.005, colour)
    for left in (x, x + 0.77):
        easel.box(left, top, left + 0.015, ground + 0.05, colour)


PROPS: dict[str, Prop] = {
    "door": door,
    "window": window,
    "pole": pole,
    "railing": railing,
    "tree": tree,
    "bush": bush,
    "bench": bench,
    "bicycle": bicycle,
    "car": car,
    "poster": poster,
    "stall": stall,
    "pillar": pillar,
    "barrier": barrier,
    "neon": neon,
    "clothes": clothes,
}
