"""Recipes of `genreid train baseline`."""

from dataclasses import replace

from genreid.models.backbone import BackboneConfig
from genreid.recipes import crgan
from genreid.training.configs import AdaptConfig, BaselineConfig, ImageConfig
from genreid.training.identity_step import IdentityConfig
from genreid.training.optimizers import SgdConfig


def _stage1(config: AdaptConfig) -> BaselineConfig:
    """Return stage I of a CR-GAN recipe."""
    return BaselineConfig(image=config.image, backbone=config.backbone, identity=config.stage1_identity)


def crgan_paper() -> BaselineConfig:
    """CR-GAN's direct transfer (spec E18): ResNet-50, 224x112, 30,000 iterations, batch norms trained."""
    return _stage1(crgan.paper())


def crgan_frozen_bn() -> BaselineConfig:
    """As crgan_paper with batch norms frozen at their ImageNet statistics, SPGAN's key to direct transfer (spec B5)."""
    base = crgan_paper()
    return replace(base, identity=replace(base.identity, batch_norm="frozen"))


def single_gpu() -> BaselineConfig:
    """Stage I of CR-GAN's single_gpu recipe."""
    return _stage1(crgan.single_gpu())


def compact() -> BaselineConfig:
    """Stage I of CR-GAN's compact recipe: 128x64, EfficientNet-Lite0 from a package, for a CPU."""
    return _stage1(crgan.compact())


RECIPES = {"crgan_paper": crgan_paper, "crgan_frozen_bn": crgan_frozen_bn, "single_gpu": single_gpu, "compact": compact}
"""Every recipe of `genreid train baseline` by name."""
