"""How somebody stands or walks at one moment, and from which side they are seen."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Pose:
    """A moment of a body. Angles are in radians.

    Attributes:
        heading: Where the body faces: 0 towards the camera, pi / 2 to the picture's right, pi away.
        gait: Phase of the step, 0 to 2 pi.
        stride: Swing of the thighs; 0 stands.
        arms: Swing of the arms.
        elbows: Bend of the (left, right) elbow.
        spread: How far the arms stand off the trunk.
        lean: Forward lean of the trunk.
        head_turn: Turn of the head in steps of a facet: -1, 0 or 1.
    """

    heading: float
    gait: float
    stride: float
    arms: float
    elbows: tuple[float, float]
    spread: float
    lean: float
    head_turn: int


STANDING_SHARE = 0.15
"""Share of people who stand; the rest walks."""
BENT_ARM_SHARE = 0.2
"""Share of moments with an arm bent up: a telephone, a strap held, hair pushed back."""
LOOK_ASIDE_SHARE = 0.4
"""Share of moments in which the head may turn."""
STRIDES, ARM_SWINGS = (0.25, 0.55), (0.15, 0.5)
"""Swing of thighs and arms of walkers, radians: from a stroll to a march."""
STILL = 0.05
"""Swing of those who stand, radians."""
ELBOWS, BENT_ELBOWS = (0.1, 0.5), (1.2, 2.2)
"""Bend of hanging arms, and of one that is up, radians."""
SPREADS, LEANS = (0.03, 0.14), (-0.02, 0.1)
"""How far arms stand off, and how far the trunk leans ahead."""


def strike_pose(random: np.random.Generator, heading: float) -> Pose:
    """Return a moment of somebody who faces in a direction.

    Args:
        random: Decides.
        heading: As in `Pose`.
    """
    stands = random.random() < STANDING_SHARE
    elbows = random.uniform(*ELBOWS, 2)
    if random.random() < BENT_ARM_SHARE:
        elbows[int(random.integers(2))] = random.uniform(*BENT_ELBOWS)
    return Pose(
        heading=heading,
        gait=float(random.uniform(0, 2 * np.pi)),
        stride=STILL if stands else float(random.uniform(*STRIDES)),
        arms=STILL if stands else float(random.uniform(*ARM_SWINGS)),
        elbows=(float(elbows[0]), float(elbows[1])),
        spread=float(random.uniform(*SPREADS)),
        lean=float(random.uniform(*LEANS)),
        head_turn=int(random.integers(-1, 2)) if random.random() < LOOK_ASIDE_SHARE else 0,
    )
