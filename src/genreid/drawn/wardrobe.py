"""Who somebody is: build, skin, hair, clothes and what is carried. Nothing here depends on a picture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from genreid.drawn.chance import one_of, weighted
from genreid.drawn.colour import Colour, jittered

Pattern = Literal[
    "plain",
    "hoops",
    "wide hoops",
    "pinstripes",
    "checks",
    "tartan",
    "front print",
    "back print",
    "yoke",
    "open",
]
"""How a garment's second colour lies on it; `open` is a jacket that shows what is worn under it."""
Sleeves = Literal["none", "short", "long"]
Legwear = Literal["trousers", "shorts", "short skirt", "long skirt"]
HairCut = Literal["bald", "short", "full", "bob", "long", "ponytail", "bun"]
Hat = Literal["none", "cap", "beanie", "brimmed"]
Carried = Literal["nothing", "backpack", "shoulder bag", "handbag", "suitcase"]

CLOTH: tuple[tuple[Colour, float], ...] = (
    ((28, 28, 32), 5.0),
    ((74, 76, 82), 3.0),
    ((150, 152, 156), 2.5),
    ((236, 236, 232), 4.0),
    ((32, 44, 84), 3.5),
    ((58, 98, 168), 2.5),
    ((128, 178, 222), 1.5),
    ((176, 34, 40), 2.5),
    ((112, 28, 48), 1.2),
    ((226, 116, 40), 1.2),
    ((236, 200, 66), 1.4),
    ((48, 122, 72), 1.6),
    ((96, 108, 58), 1.4),
    ((206, 186, 150), 2.0),
    ((118, 80, 52), 1.5),
    ((228, 140, 166), 1.5),
    ((120, 72, 148), 1.1),
    ((44, 152, 156), 1.0),
)
"""Colours of clothes and how often they are worn: dark and pale ones most, as in a street."""
LEG_CLOTH: tuple[tuple[Colour, float], ...] = (
    ((28, 28, 32), 5.0),
    ((44, 58, 96), 4.5),
    ((92, 118, 158), 2.5),
    ((82, 84, 88), 2.5),
    ((196, 178, 144), 1.8),
    ((226, 224, 218), 1.2),
    ((104, 88, 66), 1.2),
    ((88, 96, 62), 1.0),
    ((150, 36, 44), 0.6),
    ((206, 128, 150), 0.5),
)
"""Trousers and skirts: denim and black most."""
SKINS: tuple[Colour, ...] = (
    (244, 208, 180),
    (228, 184, 150),
    (204, 154, 116),
    (164, 114, 80),
    (120, 80, 54),
    (84, 56, 40),
)
HAIRS: tuple[tuple[Colour, float], ...] = (
    ((26, 22, 22), 5.0),
    ((66, 44, 30), 3.0),
    ((124, 84, 50), 1.5),
    ((206, 168, 104), 1.2),
    ((164, 82, 42), 0.6),
    ((170, 168, 166), 1.0),
)
SHOES: tuple[tuple[Colour, float], ...] = (
    ((26, 24, 26), 4.0),
    ((238, 238, 236), 3.0),
    ((106, 70, 44), 1.5),
    ((176, 40, 44), 0.7),
    ((50, 84, 160), 0.7),
    ((232, 190, 70), 0.3),
)
TINGE = 14
"""No two shirts are of the very same dye: largest difference of a channel from its named colour."""


@dataclass(frozen=True, slots=True)
class Build:
    """A body.

    Attributes:
        girth: Width of trunk and limbs, 1 = average.
        shoulders: Width of the shoulders, 1 = average.
        hips: Width of the hips, 1 = average.
        legs: Length of the legs, 1 = average.
        head: Size of the head against the body, 1 = average.
    """

    girth: float
    shoulders: float
    hips: float
    legs: float
    head: float


