"""The batch of a step: a pure function of its number, masks that move with their images, classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genreid.data.bank import ImageBank
from genreid.data.batch import BatchPlan, ImageSet, open_image_set
from genreid.data.load import load_dataset
from genreid.data.sample import Sample
from tests.drawn_datasets import draw_market1501
from tests.tiny_domains import image_set

CPU = torch.device("cpu")
PLAN = BatchPlan(6, seed=3, stream="identity/source")


def same(one: object, other: object) -> bool:
    assert isinstance(one, tuple)
    assert isinstance(other, tuple)
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_batch_is_a_pure_function_of_plan_and_step() -> None:
    images = image_set("source")
    torch.manual_seed(1)
    first = images.batch(PLAN, 7, CPU)
    images.batch(PLAN, 8, CPU)
    torch.manual_seed(2)
    assert same(images.batch(PLAN, 7, CPU), first)
    assert same(image_set("source").batch(replace(PLAN, seed=3), 7, CPU), first)
    for other in (replace(PLAN, seed=4), replace(PLAN, stream="identity/target")):
        assert not same(images.batch(other, 7, CPU), first)
    assert not same(images.batch(PLAN, 8, CPU), first)


def test_shapes_ranges_and_layout() -> None:
    batch = image_set("source").batch(PLAN, 0, CPU)
    assert batch.masks is not None
    assert batch.images.shape == (6, 3, 32, 16)
    assert batch.masks.shape == (6, 1, 32, 16)
    assert batch.images.dtype == batch.masks.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.images.abs().max() <= 1
    assert batch.images.min() < -0.3
    assert set(batch.masks.flatten().tolist()) == {0.0, 1.0}
    assert batch.labels.dtype == torch.int64


def rows_of(images: ImageSet, plan: BatchPlan, steps: int) -> list[int]:
    """Find which image each row of the batches shows, turned over or not."""
    array = torch.from_numpy(images.bank.array).float().div(127.5).sub(1)
    rows = []
    for step in range(steps):
        batch = images.batch(plan, step, CPU)
        for image, label in zip(batch.images, batch.labels, strict=True):
            hits = [r for r, i in enumerate(array) if torch.equal(i, image) or torch.equal(i.flip(2), image)]
            assert len(hits) == 1
            assert images.labels[hits[0]] == label, "a label of another image"
            rows += hits
    return rows


def test_every_image_is_seen_once_in_an_epoch_with_its_own_label() -> None:
    images = image_set("source", count=12)
    rows = rows_of(images, PLAN, 4)
    assert sorted(rows[:12]) == sorted(rows[12:]) == list(range(12))
    assert rows[:12] != rows[12:]


def test_unreadable_images_are_never_drawn() -> None:
    images = replace(image_set("source", count=12), usable=torch.tensor([1, 2, 5, 7, 8, 11]))
    assert set(rows_of(images, PLAN, 3)) == {1, 2, 5, 7, 8, 11}


def test_half_of_the_images_are_turned_over() -> None:
    images = image_set("source", count=1)
    batch = images.batch(BatchPlan(400, 0, "flip"), 0, CPU)
    original = torch.from_numpy(images.bank.array[0]).float().div(127.5).sub(1)
    share = sum(torch.equal(image, original) for image in batch.images) / 400
    assert share == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("crop_padding", [0, 3])
def test_a_mask_moves_with_its_image(crop_padding: int) -> None:
    """The mask of these sets is where the first channel is bright; padding is grey, its mask background."""
    batch = image_set("source").batch(replace(PLAN, crop_padding=crop_padding), 0, CPU)
    assert batch.masks is not None
    assert torch.equal(batch.masks[:, 0], (batch.images[:, 0] > 128.5 / 127.5 - 1).float())
    assert batch.images.shape == (6, 3, 32, 16)
    padded = bool((batch.images == 0).all(dim=1).any())
    assert padded == (crop_padding > 0)


@pytest.mark.parametrize("fill", [-1.0, 0.5])
def test_what_a_shift_brings_in(fill: float) -> None:
    plan = replace(PLAN, crop_padding=3, crop_fill=fill)
    batch, grey = (image_set("source").batch(p, 0, CPU) for p in (plan, replace(plan, crop_fill=0.0)))
    padding = (grey.images == 0).all(dim=1, keepdim=True)
    assert padding.any()
    torch.testing.assert_close(batch.images, torch.where(padding, fill, grey.images), rtol=0, atol=2e-7)
    assert batch.masks is not None
    assert grey.masks is not None
    assert torch.equal(batch.masks, grey.masks)
    assert not batch.masks[padding].any(), "what is brought in is background"


def test_without_masks() -> None:
    images = image_set("source", masks=False)
    assert images.batch(replace(PLAN, crop_padding=2), 0, CPU).masks is None
    with_masks = image_set("source").batch(PLAN, 0, CPU)
    assert torch.equal(images.batch(PLAN, 0, CPU).images, with_masks.images), "masks change no image"


def test_to_device_of_the_cpu_changes_nothing() -> None:
    images = image_set("source")
    before = images.batch(PLAN, 0, CPU)
    images.to_device(CPU)
    assert same(images.batch(PLAN, 0, CPU), before)


# From files


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    return draw_market1501(tmp_path / "market", pids=3, masks_root=tmp_path / "masks")


def opened(root: Path, samples: tuple[Sample, ...], masks: Path | None) -> ImageSet:
    return open_image_set(samples, [sample.pid for sample in samples], (32, 16), root, masks)


def test_open_image_set(market: Path, tmp_path: Path) -> None:
    samples = load_dataset(market).train
    images = opened(market, samples, tmp_path / "masks")
    assert images.classes == (1, 2, 3)
    assert [images.classes[label] for label in images.labels.tolist()] == [s.pid for s in samples]
    assert images.usable.tolist() == list(range(len(samples)))
    assert images.masks is not None
    batch = images.batch(PLAN, 0, CPU)
    assert batch.masks is not None
    assert 0.2 < batch.masks.mean().item() < 0.7
    assert opened(market, samples, None).masks is None


def test_the_fingerprint_is_of_relative_paths_and_classes(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = load_dataset(market).train
    fingerprint = opened(market, samples, None).fingerprint
    elsewhere = draw_market1501(tmp_path / "elsewhere", pids=3)
    assert opened(elsewhere, load_dataset(elsewhere).train, None).fingerprint == fingerprint
    assert opened(market, samples[1:], None).fingerprint != fingerprint
    by_camera = open_image_set(samples, [s.camid for s in samples], (32, 16), market, None)
    assert by_camera.fingerprint != fingerprint
    assert by_camera.classes == (1, 2)


def test_an_unreadable_image_needs_no_mask_and_is_never_drawn(market: Path, tmp_path: Path) -> None:
    samples = load_dataset(market).train
    samples[2].path.write_bytes(b"no image")
    (tmp_path / "masks" / samples[2].path.relative_to(market)).with_suffix(".png").unlink()
    images = opened(market, samples, tmp_path / "masks")
    assert 2 not in images.usable.tolist()
    assert len(images.usable) == len(samples) - 1


def test_an_image_whose_mask_cannot_be_read_is_never_drawn(market: Path, tmp_path: Path) -> None:
    samples = load_dataset(market).train
    (tmp_path / "masks" / samples[3].path.relative_to(market)).with_suffix(".png").write_bytes(b"no mask")
    images = opened(market, samples, tmp_path / "masks")
    assert images.usable.tolist() == [row for row in range(len(samples)) if row != 3]


def test_missing_masks_are_named(market: Path, tmp_path: Path) -> None:
    samples = load_dataset(market).train
    (tmp_path / "masks" / samples[1].path.relative_to(market)).with_suffix(".png").unlink()
    with pytest.raises(ValueError, match=samples[1].path.stem):
        opened(market, samples, tmp_path / "masks")


@pytest.mark.parametrize("masks", [False, True])
def test_no_readable_image_at_all_is_refused(market: Path, tmp_path: Path, masks: bool) -> None:
    samples = load_dataset(market).train
    for sample in samples:
        sample.path.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"none of 12 images could be read; `genreid data check"):
        opened(market, samples, tmp_path / "masks" if masks else None)


def test_masks_are_read_row_by_row(market: Path, tmp_path: Path) -> None:
    samples = load_dataset(market).train
    images = opened(market, samples, tmp_path / "masks")
    assert isinstance(images.masks, ImageBank)
    for sample, file in zip(samples, images.masks.paths, strict=True):
        assert file.relative_to(tmp_path / "masks").with_suffix("") == sample.path.relative_to(
            market
        ).with_suffix("")
    assert images.masks.array.dtype == np.uint8
