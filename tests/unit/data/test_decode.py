"""Files that are no images, or not whole, are named with a reason; images are decoded the same everywhere."""

import contextlib
import os
import struct
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from genreid.data.bank import ImageBank
from genreid.data.decode import Kind, UnreadableImageError, decode, mask_bits, read_image
from genreid.data.pictures import read_at_size
from genreid.masks.labels import read_label_map
from genreid.masks.store import read_mask
from tests.drawn_datasets import Shot, draw_person

SIZE = (64, 32)
DRAWN = draw_person(Shot(1, 1, 1))
PIXELS = np.asarray(DRAWN.image)


def saved(path: Path, image: Image.Image = DRAWN.image, **options: Any) -> Path:
    """Write an image and return its path."""
    image.save(path, **options)
    return path


def test_png_of_the_right_size_is_exact(tmp_path: Path) -> None:
    decoded = decode(saved(tmp_path / "a.png"), SIZE, "image")
    assert decoded.shape == (3, *SIZE)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded.transpose(1, 2, 0), PIXELS)
    assert np.array_equal(read_image(tmp_path / "a.png"), PIXELS)


def test_resize_is_antialiased(tmp_path: Path) -> None:
    # One white column in four: without antialiasing the quarter-size image would be all black or all white.
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::4] = 255
    decoded = decode(saved(tmp_path / "a.png", Image.fromarray(stripes)), (32, 32), "image")
    assert abs(float(decoded.mean()) - 255 / 4) < 2
    assert int(decoded[:, :, 4:-4].max()) - int(decoded[:, :, 4:-4].min()) < 8


@pytest.mark.parametrize(
    ("kind", "filtered"),
    [("image", Image.Resampling.BILINEAR), ("image_bicubic", Image.Resampling.BICUBIC)],
)
def test_photographs_are_resized_as_their_kind_says(
    tmp_path: Path, kind: Kind, filtered: Image.Resampling
) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 50, 3), np.uint8))
    path = saved(tmp_path / "a.png", noise)
    wanted = np.asarray(noise.resize((SIZE[1], SIZE[0]), filtered)).transpose(2, 0, 1)
    assert np.array_equal(decode(path, SIZE, kind), wanted)
    assert np.array_equal(read_at_size(path, SIZE, kind), wanted)
    assert np.array_equal(read_at_size(noise, SIZE, kind), wanted)
    assert np.array_equal(ImageBank.build([path], SIZE, kind, cache_dir=tmp_path / "banks").array[0], wanted)


def test_large_jpegs_decoded_at_a_fraction_look_the_same(tmp_path: Path) -> None:
    image = draw_person(Shot(1, 1, 1), (1024, 512)).image
    exact = decode(saved(tmp_path / "a.png", image), SIZE, "image").astype(np.int64)
    quick = decode(saved(tmp_path / "a.jpg", image, quality=98), SIZE, "image").astype(np.int64)
    assert np.abs(exact - quick).mean() < 3


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA", "I;16"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.asarray(DRAWN.image.convert("L")).astype(np.uint16) * 256)
    else:
        image = DRAWN.image.convert(mode)
    decoded = decode(saved(tmp_path / f"a.{'tif' if mode == 'CMYK' else 'png'}", image), SIZE, "image")
    assert decoded.shape == (3, *SIZE)
    assert abs(float(decoded.mean()) - float(np.asarray(DRAWN.image.convert(mode).convert("RGB")).mean())) < 3


