"""`Renderer`: what it takes, and what it refuses with a hint."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from genreid.generation.renderer import Picture, Renderer
from genreid.models.crgan import PairRenderer
from genreid.models.precision import Compute
from genreid.models.renderers import ColourTransfer, Composite, CutAndPaste, Untouched
from tests.drawn_datasets import Canvas, Shot

SIZE = (16, 8)
RENDERER = Renderer(CutAndPaste(erase_target=False), SIZE, Compute(torch.device("cpu"), bf16=False))
MASKS = np.zeros((1, *SIZE), np.uint8)
GREY = np.full((3, *SIZE), 90, np.uint8)


def test_files_pillow_images_and_arrays_are_the_same_picture(tmp_path: Path) -> None:
    file = Canvas(tmp_path, SIZE).write("person.png", Shot(1, 1, 1))
    with Image.open(file) as opened:
        image = opened.copy()
    kinds: list[Picture] = [file, str(file), image, np.asarray(image.convert("RGB")).transpose(2, 0, 1)]
    masks = np.ones((4, *SIZE), np.uint8)
    result = RENDERER(kinds, [GREY] * 4, masks, masks)
    assert result.images.shape == (4, 3, *SIZE)
    assert all(np.array_equal(rendering, result.images[0]) for rendering in result.images)
    assert np.array_equal(result.images, RENDERER.render(kinds, [GREY] * 4, masks, masks).images)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (MASKS + np.uint8(255), r"source_masks .* 0 and 1, got values up to 255; type \(masks > 0\)"),
        (MASKS.astype(np.float32), "got float32"),
        (np.zeros((1, 4, 4), np.uint8), r"one array uint8 \[1, 16, 8\] of 0 and 1, got uint8 \[1, 4, 4\]"),
        ([MASKS[0]], r"got a list; type numpy\.stack\(masks\)"),
    ],
)
def test_masks_that_are_no_masks(masks: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RENDERER([GREY], [GREY], masks, MASKS)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("anna.jpg", r"source must be a list of pictures, got one: anna\.jpg"),
        (GREY, "got one array"),
        ([], "source is empty"),
        ([GREY, GREY], "got 2 and 1"),
        ([GREY.transpose(1, 2, 0)], r"type image\.transpose\(2, 0, 1\)"),
        ([7], "got a int"),
    ],
)
def test_pictures_that_are_no_list_of_pictures(source: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RENDERER(source, [GREY], MASKS, MASKS)  # type: ignore[arg-type]


@pytest.mark.parametrize(("network", "loaded"), [(ColourTransfer(), 0), (Untouched(), 0), (Composite(), 2)])
def test_people_are_found_only_for_a_renderer_that_needs_masks(
    network: PairRenderer, loaded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def parser() -> SimpleNamespace:
        calls.append("loaded")
        mask = SimpleNamespace(binary=lambda: np.ones(SIZE, np.uint8))
        return SimpleNamespace(parse=lambda crops: [mask] * len(crops))

    monkeypatch.setattr("genreid.generation.renderer.load_blazepose", parser)
    made = Renderer(network, SIZE, RENDERER.compute)([GREY], [GREY])
    assert made.images.shape == (1, 3, *SIZE)
    assert len(calls) == loaded


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "anna.jpg"
    file.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"anna\.jpg cannot be read: not an image"):
        RENDERER([GREY], [file], MASKS, MASKS)
