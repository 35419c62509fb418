"""Coloured people in memory and a stage of Cluster Contrast so small that a round takes a moment."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from genreid.data.bank import ImageBank
from genreid.data.batch import ImageSet
from genreid.models.backbone import BackboneConfig
from genreid.models.neck import NeckConfig, NeckNetwork, build_neck_network
from genreid.models.precision import Compute
from genreid.training.cluster_config import ClusteringConfig, ClusterTraining
from genreid.training.cluster_stage import ClusterBench

CPU = Compute(torch.device("cpu"), bf16=False)
BACKBONE = BackboneConfig("test_resnet", weights="none")
COLOURS = ((220, 40, 40), (40, 200, 60), (50, 60, 220), (230, 220, 60))
CONFIG = ClusterTraining(
    rounds=3,
    iterations=6,
    clusters=4,
    images=4,
    batch_norm_group=8,
    crop_padding=2,
    statistics="target",
    neck=NeckConfig(pooling="average"),
    clustering=ClusteringConfig(k1=14, k2=3, eps=0.6),
)


class People(NamedTuple):
    """Images of four people, each in clothes of one colour, and who is on which."""

    images: ImageSet
    pids: torch.Tensor


@dataclass(frozen=True)
class Bench:
    """Images and a network that has not been trained."""

    images: ImageSet
    network: NeckNetwork


def coloured_people(count: int = 48, noise: int = 12, cameras: int = 3) -> People:
    """Four people in turn before grey walls, seen by cameras of different brightness."""
    random = np.random.default_rng(7)
    pids, camids = np.arange(count) % 4, np.arange(count) // 4 % cameras
    pictures = np.full((count, 3, 32, 16), 120.0)
    pictures[:, :, 4:30, 3:13] = np.array(COLOURS)[pids][:, :, None, None]
    pictures += 8.0 * camids[:, None, None, None] + random.normal(0, noise, pictures.shape)
    paths = tuple(Path(f"{row}.jpg") for row in range(count))
    bank = ImageBank(paths, pictures.clip(0, 255).astype(np.uint8), {})
    labels = torch.from_numpy(camids).long()
    images = ImageSet(bank, None, labels, tuple(range(1, cameras + 1)), torch.arange(count), "coloured")
    return People(images, torch.from_numpy(pids + 1))


def cluster_bench(
    config: ClusterTraining = CONFIG, people: People | None = None, seed: int = 3
) -> ClusterBench:
    """What a stage of Cluster Contrast is made of."""
    people = people or coloured_people()
    return ClusterBench(BACKBONE, config, people.images, people.pids, seed, CPU)


def make_bench(images: ImageSet) -> Bench:
    """Some images and a network for them."""
    return Bench(images, build_neck_network(BACKBONE, NeckConfig()))
