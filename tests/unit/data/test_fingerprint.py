"""A data set's fingerprint: the same wherever it lies, another one as soon as an image differs."""

import shutil
from pathlib import Path

from genreid.data.fingerprint import dataset_fingerprint
from genreid.data.load import load_dataset
from tests.drawn_datasets import draw_market1501


def test_the_place_does_not_count_and_every_image_does(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "here", pids=2, size=(32, 16))
    first = dataset_fingerprint(load_dataset(root))
    assert len(first) == 64
    other = tmp_path / "there"
    shutil.copytree(root, other)
    assert dataset_fingerprint(load_dataset(other)) == first

    image = load_dataset(other).gallery[-1].path
    image.write_bytes(image.read_bytes() + b"0")
    longer = dataset_fingerprint(load_dataset(other))
    image.unlink()
    fewer = dataset_fingerprint(load_dataset(other))
    renamed = other / "query" / "0003_c1s1_000009_00.jpg"
    load_dataset(other).query[0].path.rename(renamed)
    assert len({first, longer, fewer, dataset_fingerprint(load_dataset(other))}) == 4
