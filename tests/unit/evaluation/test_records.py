"""Evaluations in a run folder: written, read back, and damaged in every way."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genreid.evaluation.ranking import Ranking, rank
from genreid.evaluation.records import (
    EvaluatedImages,
    evaluation_name,
    images_digest,
    read_record,
    read_records,
    record_evaluation,
)
from genreid.features.feature_set import FeatureSet
from tests.unit.evaluation.test_ranked_lists import features


@pytest.fixture(scope="module")
def query() -> FeatureSet:
    made = features(1, 30)
    return FeatureSet(made.embedding, made.pid, made.camid, made.paths, {"stage": "adapted"})


@pytest.fixture(scope="module")
def gallery() -> FeatureSet:
    return features(2, 60)


@pytest.fixture(scope="module")
def ranking(query: FeatureSet, gallery: FeatureSet) -> Ranking:
    return rank(query, gallery)


@pytest.fixture
def written(tmp_path: Path, ranking: Ranking, query: FeatureSet, gallery: FeatureSet) -> Path:
    data = EvaluatedImages(folder="data/B", options={"holdout": "10"})
    return record_evaluation(tmp_path, "B-adapted", ranking, query, gallery, data)


def test_a_record_is_what_the_ranking_said(
    tmp_path: Path, written: Path, ranking: Ranking, query: FeatureSet, gallery: FeatureSet
) -> None:
    assert written == tmp_path / "evaluations" / "B-adapted.json"
    assert list(written.parent.iterdir()) == [written]
    record = read_record(written)
    assert record.figures == pytest.approx(ranking.to_json(), abs=1e-6)
    assert record.cmc == pytest.approx(ranking.cmc.tolist(), abs=1e-6)
    assert record.features == {"stage": "adapted"}
    assert record.images == images_digest(query, gallery)
    assert record.made_by["genreid"]
    assert record.data.words == "data/B (holdout 10)"
    assert record.lists[0].path == str(Path.cwd() / f"{record.lists[0].row}.jpg")
    assert read_records(tmp_path).records == (record,)


def test_writing_again_replaces(
    tmp_path: Path, written: Path, ranking: Ranking, query: FeatureSet, gallery: FeatureSet
) -> None:
    before = written.read_bytes()
    record_evaluation(tmp_path, "B-adapted", ranking, query, gallery)
    assert written.read_bytes() != before
    assert len(read_records(tmp_path).records) == 1


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".x", "a b", "a\0", "x" * 101, "\N{GREEK SMALL LETTER MU}"]
)
def test_a_name_that_no_file_should_have_is_refused(
    tmp_path: Path, ranking: Ranking, query: FeatureSet, gallery: FeatureSet, name: str
) -> None:
    with pytest.raises(ValueError, match="name of an evaluation"):
        record_evaluation(tmp_path, name, ranking, query, gallery)
    assert not any(tmp_path.iterdir())


def test_the_digest_knows_the_images_and_not_the_folder_or_the_network(query: FeatureSet) -> None:
    moved = FeatureSet(
        -query.embedding, query.pid, query.camid, tuple(f"/else/{path}" for path in query.paths or ())
    )
    assert images_digest(query, query) == images_digest(moved, moved)
    changed = [
        query.select(slice(1, None)),
        FeatureSet(query.embedding, query.pid + 1, query.camid, query.paths),
        FeatureSet(query.embedding, query.pid, query.camid + 1, query.paths),
        FeatureSet(query.embedding, query.pid, query.camid, tuple(f"x{path}" for path in query.paths or ())),
    ]
    digests = {images_digest(query, query), *(images_digest(query, other) for other in changed)}
    digests |= {images_digest(other, query) for other in changed}
    assert len(digests) == 9


@pytest.mark.parametrize(
    ("features_of", "options", "name"),
    [
        ({"stage": "adapted", "pooling": "average", "bn_statistics": "stored"}, {}, "B-adapted"),
        ({"stage": "adapted", "pooling": "lmp", "parts": "7"}, {}, "B-adapted-lmp7"),
        ({"stage": "pretrained", "bn_statistics": "data/C d"}, {}, "B-pretrained-bn-C_d"),
        ({"stage": "dgnet", "fine_weight": "0.5"}, {"holdout": "9"}, "B-holdout9-dgnet"),
        ({"stage": "dgnet", "fine_weight": "1"}, {}, "B-dgnet-fine-weight-1"),
        ({"stage": "dgnet", "half": "fine"}, {}, "B-dgnet-fine"),
        ({}, {}, "B"),
    ],
)
def test_names_tell_rows_apart(features_of: dict[str, str], options: dict[str, str], name: str) -> None:
    assert evaluation_name(EvaluatedImages(folder="data/B", options=options), features_of) == name


def test_a_name_can_always_be_made() -> None:
    assert evaluation_name(EvaluatedImages(folder=".."), {}) == "evaluation"


DAMAGE: dict[str, Any] = {
    "figures": {"rank1": "NaN"},
    "cmc": [],
    "lists": [{"row": 1}],
    "name": 7,
    "features": {"stage": 3},
    "data": {"folder": ["x"], "options": {}},
}


@pytest.mark.parametrize("key", DAMAGE)
def test_a_damaged_record_is_named_and_left_out(tmp_path: Path, written: Path, key: str) -> None:
    content = json.loads(written.read_text())
    good = written.with_name("good.json")
    good.write_text(json.dumps(content))
    written.write_text(json.dumps({**content, key: DAMAGE[key]}))
    found = read_records(tmp_path)
    assert [record.name for record in found.records] == ["B-adapted"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("evaluations/B-adapted.json is left out: ")
    assert key in found.problems[0]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"unknown": 1}'])
def test_what_is_no_record_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "evaluations").mkdir()
    (tmp_path / "evaluations" / "x.json").write_bytes(content)
    assert len(read_records(tmp_path).problems) == 1


@pytest.mark.parametrize("cmc", [[1.5], [-0.1], ["x"], [1e400]])
def test_shares_stay_between_0_and_1(written: Path, cmc: list[object]) -> None:
    content = json.loads(written.read_text())
    written.write_text(json.dumps({**content, "cmc": cmc}))
    with pytest.raises(ValueError, match="cmc"):
        read_record(written)


def test_a_folder_and_a_pipe_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "evaluations" / "x.json").mkdir(parents=True)
    os.mkfifo(tmp_path / "evaluations" / "y.json")
    assert len(read_records(tmp_path).problems) == 2


def test_a_run_without_evaluations_has_none(tmp_path: Path) -> None:
    assert read_records(tmp_path) == ((), ())


def test_paths_of_any_bytes_are_kept(
    tmp_path: Path, ranking: Ranking, query: FeatureSet, gallery: FeatureSet
) -> None:
    odd = os.fsdecode(b"/x/\xff\xe9\n.jpg")
    strange = FeatureSet(query.embedding, query.pid, query.camid, (odd,) * len(query))
    path = record_evaluation(tmp_path, "odd", ranking, strange, gallery)
    assert read_record(path).lists[0].path == odd
    assert np.isclose(read_record(path).figures["mAP"], ranking.mAP, atol=1e-6)
