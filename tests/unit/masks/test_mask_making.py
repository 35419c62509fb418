import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.data import Sample
from genreid.data.mask_paths import RECORD_NAME
from genreid.masks import make_masks, read_mask
from genreid.masks.parser import Crop, PersonMask
from genreid.masks.processes import IMAGES_A_TASK


@dataclass(frozen=True)
class BrightParser:
    """Takes what is bright for the person; an image whose name holds `odd` is not understood."""

    name: str = "bright"
    killed_by: int = 0

    def describe(self) -> Mapping[str, str]:
        return {"parser": self.name}

    def parse(self, crops: Sequence[Crop]) -> list[PersonMask]:
        if self.killed_by:
            os.kill(os.getpid(), self.killed_by)
        for crop in crops:
            if "odd" in crop.name.name:
                message = f"{crop.name} is odd"
                raise ValueError(message)
        return [
            PersonMask(crop.pixels[:, :, 0].astype(np.float32) / np.float32(255), presence=0.75)
            for crop in crops
        ]


def draw(root: Path, names: Sequence[str]) -> list[Path]:
    """Images of 8 x 4, the upper half bright."""
    pixels = np.zeros((8, 4, 3), np.uint8)
    pixels[:4] = 255
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name)
    return [root / name for name in names]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a data set."""
    return tmp_path / "data"


def masks_in(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))


def test_every_image_gets_a_mask_of_its_size_at_its_path(root: Path, tmp_path: Path) -> None:
    images = draw(root, ["train/1.png", "query/2.bmp"])
    run = make_masks([images[0], Sample(images[1], 1, 1)], root, tmp_path / "masks", BrightParser(), 1)
    assert (run.made, run.kept, run.refused) == (2, 0, ())
    assert masks_in(tmp_path / "masks") == ["query/2.png", "train/1.png"]
    mask = read_mask(tmp_path / "masks" / "query" / "2.png")
    assert np.array_equal(mask, [[1] * 4] * 4 + [[0] * 4] * 4)
    assert [(found.name, found.share, found.presence) for found in run.coverage] == [
        ("train/1.png", 0.5, 0.75),
        ("query/2.bmp", 0.5, 0.75),
    ]


def test_several_processes_do_what_one_does(root: Path, tmp_path: Path) -> None:
    images = draw(root, [f"{k}.png" for k in range(40)])
    images[7].write_bytes(b"")
    alone = make_masks(images, root, tmp_path / "one", BrightParser(), 1)
    together = make_masks(images, root, tmp_path / "two", BrightParser(), 2)
    assert (together.made, together.refused, together.coverage) == (39, alone.refused, alone.coverage)
    assert masks_in(tmp_path / "one") == masks_in(tmp_path / "two")


def test_masks_that_are_there_are_kept_and_damaged_ones_made_again(root: Path, tmp_path: Path) -> None:
    images, out = draw(root, ["1.png", "2.png", "3.png"]), tmp_path / "masks"
    make_masks(images[:2], root, out, BrightParser(), 1)
    (out / "2.png").write_bytes((out / "2.png").read_bytes()[:20])
    before = (out / "1.png").stat().st_mtime_ns
    run = make_masks(images, root, out, BrightParser(), 1)
    assert (run.made, run.kept) == (2, 1)
    assert (out / "1.png").stat().st_mtime_ns == before
    assert [found.share for found in run.coverage] == [0.5] * 3


def test_bad_images_are_named_and_stop_nothing(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = draw(root, ["1.png", "2odd.png", "3.png"])
    (root / "0.png").write_bytes(b"no image")
    (root / "4.png").symlink_to(root / "nowhere.png")
    run = make_masks([root / "0.png", *images, root / "4.png"], root, tmp_path / "masks", BrightParser(), 1)
    assert masks_in(tmp_path / "masks") == ["1.png", "3.png"]
    assert [refused.path.name for refused in run.refused] == ["0.png", "2odd.png", "4.png"]
    assert [refused.reason for refused in run.refused] == [
        "not an image",
        "2odd.png is odd",
        "a link that leads nowhere",
    ]
    assert "0.png: not an image" in caplog.text


def test_a_picture_in_the_place_of_a_mask_is_not_written_over(root: Path, tmp_path: Path) -> None:
    images, out = draw(root, ["1.jpg"]), tmp_path / "masks"
    out.mkdir()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(out / "1.png")
    before = (out / "1.png").read_bytes()
    run = make_masks(images, root, out, BrightParser(), 1)
    assert "another file" in run.refused[0].reason
    assert (out / "1.png").read_bytes() == before


def test_masks_never_lie_on_images(root: Path) -> None:
    images = draw(root, ["1.png"])
    with pytest.raises(ValueError, match="would lie where an image is"):
        make_masks(images, root, root, BrightParser(), 1)


def test_masks_never_lie_outside_their_folder(root: Path, tmp_path: Path) -> None:
    draw(tmp_path, ["elsewhere/a.jpg"])
    root.mkdir()
    with pytest.raises(ValueError, match="is not below the data set's folder"):
        make_masks([root / ".." / "elsewhere" / "a.jpg"], root, tmp_path / "masks", BrightParser(), 1)
    assert not masks_in(tmp_path)


def test_masks_can_be_stopped_and_gone_on_with(root: Path, tmp_path: Path) -> None:
    images = draw(root, [f"{number:03d}.jpg" for number in range(3 * IMAGES_A_TASK)])
    out, asked = tmp_path / "masks", []

    def must_stop() -> bool:
        asked.append(len(masks_in(out)))
        return len(asked) == 2

    stopped = make_masks(images, root, out, BrightParser(), 1, must_stop=must_stop)
    assert (stopped.made, stopped.missing) == (2 * IMAGES_A_TASK, IMAGES_A_TASK)
    whole = make_masks(images, root, out, BrightParser(), 1, must_stop=lambda: True)
    assert (whole.made, whole.kept, whole.missing) == (IMAGES_A_TASK, 2 * IMAGES_A_TASK, 0)


def test_two_images_with_one_mask_path_are_refused(root: Path, tmp_path: Path) -> None:
    images = draw(root, ["1.png", "1.bmp"])
    with pytest.raises(ValueError, match="the same mask"):
        make_masks(images, root, tmp_path / "masks", BrightParser(), 1)


def test_masks_of_two_parsers_or_data_sets_are_not_mixed(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    make_masks(draw(root, ["1.png"]), root, out, BrightParser(), 1)
    with pytest.raises(ValueError, match=r"made by .*'bright'.*give another folder"):
        make_masks([root / "1.png"], root, out, BrightParser("other"), 1)
    other = draw(tmp_path / "other", ["1.png"])
    with pytest.raises(ValueError, match="masks of the data set"):
        make_masks(other, tmp_path / "other", out, BrightParser(), 1)
    root.rename(tmp_path / "moved")
    run = make_masks([tmp_path / "moved" / "1.png"], tmp_path / "moved", out, BrightParser(), 1)
    assert run.kept == 1, "a data set that was moved keeps its masks"
    assert json.loads((out / RECORD_NAME).read_text())["dataset"] == str((tmp_path / "moved").resolve())


@pytest.mark.parametrize("content", [b"%!PS", b"a diary", b"GIF89a"])
def test_files_that_were_never_masks_are_not_replaced(root: Path, tmp_path: Path, content: bytes) -> None:
    images, out = draw(root, ["1.png", "2.png"]), tmp_path / "masks"
    out.mkdir()
    (out / "1.png").write_bytes(content)
    run = make_masks(images, root, out, BrightParser(), 1)
    assert (out / "1.png").read_bytes() == content
    assert [refused.path.name for refused in run.refused] == ["1.png"]
    assert "another file lies where its mask belongs" in run.refused[0].reason


@pytest.mark.parametrize("content", ['{"images": [], "annotations": []}', "[1]", "notes"])
def test_a_record_of_something_else_is_not_replaced(root: Path, tmp_path: Path, content: str) -> None:
    out = tmp_path / "masks"
    out.mkdir()
    (out / RECORD_NAME).write_text(content)
    with pytest.raises(ValueError, match=r"masks\.json is no record of masks: give another folder"):
        make_masks(draw(root, ["1.png"]), root, out, BrightParser(), 1)
    assert (out / RECORD_NAME).read_text() == content


def test_a_mask_that_cannot_be_written_stops_the_run_with_the_reason(root: Path, tmp_path: Path) -> None:
    images, out = draw(root, ["1.png", "sub/2.png"]), tmp_path / "masks"
    out.mkdir()
    (out / "sub").write_bytes(b"a file where a folder is wanted")
    with pytest.raises(ValueError, match=r"cannot write the mask .*2\.png.*run the command again"):
        make_masks(images, root, out, BrightParser(), 1)
    assert masks_in(out) == ["1.png"]


def test_a_killed_process_is_explained(root: Path, tmp_path: Path) -> None:
    images = draw(root, [f"{k}.png" for k in range(17)])
    with pytest.raises(ValueError, match="--workers 1"):
        make_masks(images, root, tmp_path / "masks", BrightParser(killed_by=signal.SIGKILL), 2)


def test_no_images_make_no_masks(root: Path, tmp_path: Path) -> None:
    run = make_masks([], root, tmp_path / "masks", BrightParser())
    assert (run.made, run.coverage) == (0, ())
