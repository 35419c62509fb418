"""Settings of TAUDL: learning from tracklets that are known within each camera only."""

from dataclasses import dataclass, field
from typing import Literal

from genreid.data.image_config import ImageConfig
from genreid.losses.taudl import CctaConfig
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import NeckConfig


@dataclass(frozen=True, kw_only=True)
class TaudlTraining:
    """TAUDL; it uses which images of one camera show one person."""

    iterations: int = 3_000
    """Iterations (the release: 200 epochs of about 15 on Market-1501)."""
    batch: int = 384
    """Images in a batch at most: as many tracklets of each camera as fit."""
    images: int = 4
    """Images of each tracklet in a batch."""
    association: float = 0.7
    """Lambda: weight of the association across cameras; that of the discrimination is 1 - lambda."""
    discrimination: Literal["sum", "mean"] = "sum"
    """Over cameras: `sum`, as the release; `mean`, as the paper."""
    learning_rate: float = 3.5e-4
    """Adam's learning rate."""
    weight_decay: float = 5e-4
    """Adam's L2 penalty."""
    hold: float = 0.5
    """Share of the stage in which the rate stays; from there it falls to a millionth."""
    crop_area: float = 0.64
    """Smallest share of an image that a random crop keeps; 1: no crop."""
    statistics: Literal["stored", "target"] = "stored"
    """Batch-norm statistics at the start: as they are, or averaged over the images."""
    neck: NeckConfig = field(default_factory=lambda: NeckConfig(pooling="average", kind="linear"))
    """Pooling and neck."""
    ccta: CctaConfig = field(default_factory=CctaConfig)
    """Association across cameras."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.iterations < 1 or self.images < 1 or self.batch < 1:
            msg = (
                "taudl: iterations, batch and images must be 1 or more, "
                f"got {self.iterations}, {self.batch}, {self.images}"
            )
            raise ValueError(msg)
        if not 0 <= self.association <= 1 or not 0 <= self.hold < 1 or not 0 < self.crop_area <= 1:
            msg = (
                "taudl: association in [0, 1], hold in [0, 1), crop_area in (0, 1], "
                f"got {self.association:g}, {self.hold:g}, {self.crop_area:g}"
            )
            raise ValueError(msg)
        if min(self.learning_rate, self.weight_decay) < 0:
            msg = (
                "taudl: learning_rate and weight_decay must be >= 0, "
                f"got {self.learning_rate:g}, {self.weight_decay:g}"
            )
            raise ValueError(msg)
        if self.discrimination not in {"sum", "mean"} or self.statistics not in {"stored", "target"}:
            msg = (
                "taudl: discrimination is sum or mean, statistics is stored or target, "
                f"got {self.discrimination!r} and {self.statistics!r}"
            )
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class TaudlConfig:
    """`genreid train taudl`: TAUDL on images whose people are known within each camera."""

    image: ImageConfig = field(default_factory=lambda: ImageConfig(height=256, width=128))
    """Image size."""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    """Backbone and its weights; with --init the weights are that run's, and the backbone must be the same."""
    taudl: TaudlTraining = field(default_factory=TaudlTraining)
    """Training."""
