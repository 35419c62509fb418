"""SPGAN so small that an iteration takes milliseconds: float64, weights out of numpy."""

from dataclasses import dataclass, field

import torch

from genreid.models.precision import Compute
from genreid.models.spgan import (
    PatchConfig,
    PatchDiscriminator,
    SiameseConfig,
    SiameseNetwork,
    Translator,
    TranslatorConfig,
)
from genreid.training.image_pool import ImagePool
from genreid.training.optimizers import make_adam
from genreid.training.spgan_config import SpganConfig
from genreid.training.spgan_step import SpganBatch, SpganNetworks, SpganOptimizers, SpganSetup
from tests.drawn_tensors import fill, normal

SIZE = (24, 16)
CPU = Compute(torch.device("cpu"), bf16=False)


def tiny_config() -> SpganConfig:
    """Nothing is dropped, the pool is soon full."""
    return SpganConfig(
        generator=TranslatorConfig(width=2, blocks=1),
        discriminator=PatchConfig(width=2),
        siamese=SiameseConfig(width=2, hidden=6, embedding=4, dropout=0.0),
        iterations=8,
        batch=2,
        learning_rate=1e-3,
        pool=3,
    )


@dataclass(frozen=True)
class Tiny:
    """What may differ from one test to another.

    Attributes:
        config: Settings.
        size: Height and width.
    """

    config: SpganConfig = field(default_factory=tiny_config)
    size: tuple[int, int] = SIZE


def make_setup(tiny: Tiny | None = None, dtype: torch.dtype = torch.float64) -> SpganSetup:
    """Build small networks with lively weights and their optimisers; the pools are empty."""
    tiny = tiny or Tiny()
    config, size = tiny.config, tiny.size
    networks = SpganNetworks(
        Translator(config.generator, *size),
        Translator(config.generator, *size),
        PatchDiscriminator(config.discriminator),
        PatchDiscriminator(config.discriminator),
        SiameseNetwork(config.siamese, *size),
        ImagePool(config.pool, *size),
        ImagePool(config.pool, *size),
    )
    for name, network in networks._asdict().items():
        network.to(dtype)
        if "pool" not in name:
            fill(network, name)
    betas = (config.beta1, config.beta2)
    optimizers = SpganOptimizers(*(make_adam(net, config.learning_rate, betas) for net in networks[:5]))
    return SpganSetup(networks, optimizers, config, CPU)


def make_batch(number: int = 0, size: tuple[int, int] = SIZE, batch: int = 2) -> SpganBatch:
    """Draw the mini-batch of one step, float64."""
    return SpganBatch(
        *(torch.tanh(normal(f"batch {number}/{name}", batch, 3, *size)) for name in ("source", "target"))
    )