@dataclass(frozen=True, slots=True)
class Garment:
    """A piece of clothing.

    Attributes:
        colour: The cloth.
        second: What the pattern is drawn in.
        pattern: How the second colour lies on it.
    """

    colour: Colour
    second: Colour
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Person:
    """What stays the same whenever and wherever somebody is seen.

    Attributes:
        build: The body.
        skin: Colour of the skin.
        hair: Colour of the hair.
        cut: How the hair is worn.
        beard: Whether the chin is covered by hair.
        top: Shirt, jacket or coat.
        sleeves: Their length.
        sleeve_colour: Their colour: most often the top's own.
        hem: Height at which the top ends, in metres of a person of 1.75 m.
        legwear: What the legs are in.
        bottom: Its cloth.
        side_stripe: Whether trousers have a stripe along the leg.
        shoes: Colour of the shoes.
        boots: Whether the shoes reach over the ankle.
        hat: What is on the head.
        hat_colour: Its colour.
        scarf: Colour of a scarf, None without.
        carried: What is carried.
        carried_colour: Its colour.
        right_handed: On which side things are carried.
    """

    build: Build
    skin: Colour
    hair: Colour
    cut: HairCut
    beard: bool
    top: Garment
    sleeves: Sleeves
    sleeve_colour: Colour
    hem: float
    legwear: Legwear
    bottom: Garment
    side_stripe: bool
    shoes: Colour
    boots: bool
    hat: Hat
    hat_colour: Colour
    scarf: Colour | None
    carried: Carried
    carried_colour: Colour
    right_handed: bool


@dataclass(frozen=True, slots=True)
class Habits:
    """How often people are and wear what: shares of 0-1, chosen so that a street's variety comes out.

    Attributes:
        women: Of all people.
        beards: Of men.
        coats: Of plain and open tops: those that reach to the thighs.
        other_sleeves: Of printed tops: sleeves in the print's colour.
        short_skirts: Of women.
        long_skirts: Of women.
        shorts: Of all who wear no skirt.
        side_stripes: Of trousers and shorts.
        boots: Of all people.
        scarves: Of all people.
        right_handed: Of all people.
    """

    women: float = 0.5
    beards: float = 0.25
    coats: float = 0.3
    other_sleeves: float = 0.35
    short_skirts: float = 0.25
    long_skirts: float = 0.15
    shorts: float = 0.2
    side_stripes: float = 0.12
    boots: float = 0.2
    scarves: float = 0.1
    right_handed: float = 0.7


HABITS = Habits()
COAT_HEMS, SHIRT_HEMS = (0.55, 0.75), (0.84, 0.96)
"""Where coats and shirts end, metres of a person of 1.75 m."""


def dress(random: np.random.Generator) -> Person:
    """Make somebody up.

    Args:
        random: Decides everything; the same state gives the same person.
    """
    woman = random.random() < HABITS.women
    top = _top(random)
    legwear = _legwear(random, woman=woman)
    skin = jittered(random, SKINS[int(random.integers(len(SKINS)))], 8)
    coat = top.pattern in {"plain", "open"} and random.random() < HABITS.coats
    sleeves = "long" if coat or top.pattern == "open" else weighted(random, _SLEEVES)
    return Person(
        build=_build(random, woman=woman),
        skin=skin,
        hair=jittered(random, weighted(random, HAIRS), 8),
        cut=weighted(random, _CUTS_OF_WOMEN if woman else _CUTS_OF_MEN),
        beard=not woman and random.random() < HABITS.beards,
        top=top,
        sleeves=sleeves,
        sleeve_colour=top.second
        if top.pattern in {"front print", "yoke"} and random.random() < HABITS.other_sleeves
        else top.colour,
        hem=float(random.uniform(*(COAT_HEMS if coat else SHIRT_HEMS))),
        legwear=legwear,
        bottom=_bottom(random, legwear),
        side_stripe=legwear != "long skirt" and random.random() < HABITS.side_stripes,
        shoes=jittered(random, weighted(random, SHOES), 8),
        boots=random.random() < HABITS.boots,
        hat=weighted(random, _HATS),
        hat_colour=_cloth(random),
        scarf=_cloth(random) if random.random() < HABITS.scarves else None,
        carried=weighted(random, _CARRIED),
        carried_colour=_cloth(random),
        right_handed=random.random() < HABITS.right_handed,
    )


