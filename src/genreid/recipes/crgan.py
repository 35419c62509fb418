"""Recipes of `genreid adapt`: CR-GAN at the paper's size, shortened for one GPU, and small for a CPU."""

from collections.abc import Mapping
from dataclasses import replace

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig
from genreid.models.crgan import CameraDiscriminatorConfig, DomainDiscriminatorConfig, GeneratorConfig
from genreid.recipes import cluster, spgan, taudl
from genreid.runs.trained_renderer import RendererName
from genreid.training.adapt_config import AdaptConfig, FinetuningConfig
from genreid.training.camera_step import CameraConfig
from genreid.training.crgan_step import RenderingConfig, RenderingWeights
from genreid.training.identity_step import IdentityConfig
from genreid.training.optimizers import SgdConfig


def paper() -> AdaptConfig:
    """The paper's numbers: 224x112, ResNet-50, 30,000 + 60,000 iterations of batch 32, and 30,000 of ours.

    What the paper leaves open, such as stage III's length, is resolved as in docs/methods/crgan.md (spec
    E3-E19).
    """
    return AdaptConfig()


def single_gpu() -> AdaptConfig:
    """Full-size networks at 224x112, shortened to fit one H200-class GPU for some minutes."""
    full = paper()
    return replace(
        full,
        stage1_identity=replace(full.stage1_identity, iterations=6_000, label_smoothing=0.1),
        stage1_camera=replace(full.stage1_camera, iterations=2_000),
        stage2=replace(full.stage2, iterations=8_000),
        spgan=spgan.single_gpu(),
        stage3=replace(full.stage3, iterations=3_000),
    )


def compact() -> AdaptConfig:
    """128x64, a quarter of the widths, EfficientNet-Lite0 from a package: for a CPU with two cores.

    Stage II is a seventeenth of the paper's, so it learns five times as fast; the context and the adversarial
    loss weigh six times as much, or nothing of the target's context and tone is learned in that time; and
    D_d is an eighth as wide and linear: at a quarter, behind its sigmoid, it was sure of every patch after a
    thousand iterations (docs/lab-notes.md). Chosen by the loss terms, by eye, and on drawn people, without
    the target's test set.
    """
    return AdaptConfig(
        image=ImageConfig(height=128, width=64),
        backbone=BackboneConfig(name="tf_efficientnet_lite0", weights="package"),
        generator=GeneratorConfig(width=16),
        domain=DomainDiscriminatorConfig(width=16, output="linear"),
        camera=CameraDiscriminatorConfig(width=16),
        stage1_identity=IdentityConfig(
            iterations=2_200,
            sgd=SgdConfig(backbone_rate=0.01, classifier_rate=0.1, drop_at=(0.6,)),
            label_smoothing=0.1,
            crop_padding=4,
        ),
        stage1_camera=CameraConfig(iterations=600, learning_rate=1e-3),
        stage2=RenderingConfig(
            iterations=3_500,
            learning_rate=1e-3,
            weights=RenderingWeights(adversarial=12.0, context=30.0),
        ),
        spgan=spgan.compact(),
        stage3=FinetuningConfig(
            iterations=700,
            sgd=SgdConfig(backbone_rate=0.003, classifier_rate=0.03, drop_at=(0.6,)),
            label_smoothing=0.1,
        ),
        cluster=cluster.compact().cluster,
        taudl=taudl.compact().taudl,
    )


def quick() -> AdaptConfig:
    """`compact` for a renderer that needs no training: people composed with target images, in minutes."""
    return compact()


RECIPES = {"paper": paper, "single_gpu": single_gpu, "compact": compact, "quick": quick}
"""Every recipe of `genreid adapt` by name."""
RENDERER_OF_RECIPE: Mapping[str, RendererName] = {"quick": "composite"}
"""What makes stage III's images where `--renderer` does not say it; of all others: crgan."""
