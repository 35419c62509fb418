"""SPGAN's stage made ready to run, in the place of CR-GAN's stage II: networks, optimisers, batches, step."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from genreid.data.batch import BatchPlan
from genreid.data.sampling import step_generator
from genreid.models.spgan import PatchDiscriminator, SiameseNetwork, Translator
from genreid.runs.config_file import config_to_dict
from genreid.runs.loop import Stage, seed_everything
from genreid.training.crgan_stages import Domains, Workbench
from genreid.training.image_pool import ImagePool
from genreid.training.optimizers import make_adam
from genreid.training.spgan_step import SpganBatch, SpganNetworks, SpganOptimizers, SpganSetup, spgan_step


def spgan_stage(bench: Workbench, domains: Domains, *_guides: object) -> Stage[SpganBatch]:
    """Both generators, both discriminators and the Siamese network learn; no label is looked at.

    Args:
        bench: Settings, seed, device.
        domains: Source and target.
        _guides: Networks of stage I, which guide other renderers.
    """
    config, image = bench.config.spgan, bench.config.image
    seed, compute = bench.seed, bench.compute
    seed_everything(seed, "initialise/spgan", 0)
    networks = SpganNetworks(
        Translator(config.generator, *image.size),
        Translator(config.generator, *image.size),
        PatchDiscriminator(config.discriminator),
        PatchDiscriminator(config.discriminator),
        SiameseNetwork(config.siamese, *image.size),
        ImagePool(config.pool, *image.size),
        ImagePool(config.pool, *image.size),
    )
    for network in networks:
        compute.place(network)
    betas = (config.beta1, config.beta2)
    optimizers = SpganOptimizers(*(make_adam(net, config.learning_rate, betas) for net in networks[:5]))
    setup = SpganSetup(networks, optimizers, config, compute)
    sets = {"source": domains.source, "target": domains.target}

    def draw(step: int) -> SpganBatch:
        drawn = {}
        for name, images in sets.items():
            batch = images.batch(BatchPlan(config.batch, seed, f"spgan/{name}"), step, compute.device)
            drawn[name] = zoomed(batch.images, config.zoom, step_generator(step, seed, f"spgan/{name}/zoom"))
        return SpganBatch(**drawn)

    def learn(batch: SpganBatch, step: int) -> Mapping[str, Tensor]:
        return spgan_step(setup, batch, step)

    facts = {
        "size": list(image.size),
        "kind": image.kind,
        "source": domains.source.fingerprint,
        "target": domains.target.fingerprint,
        "spgan": config_to_dict(config),
    }
    trained = {"generator" if name == "to_target" else name: net for name, net in networks._asdict().items()}
    return Stage("spgan", config.iterations, draw, learn, trained, optimizers._asdict(), facts)


def zoomed(images: Tensor, zoom: float, generator: torch.Generator) -> Tensor:
    """Enlarge images and cut a window of the old size out of each at a random place (spec B3).

    Args:
        images: [B, C, H, W] floating point.
        zoom: Factor of height and width, 1 or more.
        generator: Two numbers a row are drawn from it, on the CPU.

    Returns:
        [B, C, H, W], channels last in memory.
    """
    batch, _, height, width = images.shape
    size = (round(zoom * height), round(zoom * width))
    large = F.interpolate(images, size=size, mode="bilinear")
    top, left = (
        torch.randint(0, room - wanted + 1, (batch,), generator=generator).to(images.device)
        for room, wanted in zip(size, (height, width), strict=True)
    )
    windows = large.unfold(2, height, 1).unfold(3, width, 1)  # a view; one window of each image is copied
    chosen = windows[torch.arange(batch, device=images.device), :, top, left]
    return chosen.contiguous(memory_format=torch.channels_last)
