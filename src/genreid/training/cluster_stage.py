"""Cluster Contrast, made ready to run: network, memory, optimiser, rounds, batches, step (spec H1)."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genreid.data.augment import Erasing, random_erasing
from genreid.data.batch import BatchPlan, ImageSet
from genreid.data.group_sampling import GroupPlan, Groups
from genreid.data.sampling import step_generator
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import build_neck_network
from genreid.models.precision import Compute
from genreid.runs.config_file import config_to_dict
from genreid.runs.loop import Stage, seed_everything
from genreid.training.cluster_config import ClusterTraining
from genreid.training.cluster_memory import ClusterMemory
from genreid.training.cluster_rounds import centres_of, describe_round, diagnose, embed_all, find_clusters
from genreid.training.cluster_step import ClusterSetup, cluster_step
from genreid.training.optimizers import make_adam

logger = logging.getLogger(__name__)

ERASED = (0.596, 0.558, 0.497)
"""Colour of erased rectangles, in [0, 1]: what (.485, .456, .406) after normalisation means (spec H1)."""

Report = Callable[[int, Mapping[str, float]], None]
"""Takes the step at which a round begins and what is to be said of it."""


@dataclass(frozen=True)
class ClusterBench:
    """All that the stage is made of.

    Attributes:
        backbone: Which one, and its weights.
        config: Settings.
        images: The target's images, classified by camera.
        pids: [N] int64 true person of each image, for diagnosis alone; None: nobody looks at them.
        seed: Seed of the run.
        compute: Device and arithmetic.
    """

    backbone: BackboneConfig
    config: ClusterTraining
    images: ImageSet
    pids: Tensor | None
    seed: int
    compute: Compute


class ClusterBatch(NamedTuple):
    """What an iteration is given.

    Attributes:
        images: [P * Z, 3, H, W] in [-1, 1], cluster after cluster, augmented.
        labels: [P * Z] int64 cluster of each, on the CPU.
    """

    images: Tensor
    labels: Tensor


def cluster_stage(bench: ClusterBench, report: Report) -> Stage[ClusterBatch]:
    """Make the stage that learns from a target's own unlabelled images.

    Steps are numbered through all rounds. What a round has found lies in the memory, which is saved with the
    network; so a run that is stopped in the middle of a round goes on with the clusters that it had.

    Args:
        bench: Settings, images, seed, device.
        report: Is told of every round.
    """
    config, compute = bench.config, bench.compute
    seed_everything(bench.seed, "initialise/cluster", 0)
    network = build_neck_network(bench.backbone, config.neck, bench.images.bank.height_width)
    memory = ClusterMemory(len(bench.images.labels), network.width)
    compute.place(network)
    memory.to(compute.device)
    adam = make_adam(network, config.learning_rate, (0.9, 0.999), config.weight_decay)
    setup = ClusterSetup(network, memory, adam, config, compute)
    batches = ClusterBatches(bench, memory)

    def begin(step: int) -> None:
        if step % config.iterations == 0:
            report(step, begin_round(setup, bench, step // config.iterations))

    def learn(batch: ClusterBatch, step: int) -> Mapping[str, Tensor]:
        return cluster_step(setup, batch.images, batch.labels, step)

    return Stage(
        "cluster",
        config.total,
        batches.draw,
        learn,
        {"identity": network, "memory": memory},
        {"identity": adam},
        cluster_facts(bench),
        checkpoint_every=config.iterations,
        begin=begin,
    )


def cluster_facts(bench: ClusterBench) -> dict[str, Any]:
    """Return what a checkpoint must know to rebuild the network.

    Args:
        bench: Settings and images.
    """
    height, width = bench.images.bank.height_width
    return {
        "backbone": config_to_dict(bench.backbone),
        "neck": config_to_dict(bench.config.neck),
        "size": [height, width],
        "kind": bench.images.kind,
        "target": bench.images.fingerprint,
        "settings": config_to_dict(bench.config),
    }


def begin_round(setup: ClusterSetup, bench: ClusterBench, number: int) -> dict[str, float]:
    """Embed all images, cluster them and fill the memory: a function of the network alone.

    Args:
        setup: Network and memory.
        bench: Images and settings.
        number: Number of the round, from 0.

    Returns:
        What there is to say of the round, by name.

    Raises:
        ValueError: If the clusters tell nothing apart; says what to change.
    """
    rounds, usable = bench.config.rounds, bench.images.usable
    embedding = embed_all(setup.network, bench.images, bench.compute)
    try:
        found = find_clusters(embedding, bench.config.clustering)
    except ValueError as error:
        kept = "this stage has not begun" if number == 0 else "the newest checkpoint holds the round before"
        msg = f"round {number + 1} of {rounds}: {error}. {kept[0].upper()}{kept[1:]}"
        raise ValueError(msg) from error
    labels = torch.full((len(bench.images.labels),), -1)
    labels[usable] = torch.from_numpy(found)
    setup.memory.fill(labels, centres_of(embedding, torch.from_numpy(found)))
    return _say(bench, found, number)


class ClusterBatches:
    """Draws the batches: pure functions of the seed, the step and the round's clusters.

    Args:
        bench: Images, settings, seed.
        memory: Holds the clusters of the round.
    """

    def __init__(self, bench: ClusterBench, memory: ClusterMemory) -> None:
        config = bench.config
        self._bench, self._memory = bench, memory
        self._augmentation = BatchPlan(
            config.batch, bench.seed, "cluster", config.crop_padding, config.crop_fill
        )
        self._plan = GroupPlan(config.clusters, config.images, bench.seed, "cluster", config.other_cameras)
        self._round = -1
        self._groups: Groups | None = None

    def draw(self, step: int) -> ClusterBatch:
        """Return the batch of one step.

        Args:
            step: Step of the stage, from 0.
        """
        images, number = self._bench.images, step // self._bench.config.iterations
        if self._groups is None or number != self._round:
            self._round, self._groups = number, Groups.of(self._memory.labels, images.labels)
        chosen = self._groups.draw(self._plan, step)
        drawn = images.take(chosen.rows, self._augmentation, step, self._bench.compute.device).images
        erased = self._erase(drawn, step).contiguous(memory_format=torch.channels_last)
        return ClusterBatch(erased, chosen.labels)

    def _erase(self, images: Tensor, step: int) -> Tensor:
        """Erase rectangles; the colour is taken off first, so that 0 stands for it."""
        if self._bench.config.erasing == 0:
            return images
        generator = step_generator(step, self._bench.seed, "cluster/erasing")
        colour = 2 * torch.tensor(ERASED, dtype=images.dtype, device=images.device).view(1, 3, 1, 1) - 1
        return random_erasing(images - colour, Erasing(self._bench.config.erasing), generator) + colour


def _say(bench: ClusterBench, found: NDArray[np.int64], number: int) -> dict[str, float]:
    """Log what a round has found, and return it."""
    cameras = bench.images.labels[bench.images.usable].numpy()
    report = describe_round(found, cameras)
    spanning = f"{100 * report.spanning:.0f} % of them of several cameras"
    logger.info(
        "round %d of %d: %d clusters, %s; %.0f %% outliers",
        number + 1,
        bench.config.rounds,
        report.clusters,
        spanning if len(bench.images.classes) > 1 else "cameras unknown or one",
        100 * report.outliers,
    )
    values: dict[str, float] = report._asdict()
    if bench.pids is not None:
        truth = diagnose(found, bench.pids[bench.images.usable].numpy())
        logger.info(
            "round %d: purity %.3f, pair F1 %.3f (true people; not to be used for choosing anything)",
            number + 1,
            truth.purity,
            truth.pair_f1,
        )
        values |= {f"diagnosis_{name}": value for name, value in truth._asdict().items()}
    return values
