"""The stage: planted people are found and learnt, a killed run ends in the same weights, rounds are told."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genreid.models.neck import NeckNetwork
from genreid.runs.checkpoint import checkpoint_folders, load_newest
from genreid.runs.loop import Session, Stage, run_stage
from genreid.runs.run_log import RunLog
from genreid.runs.trained_networks import load_reid_network
from genreid.training.cluster_config import ClusteringConfig
from genreid.training.cluster_stage import ERASED, ClusterBatch, ClusterBatches, ClusterBench, cluster_stage
from tests.tiny_clusters import CONFIG, cluster_bench, coloured_people


@dataclass
class Told:
    """What the stage said of its rounds."""

    rounds: dict[int, Mapping[str, float]] = field(default_factory=dict)

    def __call__(self, step: int, values: Mapping[str, float]) -> None:
        self.rounds[step] = dict(values)


def make_stage(bench: ClusterBench, told: Told | None = None) -> Stage[ClusterBatch]:
    return cluster_stage(bench, told or Told())


def run(stage: Stage[ClusterBatch], folder: Path, *, stop_after: int | None = None, seed: int = 3) -> bool:
    """Run a stage; a kill is an error in the middle of a step."""

    def draw(number: int) -> ClusterBatch:
        if number == stop_after:
            raise KeyboardInterrupt
        return stage.draw(number)

    folder.mkdir(exist_ok=True)
    with RunLog(folder) as log:
        return run_stage(replace(stage, draw=draw), Session(folder, seed, checkpoint_minutes=1e9), log)


def weights(stage: Stage[ClusterBatch]) -> dict[str, Tensor]:
    return {f"{n}.{k}": v for n, net in stage.networks.items() for k, v in net.state_dict().items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage[ClusterBatch], Told, Path]:
    """A run that nobody disturbs."""
    told, folder = Told(), tmp_path_factory.mktemp("stage") / "whole"
    stage = make_stage(cluster_bench(), told)
    assert run(stage, folder)
    return stage, told, folder


def test_four_colours_are_four_people(whole: tuple[Stage[ClusterBatch], Told, Path]) -> None:
    _stage, told, _folder = whole
    assert list(told.rounds) == [0, 6, 12]
    last = told.rounds[12]
    assert last["clusters"] == 4
    assert last["spanning"] == 1
    assert last["diagnosis_purity"] == 1
    assert last["diagnosis_pair_f1"] == pytest.approx(1)
    assert last["outliers"] == 0


def test_the_checkpoint_holds_clusters_and_centres(whole: tuple[Stage[ClusterBatch], Told, Path]) -> None:
    stage, _told, folder = whole
    found = load_newest(folder / "checkpoints" / "cluster")
    assert found is not None
    memory = found.network("memory")
    assert memory["labels"].shape == (48,)
    assert memory["centroids"].shape[0] == 4
    assert [int(path.name) for path in checkpoint_folders(folder / "checkpoints" / "cluster")] == [18, 12, 6]
    network = load_reid_network(folder)
    assert isinstance(network.network, NeckNetwork)
    assert (network.stage, network.size, network.step) == ("adapted", (32, 16), 18)
    trained = stage.network("identity", NeckNetwork).state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in network.network.state_dict().items())


@pytest.mark.parametrize("stops", [[6], [2, 13]])
def test_a_killed_run_ends_in_the_same_weights(
    whole: tuple[Stage[ClusterBatch], Told, Path], tmp_path: Path, stops: list[int]
) -> None:
    """Killed in the middle of a round, at its beginning, or before the first checkpoint."""
    for stop in stops:
        torch.manual_seed(stop)
        with pytest.raises(KeyboardInterrupt):
            run(make_stage(cluster_bench()), tmp_path / "run", stop_after=stop)
    resumed = make_stage(cluster_bench())
    assert run(resumed, tmp_path / "run")
    expected = weights(whole[0])
    assert all(torch.equal(value, expected[name]) for name, value in weights(resumed).items())


def test_a_stop_in_the_middle_of_a_round_keeps_its_clusters(
    whole: tuple[Stage[ClusterBatch], Told, Path], tmp_path: Path
) -> None:
    stage, told = make_stage(cluster_bench()), Told()
    session = Session(tmp_path / "run", 3)
    session.run.mkdir()

    def draw(number: int) -> ClusterBatch:
        session.stop_reason = "the test asks" if number == 8 else ""
        return stage.draw(number)

    with RunLog(session.run) as log:
        assert not run_stage(replace(stage, draw=draw), session, log)
    resumed = make_stage(cluster_bench(), told)
    assert run(resumed, session.run)
    assert list(told.rounds) == [12], "the round that was under way is not clustered again"
    expected = weights(whole[0])
    assert all(torch.equal(value, expected[name]) for name, value in weights(resumed).items())


def test_another_seed_ends_elsewhere(whole: tuple[Stage[ClusterBatch], Told, Path], tmp_path: Path) -> None:
    other = make_stage(cluster_bench(seed=4))
    assert run(other, tmp_path / "run", seed=4)
    expected = weights(whole[0])
    assert not torch.equal(
        weights(other)["identity.bottleneck.0.weight"], expected["identity.bottleneck.0.weight"]
    )


def test_without_clusters_it_ends_with_what_to_do(tmp_path: Path) -> None:
    config = replace(CONFIG, clustering=ClusteringConfig(k1=8, k2=1, eps=1e-6, min_samples=4))
    with pytest.raises(
        ValueError, match=r"round 1 of 3: no cluster.*--cluster.clustering.eps.*This stage has not begun"
    ):
        run(make_stage(cluster_bench(config)), tmp_path / "run")
    assert not checkpoint_folders(tmp_path / "run" / "checkpoints" / "cluster")


def test_the_last_good_network_stays(tmp_path: Path) -> None:
    stage = make_stage(cluster_bench())
    network, begin = stage.network("identity", NeckNetwork), stage.begin
    assert begin is not None

    def spoil(number: int) -> None:
        if number == 6:  # as if the training had made all people alike
            network.get_parameter("bottleneck.0.weight").data[1:].zero_()
        begin(number)

    with pytest.raises(ValueError, match=r"round 2 of 3: .*The newest checkpoint holds the round before"):
        run(replace(stage, begin=spoil), tmp_path / "run")
    assert load_reid_network(tmp_path / "run").step == 6


def test_rounds_are_said_and_the_diagnosis_is_marked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, told = replace(CONFIG, rounds=1, iterations=1), Told()
    with caplog.at_level(logging.INFO):
        run(make_stage(cluster_bench(config), told), tmp_path / "run")
    assert "round 1 of 1: " in caplog.text
    assert "not to be used for choosing anything" in caplog.text
    told, silent = Told(), replace(cluster_bench(config), pids=None)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        run(make_stage(silent, told), tmp_path / "silent")
    assert "purity" not in caplog.text
    assert set(told.rounds[0]) == {"clusters", "outliers", "spanning"}


def test_batches_are_pure_and_erased() -> None:
    bench = cluster_bench(replace(CONFIG, erasing=1.0, crop_padding=0))
    stage = make_stage(bench)
    memory = stage.networks["memory"]
    memory.labels = coloured_people().pids - 1
    batch, again = (ClusterBatches(bench, memory).draw(5) for _ in range(2))  # type: ignore[arg-type]
    assert torch.equal(batch.images, again.images)
    assert batch.images.shape == (16, 3, 32, 16)
    colour = 2 * torch.tensor(ERASED).view(1, 3, 1, 1) - 1
    erased = ((batch.images - colour).abs() < 1e-6).all(dim=1)
    assert (erased.flatten(1).sum(1) > 0).all()
    normalised = (torch.tensor(ERASED) - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    torch.testing.assert_close(normalised, torch.tensor([0.485, 0.456, 0.406]), atol=3e-3, rtol=0)


def test_unreadable_images_are_in_no_cluster(tmp_path: Path) -> None:
    people = coloured_people()
    images = replace(people.images, usable=torch.arange(4, 48))
    stage = make_stage(cluster_bench(replace(CONFIG, rounds=1, iterations=1), people._replace(images=images)))
    assert run(stage, tmp_path / "run")
    labels = stage.networks["memory"].state_dict()["labels"]
    assert labels[:4].tolist() == [-1] * 4
    assert labels.max() >= 1


def test_initial_weights_follow_the_seed_alone() -> None:
    def start() -> dict[str, Tensor]:
        return weights(make_stage(cluster_bench()))

    torch.manual_seed(1)
    one = start()
    torch.manual_seed(2)
    assert all(torch.equal(value, one[name]) for name, value in start().items())
