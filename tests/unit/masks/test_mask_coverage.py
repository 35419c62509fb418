import json

import numpy as np
import pytest
from numpy.typing import NDArray

from genreid.masks.coverage import (
    ImageCoverage,
    connected_parts,
    estimate_people,
    measure_coverage,
    summarise_coverage,
)


def mask_of(*boxes: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A 128 x 64 mask of boxes (top, bottom, left, right)."""
    mask = np.zeros((128, 64), np.uint8)
    for top, bottom, left, right in boxes:
        mask[top:bottom, left:right] = 1
    return mask


def flooded_parts(mask: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
    """Area, first row and row after the last of every part, by visiting pixel after pixel."""
    todo = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    parts = []
    while todo:
        border, part = [todo.pop()], []
        while border:
            y, x = border.pop()
            part.append(y)
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & todo
            todo -= near
            border += near
        parts.append((len(part), min(part), max(part) + 1))
    return sorted(parts)


@pytest.mark.parametrize("seed", range(40))
def test_connected_parts_equal_those_of_a_flood_fill(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 24, 2)
    mask = (random.random((height, width)) < random.uniform(0.1, 0.9)).astype(np.uint8)
    found = sorted((part.area, part.top, part.bottom) for part in connected_parts(mask))
    assert found == flooded_parts(mask)


def test_people_are_parts_as_large_as_a_person() -> None:
    one, beside = (10, 120, 5, 25), (10, 120, 35, 60)
    assert estimate_people(mask_of(one)) == 1
    assert estimate_people(mask_of(one, beside)) == 2
    assert estimate_people(mask_of(one, (100, 110, 5, 60), beside)) == 1, "people who touch count once"
    assert estimate_people(mask_of((10, 80, 5, 40), (85, 120, 5, 40))) == 1, "legs below a rail are no person"
    assert estimate_people(mask_of(one, (10, 120, 60, 62))) == 1, "a thin line is no person"
    assert estimate_people(mask_of()) == 0


def test_the_estimate_does_not_depend_on_the_size_of_the_image() -> None:
    mask = mask_of((10, 120, 5, 25), (10, 120, 35, 60))
    assert estimate_people(mask.repeat(8, axis=0).repeat(8, axis=1)) == 2


def test_the_parser_is_believed_where_it_knows() -> None:
    assert measure_coverage("a.jpg", mask_of((0, 128, 0, 32)), people=3, presence=0.5) == ImageCoverage(
        "a.jpg", 0.5, 3, 0.5
    )


def test_the_report_counts_and_names_the_worst() -> None:
    masks = [ImageCoverage(f"{k}.jpg", 0.3 + k / 100, 1, 0.9) for k in range(10)]
    masks += [
        ImageCoverage("empty.jpg", 0.0, 0, 0.01),
        ImageCoverage("full.jpg", 1.0, 1, 0.5),
        ImageCoverage("two.jpg", 0.5, 2),
    ]
    report = summarise_coverage(masks)
    assert (report.images, report.empty, report.full, report.several, report.unsure) == (13, 1, 1, 1, 1)
    assert report.mean_share == pytest.approx(np.mean([mask.share for mask in masks]), abs=1e-4)
    assert [mask.name for mask in report.smallest] == ["empty.jpg", "0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert [mask.name for mask in report.largest[:2]] == ["full.jpg", "two.jpg"]
    assert [mask.name for mask in report.crowded] == ["two.jpg"]
    assert [mask.name for mask in report.least_sure] == ["empty.jpg"]
    assert json.loads(json.dumps(report.to_json()))["smallest"][0]["name"] == "empty.jpg"


def test_a_report_on_nothing_has_no_mean() -> None:
    report = summarise_coverage([])
    assert (report.images, report.mean_share, report.unsure) == (0, None, None)
