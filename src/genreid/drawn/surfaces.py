"""Walls and grounds of scenes."""

from collections.abc import Callable

from genreid.drawn.colour import Colour, darker
from genreid.drawn.easel import Easel

Painter = Callable[[Easel, float, Colour, Colour], None]
"""Paints a wall down to a height, or a ground from it, in two colours."""
STREWN = 900
"""Speckles of asphalt, blades and leaves on a canvas: enough that no crop lacks them."""


def brick(easel: Easel, end: float, colour: Colour, joint: Colour) -> None:
    """Paint bricks on an `easel` down to `end`, of a `colour`, with `joint`s."""
    easel.box(0, 0, easel.width, end, joint)
    height, width, row = 0.035, 0.1, 0
    while row * height < end:
        x = -width * (row % 2) / 2
        while x < easel.width:
            low = min(end, row * height + height - 0.006)
            easel.box(x, row * height, x + width - 0.007, low, easel.near(colour, 18))
            x += width
        row += 1


def plaster(easel: Easel, end: float, colour: Colour, stain: Colour) -> None:
    """Paint plaster on an `easel` down to `end`: a `colour` with `stain`s and a darker foot."""
    easel.box(0, 0, easel.width, end, colour)
    for _ in range(40):
        x, y = easel.between(0, easel.width), easel.between(0, end)
        easel.blot(x, y, easel.between(0.03, 0.2), easel.near(colour, 7), easel.between(0.3, 1))
    easel.box(0, end - 0.1, easel.width, end, stain)


def concrete(easel: Easel, end: float, colour: Colour, joint: Colour) -> None:
    """Paint panels of concrete on an `easel` down to `end`, of a `colour`, with `joint`s and holes."""
    easel.box(0, 0, easel.width, end, joint)
    x = 0.0
    while x < easel.width:
        width = 0.42
        easel.box(x, 0, x + width - 0.01, end * 0.55, easel.near(colour, 9))
        easel.box(x, end * 0.56, x + width - 0.01, end, easel.near(colour, 9))
        for y in (0.08, 0.47, 0.64, 0.93):
            easel.blot(x + 0.07, end * y, 0.008, joint)
            easel.blot(x + 0.33, end * y, 0.008, joint)
        x += width


def tiles(easel: Easel, end: float, colour: Colour, joint: Colour) -> None:
    """Paint glazed tiles on an `easel` down to `end`, of a `colour`, with `joint`s and a band."""
    easel.box(0, 0, easel.width, end, joint)
    size, y = 0.07, 0.0
    while y < end:
        x = 0.0
        while x < easel.width:
            shade = joint if end * 0.55 < y < end * 0.55 + size else colour
            easel.box(x, y, x + size - 0.008, min(end, y + size - 0.008), easel.near(shade, 8))
            x += size
        y += size


def glass(easel: Easel, end: float, colour: Colour, frame: Colour) -> None:
    """Paint a glass front on an `easel` down to `end`: panes near a `colour`, a `frame`, things behind."""
    easel.box(0, 0, easel.width, end, frame)
    x = 0.0
    while x < easel.width:
        width = 0.3
        easel.box(x, 0, x + width - 0.02, end - 0.05, easel.near(colour, 22))
        for _ in range(3):
            left, top = x + easel.between(0, 0.2), easel.between(0.1, end)
            easel.box(
                left, top, min(left + 0.08, x + width - 0.02), end - 0.05, easel.near(darker(colour, 0.7), 30)
            )
        easel.shape([(x, 0.3), (x + 0.15, 0), (x + 0.2, 0), (x, 0.4)], darker(colour, 1.25))
        x += width


def shutters(easel: Easel, end: float, colour: Colour, slit: Colour) -> None:
    """Paint rolled-down shutters on an `easel` down to `end`, of a `colour`, with `slit`s between."""
    easel.box(0, 0, easel.width, end, slit)
    x = 0.0
    while x < easel.width:
        shade, y = easel.near(colour, 26), 0.0
        while y < end:
            easel.box(x, y, x + 0.62, min(end, y + 0.022), shade)
            y += 0.03
        easel.box(x + 0.6, 0, x + 0.7, end, darker(slit, 1.3))
        x += 0.7


def hedge(easel: Easel, end: float, colour: Colour, gap: Colour) -> None:
    """Paint foliage on an `easel` down to `end`: leaves near a `colour` before a dark `gap`."""
    easel.box(0, 0, easel.width, end, gap)
    for _ in range(STREWN * 2):
        x, y = easel.between(0, easel.width), easel.between(0, end)
        easel.blot(
            x,
            min(y, end - 0.015),
            easel.between(0.008, 0.03),
            easel.near(darker(colour, easel.between(0.5, 1.2)), 14),
        )


