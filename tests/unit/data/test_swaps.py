"""Pairs of images to be swapped: who is drawn, with whom, beside which other image of the same person."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from genreid.data.bank import ImageBank
from genreid.data.batch import BatchPlan, ImageSet
from genreid.data.swaps import RealPairs, SwapSource
from tests.tiny_domains import image_set

CPU = torch.device("cpu")
PLAN = BatchPlan(6, seed=3, stream="dgnet", crop_padding=2, crop_fill="edge")


def plain_set(labels: list[int]) -> ImageSet:
    """Images of one grey level each, which neither a flip nor an edge crop changes: level 7 is image 7."""
    count = len(labels)
    array = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 3, 4, 2))
    bank = ImageBank(tuple(Path(f"{row}.jpg") for row in range(count)), array.copy(), {})
    classes = tuple(range(max(labels) + 1))
    return ImageSet(bank, None, torch.tensor(labels), classes, torch.arange(count), "plain")


def rows_of(images: Tensor) -> list[int]:
    """Which images of a `plain_set` these are."""
    levels = (images + 1) * 127.5
    assert torch.equal(levels.amin((1, 2, 3)).round(), levels.amax((1, 2, 3)).round())
    return [round(value) for value in levels[:, 0, 0, 0].tolist()]


def drawn(source: SwapSource, steps: int, plan: BatchPlan = PLAN) -> list[RealPairs]:
    return [source.pairs(plan, step, CPU) for step in range(steps)]


def same(one: RealPairs, other: RealPairs) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


LABELS = [0, 1, 0, 2, 0, 1, 3, 2, 0]
"""Person 0 has four images, 1 and 2 have two, 3 has one."""


def test_pairs_are_a_pure_function_of_plan_and_step() -> None:
    source = SwapSource(image_set("source", masks=False))
    torch.manual_seed(1)
    first = source.pairs(PLAN, 7, CPU)
    source.pairs(PLAN, 8, CPU)
    torch.manual_seed(2)
    assert same(source.pairs(PLAN, 7, CPU), first)
    assert same(SwapSource(image_set("source", masks=False)).pairs(PLAN, 7, CPU), first)
    for other in (replace(PLAN, seed=4), replace(PLAN, stream="offline")):
        assert not same(source.pairs(other, 7, CPU), first)
    assert not same(source.pairs(PLAN, 8, CPU), first)


def test_shapes_and_ranges() -> None:
    pairs = SwapSource(image_set("source", masks=False)).pairs(PLAN, 0, CPU)
    assert pairs.images.shape == pairs.positives.shape == (12, 3, 32, 16)
    assert pairs.labels.shape == (12,)
    for images in (pairs.images, pairs.positives):
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert -1 <= images.min() < images.max() <= 1


def test_both_sides_walk_through_epochs_of_their_own() -> None:
    """Two independent shuffled readings of the same images (spec dg-net F1)."""
    images = plain_set(LABELS)
    plan = replace(PLAN, size=3)
    batches = [rows_of(pairs.images) for pairs in drawn(SwapSource(images), 6, plan)]
    first, second = ([row for batch in batches for row in batch[part]] for part in (slice(3), slice(3, 6)))
    for side in (first, second):
        assert sorted(side[:9]) == sorted(side[9:]) == list(range(9))
        assert side[:9] != side[9:]
    assert first != second


def test_labels_are_those_of_the_images() -> None:
    for pairs in drawn(SwapSource(plain_set(LABELS)), 10):
        assert pairs.labels.tolist() == [LABELS[row] for row in rows_of(pairs.images)]


@pytest.mark.parametrize("different_people", [False, True])
def test_positives_are_other_images_of_the_same_person_uniformly(different_people: bool) -> None:
    """Never the image itself, unless its person has no other."""
    source = SwapSource(plain_set(LABELS), different_people)
    chosen: Counter[tuple[int, int]] = Counter()
    for pairs in drawn(source, 400, replace(PLAN, size=9)):
        chosen.update(zip(rows_of(pairs.images), rows_of(pairs.positives), strict=True))
    for row, label in enumerate(LABELS):
        others = [other for other, person in enumerate(LABELS) if person == label and other != row] or [row]
        found = {other: chosen[row, other] for other in range(len(LABELS)) if chosen[row, other]}
        assert set(found) == set(others), f"image {row} of person {label}"
        fair = sum(found.values()) / len(others)
        assert all(abs(count - fair) < 6 * fair**0.5 for count in found.values()), found


def test_an_image_and_its_positive_are_augmented_apart() -> None:
    """An image that is its own positive is flipped and shifted once as x and once as x_t."""
    alone = image_set("source", count=6, classes=6, masks=False)
    pairs = SwapSource(alone).pairs(replace(PLAN, size=20), 0, CPU)
    equal = (pairs.images == pairs.positives).flatten(1).all(1)
    assert equal.sum() < 6  # 1 in 50 by chance


def test_any_two_images_are_paired_unless_people_must_differ() -> None:
    """Published: identities are not forced apart; paper: y_i != y_j."""
    images = plain_set(LABELS)
    for different, expected in ((False, True), (True, False)):
        halves = [pairs.labels.chunk(2) for pairs in drawn(SwapSource(images, different), 200)]
        assert any(bool((a == b).any()) for a, b in halves) == expected


def test_people_differ_even_if_nearly_all_images_show_one() -> None:
    """A pair of two images of one person is only left where 64 draws missed all other people."""
    source = SwapSource(plain_set([0] * 4 + [1]), different_people=True)
    for pairs in drawn(source, 50, replace(PLAN, size=2)):
        first, second = pairs.labels.chunk(2)
        assert bool((first != second).all())
    lonely = SwapSource(plain_set([0] * 99 + [1]), different_people=True)
    labels = torch.stack([pairs.labels for pairs in drawn(lonely, 50, replace(PLAN, size=2))])
    found = (labels[:, :2] != labels[:, 2:]).float().mean().item()
    assert 0.3 < found < 0.8, "1 - 0.99^64 = 0.47 find the other person"


def test_drawing_other_people_leaves_the_first_side_as_it_is() -> None:
    images = plain_set(LABELS)
    for free, forced in zip(
        drawn(SwapSource(images), 20), drawn(SwapSource(images, different_people=True), 20), strict=True
    ):
        assert rows_of(free.images)[:6] == rows_of(forced.images)[:6]
        kept = [
            a for a, b in zip(rows_of(free.images)[6:], rows_of(forced.images)[6:], strict=True) if a == b
        ]
        different = free.labels[:6] != free.labels[6:]
        assert len(kept) >= int(different.sum()), "a partner of another person was drawn anew"


def test_one_person_alone_is_paired_with_himself() -> None:
    """Nothing else can be done; the search ends."""
    pairs = SwapSource(plain_set([0, 0, 0]), different_people=True).pairs(replace(PLAN, size=2), 0, CPU)
    assert pairs.labels.tolist() == [0] * 4


def test_unreadable_images_are_never_drawn() -> None:
    """Neither as x, nor as a positive, nor as a partner of another person."""
    usable = [0, 1, 4, 5, 7]
    images = replace(plain_set(LABELS), usable=torch.tensor(usable))
    for different in (False, True):
        seen = set()
        for pairs in drawn(SwapSource(images, different), 60):
            seen |= {*rows_of(pairs.images), *rows_of(pairs.positives)}
        assert seen == set(usable)


def test_classes_without_an_image_do_no_harm() -> None:
    """Person 1 has no readable image."""
    images = replace(plain_set([0, 1, 2, 2, 0]), usable=torch.tensor([0, 2, 3, 4]))
    for pairs in drawn(SwapSource(images), 20):
        for row, other in zip(rows_of(pairs.images), rows_of(pairs.positives), strict=True):
            assert {row, other} in ({0, 4}, {2, 3})
