"""Pictures become small data URIs of pixels and nothing else; broken ones become words."""

import base64
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.report.pictures import CROP_SIZE, SHEET_HEIGHT, SHEET_WIDTH, Picture, PictureBook, is_drawn


def pixels(picture: Picture | str) -> Image.Image:
    assert isinstance(picture, Picture), picture
    head, text = picture.uri.split(",", 1)
    assert head == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    assert image.size == (picture.width, picture.height)
    return image


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((32, 64), (32, 64)), ((128, 256), (64, 128)), ((400, 100), (64, 16)), ((1, 900), (1, 128))],
)
def test_crops_are_fitted_in_and_never_enlarged(
    tmp_path: Path, size: tuple[int, int], fitted: tuple[int, int]
) -> None:
    Image.new("RGB", size, (200, 30, 30)).save(tmp_path / "x.png")
    image = pixels(PictureBook(data=[tmp_path]).crop(str(tmp_path / "x.png")))
    assert image.size == fitted
    assert np.allclose(np.asarray(image).mean((0, 1)), (200, 30, 30), atol=6)


def test_sheets_are_made_smaller_only_where_they_are_too_large(tmp_path: Path) -> None:
    Image.new("RGB", (3200, 100)).save(tmp_path / "wide.png")
    Image.new("P", (640, 300)).save(tmp_path / "usual.png")
    book = PictureBook([tmp_path], [tmp_path])
    assert pixels(book.sheet(tmp_path / "wide.png", drawn=False)).size == (SHEET_WIDTH, 50)
    assert pixels(book.sheet(tmp_path / "usual.png", drawn=False)).size == (640, 300)
    assert SHEET_WIDTH < SHEET_HEIGHT


def test_what_a_file_says_beside_its_pixels_stays_out(tmp_path: Path) -> None:
    image = Image.new("RGB", CROP_SIZE)
    exif = image.getexif()
    exif[0x010E] = "secret words"
    image.save(tmp_path / "x.jpg", exif=exif, comment=b"secret words")
    assert b"secret" in (tmp_path / "x.jpg").read_bytes()
    crop = PictureBook(data=[tmp_path]).crop(str(tmp_path / "x.jpg"))
    assert isinstance(crop, Picture)
    assert b"secret" not in base64.b64decode(crop.uri.split(",")[1])


@pytest.mark.parametrize("kind", ["gone", "empty", "cut", "text", "folder", "pipe", "zero byte", "nobody"])
def test_what_is_no_picture_becomes_words(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.png"
    Image.new("RGB", (40, 40)).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    contents = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"<svg onload=alert(1)>"}
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    name = None if kind == "nobody" else f"{path}\0" if kind == "zero byte" else str(path)
    words = PictureBook(data=[tmp_path]).crop(name)
    assert isinstance(words, str)
    assert words


def test_only_synthetic_people_are_drawn(tmp_path: Path) -> None:
    drawn, real = tmp_path / "drawn" / "query" / "a.png", tmp_path / "real" / "query" / "a.png"
    for path in (drawn, real):
        path.parent.mkdir(parents=True)
        Image.new("RGB", (4, 8)).save(path)
    (tmp_path / "drawn" / "synthetic.json").write_text("{}")
    assert is_drawn(drawn)
    assert is_drawn(tmp_path / "drawn")
    assert not is_drawn(real)
    book = PictureBook([tmp_path], [tmp_path])
    book.crop(str(drawn))
    book.crop(str(tmp_path / "gone.png"))
    assert book.drawn
    book.crop(str(real))
    assert not book.drawn
    other = PictureBook([tmp_path])
    other.sheet(drawn, drawn=True)
    assert other.drawn
    other.sheet(drawn, drawn=False)
    assert not other.drawn
