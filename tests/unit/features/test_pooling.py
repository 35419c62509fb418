"""Average and local max pooling: by hand, and LMP's rows, norm and overlap (spec/cr-gan.md A1-A5)."""

import logging
import math

import pytest
import torch
from torch import Tensor

from genreid.features import pooling
from genreid.features.options import Pooling
from genreid.features.pooling import average_pool, local_max_pool, pool


def stripe_rows(rows: int, parts: int) -> list[range]:
    """Rows of each stripe, from the definition of adaptive pooling."""
    return [range(math.floor(p * rows / parts), math.ceil((p + 1) * rows / parts)) for p in range(parts)]


def lmp_by_hand(feature_map: Tensor, parts: int) -> Tensor:
    """Loop over images, channels and stripes; one norm over everything."""
    images, channels, rows, _ = feature_map.shape
    result = torch.zeros(images, channels * parts)
    for b in range(images):
        vector = [
            max(float(feature_map[b, c, r].max()) for r in stripe)
            for c in range(channels)
            for stripe in stripe_rows(rows, parts)
        ]
        norm = math.sqrt(sum(value * value for value in vector))
        result[b] = torch.tensor([value / norm for value in vector])
    return result


def test_average_by_hand() -> None:
    feature_map = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[4.0, 4.0], [4.0, 4.0]]]])  # means 3 and 4
    assert torch.allclose(average_pool(feature_map), torch.tensor([[0.6, 0.8]]))


@pytest.mark.parametrize(("rows", "parts"), [(7, 7), (4, 4), (8, 4), (7, 2), (8, 7), (5, 3), (3, 1)])
def test_lmp_is_the_maximum_of_each_stripe(rows: int, parts: int) -> None:
    feature_map = torch.randn(3, 5, rows, 4, generator=torch.Generator().manual_seed(rows * 10 + parts))
    assert torch.allclose(local_max_pool(feature_map, parts), lmp_by_hand(feature_map, parts), atol=1e-6)


def test_two_stripes_of_seven_rows_share_the_middle_row() -> None:
    assert stripe_rows(7, 2) == [range(4), range(3, 7)]  # SPGAN's author: rows 0-3 and 3-6
    feature_map = torch.zeros(1, 1, 7, 1)
    feature_map[0, 0, 3] = 5.0
    assert torch.allclose(local_max_pool(feature_map, 2), torch.full((1, 2), 0.5**0.5))


def test_parts_default_to_the_rows() -> None:
    feature_map = torch.rand(2, 2048, 7, 4)
    embedding = pool(feature_map, "lmp")
    assert embedding.shape == (2, 14336)
    assert torch.equal(embedding, local_max_pool(feature_map, 7))


def test_one_norm_over_all_stripes() -> None:
    feature_map = torch.ones(1, 1, 2, 3)
    feature_map[:, :, 1] = 3.0  # per-stripe norms would give 1 and 1
    assert torch.allclose(local_max_pool(feature_map), torch.tensor([[1.0, 3.0]]) / 10**0.5)


@pytest.mark.parametrize("name", ["average", "lmp"])
def test_unit_length_in_float32_from_any_type(name: Pooling) -> None:
    feature_map = torch.rand(3, 6, 4, 2).bfloat16()
    embedding = pool(feature_map, name)
    assert embedding.dtype == torch.float32
    assert torch.allclose(embedding.norm(dim=1), torch.ones(3))
    assert torch.equal(pool(torch.zeros(1, 6, 4, 2), name), torch.zeros(1, 6 if name == "average" else 24))


def test_overlap_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    pooling._say_that_stripes_overlap.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            local_max_pool(torch.rand(1, 1, 7, 2), 3)
            local_max_pool(torch.rand(1, 1, 6, 2), 3)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "3 parts do not divide the 7 rows" in caplog.text


@pytest.mark.parametrize("parts", [0, 8])
def test_impossible_parts_are_refused(parts: int) -> None:
    with pytest.raises(ValueError, match=rf"1 to 7 parts for a feature map of 7 rows, got {parts}"):
        local_max_pool(torch.rand(1, 1, 7, 2), parts)


def test_wrong_shapes_and_types_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[B, C, h, w\], got shape \[2, 3\]"):
        average_pool(torch.rand(2, 3))
    with pytest.raises(ValueError, match=r"float type, got torch\.uint8"):
        average_pool(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