def test_images_are_turned_as_their_exif_data_say(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: rotate by 270 degrees to see the image upright
    turned = DRAWN.image.transpose(Image.Transpose.ROTATE_90)
    decoded = decode(saved(tmp_path / "a.png", turned, exif=exif), SIZE, "image")
    assert np.array_equal(decoded.transpose(1, 2, 0), PIXELS)


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """Let Pillow complain about damaged files on its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def damaged(folder: Path, kind: str) -> Path:
    """Write a file that no image can be read from."""
    path = folder / f"{kind}.jpg"
    whole = saved(folder / "whole.jpg", quality=95).read_bytes()
    contents = {
        "empty": b"",
        "text": b"<html>404 not found</html>",
        "truncated": whole[: len(whole) // 2],
        "header": whole[:30],
        "png": saved(folder / "whole.png").read_bytes()[:200],
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to(folder / "nowhere.jpg")
    elif kind == "large":
        Image.new("1", (10_000, 5_001)).save(path, "PNG")
    elif kind == "bomb":
        Image.new("1", (20_000, 10_000)).save(path, "PNG")
    elif kind != "absent":
        path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize("kind_of_file", ["image", "mask"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "empty file"),
        ("text", "not an image"),
        ("svg", "not an image"),
        ("truncated", "truncated"),
        ("header", "(?i)truncated"),
        ("png", "truncated|broken|not an image"),
        ("folder", "not a plain file"),
        ("pipe", "not a plain file"),
        ("dangling", "a link that leads nowhere"),
        ("absent", "no such file"),
        ("large", "too large: 10000 x 5001 pixels, more than 50,000,000"),
        ("bomb", "exceeds limit"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, kind: str, reason: str, kind_of_file: str) -> None:
    path = damaged(tmp_path, kind)
    with pytest.raises(UnreadableImageError, match=reason) as caught:
        decode(path, SIZE, kind_of_file)  # type: ignore[arg-type]
    assert str(caught.value)
    if kind_of_file == "image":
        with pytest.raises(UnreadableImageError):
            read_image(path)


def test_no_damage_gets_through(tmp_path: Path) -> None:
    """Cut and overwritten files are either read or refused; nothing else is raised, whatever the format."""
    generator = np.random.default_rng(0)
    for suffix in ("jpg", "png", "bmp", "gif", "webp", "tif", "ppm"):
        whole = np.frombuffer(saved(tmp_path / f"whole.{suffix}").read_bytes(), np.uint8)
        for _ in range(40):
            broken: npt.NDArray[np.uint8] = whole.copy()
            broken[generator.integers(0, len(whole), 12)] = generator.integers(0, 256, 12)
            path = tmp_path / f"broken.{suffix}"
            path.write_bytes(broken[: generator.integers(1, len(whole) + 1)].tobytes())
            with contextlib.suppress(UnreadableImageError):
                assert decode(path, SIZE, "image").shape == (3, *SIZE)


def every_reader(path: Path) -> Iterator[Callable[[], object]]:
    """Whatever opens a file of a user's."""
    yield lambda: decode(path, SIZE, "image")
    yield lambda: decode(path, SIZE, "mask")
    yield lambda: read_image(path)
    yield lambda: read_mask(path)
    yield lambda: read_label_map(path)


def test_no_reader_starts_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gs = tmp_path / "bin" / "gs"
    gs.parent.mkdir()
    gs.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    gs.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gs.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    path = tmp_path / "photo.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 128\n%%EndComments\nshowpage\n")
    for read in every_reader(path):
        with pytest.raises(ValueError, match=r"not an image|cannot be read|no mask"):
            read()
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    "error", [RuntimeError, subprocess.CalledProcessError, ZeroDivisionError, struct.error, AssertionError]
)
def test_whatever_a_decoder_raises_is_one_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error(1, "x")

    path = saved(tmp_path / "a.png")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    for read in every_reader(path):
        with pytest.raises(ValueError, match=r"."):
            read()


def test_a_bomb_of_labels_is_one_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (20_000, 10_000)).save(path)
    for read in every_reader(path):
        with pytest.raises(ValueError, match=r"exceeds limit|too large"):
            read()


def test_mask_values_stay_zero_and_one(tmp_path: Path) -> None:
    bits = np.asarray(DRAWN.mask).astype(np.uint8)
    decoded = decode(saved(tmp_path / "a.png", DRAWN.mask), SIZE, "mask")
    assert decoded.shape == (1, *SIZE)
    assert np.array_equal(decoded[0], bits)
    assert set(np.unique(decode(tmp_path / "a.png", (50, 23), "mask"))) == {0, 1}
    for scale in (1, 255):
        assert np.array_equal(mask_bits(Image.fromarray(bits * np.uint8(scale))), bits)
    assert not mask_bits(Image.fromarray(bits * np.uint8(0))).any()


def test_nearest_takes_the_middle_pixel(tmp_path: Path) -> None:
    checks = np.indices((12, 12)).sum(0) % 2 == 0
    big = Image.fromarray(np.repeat(np.repeat(checks, 5, 0), 5, 1))
    assert np.array_equal(decode(saved(tmp_path / "a.png", big), (12, 12), "mask")[0], checks)


@pytest.mark.parametrize(
    "image",
    [
        DRAWN.image,
        DRAWN.image.convert("L"),
        Image.fromarray(np.full((4, 4), 7, np.uint8)),
        Image.fromarray(np.array([[1, 255]], np.uint8)),
    ],
)
def test_what_is_no_mask_is_refused(image: Image.Image) -> None:
    with pytest.raises(UnreadableImageError, match="not a mask"):
        mask_bits(image)
