"""Sheets: where images and texts stand; grids and interpolations of DG-Net."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from genreid.generation.renderings import check_sheet_path, rendering_sheet, save_sheet
from genreid.generation.sheets import MIN_TILE_HEIGHT, Sheet, draw_sheet
from genreid.generation.swap_sheets import Code, Course, RealImages, grid_sheet, interpolation_sheet
from genreid.generation.swapping import Swapper
from genreid.models.crgan import ConditionPair, Rendering
from genreid.models.precision import Compute
from tests.tiny_dgnet_run import SIZE, dgnet_networks

FACTOR = MIN_TILE_HEIGHT // SIZE[0]
HEIGHT, WIDTH = SIZE[0] * FACTOR, SIZE[1] * FACTOR


def tile(value: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.full((3, *size), value, np.uint8)


def real(count: int, seed: int) -> RealImages:
    images = np.random.default_rng(seed).integers(0, 256, (count, 3, *SIZE), dtype=np.uint8)
    return RealImages(images, tuple(f"{seed}-{number}" for number in range(count)))


@pytest.fixture(scope="module")
def swapper() -> Swapper:
    return Swapper(dgnet_networks(), SIZE, Compute(torch.device("cpu"), bf16=False))


def places(sheet: Image.Image, wanted: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Every (top, left) at which an enlarged tile stands."""
    pixels = np.asarray(sheet)
    large = wanted.transpose(1, 2, 0).repeat(FACTOR, 0).repeat(FACTOR, 1)
    hits = np.argwhere((pixels == large[0, 0]).all(axis=2))
    return [
        (top, left)
        for top, left in hits.tolist()
        if np.array_equal(pixels[top : top + HEIGHT, left : left + WIDTH], large)
    ]


def test_tiles_stand_in_rows_and_columns_with_wider_gaps_at_breaks() -> None:
    values = [[10, 20, 30], [40, 50, 60]]
    rows = [[tile(value) for value in row] for row in values]
    picture = draw_sheet(Sheet(rows, column_breaks=frozenset({0}), row_breaks=frozenset({0})))
    pixels = np.asarray(picture)
    assert picture.size == (3 * WIDTH + 10 + 2 + 2, 2 * HEIGHT + 10 + 2)
    lefts, tops = (0, WIDTH + 10, 2 * WIDTH + 12), (0, HEIGHT + 10)
    for top, row in zip(tops, values, strict=True):
        for left, value in zip(lefts, row, strict=True):
            assert (pixels[top : top + HEIGHT, left : left + WIDTH] == value).all()
    covered = sum((pixels == value).all(axis=2).sum() for row in values for value in row)
    assert covered == 6 * HEIGHT * WIDTH
    assert (pixels == 255).all(axis=2).sum() == pixels.shape[0] * pixels.shape[1] - covered


