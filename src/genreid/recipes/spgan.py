"""SPGAN's part of the recipes of `genreid adapt`; that of `paper` is `SpganConfig()`."""

from genreid.models.spgan import PatchConfig, SiameseConfig, TranslatorConfig
from genreid.training.spgan_config import SpganConfig


def single_gpu() -> SpganConfig:
    """As the PyTorch release trains: batch 8, G and F every second time, SiaNet and L_con later.

    Shortened from its 20 epochs to fit one H200-class GPU for some minutes.
    """
    return SpganConfig(iterations=8_000, batch=8, generator_every=2, siamese_from=0.05, contrast_from=0.1)


def compact() -> SpganConfig:
    """A quarter of the widths, and six residual blocks, as CycleGAN has for small images.

    It takes as long as CR-GAN's stage II in this recipe: a third of the paper's iterations.
    """
    return SpganConfig(
        generator=TranslatorConfig(width=16, blocks=6),
        discriminator=PatchConfig(width=16),
        siamese=SiameseConfig(width=16),
        iterations=20_000,
    )
