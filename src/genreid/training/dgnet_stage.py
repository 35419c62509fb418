"""DG-Net, made ready to run: networks, optimisers, batches, step; and feeding E_a offline (section 4.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from genreid.data.augment import Erasing, random_erasing
from genreid.data.batch import BatchPlan, ImageSet
from genreid.data.sampling import step_generator
from genreid.data.swaps import SwapSource
from genreid.models.backbone import ReidNetwork
from genreid.models.batch_groups import group_batch_norms
from genreid.models.dgnet import (
    Decoder,
    DgnetNetworks,
    ScaleDiscriminator,
    StructureEncoder,
    build_appearance_encoder,
    to_normalised,
)
from genreid.models.precision import Compute
from genreid.runs.config_file import config_to_dict
from genreid.runs.loop import Stage, seed_everything
from genreid.training.dgnet_config import DgnetConfig, DgnetTraining
from genreid.training.dgnet_step import (
    DgnetOptimizers,
    DgnetSetup,
    SwapBatch,
    TrainedNetworks,
    dgnet_step,
    offline_feeding_step,
)
from genreid.training.identity_step import set_training_mode
from genreid.training.optimizers import make_adam, make_sgd


@dataclass(frozen=True)
class DgnetBench:
    """What both stages of a run share.

    Attributes:
        config: All settings.
        source: The labelled images.
        teacher: Labels generated images; None where nothing is fed to E_a.
        seed: Seed of the run.
        compute: Device and arithmetic.
    """

    config: DgnetConfig
    source: ImageSet
    teacher: ReidNetwork | None
    seed: int
    compute: Compute


def dgnet_stage(bench: DgnetBench) -> Stage[SwapBatch]:
    """Make the stage that trains E_a, E_s, G and D together.

    Args:
        bench: Settings, images, teacher, seed, device.
    """
    config, compute = bench.config, bench.compute
    networks = _fresh_networks(bench)
    generator = nn.ModuleDict({"structure": networks.structure, "decoder": networks.decoder})
    adam = config.training.adam
    betas = (adam.beta1, adam.beta2)
    optimizers = DgnetOptimizers(
        make_sgd(networks.appearance, config.training.sgd),
        make_adam(generator, adam.learning_rate, betas, adam.weight_decay),
        make_adam(networks.discriminator, adam.learning_rate, betas, adam.weight_decay),
    )
    setup = DgnetSetup(networks, optimizers, config.training, compute)

    def learn(batch: SwapBatch, step: int) -> Mapping[str, Tensor]:
        return dgnet_step(setup, batch, step)

    trained = {name: network for name, network in networks._asdict().items() if name != "teacher"}
    return Stage(
        "dgnet",
        config.training.iterations,
        _drawing(bench, "dgnet"),
        learn,
        trained,
        optimizers._asdict(),
        dgnet_facts(bench),
    )


def offline_stage(bench: DgnetBench, generators: DgnetNetworks) -> Stage[SwapBatch]:
    """Make the stage that trains a new E_a on images of a generator that no longer changes (section 4.3).

    Args:
        bench: Settings, images, teacher, seed, device.
        generators: The E_a, E_s and G that DG-Net's own stage ended with, on the device; they are frozen.
    """
    config, compute = bench.config, bench.compute
    networks = _fresh_networks(bench)
    for network in generators:
        network.eval().requires_grad_(requires_grad=False)
    optimizer = make_sgd(networks.appearance, config.training.sgd)
    # under "offline", generated images have no weight in DG-Net's own stage; in this one they have theirs
    training = replace(config.training, feeding="online")
    setup = DgnetSetup(networks, DgnetOptimizers(optimizer, optimizer, optimizer), training, compute)

    def learn(batch: SwapBatch, step: int) -> Mapping[str, Tensor]:
        return offline_feeding_step(setup, generators, batch, step)

    return Stage(
        "offline",
        config.training.iterations,
        _drawing(bench, "offline"),
        learn,
        {"appearance": networks.appearance},
        {"appearance": optimizer},
        dgnet_facts(bench),
    )


def dgnet_facts(bench: DgnetBench) -> dict[str, Any]:
    """Return what a checkpoint must know to rebuild the networks.

    Args:
        bench: Settings and images.
    """
    config = bench.config
    return {
        "appearance": config_to_dict(config.appearance),
        "structure": config_to_dict(config.structure),
        "decoder": config_to_dict(config.decoder),
        "discriminator": config_to_dict(config.discriminator),
        "num_classes": len(bench.source.classes),
        "size": list(config.image.size),
        "kind": config.image.kind,
        "source": bench.source.fingerprint,
        "settings": config_to_dict(config.training),
    }


def _fresh_networks(bench: DgnetBench) -> TrainedNetworks:
    """Initialise E_a, E_s, G and D on the device; take the teacher as it is."""
    config = bench.config
    seed_everything(bench.seed, "initialise/dgnet", 0)
    appearance = build_appearance_encoder(config.appearance, len(bench.source.classes), config.image.size)
    structure = StructureEncoder(config.structure)
    decoder = Decoder(config.decoder, structure.out_channels, appearance.feature_channels)
    discriminator = ScaleDiscriminator(config.discriminator)
    networks = TrainedNetworks(appearance, structure, decoder, discriminator, bench.teacher)
    for network in networks:
        if network is not None:
            bench.compute.place(network)
    prepare_networks(networks, config.training)
    return networks


def prepare_networks(networks: TrainedNetworks, training: DgnetTraining) -> None:
    """Make networks that are built what the step expects: batch norms by groups, a teacher that only labels.

    Args:
        networks: In training mode; E_a and the teacher are changed in place.
        training: Settings.

    Raises:
        ValueError: If batch norms shall see B images at a time and are of a kind that cannot.
    """
    teacher = networks.teacher
    if training.separate_forwards:
        group_batch_norms(networks.appearance, training.batch)
        if teacher is not None:
            group_batch_norms(teacher, training.batch)
    if teacher is not None:
        set_training_mode(teacher, "train" if training.teaching.batch_norm == "batch" else "frozen")
        teacher.requires_grad_(requires_grad=False)
        if not training.teaching.dropout:
            teacher.dropout = 0.0


def _drawing(bench: DgnetBench, stream: str) -> Callable[[int], SwapBatch]:
    """Return what draws the batch of a step: a pure function of the seed and the step (spec dg-net F1)."""
    config = bench.config.training
    plan = BatchPlan(config.batch, bench.seed, stream, config.crop_padding, "edge")
    source = SwapSource(bench.source, config.different_people)
    erasing = Erasing(config.erasing)

    def draw(step: int) -> SwapBatch:
        pairs = source.pairs(plan, step, bench.compute.device)
        images, positives = to_normalised(pairs.images), to_normalised(pairs.positives)
        generator = step_generator(step, bench.seed, f"{stream}/erasing")
        erased, erased_positives = (random_erasing(real, erasing, generator) for real in (images, positives))
        return SwapBatch(images, positives, erased, erased_positives, pairs.labels)

    return draw
