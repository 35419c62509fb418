"""CR-GAN's stage II so small that an iteration takes milliseconds: float64, weights out of numpy."""

from dataclasses import dataclass, field, replace

import torch

from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.models.crgan import (
    CameraDiscriminator,
    CameraDiscriminatorConfig,
    DomainDiscriminator,
    DomainDiscriminatorConfig,
    Generator,
    GeneratorConfig,
)
from genreid.models.precision import Compute
from genreid.training.crgan_step import (
    RenderingBatch,
    RenderingConfig,
    RenderingNetworks,
    RenderingOptimizers,
    RenderingSetup,
)
from genreid.training.optimizers import make_adam
from tests.drawn_tensors import batch_of, fill, pair

PEOPLE, CAMERAS = 5, 3
CPU = Compute(torch.device("cpu"), bf16=False)


@dataclass(frozen=True)
class Tiny:
    """What may differ from one test to another.

    Attributes:
        config: Settings of stage II.
        size: Height and width; 40x20 has maps that are doubles and maps that are not.
        noise_std: Of D_d.
        cameras: False: no D_cam.
    """

    config: RenderingConfig = field(default_factory=lambda: RenderingConfig(iterations=4, learning_rate=1e-3))
    size: tuple[int, int] = (40, 20)
    noise_std: float = 0.1
    cameras: bool = True


def make_setup(tiny: Tiny | None = None, dtype: torch.dtype = torch.float64) -> RenderingSetup:
    """Build small networks with lively weights, the frozen ones frozen, and their optimisers."""
    tiny = tiny or Tiny()
    config = tiny.config
    generator = Generator(GeneratorConfig(width=2), *tiny.size)
    domain = DomainDiscriminator(DomainDiscriminatorConfig(width=4, noise_std=tiny.noise_std))
    identity = build_reid_network(BackboneConfig("test_resnet", weights="none"), PEOPLE)
    camera = CameraDiscriminator(CameraDiscriminatorConfig(width=4), CAMERAS)
    for name, network in (("generator", generator), ("domain", domain), ("id", identity), ("cam", camera)):
        fill(network.to(dtype), name)
    for frozen in (identity, camera):
        frozen.eval().requires_grad_(requires_grad=False)
    betas = (config.beta1, config.beta2)
    optimizers = RenderingOptimizers(
        make_adam(generator, config.learning_rate, betas), make_adam(domain, config.learning_rate, betas)
    )
    networks = RenderingNetworks(generator, domain, identity, camera if tiny.cameras else None)
    return RenderingSetup(networks, optimizers, config, CPU)


def make_batch(number: int = 0, size: tuple[int, int] = (40, 20), batch: int = 3) -> RenderingBatch:
    """Draw the mini-batch of one step."""
    return batch_of(pair(size, batch, f"batch {number}"), PEOPLE, CAMERAS)


def with_config(setup: RenderingSetup, config: RenderingConfig) -> RenderingSetup:
    """The same networks and optimisers under other settings."""
    return replace(setup, config=config)


def generator_of(setup: RenderingSetup) -> Generator:
    """The generator, with its type."""
    assert isinstance(setup.networks.generator, Generator)
    return setup.networks.generator


def identity_of(setup: RenderingSetup) -> ReidNetwork:
    """D_id."""
    return setup.networks.identity