def sky_and_houses(easel: Easel, end: float, colour: Colour, sky: Colour) -> None:
    """Paint far houses of a `colour` before the `sky` on an `easel` down to `end`."""
    easel.box(0, 0, easel.width, end, sky)
    x = 0.0
    while x < easel.width:
        width, top = easel.between(0.3, 0.7), easel.between(0.0, end * 0.5)
        shade = easel.near(colour, 30)
        easel.box(x, top, x + width, end, shade)
        for column in range(int(width / 0.1)):
            for row in range(int((end - top) / 0.12)):
                left, high = x + 0.03 + column * 0.1, top + 0.03 + row * 0.12
                easel.box(left, high, left + 0.045, high + 0.07, easel.near(darker(shade, 0.55), 14))
        x += width + easel.between(0, 0.1)


def paving(easel: Easel, start: float, colour: Colour, joint: Colour) -> None:
    """Paint slabs on an `easel` from `start`, of a `colour`, with `joint`s that narrow with distance."""
    easel.box(0, start, easel.width, 1, easel.near(colour, 4))
    y, step = start, 0.02
    while y < 1:
        x = -easel.between(0, 0.3)
        while x < easel.width:
            easel.box(x, y, x + step * 4 - 0.006, y + step - 0.004, easel.near(colour, 10))
            x += step * 4
        easel.line([(0, y), (easel.width, y)], joint, 0.006)
        y, step = y + step, step * 1.35


def asphalt(easel: Easel, start: float, colour: Colour, marking: Colour) -> None:
    """Paint asphalt of a `colour` on an `easel` from `start`, with speckles and a `marking`."""
    easel.box(0, start, easel.width, 1, colour)
    for _ in range(STREWN):
        x, y = easel.between(0, easel.width), easel.between(start, 1)
        easel.blot(x, y, easel.between(0.004, 0.012), easel.near(colour, 26), 0.5)
    y = start + (1 - start) * 0.35
    x = 0.0
    while x < easel.width:
        easel.box(x, y, x + 0.3, y + 0.025, marking)
        x += 0.5


def crossing(easel: Easel, start: float, colour: Colour, marking: Colour) -> None:
    """Paint a road of a `colour` on an `easel` from `start`, with slanting stripes of a `marking`."""
    asphalt(easel, start, colour, colour)
    x = 0.0
    while x < easel.width:
        easel.shape(
            [(x, start + 0.08), (x + 0.1, start + 0.08), (x + 0.22, 1), (x + 0.06, 1)], easel.near(marking, 8)
        )
        x += 0.26


def grass(easel: Easel, start: float, colour: Colour, path: Colour) -> None:
    """Paint grass of a `colour` on an `easel` from `start`, and a `path` along it."""
    easel.box(0, start, easel.width, 1, colour)
    for _ in range(STREWN):
        x, y = easel.between(0, easel.width), easel.between(start, 1)
        easel.line([(x, y), (x + easel.between(-0.01, 0.01), y - 0.03)], easel.near(colour, 28), 0.008)
    easel.box(0, start + (1 - start) * 0.5, easel.width, 1, path)
    for _ in range(STREWN // 3):
        x, y = easel.between(0, easel.width), easel.between(start + (1 - start) * 0.55, 1)
        easel.blot(x, y, 0.006, easel.near(path, 22), 0.5)


def polished(easel: Easel, start: float, colour: Colour, shine: Colour) -> None:
    """Paint a hall's floor of a `colour` on an `easel` from `start`: big slabs and streaks of `shine`."""
    easel.box(0, start, easel.width, 1, colour)
    y, step = start, 0.05
    while y < 1:
        easel.line([(0, y), (easel.width, y)], darker(colour, 0.8), 0.006)
        y, step = y + step, step * 1.6
    x = 0.0
    while x < easel.width:
        easel.line([(x, start), (x + 0.2, 1)], darker(colour, 0.8), 0.006)
        x += 0.22
    for _ in range(25):
        x = easel.between(0, easel.width)
        width = easel.between(0.03, 0.12)
        easel.box(x, start, x + width, start + easel.between(0.1, 1 - start), easel.near(shine, 8))


WALLS: dict[str, Painter] = {
    "brick": brick,
    "plaster": plaster,
    "concrete": concrete,
    "tiles": tiles,
    "glass": glass,
    "shutters": shutters,
    "hedge": hedge,
    "houses": sky_and_houses,
}
GROUNDS: dict[str, Painter] = {
    "paving": paving,
    "asphalt": asphalt,
    "crossing": crossing,
    "grass": grass,
    "polished": polished,
}
