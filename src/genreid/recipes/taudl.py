"""Recipes of `genreid train taudl`: as published, and small for a CPU."""

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import NeckConfig
from genreid.training.taudl_config import TaudlConfig, TaudlTraining


def paper() -> TaudlConfig:
    """As published (spec baselines C3 to C7): ResNet-50, 256x128, 3,000 iterations of 384 images."""
    return TaudlConfig()


def compact() -> TaudlConfig:
    """128x64, EfficientNet-Lite0 from a package, 700 iterations of 192 images: for a CPU.

    Two images of a tracklet instead of four, so that as many tracklets as in the paper share an iteration:
    with a quarter of them a classifier hears of its tracklet in each 136th iteration, and what was seen last
    wins (docs/lab-notes.md).
    """
    return TaudlConfig(
        image=ImageConfig(height=128, width=64),
        backbone=BackboneConfig(name="tf_efficientnet_lite0", weights="package"),
        taudl=TaudlTraining(
            iterations=700,
            batch=192,
            images=2,
            statistics="target",
            neck=NeckConfig(pooling="average", kind="linear"),
        ),
    )


RECIPES = {"paper": paper, "compact": compact}
"""Every recipe of `genreid train taudl` by name."""
