"""Queries: who is unknown, how probable a hit is, one hit a track, and the sheet."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.features.options import FeatureOptions
from genreid.search.calibration import Calibration
from genreid.search.find import Finder
from genreid.search.gallery import Gallery
from genreid.search.nearest import Wanted
from genreid.search.pictures import PathPattern, of_folder
from genreid.search.rates import compare_all
from genreid.search.sheet import save_answers
from tests.drawn_datasets import Shot, draw_person
from tests.tiny_gallery import PATTERN, draw_cameras, extractor
from tests.unit.search.test_rates import people


@pytest.fixture
def finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finder:
    """Twelve images, and a calibration whose threshold nobody but a picture itself reaches."""
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    crops = draw_cameras(tmp_path / "crops")
    gallery = Gallery.create(str(tmp_path / "gallery"), tmp_path / "run", FeatureOptions(), extractor())
    gallery.add(of_folder(crops, "all", PathPattern(PATTERN)), extractor())
    calibration = Calibration.measure(compare_all(people(2, 100)), extractor().metadata, "drawn", {})
    threshold = replace(calibration.false_matches[0], threshold=0.99999, size=100)
    return Finder(gallery, extractor(), replace(calibration, identification=(threshold,)))


def test_somebody_is_unknown_below_the_threshold(finder: Finder, tmp_path: Path) -> None:
    known = next((tmp_path / "crops").rglob("*.png"))
    draw_person(Shot(70, 5, 0), (32, 16)).image.save(tmp_path / "stranger.png")
    answers = finder.find([known, tmp_path / "stranger.png"], Wanted(top=3))
    assert [answer.unknown for answer in answers] == [False, True]
    said = finder.to_json(answers)
    assert said["unknown"] == [False, True]
    assert finder.calibration is not None
    for hit in answers[0].hits:
        assert finder.probability(hit, 12) == round(finder.calibration.probability(hit.likeness, 12), 4)
    larger = replace(finder.calibration.identification[0], size=5)  # too small a gallery was measured
    small = replace(finder, calibration=replace(finder.calibration, identification=(larger,)))
    assert small.find([known], Wanted(top=3))[0].unknown is None
    assert replace(finder, calibration=None).find([known], Wanted(top=3))[0].unknown is None


def test_one_hit_a_track_is_the_nearest_of_it(finder: Finder, tmp_path: Path) -> None:
    known = next((tmp_path / "crops").rglob("*.png"))
    (every,) = finder.find([known], Wanted(top=12))
    first: dict[tuple[str, str], str] = {}
    for hit in every.hits:
        first.setdefault((hit.labels.camera, hit.labels.track), hit.labels.path)
    for top in (2, 6, 20):
        (answer,) = finder.find([known], Wanted(top=top), one_per_track=True)
        assert [hit.labels.path for hit in answer.hits] == list(first.values())[:top]


def test_the_sheet_shows_query_and_hits_and_grey_for_pictures_that_are_gone(
    finder: Finder, tmp_path: Path
) -> None:
    known = next((tmp_path / "crops").rglob("*.png"))
    answers = finder.find([known], Wanted(top=2))
    Path(answers[0].hits[1].labels.path).unlink()
    path = save_answers(tmp_path / "sheet.png", answers, finder)
    pixels = np.asarray(Image.open(path))
    assert pixels.shape[1] >= 3 * 96
    grey = (pixels == 160).all(axis=2)
    assert grey[:190, -96:-4].mean() > 0.9
    assert not grey[:190, :96].all()


def test_a_query_that_is_no_picture_is_named(finder: Finder, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"x\.png cannot be read as a picture"):
        finder.find([tmp_path / "x.png"], Wanted())
