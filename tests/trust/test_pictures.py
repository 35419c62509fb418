"""Pictures, masks and the cache: nothing wrong is learnt from without a word."""

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.data.bank import ImageBank
from genreid.data.batch import open_image_set
from genreid.data.check import check_dataset
from genreid.data.check_text import as_text
from genreid.data.decode import UnreadableImageError, decode, decode_with_size
from genreid.data.load import load_dataset
from genreid.masks.labels import LabelMapParser
from genreid.masks.parser import Crop
from genreid.masks.store import read_mask
from genreid.runs.loop import Session
from genreid.runs.run_images import note_images
from tests.drawn_datasets import draw_market1501

SIZE = (32, 16)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "banks"


# The cache


@pytest.mark.parametrize("damage", ["zeroed", "one bit", "rows", "a row that is not there", "empty array"])
def test_a_bank_that_does_not_have_its_sums_is_made_again(
    tmp_path: Path, own_cache: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    paths = sorted(draw_market1501(tmp_path / "data").rglob("*.jpg"))
    before = np.array(ImageBank.build(paths, SIZE, progress=False).array)
    array, facts = next(own_cache.glob("*.npy")), next(own_cache.glob("*.json"))
    content, told = bytearray(array.read_bytes()), json.loads(facts.read_text())
    if damage == "zeroed":
        content[200:] = bytes(len(content) - 200)
    elif damage == "one bit":
        content[-7] ^= 16
    elif damage == "rows":  # two rows change places: the same bytes, other images
        row = before[0].size
        content[-row:], content[-2 * row : -row] = content[-2 * row : -row], content[-row:]
    elif damage == "a row that is not there":
        told["unreadable"] = {"-1": "no"}
    else:
        content = bytearray()
    array.write_bytes(content)
    facts.write_text(json.dumps(told))
    again = ImageBank.build(paths, SIZE, progress=False)
    assert np.array_equal(again.array, before)
    assert not again.reasons
    assert "damaged, and made again" in caplog.text


# Images replaced under a run


def test_images_replaced_under_a_run_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = draw_market1501(tmp_path / "data", masks_root=tmp_path / "masks")
    samples = load_dataset(root).train
    pids = [sample.pid for sample in samples]
    run = tmp_path / "run"
    run.mkdir()

    def note(*, verify: bool = False) -> str:
        caplog.clear()
        images = open_image_set(samples, pids, SIZE, root, tmp_path / "masks")
        note_images(Session(run, verify=verify), images)
        return caplog.text

    assert note() == note(verify=True) == ""
    os.utime(samples[3].path, ns=(5, 5))  # another time alone changes nothing
    assert note() == ""
    replaced = samples[3].path
    status, content = replaced.stat(), samples[4].path.read_bytes()
    replaced.write_bytes(content)
    assert f"1 of 16 pictures are not those that the run began with, such as {replaced}" in note()
    # a file that keeps size and time is found by a look at the files themselves
    other = samples[4].path.with_suffix(".other")
    Image.open(samples[0].path).save(other, format="JPEG", quality=10)
    padded = other.read_bytes().ljust(len(content), b"\0")
    other.unlink()
    assert len(padded) == len(content)
    status = replaced.stat()
    replaced.write_bytes(padded)
    os.utime(replaced, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ValueError, match=r"--verify: 1 of 16 files .*kept size and time"):
        note(verify=True)


# Masks


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((64, 32), bool), "8 all background, 0 all person, 0 of another shape"),
        (np.ones((64, 32), bool), "0 all background, 8 all person, 0 of another shape"),
        (np.eye(7, 300, dtype=bool), "8 of another shape"),
        (np.ones((1, 1), bool), "0 all background, 8 all person, 8 of another shape"),
    ],
)
def test_masks_that_say_nothing_are_said_and_refused_past_a_share(
    tmp_path: Path,
    mask: "np.ndarray[tuple[int, int], np.dtype[np.bool_]]",
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = draw_market1501(tmp_path / "data", masks_root=tmp_path / "masks")
    samples = load_dataset(root).train
    files = sorted((tmp_path / "masks" / "bounding_box_train").iterdir())
    pids = [sample.pid for sample in samples]
    for file in files[::8]:
        Image.fromarray(mask).save(file)
    assert len(open_image_set(samples, pids, SIZE, root, tmp_path / "masks").usable) == 16
    assert "2 of 16 masks are of no use" in caplog.text
    for file in files[::2]:
        Image.fromarray(mask).save(file)
    with pytest.raises(ValueError, match=f"8 of 16 masks are of no use.*{said}.*genreid mask"):
        open_image_set(samples, pids, SIZE, root, tmp_path / "masks")
    check = check_dataset(load_dataset(root), tmp_path / "masks", workers=1, shown=False)
    assert check.masks is not None
    assert len(check.masks.misshapen) + check.masks.empty + check.masks.full >= 8


def test_masks_of_another_size_but_the_same_shape_are_masks(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "data", masks_root=tmp_path / "masks")
    samples = load_dataset(root).train
    for file in (tmp_path / "masks").rglob("*.png"):
        with Image.open(file) as image:
            image.resize((17, 33)).save(file)
    images = open_image_set(samples, [sample.pid for sample in samples], SIZE, root, tmp_path / "masks")
    assert len(images.usable) == 16


LABELS = np.zeros((20, 10), np.uint8)
LABELS[5:15, 3:7] = 5
VOID = LABELS.copy()
VOID[:2] = VOID[-2:] = 255


@pytest.mark.parametrize(
    ("labels", "above", "share"),
    [
        (LABELS, 0, 0.2),
        (VOID, 0, 0.2),  # void is no person
        (np.where(LABELS, 255, 0).astype(np.uint8), 0, 0.2),  # a mask of 0 and 255 has no void
        (np.stack([LABELS] * 3, axis=-1), 0, 0.2),  # saved with three equal channels
        (np.where(LABELS, 200, 40).astype(np.uint8), 127, 0.2),  # a soft mask
        (np.where(LABELS, 255, 126).astype(np.uint8), 127, 0.2),
    ],
)
def test_label_maps(
    tmp_path: Path, labels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", above: int, share: float
) -> None:
    Image.fromarray(labels).save(tmp_path / "a.png")
    crop = Crop(Path("a.jpg"), np.zeros((20, 10, 3), np.uint8))
    (mask,) = LabelMapParser(tmp_path, above).parse([crop])
    assert float(np.asarray(mask.binary()).mean()) == pytest.approx(share)


def test_masks_of_three_channels_are_read_and_soft_ones_are_kept(tmp_path: Path) -> None:
    Image.fromarray(np.stack([np.where(LABELS, 255, 0).astype(np.uint8)] * 3, axis=-1)).save(
        tmp_path / "a.png"
    )
    assert read_mask(tmp_path / "a.png").mean() == pytest.approx(0.2)
    Image.fromarray(np.linspace(0, 255, 200).astype(np.uint8).reshape(20, 10)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"soft mask.*and keep them.*--labels-above 127") as refused:
        read_mask(tmp_path / "b.png")
    assert "Delete" not in str(refused.value)


# Values outside of 8 bits


def test_16_bits_and_floats_have_a_stated_scale(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 512).reshape(32, 16)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "a.png")
    expected = ramp.astype(np.uint16) >> 8
    assert np.array_equal(decode(tmp_path / "a.png", SIZE, "image")[1], expected)
    Image.fromarray(ramp.astype(np.int32)).save(tmp_path / "i.tiff")
    assert np.array_equal(decode(tmp_path / "i.tiff", SIZE, "image")[1], expected)
    Image.fromarray((ramp / 65535).astype(np.float32)).save(tmp_path / "f.tiff")
    floats = decode(tmp_path / "f.tiff", SIZE, "image")[1].astype(int)
    assert np.abs(floats - ramp / 257).max() <= 0.51


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.linspace(7000, 9200, 512), np.uint16),  # a thermal camera
        (np.linspace(0, 4095, 512), np.uint16),
        (np.linspace(-5, 10, 512), np.int32),
        (np.linspace(0, 70_000, 512), np.int32),
        (np.linspace(0, 255, 512), np.float32),
        (np.full(512, np.nan), np.float32),
    ],
)
def test_values_of_no_known_scale_are_named(
    tmp_path: Path, values: "np.ndarray[tuple[int], np.dtype[np.float64]]", kind: type[np.generic]
) -> None:
    Image.fromarray(values.astype(kind).reshape(32, 16)).save(tmp_path / "a.tiff")
    with pytest.raises(UnreadableImageError, match=r"its values go from .*save it with 8 bits a channel"):
        decode(tmp_path / "a.tiff", SIZE, "image")


