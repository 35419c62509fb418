"""The stage of TAUDL: it learns, resumes to the same weights, and refuses what it cannot do."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genreid.data.batch import Batch
from genreid.methods import TAUDL_USES
from genreid.models.neck import NeckConfig, NeckNetwork
from genreid.runs.loop import Session, Stage, run_stage
from genreid.runs.run_log import RunLog
from genreid.runs.trained_networks import load_reid_network
from genreid.training.taudl_config import TaudlTraining
from genreid.training.taudl_stage import TaudlBench, taudl_stage
from tests.tiny_clusters import BACKBONE, CPU, coloured_people

CONFIG = TaudlTraining(
    iterations=12,
    batch=40,
    images=4,
    neck=NeckConfig(pooling="average", kind="linear", width=16),
)


def bench(config: TaudlTraining = CONFIG) -> TaudlBench:
    people = coloured_people()
    return TaudlBench(BACKBONE, config, people.images, people.pids, 3, CPU)


def run(stage: Stage[Batch], folder: Path, stop: int = -1) -> bool:
    session = Session(folder, 3)
    folder.mkdir(exist_ok=True)

    def draw(number: int) -> Batch:
        session.stop_reason = "the test asks" if number == stop else ""
        return stage.draw(number)

    with RunLog(folder) as log:
        return run_stage(replace(stage, draw=draw), session, log)


def weights(stage: Stage[Batch]) -> dict[str, Tensor]:
    return {f"{n}.{k}": v for n, net in stage.networks.items() for k, v in net.state_dict().items()}


def test_a_stopped_run_ends_in_the_same_weights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = taudl_stage(bench())
    assert run(whole, tmp_path / "whole")
    assert not run(taudl_stage(bench()), tmp_path / "run", stop=4)
    resumed = taudl_stage(bench())
    assert run(resumed, tmp_path / "run")
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(resumed).items())
    with caplog.at_level(logging.WARNING):
        loaded = load_reid_network(tmp_path / "run")
    assert TAUDL_USES in caplog.text, "said wherever its figures are made"
    assert isinstance(loaded.network, NeckNetwork)
    assert (loaded.stage, loaded.step, loaded.network.width) == ("adapted", 12, 16)


def test_it_learns_and_says_what_it_uses(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        stage = taudl_stage(bench(replace(CONFIG, learning_rate=1e-2, hold=0.9, association=0.1)))
    assert f"TAUDL uses {TAUDL_USES}: 12 tracklets of 3 cameras" in caplog.text
    assert stage.facts["uses"] == TAUDL_USES
    assert stage.facts["tracklets"] == [4, 4, 4]
    terms = [stage.learn(stage.draw(number), number) for number in range(12)]
    assert terms[-1]["discrimination"] < 0.7 * terms[0]["discrimination"]
    heads = stage.networks["heads"]
    assert [tuple(value.shape) for value in heads.state_dict().values()][::2] == [(4, 16)] * 3


def test_classifiers_start_near_zero() -> None:
    first = weights(taudl_stage(bench()))["heads.0.weight"]
    assert 0 < first.abs().max() < 0.006
    assert torch.equal(weights(taudl_stage(bench()))["heads.0.weight"], first)


def test_what_cannot_be_done_is_said() -> None:
    good = bench()
    unknown = replace(good, images=replace(good.images, classes=(-1, 2, 3)))
    with pytest.raises(ValueError, match=r"needs the camera of every image.*--then cluster"):
        taudl_stage(unknown)
    with pytest.raises(ValueError, match="labelled people in two are needed, got 0"):
        taudl_stage(replace(good, pids=torch.full((48,), -1)))
    one = replace(good.images, labels=torch.zeros(48, dtype=torch.int64), classes=(1,))
    with pytest.raises(ValueError, match="in two are needed, got 1"):
        taudl_stage(replace(good, images=one))
    with pytest.raises(
        ValueError, match=r"holds no tracklet of 4 images for each of 3 cameras.*batch 12 or more"
    ):
        taudl_stage(bench(replace(CONFIG, batch=11)))
