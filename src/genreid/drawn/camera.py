"""What a camera makes of a scene: light, tone, haze, blur, resolution, noise, sharpening, JPEG."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from genreid.drawn.mesh import Floats

GRAINS = 1 << 20
"""Places in the common noise where that of a picture may begin."""
LARGEST_PICTURE = 1024 * 1024 * 3
"""Values in the largest picture."""
LEAST_BLUR = 0.1
"""Pixels of blur that nobody sees."""
BRIGHTEST = 2.0
"""Brightest light that a tone curve tells apart, 1 = white: sun and lamps outshine what is drawn."""
TONES = 1024
"""Steps of a tone curve."""
MID_GREY = 0.45
"""Level that contrast leaves as it is."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Look:
    """How a camera renders colours and edges.

    Attributes:
        gains: Factors of red, green, blue: the colour of the light and the white balance.
        saturation: 0 = grey, 1 = as drawn.
        contrast: Factor of the distance from mid-grey.
        lift: Added to everything, of 255: haze or a poor lens.
        gamma: Exponent of the tone curve; below 1 brightens the shadows.
        shoulder: Level, of 1, from which on highlights are pressed together; 1 = they are cut off.
        blur: Radius of the blur, in pixels of a picture 128 high.
        sharpen: Strength of the camera's own sharpening, 0-1: bright and dark rims at edges.
        noise: Sigma of the sensor's noise, of 255, in a picture 128 high.
        quality: JPEG quality, 1-95.
        detail: Least share of the pixels, each way, that somebody far away is seen with.
        exposure_jitter: Sigma of the logarithm of a moment's brightness.
        tint_jitter: Sigma of the logarithm of a moment's gain of each colour.
        tint_slope: Sigma of the logarithm of how the gains change from end to end of a picture.
    """

    gains: tuple[float, float, float]
    saturation: float
    contrast: float
    lift: float
    gamma: float
    shoulder: float
    blur: float
    sharpen: float
    noise: float
    quality: int
    detail: float
    exposure_jitter: float = 0.16
    tint_jitter: float = 0.025
    tint_slope: float = 0.08


@dataclass(frozen=True, slots=True)
class Moment:
    """The light of one moment, and how far away people are.

    Attributes:
        gains: Factors of red, green, blue in the picture's middle.
        across: What they grow by from left to right, as logarithms.
        down: The same from top to bottom.
        motion: Factor of the blur.
        detail: Share of the pixels, each way, that the sensor has for the picture.
    """

    gains: tuple[float, float, float]
    across: tuple[float, float, float]
    down: tuple[float, float, float]
    motion: float
    detail: float


def moment_of(look: Look, random: np.random.Generator) -> Moment:
    """Return the light of one moment: clouds, hours, lamps.

    Args:
        look: The camera.
        random: Decides.
    """
    exposure = random.normal(0, look.exposure_jitter)
    gains = np.exp(exposure + random.normal(0, look.tint_jitter, 3))
    # The light falls off by more than its colour changes.
    slopes = random.normal(0, look.tint_slope, (2, 1)) + random.normal(0, look.tint_slope / 2, (2, 3))
    return Moment(
        _three(gains),
        _three(slopes[0]),
        _three(slopes[1]),
        float(random.uniform(0.7, 1.4)),
        float(random.uniform(look.detail, 1)),
    )


def expose(scene: Floats, look: Look, moment: Moment, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a scene as the camera sees it, uint8 [H,W,3].

    Args:
        scene: float32 [H,W,3] of 0-255.
        look: The camera.
        moment: The light.
        random: Decides the noise.
    """
    height, width = scene.shape[:2]
    toned = (scene.reshape(-1, 3) @ _tone(look, moment)).reshape(scene.shape)
    toned *= _slope(moment.down, height)[:, None]
    toned *= _slope(moment.across, width)
    image = Image.fromarray(_curve(look)[np.clip(toned, 0, TONES - 1, out=toned).astype(np.int16)])
    radius = look.blur * moment.motion * height / 128
    if radius > LEAST_BLUR:
        # A box, not a Gaussian: what is out of focus is smeared evenly; and it takes a third of the time.
        image = image.filter(ImageFilter.BoxBlur(radius))
    image = image.resize((round(width * moment.detail), round(height * moment.detail)), Image.Resampling.BOX)
    image = Image.fromarray(_noisy(np.asarray(image), look.noise * min(1, height / 128), random))
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    if look.sharpen:
        edge = -look.sharpen
        image = image.filter(
            ImageFilter.Kernel((3, 3), (0, edge, 0, edge, 1 - 4 * edge, edge, 0, edge, 0), 1)
        )
    return np.asarray(image)


def jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Return a picture as a JPEG file.

    Args:
        pixels: uint8 [H,W,3].
        quality: 1-95.
    """
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, format="JPEG", quality=quality)
    return encoded.getvalue()


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return three values as a tuple of Python's numbers."""
    red, green, blue = values.tolist()
    return red, green, blue


def _tone(look: Look, moment: Moment) -> Floats:
    """Return the matrix [3,3] that a row of colours is multiplied with to find its places in `_curve`."""
    mixing = np.eye(3, dtype=np.float32) * look.saturation + _LUMA[:, None] * (1 - look.saturation)
    gains = np.asarray(look.gains, np.float32) * np.asarray(moment.gains, np.float32)
    return np.asarray(mixing * (gains * (TONES - 1) / (255 * BRIGHTEST)), np.float32)


def _slope(logarithms: tuple[float, float, float], length: int) -> Floats:
    """Return the factors [length,3] of gains that grow evenly; 1 in the middle."""
    along = (np.arange(length, dtype=np.float32) + 0.5) / length - 0.5
    return np.asarray(np.exp(np.outer(along, np.asarray(logarithms, np.float32))))


def _noisy(pixels: NDArray[np.uint8], sigma: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return `pixels` [H,W,3] with the sensor's noise of a `sigma` of 255."""
    first = int(random.integers(GRAINS))
    noisy = _grain()[first : first + pixels.size].reshape(pixels.shape) * np.float32(sigma)
    noisy += pixels
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)


@lru_cache(maxsize=1)
def _grain() -> Floats:
    """Return noise of sigma 1 that every picture takes a part of: drawing it anew takes ten times as long."""
    return np.random.default_rng(0).standard_normal(GRAINS + LARGEST_PICTURE, dtype=np.float32)


@lru_cache(maxsize=64)
def _curve(look: Look) -> NDArray[np.uint8]:
    """Return the tone curve: `TONES` levels for light of 0-`BRIGHTEST`."""
    levels = np.linspace(0, BRIGHTEST, TONES)
    levels = (levels**look.gamma - MID_GREY) * look.contrast + MID_GREY
    above, room = levels - look.shoulder, max(1 - look.shoulder, 1e-6)
    levels = np.where(above > 0, look.shoulder + room * np.tanh(np.maximum(above, 0) / room), levels)
    levels = look.lift + np.clip(levels, 0, 1) * (255 - look.lift)
    return np.clip(levels, 0, 255).astype(np.uint8)