def test_pictures_of_one_colour_are_counted(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path)
    first, second = sorted((root / "query").iterdir())[:2]
    Image.new("RGB", (32, 64), (0, 90, 200)).save(first)
    with Image.open(second) as image:
        image.load()
    image.putpixel((3, 3), (255, 0, 0))
    check = check_dataset(load_dataset(root), workers=1, shown=False)
    assert check.flat == (first,)
    assert "1 images of one flat colour" in as_text(check)


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_own_size_is_that_of_the_upright_image(tmp_path: Path, orientation: int) -> None:
    image = Image.new("RGB", (400, 800))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif)
    expected = (800, 400) if orientation == 1 else (400, 800)
    assert decode_with_size(tmp_path / "a.jpg", SIZE, "image").own_size == expected


def test_ids_from_0_are_said(caplog: pytest.LogCaptureFixture) -> None:
    import genreid  # noqa: PLC0415 - as a user does

    random = np.random.default_rng(0)
    query, gallery = random.integers(0, 8, 40), random.integers(0, 8, 200)
    cameras = random.integers(0, 3, 40), random.integers(0, 3, 200)
    distances = random.random((40, 200), dtype=np.float32)
    with caplog.at_level(logging.WARNING):
        genreid.rank_from_distances(distances, query + 1, gallery + 1, *cameras)
        assert not caplog.text
        genreid.rank_from_distances(distances, query, gallery, *cameras)
    assert f"{(query == 0).sum()} of 40 queries have the pid 0" in caplog.text
    assert "add 1 to query_pids and gallery_pids" in caplog.text
