"""Frechet distance and KID against torchmetrics, scipy, loops, and closed forms."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from genreid.quality.frechet import frechet_distance
from genreid.quality.images import UnmeasurableError
from genreid.quality.kernel_distance import kernel_distance, squared_discrepancy
from tests.oracles import quality_oracle as oracle


def features(seed: int, count: int, width: int, shift: float = 0.0) -> NDArray[np.float32]:
    """Features with correlations, none of them negative, as behind a ReLU."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(count, width)) @ random.normal(size=(width, width)) + shift
    return np.maximum(mixed, 0).astype(np.float32)


def test_the_frechet_distance_is_that_of_torchmetrics_and_of_scipy() -> None:
    first, second = features(0, 90, 12), features(1, 70, 12, 0.7)
    found = frechet_distance(first, second)
    a, b = first.astype(np.float64), second.astype(np.float64)
    assert found == pytest.approx(oracle.frechet(a, b), rel=1e-8)
    moments = [
        torch.from_numpy(value)
        for side in (a, b)
        for value in (side.mean(0), np.atleast_2d(np.cov(side, rowvar=False)))
    ]
    assert found == pytest.approx(float(_compute_fid(*moments)), rel=1e-6)


def test_equal_sets_are_at_no_distance_and_a_shift_is_its_square() -> None:
    first = features(2, 50, 6)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(first, first + np.float32(0.5)) == pytest.approx(6 * 0.25, rel=1e-5)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    first, second = features(3, 40, 5), features(4, 40, 5)
    first[:, 2], second[:, 2] = 0, 0
    expected = oracle.frechet(np.delete(first, 2, 1).astype(float), np.delete(second, 2, 1).astype(float))
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


def test_a_covariance_without_full_rank_is_refused() -> None:
    with pytest.raises(
        UnmeasurableError, match=r"12 features needs more than 12 images .* 12 generated and 70"
    ):
        frechet_distance(features(0, 12, 12), features(1, 70, 12))


def test_the_kernel_distance_is_that_of_torchmetrics_and_of_its_definition() -> None:
    first, second = features(5, 15, 7), features(6, 15, 7, 0.3)
    found = squared_discrepancy(first, second)
    assert found == pytest.approx(
        oracle.squared_discrepancy(first.astype(float), second.astype(float)), rel=1e-9
    )
    doubles = torch.from_numpy(first).double(), torch.from_numpy(second).double()
    assert found == pytest.approx(float(poly_mmd(*doubles)), rel=1e-9)
    # a subset of all images is the set itself, in another order
    assert kernel_distance(first, second, 3, 15) == pytest.approx(found, rel=1e-9)


def test_kernel_distances_are_means_over_subsets_that_stay_the_same() -> None:
    first, second = features(7, 200, 4), features(8, 160, 4)
    found = kernel_distance(first, second, 40, 80)
    assert found == kernel_distance(first, second, 40, 80)
    whole = squared_discrepancy(first[:160], second)
    assert found == pytest.approx(whole, rel=0.5)
    assert found != kernel_distance(first, second, 41, 80)
    assert abs(kernel_distance(first[:100], first[100:], 40, 100)) < 0.2 * found + 1


def test_a_hundred_subsets_of_a_thousand_images(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, int]] = []

    def look(first: np.ndarray, second: np.ndarray) -> float:
        drawn.append((len(first), len(second)))
        return 0.0

    monkeypatch.setattr("genreid.quality.kernel_distance.squared_discrepancy", look)
    kernel_distance(features(1, 1010, 2), features(2, 1020, 2))
    assert drawn == [(1000, 1000)] * 100


def test_too_few_images_for_a_subset_are_refused() -> None:
    with pytest.raises(UnmeasurableError, match="subsets of 1,000 images need as many on both sides, got 20"):
        kernel_distance(features(0, 20, 3), features(1, 1500, 3))
