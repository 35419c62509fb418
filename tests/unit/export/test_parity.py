"""Parity: what is measured, and what does not pass."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genreid.export.parity import batches_up_to, compare_embeddings, compare_pictures, draw_files
from tests.oracles.export_oracle import cosine, nearest_other, psnr

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 2), np.uint8)


def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Centred pixels, of any length."""
    return images.reshape(len(images), -1).astype(np.float32) - 128


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.sqrt((rows**2).sum(1, keepdims=True))
    return rows / lengths


def test_the_smallest_cosine_and_the_nearest_files() -> None:
    expected = unit(embed(PIXELS))
    noise = np.random.default_rng(1).normal(0, 40, expected.shape)
    known = {pixels.tobytes(): row for row, pixels in enumerate(PIXELS)}

    def noisy(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = [known[image.tobytes()] for image in images]
        return (embed(images) + noise[rows]).astype(np.float32)

    parity = compare_embeddings(PIXELS, expected, noisy, 4)
    found = noisy(PIXELS)
    assert parity.cosine_min == pytest.approx(min(map(cosine, found, expected)), abs=1e-6)
    same = [a == b for a, b in zip(nearest_other(found), nearest_other(expected), strict=True)]
    assert parity.rank1_agreement == pytest.approx(np.mean(same))
    assert 0 < np.mean(same) < 1
    assert parity.to_json() == {
        "cosine_min": parity.cosine_min,
        "rank1_agreement": parity.rank1_agreement,
        "files": 10,
        "batches": [1, 2, 4],
    }


def test_every_batch_counts() -> None:
    """One that is wrong in batches of seven alone, as a graph with a fixed batch would be."""
    expected = unit(embed(PIXELS))
    parity = compare_embeddings(
        PIXELS, expected, lambda some: embed(some[::-1] if len(some) == 7 else some), 8
    )
    assert parity.cosine_min < 0.9
    assert compare_embeddings(PIXELS, expected, embed, 8).cosine_min == pytest.approx(1)


def test_what_is_no_number_is_far_away() -> None:
    parity = compare_embeddings(PIXELS, unit(embed(PIXELS)), lambda some: embed(some) * np.float32(np.nan), 2)
    assert parity.cosine_min == -1
    picture = (PIXELS / 255).astype(np.float32)
    none = compare_pictures(
        (picture,), lambda given: given, lambda given: (given[0] * np.float32(np.nan),), 2
    )
    assert none.psnr_min == -np.inf


def test_pictures_are_compared_one_by_one() -> None:
    images = (PIXELS / 255).astype(np.float32)
    other = images.copy()
    other[3] += np.float32(0.01)
    rows = {image.tobytes(): row for row, image in enumerate(images)}

    def changed(given: tuple[NDArray[np.float32], ...]) -> tuple[NDArray[np.float32], ...]:
        return (other[[rows[image.tobytes()] for image in given[0]]],)

    parity = compare_pictures((images,), lambda given: given, changed, 7)
    assert parity.psnr_min == pytest.approx(psnr(other[3], images[3]), abs=1e-3)
    assert parity.psnr_min == pytest.approx(40, abs=1e-2)
    assert compare_pictures((images,), lambda given: given, lambda given: given, 7).psnr_min == 200


def test_batches() -> None:
    assert batches_up_to(32) == (1, 2, 7, 32)
    assert batches_up_to(7) == (1, 2, 7)
    assert batches_up_to(1) == (1,)


def test_files_are_of_several_sizes_and_kinds(tmp_path: Path) -> None:
    files = draw_files(tmp_path)
    assert {file.path.suffix for file in files} == {".jpg", ".png"}
    assert len({file.mask.shape for file in files}) == 4
    assert all(0 < file.mask.mean() < 1 for file in files)
