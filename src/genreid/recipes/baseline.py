"""Recipes of `genreid train baseline`."""

from dataclasses import replace

from genreid.models.backbone import BackboneConfig
from genreid.recipes import crgan
from genreid.training.configs import BaselineConfig, ImageConfig
from genreid.training.identity_step import IdentityConfig
from genreid.training.optimizers import SgdConfig


def crgan_paper() -> BaselineConfig:
    """CR-GAN's direct transfer (spec E18): ResNet-50, 224x112, 30,000 iterations, batch norms trained."""
    return crgan.paper().baseline


def crgan_frozen_bn() -> BaselineConfig:
    """As crgan_paper with batch norms frozen at their ImageNet statistics, SPGAN's key to direct transfer."""
    base = crgan_paper()
    return replace(base, identity=replace(base.identity, batch_norm="frozen"))


def single_gpu() -> BaselineConfig:
    """Stage I of CR-GAN's single_gpu recipe."""
    return crgan.single_gpu().baseline


def compact() -> BaselineConfig:
    """Stage I of CR-GAN's compact recipe: 128x64, EfficientNet-Lite0 from a package, for a CPU."""
    return crgan.compact().baseline


def dgnet_teacher() -> BaselineConfig:
    """DG-Net's teacher (spec dg-net F8): ResNet-50, last stride 1, a 512-d bottleneck, 256x128, batch 8.

    60 epochs of Market-1501's 12,936 images; for other data set `--identity.iterations` to 60 * images / 8.
    """
    return BaselineConfig(
        image=ImageConfig(height=256, width=128),
        backbone=BackboneConfig(last_stride=1, dropout=0.5, bottleneck=512),
        identity=IdentityConfig(
            iterations=97_000,
            batch=8,
            sgd=SgdConfig(backbone_rate=0.002, classifier_rate=0.02, drop_at=(2 / 3,)),
            crop_padding=10,
            crop_fill=-1.0,
            warm_up=5 / 60,
        ),
    )


RECIPES = {
    "crgan_paper": crgan_paper,
    "crgan_frozen_bn": crgan_frozen_bn,
    "dgnet_teacher": dgnet_teacher,
    "single_gpu": single_gpu,
    "compact": compact,
}
"""Every recipe of `genreid train baseline` by name."""
