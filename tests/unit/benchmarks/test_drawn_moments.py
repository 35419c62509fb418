"""Moments of pictures whose moments are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.drawn_moments import main, moments
from genreid.data.sample import Sample


def samples(folder: Path, pictures: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> list[Sample]:
    """Write pictures as PNG files, by two cameras in turn."""
    found = []
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{number}.png")
        found.append(Sample(folder / f"{number}.png", pid=1, camid=1 + number % 2))
    return found


def test_moments_of_even_pictures(tmp_path: Path) -> None:
    levels = [(100, 80, 60), (120, 100, 80), (110, 90, 70), (130, 110, 90)]  # cameras differ by 20
    found = moments(samples(tmp_path, [np.full((128, 64, 3), level, np.uint8) for level in levels]))
    assert found["mean of red"] == 115
    assert found["mean of blue"] == 75
    assert found["largest less smallest channel"] == 40
    assert found["mean: spread over cameras"] == 10
    assert found["mean: spread within a camera"] == 5
    assert found["mean: spread over pictures"] == pytest.approx(np.std([100, 120, 110, 130]))
    assert found["deviation within a picture"] == found["finest grain"] == found["body against edges"] == 0


def test_noise_is_fine_and_blocks_are_seen(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    grain = np.clip(random.normal(128, 10, (4, 128, 64, 1)), 0, 255).repeat(3, 3).astype(np.uint8)
    noisy = moments(samples(tmp_path, list(grain)))
    beyond = 1 - np.pi * 0.25**2  # of all frequencies
    assert noisy["energy at high frequencies, %"] == pytest.approx(100 * beyond, abs=2)
    assert noisy["finest grain"] == pytest.approx(0.6745 * 10 * np.sqrt(1.25), rel=0.03)
    assert noisy["steps at JPEG blocks over others"] == pytest.approx(1, abs=0.05)
    blocks = random.integers(0, 255, (4, 16, 8, 1)).repeat(8, 1).repeat(8, 2).repeat(3, 3).astype(np.uint8)
    blocks = np.clip(blocks + random.integers(-2, 3, blocks.shape), 0, 255).astype(np.uint8)
    assert moments(samples(tmp_path, list(blocks)))["steps at JPEG blocks over others"] > 10


def test_drawn_and_other_sets_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for camera in (1, 2):
        folder = tmp_path / "bounding_box_train"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (48, 96), (90, 90, 90)).save(folder / f"0001_c{camera}s1_000001_01.jpg")
    assert main(["--images", "12", "--real", f"own={tmp_path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| moment | drawn A | drawn B | own |"
    assert lines[2].split("|")[4].strip() == "90"
