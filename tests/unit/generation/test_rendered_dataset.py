"""A data set of renderings: who is rendered where, what is written, and going on."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from genreid.data.load import load_dataset
from genreid.data.sample import Sample
from genreid.generation import dataset
from genreid.generation.dataset import DatasetOrder
from genreid.generation.rendered_dataset import COLUMNS, Rendering, Side, render_dataset
from genreid.generation.renderings import to_uint8
from genreid.models.precision import Compute
from genreid.models.renderers import CutAndPaste
from tests.tiny_domains import image_set

PEOPLE, CONTEXTS = 70, 9


def side(label: str, count: int, *, broken: int | None = None) -> Side:
    images = image_set(label, count, 5)
    usable = torch.tensor([row for row in range(count) if row != broken])
    root = Path(f"/{label}")
    samples = tuple(
        Sample(root / "train" / f"{row}.jpg", 1 + row % 5, 1 + row % 3, 7 if row == 0 else None)
        for row in range(count)
    )
    return Side(samples, replace(images, usable=usable), root, Path(f"/{label}-masks"))


RENDERING = Rendering(
    CutAndPaste(),
    "cut_paste",
    side("source", PEOPLE + 1, broken=3),
    side("target", CONTEXTS),
    Compute(torch.device("cpu"), bf16=False),
)


def write(out: Path, contexts: int = 1, *, as_published: bool = False) -> list[dict[str, str]]:
    order = DatasetOrder(out, PEOPLE * contexts, 1, None, as_published)
    assert render_dataset(RENDERING, order, contexts, shown=False).finished
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_source_image_is_rendered_in_every_kind_of_context(tmp_path: Path) -> None:
    lines = write(tmp_path / "out", 2)
    assert tuple(lines[0]) == COLUMNS
    usable = [row for row in range(PEOPLE + 1) if row != 3]
    assert [line["source"] for line in lines] == 2 * [f"train/{row}.jpg" for row in usable]
    times = Counter(line["target"] for line in lines)
    assert len(times) == CONTEXTS
    assert max(times.values()) - min(times.values()) <= 1
    assert any(a["target"] != b["target"] for a, b in zip(lines[:PEOPLE], lines[PEOPLE:], strict=True))
    read = {sample.path.name: sample for sample in load_dataset(tmp_path / "out").train}
    for number, line in enumerate(lines):
        name = Path(line["file"]).name
        row, context = (int(Path(line[key]).stem) for key in ("source", "target"))
        assert name.split("_")[2] == f"{number:06d}"
        assert read[name].pid == int(line["source_pid"]) == 1 + row % 5
        assert read[name].camid == int(line["target_camid"]) == (1 + context % 3 if context else 7)
        assert int(line["source_camid"]) == (1 + row % 3 if row else 7)
    record = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (record["renderer"], record["data"], record["target_data"]) == ("cut_paste", "/source", "/target")
    assert record["masks"] == {"source": "/source-masks", "target": "/target-masks"}


def test_each_picture_is_the_rendering_that_its_line_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, NDArray[np.uint8]] = {}

    def keep(path: Path, image: NDArray[np.uint8], _quality: int) -> None:
        path.touch()
        written[path.name] = image

    monkeypatch.setattr(dataset, "_write_picture", keep)
    source, target = RENDERING.source.images, RENDERING.target.images
    assert source.masks is not None
    for line in write(tmp_path / "out", 2):
        row, context = (int(Path(line[key]).stem) for key in ("source", "target"))
        expected = np.where(source.masks.array[row] > 0, source.bank.array[row], target.bank.array[context])
        assert np.array_equal(written[Path(line["file"]).name], expected)


def test_more_contexts_are_added_to_those_there_are(tmp_path: Path) -> None:
    write(tmp_path / "whole", 3)
    for contexts in (1, 3):
        write(tmp_path / "grown", contexts)
    pictures = [
        {path.name: path.read_bytes() for path in (tmp_path / name / "bounding_box_train").iterdir()}
        for name in ("whole", "grown")
    ]
    assert pictures[0] == pictures[1]
    with pytest.raises(ValueError, match="it can grow only"):
        write(tmp_path / "grown", 2)


def test_as_published_cuts_values_off_and_saves_with_quality_75(tmp_path: Path) -> None:
    images = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0]).view(1, 1, 1, 5)
    assert to_uint8(images).flatten().tolist() == [0, 0, 128, 255, 255]
    assert to_uint8(images, truncated=True).flatten().tolist() == [0, 0, 127, 254, 255]
    tables = []
    for name, as_published in (("ours", False), ("theirs", True)):
        line = write(tmp_path / name, as_published=as_published)[0]
        with Image.open(tmp_path / name / line["file"]) as image:
            tables.append(image.quantization)  # type: ignore[attr-defined]
    for table, quality in zip(tables, (95, 75), strict=True):
        place = tmp_path / f"{quality}.jpg"
        Image.new("RGB", (8, 8)).save(place, quality=quality)
        with Image.open(place) as image:
            assert table == image.quantization  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="as_published: True there, None now"):
        write(tmp_path / "theirs")
