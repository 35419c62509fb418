"""The raw release of CUHK03: images inside a .mat file, two protocols, two kinds of boxes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.data import ReaderOptions, load_dataset
from tests.drawn_datasets import Shot, draw_cuhk03_raw, draw_person

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return draw_cuhk03_raw(tmp_path / "cuhk03")


def test_new_protocol(release: Path) -> None:
    dataset = load_dataset(release)
    assert dataset.format == "cuhk03"
    # Six people with 4, 4, 1 | 4, 1 | 4 shots; the last two are tested.
    assert [len(split) for split in (dataset.train, dataset.query, dataset.gallery)] == [13, 3, 2]
    assert {sample.pid for sample in dataset.train} == {1, 2, 3, 4}
    assert {sample.pid for sample in dataset.query} == {5, 6}
    assert {sample.camid for sample in dataset.known_people} == {1, 2}
    assert {sample.training_camid for sample in dataset.known_people} == set(range(1, 7))
    assert dataset.notes[0] == "detected boxes, new protocol"


@pytest.mark.parametrize("boxes", ["detected", "labeled"])
def test_classic_protocol(release: Path, boxes: str) -> None:
    options = ReaderOptions(protocol="classic", classic_split=1, boxes=boxes)  # type: ignore[arg-type]
    dataset = load_dataset(release, options=options)
    # The drawn second split tests the second person of the first pair.
    assert {sample.path.name[:5] for sample in dataset.query} == {"1_002"}
    assert dataset.query == dataset.gallery
    assert (len(dataset.train), len(dataset.query)) == (14, 4)
    assert f"{boxes}-" in str(dataset.root)
    assert "single-shot" in dataset.notes[-1]
    assert len(dataset.known_people) == 18, "each test image once, though it is query and gallery"


def test_images_are_written_exactly_and_once(release: Path, own_cache: Path) -> None:
    dataset = load_dataset(release)
    path = dataset.root / "1_002_2_06.png"
    drawn = draw_person(Shot(102, 2 + 2 * 1, 6)).image
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(drawn))
    written = path.stat().st_mtime_ns
    assert load_dataset(release / "cuhk03_release" / "cuhk-03.mat") == dataset
    assert path.stat().st_mtime_ns == written
    assert not list(own_cache.rglob("*.part"))


def test_without_the_lists_of_the_new_protocol(release: Path) -> None:
    for path in release.glob("cuhk03_new*"):
        path.unlink()
    wanted = r"cuhk03_new_protocol_config_detected\.mat.*--format cuhk03:classic"
    with pytest.raises(ValueError, match=wanted):
        load_dataset(release)


def test_damaged_files(release: Path, own_cache: Path) -> None:
    config = release / "cuhk03_new_protocol_config_detected.mat"
    config.write_bytes(config.read_bytes()[:200])
    with pytest.raises(ValueError, match="is not a list file of CUHK03"):
        load_dataset(release)
    mat = release / "cuhk03_release" / "cuhk-03.mat"
    mat.write_bytes(mat.read_bytes()[:5000])
    with pytest.raises(ValueError, match="cannot read the images of"):
        load_dataset(release)
    assert len(list((own_cache / "cuhk03").iterdir())) == 1, "only the whole folder of before may be there"


def test_format_without_a_release(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no cuhk-03\.mat"):
        load_dataset(tmp_path, format="cuhk03")