_SLEEVES: tuple[tuple[Sleeves, float], ...] = (("none", 0.1), ("short", 0.5), ("long", 0.4))
_CUTS_OF_WOMEN: tuple[tuple[HairCut, float], ...] = (
    ("short", 1.0),
    ("full", 1.0),
    ("bob", 2.0),
    ("long", 4.0),
    ("ponytail", 2.5),
    ("bun", 1.0),
)
_CUTS_OF_MEN: tuple[tuple[HairCut, float], ...] = (
    ("bald", 1.0),
    ("short", 7.0),
    ("full", 2.0),
    ("long", 0.4),
)
_HATS: tuple[tuple[Hat, float], ...] = (("none", 8.0), ("cap", 1.2), ("beanie", 0.8), ("brimmed", 0.5))
_CARRIED: tuple[tuple[Carried, float], ...] = (
    ("nothing", 3.5),
    ("backpack", 3.0),
    ("shoulder bag", 2.0),
    ("handbag", 1.6),
    ("suitcase", 0.5),
)
_PATTERNS: tuple[tuple[Pattern, float], ...] = (
    ("plain", 4.0),
    ("hoops", 1.3),
    ("wide hoops", 1.0),
    ("pinstripes", 0.8),
    ("checks", 1.0),
    ("tartan", 0.8),
    ("front print", 1.4),
    ("back print", 0.7),
    ("yoke", 1.0),
    ("open", 2.0),
)


def _cloth(random: np.random.Generator) -> Colour:
    """Return the colour of a piece of cloth."""
    return jittered(random, weighted(random, CLOTH), TINGE)


def _top(random: np.random.Generator) -> Garment:
    """Choose what is worn above; the second colour is unlike the first."""
    colour = _cloth(random)
    second = max((_cloth(random) for _ in range(3)), key=lambda other: _contrast(colour, other))
    return Garment(colour, second, weighted(random, _PATTERNS))


def _contrast(one: Colour, other: Colour) -> int:
    """Return how far two colours are apart."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def _legwear(random: np.random.Generator, *, woman: bool) -> Legwear:
    """Choose what the legs are in."""
    share = random.random()
    if woman and share < HABITS.short_skirts + HABITS.long_skirts:
        return "short skirt" if share < HABITS.short_skirts else "long skirt"
    return "shorts" if random.random() < HABITS.shorts else "trousers"


def _bottom(random: np.random.Generator, legwear: Legwear) -> Garment:
    """Choose the cloth of the legwear; skirts come in any colour and in patterns."""
    skirt = "skirt" in legwear
    colour = _cloth(random) if skirt else jittered(random, weighted(random, LEG_CLOTH), TINGE)
    pattern: Pattern = one_of(random, ("hoops", "tartan", "pinstripes", "plain")) if skirt else "plain"
    return Garment(colour, _cloth(random), pattern)


def _build(random: np.random.Generator, *, woman: bool) -> Build:
    """Choose a body; men's shoulders and women's hips are a little wider on average."""
    girth = float(np.clip(random.normal(1.0, 0.14), 0.78, 1.5))
    return Build(
        girth=girth,
        shoulders=float(np.clip(random.normal(0.94 if woman else 1.05, 0.06), 0.8, 1.2)),
        hips=float(np.clip(random.normal(1.06 if woman else 0.97, 0.06), 0.85, 1.25)),
        legs=float(np.clip(random.normal(1.0, 0.04), 0.9, 1.1)),
        head=float(np.clip(random.normal(1.0, 0.05), 0.9, 1.15)),
    )
