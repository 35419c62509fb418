"""Settings of CR-GAN's three stages, and of what may follow: `genreid adapt`."""

from dataclasses import dataclass, field

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig
from genreid.models.crgan import CameraDiscriminatorConfig, DomainDiscriminatorConfig, GeneratorConfig
from genreid.training.baseline_config import BaselineConfig
from genreid.training.camera_step import CameraConfig
from genreid.training.cluster_config import ClusterTraining
from genreid.training.crgan_step import RenderingConfig
from genreid.training.identity_step import IdentityConfig
from genreid.training.optimizers import SgdConfig
from genreid.training.spgan_config import SpganConfig
from genreid.training.taudl_config import TaudlTraining


@dataclass(frozen=True, kw_only=True)
class FinetuningConfig(IdentityConfig):
    """Stage III: fine-tuning of the re-id network on renderings made on the fly."""

    sgd: SgdConfig = field(default_factory=lambda: SgdConfig(backbone_rate=0.001, classifier_rate=0.001))
    """Optimiser."""
    source_share: float = 0.0
    """Share of each batch that stays a real source image (the paper: none)."""
    erase_target: bool = False
    """Cut and paste only: take the target's person out (grey) before pasting."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        IdentityConfig.__post_init__(self)
        if not 0 <= self.source_share < 1:
            msg = f"stage3: source_share must be in [0, 1), got {self.source_share}"
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """`genreid adapt`: CR-GAN's three stages."""

    image: ImageConfig = field(default_factory=ImageConfig)
    """Image size."""
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    """Backbone of the identity discriminator D_id, which is the re-id network, and its weights."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """Image generator G."""
    domain: DomainDiscriminatorConfig = field(default_factory=DomainDiscriminatorConfig)
    """Domain discriminator D_d."""
    camera: CameraDiscriminatorConfig = field(default_factory=CameraDiscriminatorConfig)
    """Camera discriminator D_cam."""
    stage1_identity: IdentityConfig = field(default_factory=IdentityConfig)
    """Stage I: D_id on source people."""
    stage1_camera: CameraConfig = field(default_factory=CameraConfig)
    """Stage I: D_cam on target cameras."""
    stage2: RenderingConfig = field(default_factory=RenderingConfig)
    """Stage II: G and D_d."""
    spgan: SpganConfig = field(default_factory=SpganConfig)
    """`--renderer spgan`, in stage II's place: SPGAN's generators, discriminators, Siamese network."""
    stage3: FinetuningConfig = field(default_factory=FinetuningConfig)
    """Stage III: D_id on renderings."""
    cluster: ClusterTraining = field(default_factory=ClusterTraining)
    """After stage III, with `--then cluster`: Cluster Contrast on the target's images."""
    taudl: TaudlTraining = field(default_factory=TaudlTraining)
    """After stage III, with `--then taudl`: TAUDL on the target's images."""

    @property
    def baseline(self) -> BaselineConfig:
        """Stage I's re-id network: what `genreid train baseline` would train."""
        return BaselineConfig(image=self.image, backbone=self.backbone, identity=self.stage1_identity)
