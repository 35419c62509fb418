"""SSIM, DG-Net's dissimilarity, pairs for LPIPS, and the context, against loops and torchmetrics."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from genreid.data.bank import ImageBank
from genreid.quality.context import context_distance
from genreid.quality.dssim_lab import dssim_lab, lab, mean_dssim_lab, same_person_pairs
from genreid.quality.images import Images, UnmeasurableError
from genreid.quality.lpips import diversity_pairs
from genreid.quality.ssim import structural_similarity
from tests.oracles import quality_oracle as oracle


def noisy(seed: int, *size: int) -> Tensor:
    """Grey levels: a coarse pattern and some noise."""
    random = np.random.default_rng(seed)
    count, channels, height, width = size
    coarse = random.integers(0, 200, (count, channels, -(-height // 4), -(-width // 4)))
    whole = coarse.repeat(4, axis=2).repeat(4, axis=3)[:, :, :height, :width]
    return torch.from_numpy((whole + random.integers(0, 56, whole.shape)).astype(np.float32))


def images_of(pixels: Tensor) -> Images:
    """Images in memory."""
    bank = ImageBank(tuple(Path(f"{n}.jpg") for n in range(len(pixels))), pixels.byte().numpy(), {})
    return Images(bank, torch.arange(len(pixels)), "digest")


def test_ssim_is_that_of_torchmetrics_and_of_its_definition() -> None:
    first, second = noisy(0, 2, 3, 17, 13), noisy(1, 2, 3, 17, 13)
    second[1] = 0.7 * first[1] + 0.3 * second[1]
    found = structural_similarity(first, second)
    _, maps = structural_similarity_index_measure(
        first, second, data_range=255.0, reduction="none", return_full_image=True
    )
    theirs = maps[:, :, 5:-5, 5:-5].mean((1, 2, 3))  # without windows that reach over the picture's edge
    assert torch.allclose(found, theirs, rtol=1e-3, atol=1e-4)
    for number in range(2):
        expected = oracle.ssim(first[number].double().numpy(), second[number].double().numpy())
        assert float(structural_similarity(first.double(), second.double())[number]) == pytest.approx(
            expected
        )
    assert torch.allclose(structural_similarity(first, first), torch.ones(2))


def test_the_dissimilarity_is_that_of_its_definition() -> None:
    first, second = noisy(2, 2, 3, 9, 11) / 255, noisy(3, 2, 3, 9, 11) / 255
    first[0, :, 0, 0] = torch.tensor([0.03, 0.002, 0.0])  # the straight parts of both curves
    found = dssim_lab(first.double(), second.double())
    for number in range(2):
        expected = oracle.dssim_lab(first[number].double().numpy(), second[number].double().numpy())
        assert float(found[number]) == pytest.approx(expected, rel=1e-6)
    single = dssim_lab(first, second)
    assert torch.allclose(single.double(), found, rtol=1e-3)
    assert torch.allclose(dssim_lab(first, first), torch.zeros(2), atol=1e-6)


def test_known_colours_in_lab() -> None:
    colours = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0]]).view(1, 3, 3, 1).transpose(1, 2)
    found = lab(colours)[0, :, :, 0].T
    expected = torch.tensor([[100.0, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]])
    assert torch.allclose(found, expected, atol=0.05)


def test_pairs_are_of_one_person_and_fifty_for_each() -> None:
    pids = [5, 9, 5, 7, 9, 9]
    pairs = same_person_pairs(pids).tolist()
    assert all(a != b and pids[a] == pids[b] for a, b in pairs)
    assert Counter(pids[a] for a, _ in pairs) == {5: 50, 9: 50}
    assert len({frozenset(pair) for pair in pairs}) == 4
    with pytest.raises(UnmeasurableError, match="no person has two generated images"):
        same_person_pairs([1, 2, 3])


def test_the_mean_dissimilarity_is_that_of_all_pairs() -> None:
    pixels = noisy(4, 4, 3, 8, 8)
    pids = [1, 1, 2, 2]
    one, two = (float(dssim_lab(pixels[a][None] / 255, pixels[a + 1][None] / 255)) for a in (0, 2))
    assert mean_dssim_lab(images_of(pixels), pids) == pytest.approx((one + two) / 2, rel=1e-5)


def test_diversity_is_between_neighbours_in_the_row_of_one_image() -> None:
    assert diversity_pairs([4, 7, 4, 9, 7, 4]).tolist() == [[0, 2], [1, 4], [2, 5]]
    with pytest.raises(UnmeasurableError, match="one picture alone; make several with"):
        diversity_pairs([1, 2, 3])


def test_the_context_is_looked_at_outside_of_people() -> None:
    generated, contexts = noisy(5, 3, 3, 6, 4), noisy(6, 3, 3, 6, 4)
    random = np.random.default_rng(0)
    masks = [torch.from_numpy((random.random((3, 1, 6, 4)) < 0.4).astype(np.float32)) for _ in range(2)]
    masks[0][2] = 1  # nothing but the person
    found = context_distance(images_of(generated), images_of(contexts), [images_of(mask) for mask in masks])
    arrays = [mask[:, 0].double().numpy() for mask in masks]
    expected = oracle.context_distance(generated.double().numpy(), contexts.double().numpy(), arrays)
    assert found == pytest.approx(expected, rel=1e-5)
    everywhere = [images_of(torch.ones(3, 1, 6, 4))]
    with pytest.raises(UnmeasurableError, match="leave no background"):
        context_distance(images_of(generated), images_of(contexts), everywhere)


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(
        UnmeasurableError, match="6 x 4 pixels are too small for AlexNet, which needs 31 x 31"
    ):
        images_of(noisy(0, 1, 3, 6, 4)).at_least(31, "AlexNet")
