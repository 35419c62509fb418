"""The beginning of a round: planted people are found, and what cannot be used is refused."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from genreid.training.cluster_config import ClusteringConfig
from genreid.training.cluster_rounds import (
    OUTLIER,
    centres_of,
    describe_round,
    diagnose,
    embed_all,
    find_clusters,
)
from tests.drawn_tensors import fill, normal
from tests.oracles import cluster_oracle as oracle
from tests.tiny_clusters import CPU, make_bench
from tests.tiny_domains import image_set

SMALL = ClusteringConfig(k1=8, k2=3, eps=0.5, min_samples=3)


def planted(people: int = 4, images: int = 10, spread: float = 0.05, strangers: int = 0) -> torch.Tensor:
    """Unit vectors around the corners of a space, person after person, then some of nobody."""
    corners = torch.eye(people, 16, dtype=torch.float64).repeat_interleave(images, 0)
    noise = spread * normal("spread", people * images, 16)
    alone = torch.eye(16, dtype=torch.float64)[people : people + strangers]
    return F.normalize(torch.cat((corners + noise, alone)), dim=1).float()


def test_planted_people_are_found() -> None:
    labels = find_clusters(planted(), SMALL)
    assert labels.dtype == np.int64
    assert np.array_equal(labels, np.repeat(np.arange(4), 10))


def test_strangers_are_outliers() -> None:
    labels = find_clusters(planted(strangers=2), SMALL)
    assert np.array_equal(labels[:40], np.repeat(np.arange(4), 10))
    assert (labels[40:] == OUTLIER).all()


def test_all_in_one_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"all 10 images are in one cluster \(0 outliers\).*a smaller --cluster.cl"
    ):
        find_clusters(planted(people=1), SMALL)


def test_no_cluster_is_refused() -> None:
    alone = F.normalize(normal("alone", 12, 64), dim=1).float()
    tight = ClusteringConfig(k1=4, k2=1, eps=0.01, min_samples=4)
    with pytest.raises(
        ValueError,
        match=r"no cluster was found among 12.*a larger --cluster.clustering.eps than 0.01, or a smaller --",
    ):
        find_clusters(alone, tight)


def test_a_small_cluster_alone_is_refused() -> None:
    points = torch.cat((planted(people=1, images=5), F.normalize(normal("alone", 12, 16), dim=1).float()))
    with pytest.raises(ValueError, match=r"1 cluster was found among 17 images: try a larger"):
        find_clusters(points, ClusteringConfig(k1=5, k2=1, eps=0.2, min_samples=4))


def test_centres_are_means_of_unit_length() -> None:
    embedding, labels = normal("f", 6, 5), torch.tensor([1, 0, -1, 1, 1, 0])
    centres = centres_of(embedding, labels)
    wanted = [oracle.unit(embedding[labels == k].numpy().mean(0)) for k in range(2)]
    torch.testing.assert_close(centres, torch.from_numpy(np.stack(wanted)))


LABELS: NDArray[np.int64] = np.array([0, 0, 1, 1, 1, 2, 2, -1, 2, -1, 0, 1])
PIDS: NDArray[np.int64] = np.array([5, 5, 6, 6, 5, 7, 7, 7, 8, 9, 5, 6])


def test_a_round_is_described() -> None:
    report = describe_round(LABELS, np.array([0, 0, 0, 1, 0, 2, 2, 0, 1, 1, 0, 0]))
    assert report.clusters == 3
    assert report.outliers == pytest.approx(2 / 12)
    assert report.spanning == pytest.approx(2 / 3)


def test_the_diagnosis_is_the_loops() -> None:
    found = diagnose(LABELS, PIDS)
    assert found.pair_f1 == pytest.approx(oracle.pair_f1(LABELS.tolist(), PIDS.tolist()))
    assert found.purity == pytest.approx(oracle.purity(LABELS.tolist(), PIDS.tolist()))
    perfect = diagnose(PIDS - 5, PIDS)
    assert perfect == (1.0, 1.0)


def test_nobody_known_is_left_out_of_the_diagnosis() -> None:
    pids = np.concatenate((PIDS, [-1, 0, -1]))
    assert diagnose(np.concatenate((LABELS, [0, 0, 1])), pids) == diagnose(LABELS, PIDS)
    assert diagnose(LABELS, np.full(12, -1)) == (0.0, 0.0)


def test_embeddings_are_those_of_the_network_in_evaluation_mode() -> None:
    bench = make_bench(image_set("cluster", 9, 3))
    network = bench.network
    fill(network, "embed")
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = embed_all(network, bench.images, CPU)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    raw = torch.from_numpy(bench.images.bank.array.copy()).float() / 127.5 - 1
    with torch.no_grad():
        wanted = F.normalize(network.eval().embed(raw), dim=1)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