def test_texts_have_room_of_their_own_and_are_cut_to_it() -> None:
    long = "a name that is far too long for its column.jpg"
    red = np.zeros((3, *SIZE), np.uint8)
    red[0] = 200
    labels = ("first\nof two lines", long + long)
    sheet = Sheet([[red, None], [red, red]], labels, ("z\u0142oty \ud83d", long), title="title")
    pixels = np.asarray(draw_sheet(sheet))
    image = (pixels == (200, 0, 0)).all(axis=2)
    assert image.sum() == 3 * HEIGHT * WIDTH, "no text lies on an image"
    dark = pixels.max(axis=2) < 100
    head, left = image.any(axis=1).argmax(), image.any(axis=0).argmax()
    assert dark[: head // 2].any(), "title"
    assert dark[head // 2 : head, left : left + WIDTH].any(), "column labels"
    assert dark[head:, :left].any(), "row labels"
    assert left < 170
    assert not dark[:, left:][head:].any()


def test_large_images_are_not_enlarged() -> None:
    assert draw_sheet(Sheet([[tile(1, (256, 128))]])).size == (130, 258)


def test_a_grid_keeps_appearances_in_rows_and_structures_in_columns(swapper: Swapper) -> None:
    people, poses = real(2, 1), real(3, 2)
    sheet = grid_sheet(swapper, people, poses)
    at = {
        name: [places(sheet, image)[0] for image in images.images]
        for name, images in (("a", people), ("s", poses))
    }
    tops, lefts = [top for top, _ in at["a"]], [left for _, left in at["s"]]
    assert len({left for _, left in at["a"]}) == len({top for top, _ in at["s"]}) == 1
    assert at["s"][0][0] < tops[0] < tops[1]
    assert at["a"][0][1] < lefts[0] < lefts[1] < lefts[2]
    for row, person in enumerate(people.images):
        for column, pose in enumerate(poses.images):
            (generated,) = swapper.swap(person[None], pose[None])
            near = np.asarray(sheet)[tops[row] :: FACTOR, lefts[column] :: FACTOR][: SIZE[0], : SIZE[1]]
            assert np.abs(near.transpose(2, 0, 1).astype(int) - generated).max() <= 1


@pytest.mark.parametrize("code", ["appearance", "structure"])
@pytest.mark.parametrize("kept", [0, 1, 2])
def test_an_interpolation_goes_straight_from_code_to_code(swapper: Swapper, code: Code, kept: int) -> None:
    ends, others = real(3, 1), real(kept, 2) if kept else None
    sheet = interpolation_sheet(swapper, Course(code, ends, others, steps=3))
    encode = {"appearance": swapper.encode_appearance, "structure": swapper.encode_structure}
    moving = encode[code](ends.images)
    other: Code = "structure" if code == "appearance" else "appearance"
    staying = encode[other](ends.images if others is None else others.images)
    first = {image: places(sheet, ends.images[image]) for image in range(3)}
    assert len(first[1]) == 2, "the end of one row begins the next"
    for row in range(2):
        stays = staying[row % len(staying)][None]
        top, left = first[row][-1]
        for step, share in enumerate((0.0, 0.5, 1.0)):
            goes = ((1 - share) * moving[row] + share * moving[row + 1])[None]
            pair = (stays, goes) if code == "appearance" else (goes, stays)
            (wanted,) = swapper.decode(*pair)
            begin = left + WIDTH + 10 + step * (WIDTH + 2)
            got = np.asarray(sheet)[top::FACTOR, begin::FACTOR][: SIZE[0], : SIZE[1]].transpose(2, 0, 1)
            assert np.abs(got.astype(int) - wanted).max() <= 1, (row, share)
        assert first[row + 1][0] == (top, left + 3 * WIDTH + 4 + 20 + WIDTH), (
            "the real end stands at the right"
        )
        if others is not None:
            assert places(sheet, others.images[row % kept])[row if kept == 1 else 0][1] < left


@pytest.mark.parametrize(
    ("course", "message"),
    [
        (Course("structure", real(1, 1)), "two images or more, got 1; give --structure IMG IMG"),
        (Course("appearance", real(2, 1), steps=1), "--steps must be 2 or more"),
        (Course("appearance", real(4, 1), real(2, 2)), "--structure: got 2 images, expected 1 or 3"),
    ],
)
def test_what_makes_no_way(swapper: Swapper, course: Course, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interpolation_sheet(swapper, course)


def test_a_rendering_sheet_has_five_rows_and_none_that_is_black() -> None:
    images, masks = torch.zeros(3, 3, 16, 8), torch.ones(3, 1, 16, 8)
    pair, kept = ConditionPair(images, images, masks, masks), masks.clone()
    kept[1:] = 0
    sheet = rendering_sheet(pair, Rendering(images + 1, images, kept))
    pixels = np.asarray(sheet)
    width = 3 * (64 + 2)
    assert sheet.height == 5 * (128 + 2)
    assert (pixels[64, -width:-2:66] == 128).all()
    assert (pixels[3 * 130 + 64, -width:-2:66, 0] == [0, 255, 255]).all(), "1 - X_C"
    without = ConditionPair(images, images, 0 * masks, 0 * masks)
    assert rendering_sheet(without, Rendering(images + 1, images, masks)).height == 3 * (128 + 2)


@pytest.mark.parametrize("name", ["sheet", "sheet.xyz", "."])
def test_a_name_that_is_no_pictures(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"expected the name of a picture's file, such as .*sheet\.png"):
        check_sheet_path(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.bmp"])
def test_only_own_sheets_are_replaced(tmp_path: Path, name: str) -> None:
    path, sheet = tmp_path / name, Image.new("RGB", (2, 2))
    check_sheet_path(path, replaces=False)
    sheet.save(path)
    with pytest.raises(ValueError, match=r"was not drawn by genreid.*--force"):
        check_sheet_path(path, replaces=False)
    check_sheet_path(path, replaces=True)
    save_sheet(path, sheet)
    if name != "a.bmp":  # which has no place for a word
        check_sheet_path(path, replaces=False)
    path.write_text("no picture at all")
    with pytest.raises(ValueError, match="was not drawn by genreid"):
        check_sheet_path(path, replaces=False)


def test_a_sheet_is_written_into_a_new_folder(tmp_path: Path) -> None:
    save_sheet(tmp_path / "a" / "b.png", Image.new("RGB", (2, 2)))
    assert (tmp_path / "a" / "b.png").is_file()
