"""Settings of Cluster Contrast: learning from a target's own unlabelled images."""

from dataclasses import dataclass, field
from typing import Literal

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import NeckConfig


@dataclass(frozen=True, kw_only=True)
class ClusteringConfig:
    """How a round finds its clusters (spec baselines H1)."""

    k1: int = 30
    """Neighbours of the k-reciprocal encoding, the image itself among them."""
    k2: int = 6
    """Neighbours over which the encodings are averaged."""
    eps: float = 0.6
    """Largest Jaccard distance, in (0, 1), between neighbours of one cluster."""
    min_samples: int = 4
    """Images within `eps`, itself among them, that make an image the core of a cluster."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.k1 < 2 or self.k2 < 1 or self.k2 > self.k1:
            msg = f"cluster.clustering: k1 >= 2 and 1 <= k2 <= k1, got k1 {self.k1} and k2 {self.k2}"
            raise ValueError(msg)
        if not 0 < self.eps < 1 or self.min_samples < 2:
            msg = (
                "cluster.clustering: eps in (0, 1), for images without a common neighbour are 1 apart, and "
                f"min_samples >= 2, got eps {self.eps:g} and min_samples {self.min_samples}"
            )
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class ClusterTraining:
    """Cluster Contrast: rounds of clustering all images and learning to tell the clusters apart."""

    rounds: int = 50
    """Rounds; each begins with a clustering."""
    iterations: int = 200
    """Iterations of a round."""
    clusters: int = 16
    """P: clusters in a batch."""
    images: int = 16
    """Z: images of each cluster in a batch."""
    other_cameras: bool = True
    """Draw a cluster's images from other cameras than the first one's where there are some."""
    batch_norm_group: int = 64
    """Images that share batch-norm statistics: a batch is cut into such groups (ghost batch norm)."""
    temperature: float = 0.05
    """Divides the cosines in the loss."""
    update: Literal["momentum", "hard"] = "momentum"
    """How the memory follows: `momentum`: with every image; `hard`: with a cluster's least similar one."""
    momentum: float = 0.1
    """Share of the old centre that each update keeps."""
    learning_rate: float = 3.5e-4
    """Adam's learning rate."""
    weight_decay: float = 5e-4
    """Adam's L2 penalty."""
    drop_at: tuple[float, ...] = (0.4, 0.8)
    """Fractions of all iterations at which the learning rate is divided by ten."""
    crop_padding: int = 10
    """Pixels by which an image may be shifted."""
    crop_fill: float = -1.0
    """Value of the pixels that a shift brings in, from -1 (black) to 1."""
    erasing: float = 0.5
    """Share of the images that lose a rectangle."""
    statistics: Literal["stored", "target"] = "stored"
    """Batch-norm statistics of the first clustering: as the start has them, or averaged over the images."""
    neck: NeckConfig = field(default_factory=NeckConfig)
    """Pooling and neck."""
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    """How a round finds its clusters."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if min(self.rounds, self.iterations, self.clusters) < 1 or self.images < 2:
            msg = (
                "cluster: rounds, iterations and clusters >= 1 and images >= 2, "
                f"got {self.rounds}, {self.iterations}, {self.clusters}, {self.images}"
            )
            raise ValueError(msg)
        if self.batch_norm_group < 2 or (
            self.batch > self.batch_norm_group and self.batch % self.batch_norm_group
        ):
            msg = (
                f"cluster.batch_norm_group: {self.batch_norm_group} must be 2 or more and divide the batch "
                f"of clusters * images = {self.batch}, so that all groups are alike"
            )
            raise ValueError(msg)
        if self.temperature <= 0 or not 0 <= self.momentum < 1:
            msg = (
                "cluster: temperature > 0 and momentum in [0, 1), "
                f"got {self.temperature:g} and {self.momentum:g}"
            )
            raise ValueError(msg)
        if min(self.learning_rate, self.weight_decay, self.crop_padding) < 0:
            msg = f"cluster: learning_rate, weight_decay and crop_padding must be >= 0, got {self}"
            raise ValueError(msg)
        if not -1 <= self.crop_fill <= 1 or not 0 <= self.erasing <= 1:
            msg = f"cluster: crop_fill in [-1, 1], erasing in [0, 1], got {self.crop_fill}, {self.erasing}"
            raise ValueError(msg)
        if self.update not in {"momentum", "hard"} or self.statistics not in {"stored", "target"}:
            msg = (
                "cluster: update is momentum or hard, statistics is stored or target, "
                f"got {self.update!r} and {self.statistics!r}"
            )
            raise ValueError(msg)

    @property
    def batch(self) -> int:
        """Images in a batch."""
        return self.clusters * self.images

    @property
    def total(self) -> int:
        """Iterations of all rounds."""
        return self.rounds * self.iterations


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """`genreid train cluster`: Cluster Contrast on the unlabelled images of one data set."""

    image: ImageConfig = field(
        default_factory=lambda: ImageConfig(height=256, width=128, resampling="bicubic")
    )
    """Image size."""
    backbone: BackboneConfig = field(default_factory=lambda: BackboneConfig(last_stride=1))
    """Backbone and its weights; with --init the weights are that run's, and the backbone must be the same."""
    cluster: ClusterTraining = field(default_factory=ClusterTraining)
    """Training."""
