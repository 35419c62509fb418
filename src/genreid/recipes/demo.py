"""Recipes of `genreid demo`: how many people are drawn, and the settings of both methods."""

from dataclasses import dataclass, field, replace

from genreid.data.image_config import ImageConfig
from genreid.drawn.plan import FEWEST_IMAGES
from genreid.models.backbone import BackboneConfig
from genreid.models.crgan import CameraDiscriminatorConfig, DomainDiscriminatorConfig, GeneratorConfig
from genreid.models.dgnet import AppearanceConfig, DecoderConfig, ScaleDiscriminatorConfig, StructureConfig
from genreid.models.spgan import PatchConfig, SiameseConfig, TranslatorConfig
from genreid.training.adapt_config import AdaptConfig, FinetuningConfig
from genreid.training.baseline_config import BaselineConfig
from genreid.training.camera_step import CameraConfig
from genreid.training.crgan_step import RenderingConfig, RenderingWeights
from genreid.training.dgnet_config import AdamConfig, DgnetConfig, DgnetTraining
from genreid.training.identity_step import IdentityConfig
from genreid.training.optimizers import SgdConfig
from genreid.training.spgan_config import SpganConfig

_IMAGE = ImageConfig(height=64, width=32)
_BACKBONE = BackboneConfig(name="test_resnet", weights="none")


def crgan() -> AdaptConfig:
    """64x32 and the smallest networks, which learn drawn people from nothing; chosen in docs/lab-notes.md."""
    return AdaptConfig(
        image=_IMAGE,
        backbone=_BACKBONE,
        generator=GeneratorConfig(width=8),
        domain=DomainDiscriminatorConfig(width=8, output="linear"),
        camera=CameraDiscriminatorConfig(width=16),
        stage1_identity=IdentityConfig(
            iterations=600,
            sgd=SgdConfig(backbone_rate=0.05, classifier_rate=0.05, drop_at=(0.6,)),
            label_smoothing=0.1,
            crop_padding=2,
        ),
        stage1_camera=CameraConfig(iterations=150, learning_rate=1e-3),
        stage2=RenderingConfig(
            iterations=500,
            learning_rate=1e-3,
            weights=RenderingWeights(adversarial=10.0, context=15.0),
        ),
        spgan=SpganConfig(
            generator=TranslatorConfig(width=8, blocks=3),
            discriminator=PatchConfig(width=8),
            siamese=SiameseConfig(width=8),
            iterations=800,
        ),
        stage3=FinetuningConfig(
            iterations=250,
            sgd=SgdConfig(backbone_rate=0.02, classifier_rate=0.02, drop_at=(0.6,)),
            label_smoothing=0.1,
            crop_padding=2,
        ),
    )


def dgnet() -> DgnetConfig:
    """DG-Net of the same size; the teacher differs from CR-GAN's stage I as the two papers do."""
    backbone = replace(_BACKBONE, last_stride=1)
    return DgnetConfig(
        image=_IMAGE,
        appearance=AppearanceConfig(backbone=backbone, head_width=128, primary_dropout=0.2, fine_dropout=0.2),
        structure=StructureConfig(width=4),
        decoder=DecoderConfig(mlp_width=64),
        discriminator=ScaleDiscriminatorConfig(width=8, scales=2),
        training=DgnetTraining(
            iterations=300,
            batch=8,
            sgd=SgdConfig(backbone_rate=0.01, classifier_rate=0.03, drop_at=(0.6, 0.9)),
            adam=AdamConfig(learning_rate=1e-3),
            penalty_every=4,
            separate_forwards=False,
            crop_padding=2,
        ),
        teacher=BaselineConfig(
            image=_IMAGE,
            backbone=replace(backbone, dropout=0.2, bottleneck=128),
            identity=IdentityConfig(
                iterations=600,
                sgd=SgdConfig(backbone_rate=0.05, classifier_rate=0.05, drop_at=(2 / 3,)),
                crop_padding=2,
                warm_up=5 / 60,
            ),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """`genreid demo`: two domains of drawn people, CR-GAN from one to the other, DG-Net on the first."""

    people: int = 120
    """People of each domain; half of them are trained on, the others are searched for."""
    images_per_camera: int = 4
    """Most pictures of somebody by one camera."""
    adapt: AdaptConfig = field(default_factory=crgan)
    """CR-GAN and its controls; the pictures are drawn at its image size."""
    dgnet: DgnetConfig = field(default_factory=dgnet)
    """DG-Net and its teacher."""
    source_long: int = 14
    """How many times as many iterations the control on real images of A has as CR-GAN's stage III: with them
    it takes as long as CR-GAN's stages II and III."""

    def __post_init__(self) -> None:
        """Check that the parts fit."""
        if self.people < 4 or self.images_per_camera < FEWEST_IMAGES:
            msg = (
                f"demo: people >= 4 and images_per_camera >= {FEWEST_IMAGES} are needed, "
                f"got {self.people}, {self.images_per_camera}"
            )
            raise ValueError(msg)
        if self.adapt.image != self.dgnet.image:
            msg = (
                f"demo: adapt.image is {self.adapt.image}, dgnet.image is {self.dgnet.image}; both methods "
                "see the same pictures: give both the same height, width and resampling"
            )
            raise ValueError(msg)


def demo() -> DemoConfig:
    """Minutes on two CPU cores."""
    return DemoConfig()


def tiny() -> DemoConfig:
    """A few iterations of even smaller networks, to try the machinery: its figures mean nothing."""
    slow = SgdConfig(backbone_rate=0.001, classifier_rate=0.001)
    adapt, paired = crgan(), dgnet()
    teacher = replace(paired.teacher.identity, iterations=3, batch=4, sgd=slow)
    return DemoConfig(
        people=6,
        images_per_camera=2,
        adapt=replace(
            adapt,
            generator=GeneratorConfig(width=2),
            domain=DomainDiscriminatorConfig(width=2, output="linear"),
            camera=CameraDiscriminatorConfig(width=2),
            stage1_identity=replace(adapt.stage1_identity, iterations=3, batch=4, sgd=slow),
            stage1_camera=replace(adapt.stage1_camera, iterations=3, batch=4),
            stage2=replace(adapt.stage2, iterations=3, batch=3),
            spgan=replace(adapt.spgan, iterations=3),
            stage3=replace(adapt.stage3, iterations=3, batch=4, sgd=slow),
        ),
        dgnet=replace(
            paired,
            structure=replace(paired.structure, width=2),
            discriminator=replace(paired.discriminator, width=2, scales=1),
            training=replace(paired.training, iterations=3, batch=2, sgd=slow),
            teacher=replace(paired.teacher, identity=teacher),
        ),
    )


RECIPES = {"demo": demo, "tiny": tiny}
"""Every recipe of `genreid demo` by name."""
