"""What other programs get of a gallery: the same images, labels and numbers in every format."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genreid.features.options import FeatureOptions
from genreid.search.export import COLUMNS, Format, export
from genreid.search.gallery import Gallery, Selection
from genreid.search.pictures import PathPattern, of_folder
from tests.tiny_gallery import PATTERN, draw_cameras, extractor


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """Four images."""
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    crops = draw_cameras(tmp_path / "crops", people=2, shots=1)
    made = Gallery.create(str(tmp_path / "gallery"), tmp_path / "run", FeatureOptions(), extractor())
    made.add(of_folder(crops, "all", PathPattern(PATTERN)), extractor())
    return made


Table = tuple[list[list[str]], NDArray[np.float64]]


def of_csv(path: Path) -> Table:
    rows = list(csv.reader(path.open(encoding="utf-8")))
    assert rows[0][5:] == [f"e{number}" for number in range(24)]
    return [row[:5] for row in rows], np.array([row[5:] for row in rows[1:]], float)


def of_fiftyone(path: Path) -> Table:
    return list(csv.reader((path / "labels.csv").open(encoding="utf-8"))), np.load(path / "embeddings.npy")


def of_numpy(path: Path) -> Table:
    arrays = np.load(path, allow_pickle=False)
    rows = np.stack([arrays[name] for name in COLUMNS], axis=1).tolist()
    return [list(COLUMNS), *rows], arrays["embedding"]


def of_parquet(path: Path) -> Table:
    table = pytest.importorskip("pyarrow.parquet").read_table(path)
    rows = [[str(row[name]) for name in COLUMNS] for row in table.to_pylist()]
    return [list(COLUMNS), *rows], np.array(table["embedding"].to_pylist())


@pytest.mark.parametrize(
    ("to", "name", "read"),
    [
        ("csv", "g.csv", of_csv),
        ("fiftyone", "g", of_fiftyone),
        ("numpy", "g.npz", of_numpy),
        ("parquet", "g.parquet", of_parquet),
    ],
)
def test_every_format_holds_everything(
    gallery: Gallery, tmp_path: Path, to: Format, name: str, read: Callable[[Path], Table]
) -> None:
    (header, *rows), embedding = read(export(gallery, to, tmp_path / name))
    (shard,) = gallery.shards()
    assert header == list(COLUMNS)
    assert np.allclose(embedding, shard.features.embedding, atol=1e-7)
    for row, labels, key in zip(rows, shard.labels, shard.keys.tolist(), strict=True):
        day = int(labels.camera)
        assert row == [
            labels.path,
            labels.camera,
            f"2026-11-{day:02d}T10:00:00",
            labels.track,
            f"{key % 2**64:016x}",
        ]


def test_nothing_is_overwritten_and_nothing_exported_of_nothing(gallery: Gallery, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give a new folder"):
        export(gallery, "fiftyone", tmp_path)
    gallery.remove(Selection(cameras=("1", "2")))
    with pytest.raises(ValueError, match="nothing to export"):
        export(gallery, "csv", tmp_path / "g.csv")
