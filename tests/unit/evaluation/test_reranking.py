"""Re-ranked distances and figures equal the dense oracle's; junk takes no part; what is refused."""

import numpy as np
import pytest
from numpy.typing import NDArray

from genreid.evaluation import reranking
from genreid.evaluation.ranking import rank, rank_from_distances
from genreid.evaluation.reranking import RerankingConfig, rerank, reranked_distances
from genreid.features.feature_set import FeatureSet
from tests.oracles.rerank_oracle import reranked


def drawn(queries: int, gallery: int, persons: int = 12, seed: int = 0) -> tuple[FeatureSet, FeatureSet]:
    """Draw people of four cameras, some distractors among the gallery."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((persons + 1, 24))

    def images(number: int, least: int) -> FeatureSet:
        pid, camid = rng.integers(least, persons + 1, number), rng.integers(1, 5, number)
        points = centres[pid] + 1.1 * rng.standard_normal((number, 24))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        return FeatureSet(points.astype(np.float32), pid, camid)

    return images(queries, 1), images(gallery, 0)


def distances(query: FeatureSet, gallery: FeatureSet, config: RerankingConfig) -> NDArray[np.float32]:
    return reranked_distances(query.embedding, gallery.embedding, config)(slice(0, len(query)))


@pytest.mark.parametrize(
    ("k1", "k2", "share"), [(20, 6, 0.3), (7, 3, 0.5), (20, 1, 0.0), (9, 6, 1.0), (90, 2, 0.3)]
)
def test_distances_are_the_oracles(k1: int, k2: int, share: float) -> None:
    query, gallery = drawn(20, 65)  # fewer than the longest list
    found = distances(query, gallery, RerankingConfig(k1=k1, k2=k2, original_weight=share))
    expected = reranked(query.embedding, gallery.embedding, k1, k2, share)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize("seed", range(2))
def test_figures_are_the_oracles_and_better(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(reranking, "DISTANCES_AT_ONCE", 4000)  # several chunks
    query, gallery = drawn(50, 250, seed=seed)
    found = rerank(query, gallery)
    expected = rank_from_distances(
        reranked(query.embedding, gallery.embedding), query.pid, gallery.pid, query.camid, gallery.camid
    )
    for name in ("mAP", "mAP_trapezoid", "mINP"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-4)
    np.testing.assert_allclose(found.cmc, expected.cmc, atol=1e-4)
    assert found.mAP > rank(query, gallery).mAP + 0.02


def test_the_share_of_the_original_distance_counts() -> None:
    query, gallery = drawn(20, 120)
    usual = distances(query, gallery, RerankingConfig())
    other = distances(query, gallery, RerankingConfig(original_weight=0.303))
    assert np.abs(usual - other).max() > 1e-3


def test_with_the_original_distance_alone_nothing_changes() -> None:
    query, gallery = drawn(30, 150)
    found = rerank(query, gallery, RerankingConfig(original_weight=1))
    assert found.mAP == pytest.approx(rank(query, gallery).mAP, abs=1e-9)


def test_junk_takes_no_part() -> None:
    query, gallery = drawn(20, 120)
    junk = gallery.pid == 3
    marked = FeatureSet(gallery.embedding, np.where(junk, -1, gallery.pid), gallery.camid)
    keep = query.select(query.pid != 3)
    found, expected = rerank(keep, marked), rerank(keep, gallery.select(~junk))
    assert found.to_json() == expected.to_json()


def test_what_does_not_fit_is_refused() -> None:
    query, gallery = drawn(10, 40)
    with pytest.raises(ValueError, match="k2 must be 1 or more, got 0"):
        RerankingConfig(k2=0)
    with pytest.raises(ValueError, match=r"original_weight \(lambda\) must be from 0 to 1, got 1.5"):
        RerankingConfig(original_weight=1.5)
    narrow = FeatureSet(np.ascontiguousarray(gallery.embedding[:, :5]), gallery.pid, gallery.camid)
    with pytest.raises(ValueError, match="queries have 24 dimensions, the gallery 5"):
        rerank(query, narrow)
    with pytest.raises(ValueError, match="40 images are junk"):
        rerank(query, FeatureSet(gallery.embedding, np.full(40, -1), gallery.camid))
    gallery.embedding[7, 0] = np.inf
    with pytest.raises(ValueError, match=r"gallery: .*row 7"):
        rerank(query, gallery)
