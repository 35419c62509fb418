"""A network without weights, and drawn pictures, for tests of galleries: quick, and people differ."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions
from genreid.models.precision import choose_compute
from tests.drawn_datasets import Canvas, Shot

PATTERN = r"(?P<track>p\d+)/cam(?P<camera>\d)_(?P<time>[\dT:-]+)"


@dataclass(frozen=True)
class Colours:
    """Mean colours of a grid of fields: an embedding without training."""

    network: nn.Module = field(default_factory=nn.Identity)

    def __call__(self, images: Tensor) -> Tensor:
        """[B,3,H,W] -> [B,24] of unit length."""
        return F.normalize(F.adaptive_avg_pool2d(images, (4, 2)).flatten(1), dim=1)

    def describe(self) -> dict[str, str]:
        """Nothing."""
        return {}


def extractor(**metadata: str) -> Extractor:
    """Return a network that is ready."""
    made = {"model": "0123456789abcdef", "pooling": "average", "image_size": "16x8", **metadata}
    return Extractor(Colours(), (16, 8), FeatureOptions(), choose_compute("cpu", "fp32"), made)


def draw_cameras(root: Path, people: int = 3, cameras: int = 2, shots: int = 2) -> Path:
    """Write `pPERSON/camCAMERA_TIME.png`: one day a camera, one minute a shot."""
    canvas = Canvas(root, (32, 16))
    for person in range(1, people + 1):
        for camera in range(1, cameras + 1):
            for shot in range(shots):
                name = f"p{person}/cam{camera}_2026-11-{camera:02d}T10:{shot:02d}:00.png"
                canvas.write(name, Shot(person, camera, shot))
    return root
