import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from genreid.masks.labels import LabelMapParser
from genreid.masks.parser import Crop

LABELS = np.array([[0, 1, 19], [0, 0, 5]], np.uint8)


def save_grey(path: Path, labels: NDArray[np.uint8] = LABELS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def parsed(folder: Path, name: str, size: tuple[int, int] = (2, 3)) -> NDArray[np.uint8]:
    crop = Crop(Path(name), np.zeros((*size, 3), np.uint8))
    return LabelMapParser(folder).parse([crop])[0].binary()


def test_every_label_above_zero_is_the_person(tmp_path: Path) -> None:
    save_grey(tmp_path / "query" / "0001_c1.png")
    assert np.array_equal(parsed(tmp_path, "query/0001_c1.jpg"), LABELS > 0)


def test_palette_maps_go_by_their_indices_not_their_colours(tmp_path: Path) -> None:
    image = Image.fromarray(LABELS).convert("P")
    image.putdata(LABELS.ravel().tolist())
    image.putpalette([255, 255, 255, *[0] * 765])
    image.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.mode == "P"
    assert np.array_equal(parsed(tmp_path, "a.jpg"), LABELS > 0)


def test_a_map_of_the_same_stem_is_found_anywhere(tmp_path: Path) -> None:
    save_grey(tmp_path / "parsing" / "val" / "a.png")
    assert np.array_equal(parsed(tmp_path, "query/a.jpg"), LABELS > 0)


def test_two_maps_of_the_same_stem_are_refused(tmp_path: Path) -> None:
    save_grey(tmp_path / "one" / "a.png")
    save_grey(tmp_path / "two" / "a.png")
    with pytest.raises(ValueError, match="several label maps"):
        parsed(tmp_path, "query/a.jpg")


def test_a_missing_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no label map.*a\.png"):
        parsed(tmp_path, "query/a.jpg")


def test_a_coloured_picture_of_the_labels_is_refused(tmp_path: Path) -> None:
    coloured = np.stack((LABELS, LABELS * 2, LABELS), axis=-1)
    Image.fromarray(coloured).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"mode RGB.*_vis\.png"):
        parsed(tmp_path, "a.jpg")


def test_a_damaged_map_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"a\.png cannot be read"):
        parsed(tmp_path, "a.jpg")


def test_a_map_of_another_size_is_resized_by_nearest(tmp_path: Path) -> None:
    save_grey(tmp_path / "a.png")
    assert np.array_equal(parsed(tmp_path, "a.jpg", (4, 6)), (LABELS > 0).repeat(2, 0).repeat(2, 1))


def test_a_missing_folder_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--labels DIR"):
        LabelMapParser(tmp_path / "none")


def test_the_parser_can_be_sent_to_another_process(tmp_path: Path) -> None:
    parser = LabelMapParser(tmp_path)
    assert pickle.loads(pickle.dumps(parser)) == parser
