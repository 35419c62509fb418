"""The training of a re-id network, made ready to run: the baseline, which is also CR-GAN's stage I."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genreid.data.batch import Batch, BatchPlan, ImageSet
from genreid.models.backbone import build_reid_network
from genreid.models.precision import Compute
from genreid.runs.config_file import config_to_dict
from genreid.runs.loop import Stage, seed_everything
from genreid.training.baseline_config import BaselineConfig
from genreid.training.identity_step import IdentitySetup, identity_step
from genreid.training.optimizers import make_sgd


def identity_stage(config: BaselineConfig, source: ImageSet, seed: int, compute: Compute) -> Stage[Batch]:
    """Make the stage that trains a re-id network; in CR-GAN it is the identity discriminator D_id.

    Args:
        config: Backbone, image size, training.
        source: The labelled images.
        seed: Seed of the run.
        compute: Device and arithmetic.
    """
    seed_everything(seed, "initialise/identity", 0)
    network = build_reid_network(config.backbone, len(source.classes), config.image.size)
    compute.place(network)
    identity = config.identity
    plan = BatchPlan(identity.batch, seed, "identity", identity.crop_padding, identity.crop_fill)

    def draw(step: int) -> Batch:
        return source.batch(plan, step, compute.device)

    setup = IdentitySetup(network, make_sgd(network, identity.sgd), identity, compute)

    def learn(batch: Batch, step: int) -> Mapping[str, Tensor]:
        return identity_step(setup, batch.images, batch.labels, step)

    return Stage(
        "identity",
        identity.iterations,
        draw,
        learn,
        {"identity": network},
        {"identity": setup.optimizer},
        identity_facts(config, source) | {"settings": config_to_dict(identity)},
    )


def identity_facts(config: BaselineConfig, source: ImageSet) -> dict[str, Any]:
    """Return what a checkpoint must know to rebuild the re-id network.

    Args:
        config: Backbone and image size.
        source: The images that it was trained on.
    """
    return {
        "backbone": config_to_dict(config.backbone),
        "num_classes": len(source.classes),
        "size": list(config.image.size),
        "kind": config.image.kind,
        "source": source.fingerprint,
    }
