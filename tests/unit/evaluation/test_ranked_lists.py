"""Ranked lists against the slow definition, and against the ranking itself."""

import numpy as np
import pytest

from genreid.evaluation.ranked_lists import JUNK_SHOWN, QUERIES, RANKS, ranked_lists, spread
from genreid.evaluation.ranking import rank
from genreid.features.feature_set import FeatureSet


def features(seed: int, count: int, *, people: int = 6, cameras: int = 3) -> FeatureSet:
    random = np.random.default_rng(seed)
    embedding = random.integers(-2, 3, (count, 4)).astype(np.float32)  # many equal distances
    pids = random.integers(-1, people, count)
    return FeatureSet(
        embedding, pids, random.integers(-1, cameras, count), tuple(f"{n}.jpg" for n in range(count))
    )


def listed(query: FeatureSet, gallery: FeatureSet, row: int) -> list[tuple[int, str, int | None]]:
    """The first images of a list, by the protocol's words: gallery row, verdict, rank."""
    distances = [
        float(np.linalg.norm(query.embedding[row].astype(float) - other)) for other in gallery.embedding
    ]
    answer: list[tuple[int, str, int | None]] = []
    place = junk = 0
    for image in sorted(range(len(gallery)), key=lambda item: (distances[item], item)):
        if place == RANKS:
            break
        same = gallery.pid[image] == query.pid[row]
        own_camera = gallery.camid[image] == query.camid[row] != -1
        if gallery.pid[image] == -1 or (same and own_camera):
            junk += 1
            if junk <= JUNK_SHOWN:
                answer.append((image, "junk", None))
        else:
            place += 1
            answer.append((image, "right" if same else "wrong", place))
    return answer


@pytest.mark.parametrize("seed", range(6))
def test_lists_are_those_of_the_definition(seed: int) -> None:
    query, gallery = features(seed, 12), features(100 + seed, 40 if seed else 7)
    ranking = rank(query, gallery)
    lists = ranked_lists(ranking, query, gallery)
    valid = [row for row in range(len(query)) if row not in ranking.queries_without_match]
    assert len(lists) == min(QUERIES, len(valid))
    for item in lists:
        assert item.row in valid
        assert item.path == f"{item.row}.jpg"
        got = [(int(str(image.path)[:-4]), image.verdict, image.rank) for image in item.images]
        assert got == listed(query, gallery, item.row)
        assert item.average_precision == pytest.approx(ranking.average_precision[item.row], abs=1e-6)
        right = [image.rank for image in item.images if image.verdict == "right"]
        assert item.first_right == ranking.scores.first_match[item.row] + 1
        assert (item.first_right in right) == (item.first_right <= RANKS)
        for image in item.images:
            row = int(str(image.path)[:-4])
            true = np.linalg.norm(query.embedding[item.row].astype(float) - gallery.embedding[row])
            assert image.distance == pytest.approx(true, abs=1e-4)


def test_queries_are_evenly_spaced() -> None:
    assert spread(np.arange(100), 4) == [12, 37, 62, 87]
    assert spread(np.array([3, 5, 9]), 8) == [3, 5, 9]
    assert spread(np.array([], np.int64), 8) == []
    assert len(set(spread(np.arange(9), 8))) == 8


def test_the_queries_of_one_set_of_images_are_always_the_same() -> None:
    query, gallery = features(1, 60), features(2, 40)
    other = FeatureSet(query.embedding[:, ::-1].copy(), query.pid, query.camid)
    rows = [
        [item.row for item in ranked_lists(rank(each, gallery), each, gallery)] for each in (query, other)
    ]
    assert rows[0] == rows[1]


def test_features_without_paths_are_listed_without() -> None:
    query, gallery = features(1, 10), features(2, 40)
    bare = [FeatureSet(each.embedding, each.pid, each.camid) for each in (query, gallery)]
    lists = ranked_lists(rank(bare[0], bare[1]), bare[0], bare[1])
    assert all(item.path is None and all(image.path is None for image in item.images) for item in lists)
