"""TAUDL, made ready to run: network, classifiers, optimiser, batches, step (spec baselines C)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genreid.data.batch import Batch, BatchPlan, ImageSet
from genreid.data.sample import UNKNOWN_CAMID
from genreid.data.sampling import step_generator
from genreid.data.sized_crop import SizedCrop, random_sized_crop
from genreid.data.tracklet_sampling import TrackletPlan, Tracklets
from genreid.methods import TAUDL_USES
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import build_neck_network
from genreid.models.precision import Compute
from genreid.runs.config_file import config_to_dict
from genreid.runs.loop import Stage, seed_everything
from genreid.training.optimizers import make_adam
from genreid.training.taudl_config import TaudlTraining
from genreid.training.taudl_step import TaudlSetup, taudl_step

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaudlBench:
    """All that the stage is made of.

    Attributes:
        backbone: Which one, and its weights.
        config: Settings.
        images: The target's images, classified by camera.
        pids: [N] int64 person of each image, looked at within each camera only.
        seed: Seed of the run.
        compute: Device and arithmetic.
    """

    backbone: BackboneConfig
    config: TaudlTraining
    images: ImageSet
    pids: Tensor
    seed: int
    compute: Compute


def taudl_stage(bench: TaudlBench) -> Stage[Batch]:
    """Make the stage that learns from tracklets.

    Args:
        bench: Settings, images, seed, device.

    Raises:
        ValueError: If cameras are unknown or too few, nobody is labelled, or the batch is too small.
    """
    config, compute = bench.config, bench.compute
    tracklets = expect_tracklets(bench.images, bench.pids, config)
    cameras = len(tracklets.counts)
    each = config.batch // (cameras * config.images)
    logger.warning("TAUDL uses %s: %d tracklets of %d cameras", TAUDL_USES, sum(tracklets.counts), cameras)

    seed_everything(bench.seed, "initialise/taudl", 0)
    network = build_neck_network(bench.backbone, config.neck, bench.images.bank.height_width)
    heads = nn.ModuleList([_make_head(network.width, count) for count in tracklets.counts])
    compute.place(network)
    compute.place(heads)
    both = nn.ModuleList([network, heads])
    adam = make_adam(both, config.learning_rate, (0.9, 0.999), config.weight_decay)
    setup = TaudlSetup(network, heads, adam, config, compute)
    plan = TrackletPlan(each, config.images, bench.seed, "taudl")
    flips = BatchPlan(each * cameras * config.images, bench.seed, "taudl")

    def draw(step: int) -> Batch:
        drawn = tracklets.draw(plan, step)
        images = bench.images.take(drawn.rows, flips, step, compute.device).images
        if config.crop_area < 1:
            generator = step_generator(step, bench.seed, "taudl/crops")
            images = random_sized_crop(images, SizedCrop((config.crop_area, 1.0)), generator)
            images = images.contiguous(memory_format=torch.channels_last)
        return Batch(images, None, drawn.labels.to(compute.device, non_blocking=True))

    def learn(batch: Batch, step: int) -> Mapping[str, Tensor]:
        return taudl_step(setup, batch.images, batch.labels, step)

    networks = {"identity": network, "heads": heads}
    facts = taudl_facts(bench, tracklets)
    return Stage("taudl", config.iterations, draw, learn, networks, {"identity": adam}, facts)


def taudl_facts(bench: TaudlBench, tracklets: Tracklets) -> dict[str, Any]:
    """Return what a checkpoint must know to rebuild the network.

    Args:
        bench: Settings and images.
        tracklets: What each camera has of each person.
    """
    return {
        "backbone": config_to_dict(bench.backbone),
        "neck": config_to_dict(bench.config.neck),
        "size": list(bench.images.bank.height_width),
        "kind": bench.images.kind,
        "target": bench.images.fingerprint,
        "tracklets": list(tracklets.counts),
        "uses": TAUDL_USES,
        "settings": config_to_dict(bench.config),
    }


def expect_tracklets(images: ImageSet, pids: Tensor, config: TaudlTraining) -> Tracklets:
    """Gather the tracklets of a target.

    Args:
        images: The target's images, classified by camera.
        pids: [N] int64 person of each.
        config: Settings.

    Raises:
        ValueError: If cameras are unknown or too few, nobody is labelled, or the batch is too small.
    """
    if UNKNOWN_CAMID in images.classes:
        msg = "TAUDL needs the camera of every image, and some are unknown; --then cluster does without"
        raise ValueError(msg)
    tracklets = Tracklets.of(pids, images.labels, images.usable)
    cameras = len(tracklets.counts)
    if cameras < 2:
        msg = (
            f"TAUDL associates people across cameras: labelled people in two are needed, got {cameras}; "
            "Cluster Contrast does without either"
        )
        raise ValueError(msg)
    if config.batch < cameras * config.images:
        msg = (
            f"taudl.batch {config.batch} holds no tracklet of {config.images} images for each of {cameras} "
            f"cameras; type --taudl.batch {cameras * config.images} or more"
        )
        raise ValueError(msg)
    return tracklets


def _make_head(width: int, tracklets: int) -> nn.Linear:
    """Return a camera's classifier, weights from N(0, 0.001^2) (spec C3)."""
    head = nn.Linear(width, tracklets)
    nn.init.normal_(head.weight, std=0.001)
    nn.init.zeros_(head.bias)
    return head
