from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.masks.store import NotAMaskError, mask_path, read_mask, write_mask


@pytest.mark.parametrize("size", [(128, 64), (1, 1), (7, 13)])
def test_a_mask_comes_back_as_it_was_written(tmp_path: Path, size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).integers(0, 2, size, dtype=np.uint8)
    write_mask(tmp_path / "some" / "folder" / "mask.png", mask)
    read = read_mask(tmp_path / "some" / "folder" / "mask.png")
    assert read.dtype == np.uint8
    assert np.array_equal(read, mask)


def test_the_file_has_one_bit_a_pixel_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", np.ones((128, 64), np.uint8))
    with Image.open(tmp_path / "mask.png") as image:
        assert (image.mode, image.size, image.format) == ("1", (64, 128), "PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["mask.png"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "mask.png").mkdir()
    with pytest.raises(OSError, match="mask"):
        write_mask(tmp_path / "mask.png", np.ones((4, 4), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["mask.png"]


def test_grey_masks_of_two_values_are_taken(tmp_path: Path) -> None:
    mask = np.array([[0, 1], [1, 0]], np.uint8)
    Image.fromarray(mask * 255).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), mask)


def test_a_label_map_is_no_mask_and_the_remedy_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 5], [13, 2]], np.uint8)).save(tmp_path / "map.png")
    with pytest.raises(NotAMaskError, match="--parser labels"):
        read_mask(tmp_path / "map.png")


def test_a_damaged_mask_is_named(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", np.ones((128, 64), np.uint8))
    whole = (tmp_path / "mask.png").read_bytes()
    (tmp_path / "mask.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"mask\.png is damaged"):
        read_mask(tmp_path / "mask.png")
    with pytest.raises(FileNotFoundError):
        read_mask(tmp_path / "none.png")


def test_a_mask_lies_under_the_path_of_its_image() -> None:
    assert mask_path(Path("m"), Path("d"), Path("d/query/0001_c1.jpg")) == Path("m/query/0001_c1.png")
