"""Recipes of `genreid train baseline`."""

from dataclasses import replace

from genreid.recipes import crgan, dgnet
from genreid.training.baseline_config import BaselineConfig
from genreid.training.dgnet_config import DgnetConfig


def crgan_paper() -> BaselineConfig:
    """CR-GAN's direct transfer (spec E18): ResNet-50, 224x112, 30,000 iterations, batch norms trained."""
    return crgan.paper().baseline


def crgan_frozen_bn() -> BaselineConfig:
    """As crgan_paper with batch norms' statistics frozen at ImageNet's; their weights learn (spec B6)."""
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
    return DgnetConfig().teacher


def dgnet_compact_teacher() -> BaselineConfig:
    """The teacher of DG-Net's compact recipe: 128x64, EfficientNet-Lite0 from a package, for a CPU."""
    return dgnet.compact().teacher


RECIPES = {
    "crgan_paper": crgan_paper,
    "crgan_frozen_bn": crgan_frozen_bn,
    "dgnet_teacher": dgnet_teacher,
    "dgnet_compact_teacher": dgnet_compact_teacher,
    "single_gpu": single_gpu,
    "compact": compact,
}
"""Every recipe of `genreid train baseline` by name."""
