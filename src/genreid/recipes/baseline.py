"""Recipes of `genreid train baseline`."""

from dataclasses import replace

from genreid.recipes import crgan
from genreid.training.configs import BaselineConfig


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


RECIPES = {
    "crgan_paper": crgan_paper,
    "crgan_frozen_bn": crgan_frozen_bn,
    "single_gpu": single_gpu,
    "compact": compact,
}
"""Every recipe of `genreid train baseline` by name."""
