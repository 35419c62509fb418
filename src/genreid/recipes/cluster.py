"""Recipes of `genreid train cluster`: Cluster Contrast as published, and small for a CPU."""

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import NeckConfig
from genreid.training.cluster_config import ClusterConfig, ClusteringConfig, ClusterTraining


def paper() -> ClusterConfig:
    """As published (spec baselines H1): ResNet-50, GeM, 256x128, 50 rounds of 200 iterations of 16 x 16."""
    return ClusterConfig()


def compact() -> ClusterConfig:
    """128x64, EfficientNet-Lite0 from a package, 7 rounds of 100 iterations of 16 x 4: for a CPU.

    Settings of a plain prototype (spec baselines H5): tighter clusters, a slower memory, no camera ids.
    """
    return ClusterConfig(
        image=ImageConfig(height=128, width=64),
        backbone=BackboneConfig(name="tf_efficientnet_lite0", weights="package"),
        cluster=ClusterTraining(
            rounds=7,
            iterations=100,
            images=4,
            other_cameras=False,
            momentum=0.2,
            drop_at=(0.7,),
            crop_padding=5,
            statistics="target",
            neck=NeckConfig(pooling="average"),
            clustering=ClusteringConfig(eps=0.5),
        ),
    )


RECIPES = {"paper": paper, "compact": compact}
"""Every recipe of `genreid train cluster` by name."""
