"""An iteration of Cluster Contrast: loss, ghost batch norm, Adam, memory."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.backbone import BackboneConfig
from genreid.models.neck import NeckConfig, build_neck_network
from genreid.models.precision import Compute
from genreid.training.cluster_config import ClusteringConfig, ClusterTraining
from genreid.training.cluster_memory import ClusterMemory
from genreid.training.cluster_step import ClusterSetup, cluster_step
from genreid.training.optimizers import make_adam
from tests.drawn_tensors import fill, normal
from tests.oracles import cluster_oracle as oracle

LABELS = torch.tensor([3, 3, 3, 0, 0, 0, 1, 1, 1, 4, 4, 4])
CONFIG = ClusterTraining(
    rounds=2,
    iterations=2,
    clusters=4,
    images=3,
    batch_norm_group=6,
    learning_rate=1e-3,
    weight_decay=0.01,
    drop_at=(0.5,),
    momentum=0.3,
    temperature=0.07,
)


def make_setup(config: ClusterTraining = CONFIG) -> ClusterSetup:
    network = build_neck_network(BackboneConfig("test_resnet", weights="none"), config.neck).double()
    fill(network, "cluster")
    if network.gem is not None:
        network.gem.power.data.fill_(3)
    memory = ClusterMemory(20, network.width)
    memory.fill(torch.arange(20) % 5, F.normalize(normal("centres", 5, network.width), dim=1))
    adam = make_adam(network, config.learning_rate, (0.9, 0.999), config.weight_decay)
    return ClusterSetup(network, memory, adam, config, Compute(torch.device("cpu"), bf16=False))


def images(step: int = 0, count: int = 12) -> Tensor:
    return torch.tanh(normal(f"images {step}", count, 3, 32, 16))


def test_four_iterations_are_adam_on_the_contrast() -> None:
    setup, twin = make_setup(), make_setup().network
    memory = setup.memory.centroids.numpy().copy()
    trained = {name: value for name, value in twin.named_parameters() if value.requires_grad}
    start = {name: value.detach().numpy().copy() for name, value in trained.items()}
    gradients: dict[str, list[oracle.Array]] = {name: [] for name in trained}
    rates = [1e-3, 1e-3, 1e-4, 1e-4]
    for step in range(4):
        terms = cluster_step(setup, images(step), LABELS, step)
        twin.train().zero_grad()
        halves = [twin.embed(images(step)[:6]), twin.embed(images(step)[6:])]  # ghost batch norm
        embedding = F.normalize(torch.cat(halves), dim=1)
        expected = oracle.contrast(embedding.detach().numpy(), memory, LABELS.tolist(), 0.07)
        assert terms["contrast"].item() == pytest.approx(expected, rel=1e-7)
        scores = embedding @ torch.from_numpy(memory).T
        right = (scores.argmax(1) == LABELS).double().mean().item()
        assert terms["accuracy"].item() == pytest.approx(right)
        chosen = torch.log_softmax(scores / 0.07, 1)[range(12), LABELS]
        torch.autograd.backward(-chosen.mean())
        memory = oracle.momentum_update(memory, embedding.detach().numpy(), LABELS.tolist(), 0.3)
        for name, value in trained.items():
            assert value.grad is not None
            gradients[name].append(value.grad.numpy().copy())
            moved = oracle.adam(start[name], gradients[name], rates[: step + 1], 0.01)
            value.data.copy_(torch.from_numpy(moved))
    torch.testing.assert_close(setup.memory.centroids, torch.from_numpy(memory), rtol=1e-6, atol=1e-8)
    for name, parameter in setup.network.named_parameters():
        wanted = dict(twin.named_parameters())[name]
        torch.testing.assert_close(parameter, wanted, rtol=1e-6, atol=1e-8, msg=f"{name} differs")


def test_images_share_statistics_within_their_group_alone() -> None:
    """What lies in the second group does not touch the first one's loss."""
    seen: list[int] = []
    setup = make_setup(replace(CONFIG, batch_norm_group=3))
    norm = next(module for module in setup.network.modules() if isinstance(module, nn.BatchNorm2d))
    norm.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    cluster_step(setup, images(), LABELS, 0)
    assert seen == [3, 3, 3, 3]
    assert norm.num_batches_tracked is not None
    changed = images()
    changed[6:] = images(1)[6:]
    one, other = make_setup(), make_setup()
    cluster_step(one, images(), LABELS, 0)
    cluster_step(other, changed, LABELS, 0)
    assert torch.equal(one.memory.centroids[[0, 3]], other.memory.centroids[[0, 3]])
    assert not torch.equal(one.memory.centroids[[1, 4]], other.memory.centroids[[1, 4]])


def test_the_frozen_bias_and_absent_clusters_stay() -> None:
    setup = make_setup()
    bias = setup.network.state_dict()["bottleneck.0.bias"].clone()
    centre = setup.memory.centroids[2].clone()
    for step in range(3):
        cluster_step(setup, images(step), LABELS, step)
    assert torch.equal(setup.network.state_dict()["bottleneck.0.bias"], bias)
    assert torch.equal(setup.memory.centroids[2], centre)


def test_the_hard_rule_reaches_the_memory() -> None:
    one, other = make_setup(), make_setup(replace(CONFIG, update="hard"))
    cluster_step(one, images(), LABELS, 0)
    cluster_step(other, images(), LABELS, 0)
    assert not torch.equal(one.memory.centroids, other.memory.centroids)


def test_it_learns() -> None:
    config = replace(CONFIG, rounds=1, iterations=30, neck=NeckConfig(pooling="average"), drop_at=())
    setup = make_setup(config)
    losses = [cluster_step(setup, images(0), LABELS, step)["contrast"].item() for step in range(20)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, "rounds, iterations and clusters >= 1"),
        ({"images": 1}, "images >= 2"),
        ({"batch_norm_group": 7}, "7 must be 2 or more and divide the batch of clusters . images = 12"),
        ({"temperature": 0.0}, "temperature > 0"),
        ({"momentum": 1.0}, r"momentum in \[0, 1\)"),
        ({"learning_rate": -1.0}, "must be >= 0"),
        ({"crop_fill": 2.0}, r"crop_fill in \[-1, 1\]"),
        ({"update": "soft"}, "update is momentum or hard"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k1": 1}, "k1 >= 2"),
        ({"k2": 31}, "k2 <= k1"),
        ({"eps": 1.0}, r"eps in \(0, 1\)"),
        ({"min_samples": 1}, ">= 2"),
    ],
)
def test_clusterings_that_cannot_be_meant(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClusteringConfig(**settings)  # type: ignore[arg-type]
