"""What networks see: kept in the cache, and missing where there are no weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from genreid.data.sample import Sample
from genreid.models.precision import Compute
from genreid.quality import frechet, measure
from genreid.quality.features import FeatureNetwork, features_of
from genreid.quality.frechet import frechet_distance
from genreid.quality.generated import GeneratedImage
from genreid.quality.images import Images
from genreid.quality.kernel_distance import kernel_distance
from genreid.quality.measure import Instruments, Subject

COMPUTE = Compute(torch.device("cpu"), bf16=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))


class Corners(nn.Module):
    """Sees the corners of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.looked += len(images)
        return {"pool3": images[:, :, 0, 0] + 1, "pre_aux": images[:, :, -1, -1] + 1}


def drawn(folder: Path, count: int, seed: int) -> list[Path]:
    """Pictures of one colour each."""
    folder.mkdir()
    paths = []
    for number, colour in enumerate(np.random.default_rng(seed).integers(0, 256, (count, 3))):
        paths.append(folder / f"{number}.png")
        Image.new("RGB", (16, 16), tuple(int(value) for value in colour)).save(paths[-1])
    return paths


def test_what_was_seen_is_kept_for_these_images_and_this_network(tmp_path: Path) -> None:
    paths = drawn(tmp_path / "a", 40, 0)
    eye = Corners()
    images = Images.of(paths, (16, 16), "image")
    seen = features_of(images, FeatureNetwork("eye", eye, "one"), COMPUTE)
    assert seen["pool3"].shape == (40, 3)
    assert eye.looked == 40
    again = features_of(Images.of(paths, (16, 16), "image"), FeatureNetwork("eye", eye, "one"), COMPUTE)
    assert eye.looked == 40
    assert np.array_equal(seen["pool3"], again["pool3"])
    features_of(images, FeatureNetwork("eye", eye, "two"), COMPUTE)
    features_of(Images.of(paths[1:], (16, 16), "image"), FeatureNetwork("eye", eye, "one"), COMPUTE)
    assert eye.looked == 119
    for kept in (tmp_path / "cache" / "quality").iterdir():
        kept.write_bytes(b"damaged")
    features_of(images, FeatureNetwork("eye", eye, "one"), COMPUTE)
    assert eye.looked == 159


def test_inceptions_figures_are_of_their_own_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "expect_full_rank", lambda *_: None)
    monkeypatch.setattr(measure, "expect_subset", lambda *_: None)
    monkeypatch.setattr(frechet, "expect_full_rank", lambda *_: None)
    monkeypatch.setattr(measure, "kernel_distance", lambda a, b: kernel_distance(a, b, 3, 20))
    generated, real = drawn(tmp_path / "g", 30, 1), drawn(tmp_path / "r", 25, 2)
    items = [GeneratedImage(path, Sample(path, 1, 1), path) for path in generated]
    eye = FeatureNetwork("eye", Corners(), "eye")
    found = measure.measure(
        Subject(items, real, (16, 16), "image"), Instruments(COMPUTE, eye), ("fid2048", "fid768", "kid")
    )
    sides = [features_of(Images.of(paths, (16, 16), "image"), eye, COMPUTE) for paths in (generated, real)]
    assert found.figures["fid2048"] == frechet_distance(*(side["pool3"] for side in sides))
    assert found.figures["fid768"] == frechet_distance(*(side["pre_aux"] for side in sides))
    assert found.figures["kid"] == kernel_distance(sides[0]["pool3"], sides[1]["pool3"], 3, 20)
    assert (found.images, found.real, found.missing) == (30, 25, {})


def test_without_weights_it_is_said_what_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> dict[str, Tensor]:
        msg = "cannot fetch the weights of LPIPS: no network here"
        raise ValueError(msg)

    monkeypatch.setattr(measure, "expect_full_rank", lambda *_: None)
    monkeypatch.setattr(measure, "lpips_weights", nothing)
    paths = drawn(tmp_path / "a", 3, 0)
    items = [GeneratedImage(path, Sample(path, 1, 1), path) for path in paths]
    subject = Subject(items, paths, (32, 32), "image")
    found = measure.measure(subject, Instruments(COMPUTE), ("fid2048", "frechet_vgg16", "lpips"))
    assert found.missing["fid2048"].startswith("no --inception-weights FILE; give pt_inception-2015-12-05")
    assert found.missing["frechet_vgg16"] == "cannot fetch the weights of LPIPS: no network here"
    assert found.missing["lpips"] == "cannot fetch the weights of LPIPS: no network here"
    assert set(found.figures.values()) == {None}
