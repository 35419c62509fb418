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


def strike_pose(random: np.random.Generator, heading: float) -> Pose:
    """Return a moment of somebody who faces in a direction.

    Args:
        random: Decides.
        heading: As in `Pose`.
    """
    stands = random.random() < STANDING_SHARE
    elbows = random.uniform(0.1, 0.5, 2)
    if random.random() < BENT_ARM_SHARE:
        elbows[int(random.integers(2))] = random.uniform(1.2, 2.2)
    return Pose(
        heading=heading,
        gait=float(random.uniform(0, 2 * np.pi)),
        stride=0.05 if stands else float(random.uniform(0.25, 0.55)),
        arms=0.05 if stands else float(random.uniform(0.15, 0.5)),
        elbows=(float(elbows[0]), float(elbows[1])),
        spread=float(random.uniform(0.03, 0.14)),
        lean=float(random.uniform(-0.02, 0.1)),
        head_turn=int(random.integers(-1, 2)) if random.random() < 0.4 else 0,
    )
