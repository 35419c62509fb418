"""What a camera makes of a scene: light, tone, haze, blur, noise, JPEG."""

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
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Look:
    """How a camera renders colours.

    Attributes:
        gains: Factors of red, green, blue: the colour of the light and the white balance.
        saturation: 0 = grey, 1 = as drawn.
        contrast: Factor of the distance from mid-grey.
        lift: Added to everything, of 255: haze or a poor lens.
        gamma: Exponent of the tone curve; below 1 brightens the shadows.
        blur: Radius of the blur, in pixels of a picture 128 high.
        noise: Sigma of the sensor's noise, of 255.
        quality: JPEG quality, 1-95.
        exposure_jitter: Sigma of the logarithm of a moment's brightness.
        tint_jitter: Sigma of the logarithm of a moment's gain of each colour.
    """

    gains: tuple[float, float, float]
    saturation: float
    contrast: float
    lift: float
    gamma: float
    blur: float
    noise: float
    quality: int
    exposure_jitter: float = 0.1
    tint_jitter: float = 0.025


@dataclass(frozen=True, slots=True)
class Moment:
    """The light of one moment.

    Attributes:
        gains: Factors of red, green, blue.
        motion: Factor of the blur.
    """

    gains: tuple[float, float, float]
    motion: float


def moment_of(look: Look, random: np.random.Generator) -> Moment:
    """Return the light of one moment: clouds, hours, lamps.

    Args:
        look: The camera.
        random: Decides.
    """
    exposure = random.normal(0, look.exposure_jitter)
    red, green, blue = np.exp(exposure + random.normal(0, look.tint_jitter, 3)).tolist()
    return Moment((red, green, blue), float(random.uniform(0.7, 1.4)))


def expose(scene: Floats, look: Look, moment: Moment, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a scene as the camera sees it, uint8 [H,W,3].

    Args:
        scene: float32 [H,W,3] of 0-255.
        look: The camera.
        moment: The light.
        random: Decides the noise.
    """
    toned = (scene.reshape(-1, 3) @ _tone(look, moment)).reshape(scene.shape)
    pixels = np.clip(toned, 0, 255, out=toned).astype(np.uint8)
    image = Image.fromarray(pixels).point(_curve(look) * 3)
    radius = look.blur * moment.motion * scene.shape[0] / 128
    if radius > LEAST_BLUR:
        # A box, not a Gaussian: what is out of focus is smeared evenly; and it takes a third of the time.
        image = image.filter(ImageFilter.BoxBlur(radius))
    first = int(random.integers(GRAINS))
    noisy = _grain()[first : first + scene.size].reshape(scene.shape) * np.float32(look.noise)
    noisy += np.asarray(image)
    return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Return a picture as a JPEG file.

    Args:
        pixels: uint8 [H,W,3].
        quality: 1-95.
    """
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, format="JPEG", quality=quality)
    return encoded.getvalue()


def _tone(look: Look, moment: Moment) -> Floats:
    """Return the matrix [3,3] that a row of colours is multiplied with."""
    mixing = np.eye(3, dtype=np.float32) * look.saturation + _LUMA[:, None] * (1 - look.saturation)
    gains = np.asarray(look.gains, np.float32) * np.asarray(moment.gains, np.float32)
    return (mixing * gains).astype(np.float32)


@lru_cache(maxsize=1)
def _grain() -> Floats:
    """Return noise of sigma 1 that every picture takes a part of: drawing it anew takes ten times as long."""
    return np.random.default_rng(0).standard_normal(GRAINS + LARGEST_PICTURE, dtype=np.float32)


@lru_cache(maxsize=64)
def _curve(look: Look) -> list[int]:
    """Return the tone curve as 256 levels."""
    levels = 255 * (np.arange(256) / 255) ** look.gamma
    levels = (levels - 128) * look.contrast + 128
    levels = look.lift + levels * (255 - look.lift) / 255
    found: list[int] = np.clip(levels, 0, 255).astype(int).tolist()
    return found
