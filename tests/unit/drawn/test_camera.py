"""What a camera does to a scene, one thing at a time."""

from dataclasses import replace

import numpy as np
import pytest

from genreid.drawn.camera import Look, Moment, expose
from genreid.drawn.chance import chance

GREY = np.full((64, 32, 3), 120, np.float32)
"""An even scene."""
PLAIN = Look((1.0, 1.0, 1.0), 1.0, 1.0, 0, 1.0, 1.0, 0.0, 0.0, 0.0, 90, 1.0, tint_slope=0.0)
"""A camera that leaves a scene as it is."""
STILL = Moment((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, 1.0)


def test_a_plain_camera_shows_what_is_there() -> None:
    scene = chance(0).uniform(5, 250, (64, 32, 3)).astype(np.float32)
    assert np.abs(expose(scene, PLAIN, STILL, chance(1)) - scene).max() < 1.6


def test_a_shoulder_keeps_highlights_apart() -> None:
    bright, brighter = (np.full((8, 4, 3), level, np.float32) for level in (280, 360))
    pressed = replace(PLAIN, shoulder=0.5)
    assert expose(bright, PLAIN, STILL, chance(0)).min() == 255
    assert (
        expose(bright, pressed, STILL, chance(0)).max()
        < expose(brighter, pressed, STILL, chance(0)).min()
        < 255
    )
    assert (
        np.abs(expose(GREY, pressed, STILL, chance(0)).astype(int) - 120).max() <= 1
    )  # below it nothing changes


def test_the_white_balance_changes_over_the_picture() -> None:
    shown = expose(
        GREY, PLAIN, replace(STILL, across=(0.4, 0.0, 0.0), down=(0.0, 0.0, -0.4)), chance(0)
    ).astype(int)
    assert shown[0, -1, 0] - shown[0, 0, 0] == pytest.approx(120 * 2 * np.sinh(0.2), abs=3)
    assert shown[-1, 0, 2] - shown[0, 0, 2] == pytest.approx(-120 * 2 * np.sinh(0.2), abs=3)
    assert np.ptp(shown[..., 1]) <= 1


def test_little_detail_blurs_and_sharpening_makes_rims() -> None:
    scene = GREY.copy()
    scene[:, 16:] = 60
    sharp = expose(scene, PLAIN, STILL, chance(0)).astype(int)
    coarse = expose(scene, PLAIN, replace(STILL, detail=0.3), chance(0)).astype(int)
    rimmed = expose(scene, replace(PLAIN, sharpen=0.5), STILL, chance(0)).astype(int)
    assert np.abs(np.diff(sharp[10, :, 0])).max() > np.abs(np.diff(coarse[10, :, 0])).max() + 20
    assert (rimmed[10, 15, 0], rimmed[10, 16, 0]) == pytest.approx((150, 30), abs=3)
    assert rimmed[10, 5, 0] == sharp[10, 5, 0]
