"""The evaluation protocol: by the definition, and ranking, `data check` and ranked lists agree on it."""

from pathlib import Path

import numpy as np
import pytest

from genreid.data import Sample
from genreid.data.check import lost_queries
from genreid.data.protocol import Reason, is_junk, is_own_camera, is_person, why_lost
from genreid.evaluation.ranked_lists import ranked_lists
from genreid.evaluation.ranking import rank
from genreid.features.feature_set import FeatureSet
from tests.unit.evaluation.test_ranked_lists import features

CHECK_WORDS: dict[Reason, str] = {
    "not_a_person": "gives no person",
    "not_in_gallery": "at all",
    "own_camera_only": "of the query's own camera",
}


def test_labels_by_definition() -> None:
    assert is_junk([-1, 0, 1]).tolist() == [True, False, False]
    assert is_person([-1, 0, 1]).tolist() == [False, False, True]
    assert is_own_camera([-1, 1, 1, 1], [-1, 1, 2, -1]).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("pid", "own", "correct", "reason"),
    [
        (-1, 3, 2, "not_a_person"),
        (0, 3, 2, "not_a_person"),
        (7, 0, 0, "not_in_gallery"),
        (7, 3, 0, "own_camera_only"),
        (7, 3, 1, None),
    ],
)
def test_why_a_query_is_lost(pid: int, own: int, correct: int, reason: Reason | None) -> None:
    assert why_lost(pid, own, correct) == reason


def samples(images: FeatureSet) -> list[Sample]:
    return [
        Sample(Path(str(row)), int(pid), int(camid))
        for row, (pid, camid) in enumerate(zip(images.pid, images.camid, strict=True))
    ]


@pytest.mark.parametrize("seed", range(6))
def test_all_three_readers_of_the_protocol_agree(seed: int) -> None:
    query, gallery = features(seed, 300, people=20), features(100 + seed, 20)
    ranking = rank(query, gallery)
    assert {"not_a_person", "not_in_gallery"} <= set(ranking.reasons_without_match)
    ranked = [sample for sample in samples(gallery) if not is_junk(sample.pid)]
    lost = {int(item.path.name): item.reason for item in lost_queries(samples(query), ranked)}
    assert sorted(lost) == list(ranking.queries_without_match)
    for row, reason in zip(ranking.queries_without_match, ranking.reasons_without_match, strict=True):
        assert CHECK_WORDS[reason] in lost[row]
    for item in ranked_lists(ranking, query, gallery):
        for image in item.images:
            own = image.pid == item.pid
            removed = is_junk(image.pid) | (own & is_own_camera(item.camid, image.camid))
            assert image.verdict == ("junk" if removed else "right" if own else "wrong")
    valid = np.delete(np.arange(len(query)), ranking.queries_without_match)
    assert {item.row for item in ranked_lists(ranking, query, gallery)} <= set(valid.tolist())
