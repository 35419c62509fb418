"""The raw release of CUHK03: images inside a .mat file, two protocols, two kinds of boxes."""

from collections.abc import Callable
from pathlib import Path

import h5py
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


def external(mat: h5py.File, key: str, secret: Path) -> None:
    mat.create_dataset(key, (1, 5), h5py.ref_dtype, external=[(str(secret), 0, 40)])


def virtual(mat: h5py.File, key: str, secret: Path) -> None:
    layout = h5py.VirtualLayout((1, 5), "f8")
    layout[:] = h5py.VirtualSource(str(secret), "x", (1, 5))
    mat.create_virtual_dataset(key, layout)


def linked(mat: h5py.File, key: str, secret: Path) -> None:
    mat[key] = h5py.ExternalLink(str(secret), "/detected")


def soft(mat: h5py.File, key: str, secret: Path) -> None:
    mat[key] = h5py.SoftLink(f"/labeled{secret.name[:0]}")


@pytest.mark.parametrize("kind", [external, virtual, linked, soft])
@pytest.mark.parametrize("key", ["detected", "testsets"])
def test_numbers_of_other_files_are_not_read(
    release: Path, tmp_path: Path, key: str, kind: Callable[[h5py.File, str, Path], None]
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(200))
    with h5py.File(release / "cuhk03_release" / "cuhk-03.mat", "a") as mat:
        del mat[key]
        kind(mat, key, secret)
    with pytest.raises(ValueError, match=r"cannot read the images of .*(other files|another place)"):
        load_dataset(release, options=ReaderOptions(protocol="classic"))


def test_an_image_of_another_file_is_not_read(release: Path, tmp_path: Path, own_cache: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"password" * 1000)
    with h5py.File(release / "cuhk03_release" / "cuhk-03.mat", "a") as mat:
        cells = mat[mat["detected"][()].ravel()[0]]
        picture = mat.create_dataset("p", (3, 20, 60), "u1", external=[(str(secret), 0, 3600)])
        rows = cells[()]
        rows[0, 0] = picture.ref
        cells[...] = rows
    with pytest.raises(ValueError, match="other files"):
        load_dataset(release)
    assert not list(own_cache.rglob("*.png"))


def test_other_users_cannot_see_written_people(release: Path, own_cache: Path) -> None:
    root = load_dataset(release).root
    assert {path.stat().st_mode & 0o777 for path in (own_cache / "cuhk03", root)} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in root.iterdir()} == {0o600}


def test_format_without_a_release(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no cuhk-03\.mat"):
        load_dataset(tmp_path, format="cuhk03")
