"""The judge: who is ranked among whom, and which judges are refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from genreid.data.sample import UNKNOWN_CAMID, Sample
from genreid.features.extract import Extractor
from genreid.features.feature_set import FeatureSet
from genreid.quality.images import UnmeasurableError
from genreid.quality.judge import expect_strangers, judge_rank1


@dataclass
class Eye:
    """A judge that sees the number in a file's name."""

    def extract(self, samples: list[Sample]) -> FeatureSet:
        places = np.array([[float(sample.path.stem), 1.0] for sample in samples], np.float32)
        return FeatureSet(
            places,
            np.array([sample.pid for sample in samples]),
            np.array([sample.camid for sample in samples]),
        )


JUDGE = cast(Extractor, Eye())
GIVERS = [
    Sample(Path("0.jpg"), 1, 1),
    Sample(Path("10.jpg"), 1, 2),
    Sample(Path("3.jpg"), 2, 1),
    Sample(Path("4.jpg"), 2, 2),
]


def test_the_giver_himself_and_his_camera_do_not_count() -> None:
    # 0 is nearest to its own giver 0, which is left out, then to 3, who is another; 3.4 nearest to 4 (right)
    generated = [Path("0.jpg"), Path("9.jpg"), Path("3.4.jpg"), Path("4.jpg")]
    assert judge_rank1(JUDGE, generated, GIVERS) == 0.5
    assert judge_rank1(JUDGE, generated[2:] + generated[2:], GIVERS[2:] + GIVERS[2:]) == 1.0


def test_of_unknown_cameras_the_giver_alone_is_left_out() -> None:
    unknown = [Sample(giver.path, giver.pid, UNKNOWN_CAMID) for giver in GIVERS]
    # 3.4: its giver 3 is left out, 4 is right; 4: its giver is left out, 3 is right
    assert (
        judge_rank1(JUDGE, [Path("3.4.jpg"), Path("4.jpg"), Path("0.jpg")], [*unknown[2:], unknown[0]]) == 1.0
    )


def test_nobody_to_find_is_said() -> None:
    with pytest.raises(UnmeasurableError, match="the judge cannot rank: "):
        judge_rank1(JUDGE, [Path("1.jpg")], GIVERS[:1])


def test_a_judge_of_the_same_people_is_refused_wherever_they_are(tmp_path: Path) -> None:
    samples = []
    for folder, size in (("a", 5), ("copy", 5), ("other", 6)):
        path = tmp_path / folder / "0001_c1s1_000001_00.jpg"
        path.parent.mkdir()
        path.write_bytes(b"x" * size)
        samples.append(Sample(path, 1, 1))
    with pytest.raises(
        ValueError, match=r"was trained on 1 of the people whom it shall rank.*train baseline"
    ):
        expect_strangers(Path("judge"), samples[:1], samples[1:2])
    expect_strangers(Path("judge"), samples[:1], samples[2:])
