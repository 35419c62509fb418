"""Twenty iterations of Cluster Contrast, number by number, as they were when it was last changed on purpose.

The numbers lie in cluster_contrast.json. After a change that is meant to change results, write them anew with

    python -m tests.golden.test_cluster_trace

and say in the commit why they changed.
"""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from genreid.models.backbone import BackboneConfig
from genreid.models.neck import build_neck_network
from genreid.models.precision import Compute
from genreid.runs.loop import seed_everything
from genreid.training.cluster_config import ClusterTraining
from genreid.training.cluster_memory import ClusterMemory
from genreid.training.cluster_step import ClusterSetup, cluster_step
from genreid.training.optimizers import make_adam
from tests.drawn_tensors import fill, normal

TRACE = Path(__file__).with_name("cluster_contrast.json")
STEPS = 20
TOLERANCE = 1e-6
"""Relative; on one machine the numbers are equal."""
CLUSTERS = 5
LABELS = torch.tensor([3, 3, 3, 3, 0, 0, 0, 0, 1, 1, 1, 1, 4, 4, 4, 4])


def trace(steps: int = STEPS) -> list[dict[str, float]]:
    """Run the first iterations of two rounds of ten: two BN groups, GeM, the rate a tenth from the middle."""
    config = ClusterTraining(
        rounds=2, iterations=10, clusters=4, images=4, batch_norm_group=8, drop_at=(0.5,), learning_rate=1e-3
    )
    network = build_neck_network(BackboneConfig("test_resnet", weights="none"), config.neck).double()
    fill(network, "trace")
    assert network.gem is not None
    network.gem.power.data.fill_(3)
    memory = ClusterMemory(20, network.width)
    memory.fill(torch.arange(20) % CLUSTERS, F.normalize(normal("centres", CLUSTERS, network.width), dim=1))
    adam = make_adam(network, config.learning_rate, (0.9, 0.999), config.weight_decay)
    setup = ClusterSetup(network, memory, adam, config, Compute(torch.device("cpu"), bf16=False))
    faces = torch.tanh(normal("faces", CLUSTERS, 3, 32, 16))
    lines = []
    for step in range(steps):
        seed_everything(0, "cluster", step)
        images = faces[LABELS] + 0.3 * normal(f"images {step}", 16, 3, 32, 16)
        line = {name: term.item() for name, term in cluster_step(setup, images, LABELS, step).items()}
        line["weights"] = sum(value.detach().abs().sum().item() for value in network.parameters())
        line["memory"] = memory.centroids.abs().sum().item()
        lines.append(line)
    return lines


def test_cluster_contrast_goes_as_it_went() -> None:
    golden = json.loads(TRACE.read_text(encoding="utf-8"))
    assert len(golden) == STEPS
    for step, (line, expected) in enumerate(zip(trace(), golden, strict=True)):
        assert line == pytest.approx(expected, rel=TOLERANCE), f"step {step}"


def test_it_learns() -> None:
    golden = json.loads(TRACE.read_text(encoding="utf-8"))
    assert golden[-1]["contrast"] < 0.5 * golden[0]["contrast"]


if __name__ == "__main__":
    TRACE.write_text(json.dumps(trace(), indent=1) + "\n", encoding="utf-8")
