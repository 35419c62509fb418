"""What is said of images, against plain loops on drawn embeddings."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.features.feature_set import FeatureSet
from genreid.search.inspection import QUANTILES, Inspection, inspect
from genreid.search.inspection_page import MARK, write_page
from tests.unit.search.test_rates import people

THRESHOLD = 0.75


@pytest.fixture(scope="module")
def features() -> FeatureSet:
    """Thirty people, one of them like another, one near-duplicate, some unlabelled."""
    drawn = people(4, 30, 4)
    embedding = np.array(drawn.embedding)
    embedding[8:12] = embedding[4:8]
    pid = drawn.pid.copy()
    pid[-8:-4], pid[-4:] = -1, 0
    return FeatureSet(embedding, pid, drawn.camid, tuple(f"{row}.png" for row in range(len(pid))))


@pytest.fixture(scope="module")
def found(features: FeatureSet) -> Inspection:
    """What is said of them."""
    return inspect(features, THRESHOLD)


def test_pairs_are_counted_by_kind(features: FeatureSet, found: Inspection) -> None:
    alike = features.embedding @ features.embedding.T
    kinds: dict[str, list[float]] = {}
    for a, b in itertools.combinations(range(len(features)), 2):
        where = "same_camera" if features.camid[a] == features.camid[b] else "other_camera"
        kinds.setdefault(where, []).append(alike[a, b])
        if min(features.pid[a], features.pid[b]) > 0:
            who = "same_person" if features.pid[a] == features.pid[b] else "strangers"
            kinds.setdefault(f"{who}_{where}", []).append(alike[a, b])
    assert found.spreads.keys() == kinds.keys()
    merged = pairs = 0
    for name, values in kinds.items():
        spread, ordered = found.spreads[name], np.sort(values)
        assert spread.pairs == len(values)
        assert spread.at_threshold == sum(value >= THRESHOLD for value in values)
        for share, quantile in zip(QUANTILES, spread.quantiles, strict=True):
            place = max(0, int(np.ceil(share * len(values))) - 1)
            assert quantile == pytest.approx(ordered[place], abs=2 / 8192)
        if name.startswith("strangers"):
            merged, pairs = merged + spread.at_threshold, pairs + spread.pairs
    assert found.false_merges == pytest.approx(merged / pairs)
    assert (found.images, found.people) == (120, 28)


def test_cameras_by_mean_likeness(features: FeatureSet, found: Inspection) -> None:
    alike = features.embedding @ features.embedding.T
    assert {(pair.first, pair.second) for pair in found.cameras} == {("1", "2"), ("1", "3"), ("2", "3")}
    for pair in found.cameras:
        one, other = (features.camid == int(name) for name in (pair.first, pair.second))
        assert pair.likeness == pytest.approx(alike[np.ix_(one, other)].mean(), abs=1e-4)
    assert [pair.likeness for pair in found.cameras] == sorted(
        (pair.likeness for pair in found.cameras), reverse=True
    )


def test_examples_are_the_extreme_ones(features: FeatureSet, found: Inspection) -> None:
    alike = features.embedding @ features.embedding.T
    other = np.where(features.camid[:, None] != features.camid, alike, -np.inf)
    best = other.max(axis=1)
    assert found.nothing_near == np.count_nonzero(best < THRESHOLD)
    worst = found.matches_nothing[0]
    assert worst.first == f"{best.argmin()}.png"
    assert worst.second == f"{other[best.argmin()].argmax()}.png"
    assert worst.likeness == pytest.approx(best.min(), abs=1e-4)
    assert found.near_duplicates == 4
    assert {(pair.first, pair.second) for pair in found.duplicates} == {
        (f"{row}.png", f"{row + 4}.png") for row in range(4, 8)
    }
    assert (found.merged_people[0].first, found.merged_people[0].second) == ("2", "3")


def test_near_duplicates_begin_at_0_999() -> None:
    angles = np.cumsum([0, *(np.arccos(likeness) for likeness in (0.9991, 0.9985))])
    embedding = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    apart = FeatureSet(embedding, np.arange(1, 4), np.ones(3, np.int64), ("a.png", "b.png", "c.png"))
    assert [(pair.first, pair.second) for pair in inspect(apart, None).duplicates] == [("a.png", "b.png")]


def test_people_that_look_like_two(features: FeatureSet, found: Inspection) -> None:
    """Two groups that nothing joins at the threshold, and how near they are."""
    alike = features.embedding @ features.embedding.T
    apart = {}
    for pid in range(1, 29):
        rows = np.flatnonzero(features.pid == pid).tolist()
        group = {rows[0]}
        for _ in rows:
            group |= {row for row in rows if max(alike[row, one] for one in group) >= THRESHOLD}
        if len(group) < len(rows):
            apart[pid] = group
    assert 0 < found.split == len(apart)
    for pair in found.split_people:
        first, second = int(pair.first[:-4]), int(pair.second[:-4])
        assert features.pid[first] == features.pid[second]
        assert pair.likeness < THRESHOLD


def test_without_labels_cameras_and_threshold(features: FeatureSet) -> None:
    nobody = np.full(len(features), -1)
    found = inspect(FeatureSet(features.embedding, nobody, nobody))
    assert found.people == 0
    assert found.spreads.keys() == {"other_camera"}
    assert found.cameras == found.split_people == found.merged_people == ()
    assert found.false_merges is found.nothing_near is None
    with pytest.raises(ValueError, match="2 or more"):
        inspect(features.select(slice(0, 1)))


def test_the_page_shows_it_and_replaces_no_other_file(found: Inspection, tmp_path: Path) -> None:
    Image.new("RGB", (8, 16), "red").save(tmp_path / "a.png")
    path = tmp_path / "page.html"
    write_page(path, found, "run <on> data")
    page = path.read_text()
    assert page.startswith(MARK)
    for text in (
        "run &lt;on&gt; data",
        "28 labelled people",
        "4 pairs at 0.999",
        "People that look like two",
    ):
        assert text in page
    write_page(path, found, "again")
    path.write_text("mine")
    with pytest.raises(ValueError, match="is no page of `genreid inspect`"):
        write_page(path, found, "again")
    write_page(path, found, "again", force=True)
