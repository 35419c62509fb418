"""Run every kind of network forward and backward on one thread: `python -m tests.every_network`.

A process of its own, since a backend that writes past a buffer ends it. Widths are those of the recipes for a
CPU, and less.
"""

import sys
from dataclasses import replace

import torch
from torch import Tensor, nn

from genreid.models.backbone import BackboneConfig, build_backbone, build_reid_network
from genreid.models.crgan import (
    CameraDiscriminator,
    ConditionPair,
    DomainDiscriminator,
    Generator,
    GeneratorConfig,
)
from genreid.models.dgnet import Decoder, ScaleDiscriminator, StructureEncoder, build_appearance_encoder
from genreid.recipes import crgan, demo
from genreid.training.adapt_config import AdaptConfig
from genreid.training.dgnet_config import DgnetConfig

BATCH, PEOPLE, CAMERAS = 4, 5, 3


def images(size: tuple[int, int], channels: int = 3) -> Tensor:
    """Return a batch as training has it: channels last."""
    drawn = torch.rand(BATCH, channels, *size).to(memory_format=torch.channels_last)
    return drawn.requires_grad_()


def ready(network: nn.Module) -> nn.Module:
    """Return a network as training has it."""
    return network.to(memory_format=torch.channels_last)


def backward(*outputs: Tensor) -> None:
    """Send a gradient of ones back."""
    torch.autograd.backward([output.sum() for output in outputs])


def render(config: GeneratorConfig, size: tuple[int, int]) -> None:
    pair = ConditionPair(images(size), images(size), images(size, 1), images(size, 1))
    backward(ready(Generator(config, *size))(pair).image)


def run_crgan(config: AdaptConfig) -> None:
    size = config.image.size
    for dual in (True, False):
        render(replace(config.generator, dual_condition=dual), size)
    backward(ready(DomainDiscriminator(config.domain))(images(size)))
    backward(ready(CameraDiscriminator(config.camera, CAMERAS))(images(size)))
    network = ready(build_reid_network(replace(config.backbone, weights="none"), PEOPLE))
    backward(network(images(size)).logits)


def run_dgnet(config: DgnetConfig) -> None:
    size = config.image.size
    encoder = build_appearance_encoder(config.appearance, PEOPLE)
    structure = StructureEncoder(config.structure)
    decoder = Decoder(config.decoder, structure.out_channels, encoder.feature_channels)
    seen = ready(encoder)(images(size))
    backward(seen.primary.logits, ready(decoder)(ready(structure)(images(size)), seen.code))
    backward(*ready(ScaleDiscriminator(config.discriminator))(images(size)))


def main() -> None:
    """Run everything twice: what is corrupted is noticed at the next use of the memory."""
    torch.set_num_threads(1)
    for _ in range(2):
        for width in (1, 2, 3, 5):
            render(GeneratorConfig(width=width), (64, 32))
        render(GeneratorConfig(width=4), (256, 128))
        for recipe in demo.RECIPES.values():
            run_crgan(recipe().adapt)
            run_dgnet(recipe().dgnet)
        run_crgan(crgan.compact())
        backbone = ready(build_backbone(BackboneConfig("repvgg_a0", "none")))
        backward(backbone.forward_features(images((128, 64))))  # type: ignore[operator]
    sys.stdout.write("alive\n")


if __name__ == "__main__":
    main()
