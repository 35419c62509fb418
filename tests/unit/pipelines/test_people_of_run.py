"""A run's own training people: read again, and drawn."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from genreid.pipelines.people_of_run import draw_people, people_of_run
from tests.drawn_datasets import draw_folder_tree, draw_market1501

SIZE = (32, 16)


def run_of(root: Path, data: Path, **job: object) -> Path:
    """A run folder that remembers its data."""
    run = root / "run"
    run.mkdir()
    record = {"data": str(data), "format": None, "pattern": None, "split": "train", "holdout": 0, **job}
    (run / "job.json").write_text(json.dumps(record))
    return run


def test_the_people_are_those_that_the_run_was_trained_on(tmp_path: Path) -> None:
    data = draw_market1501(tmp_path / "data", pids=4)
    run = run_of(tmp_path, data)
    assert {sample.pid for sample in people_of_run(run).samples} == {1, 2, 3, 4}
    shutil.rmtree(run)
    held_out = people_of_run(run_of(tmp_path, data, holdout=1, format="market1501"))
    assert {sample.pid for sample in held_out.samples} == {1, 2, 3}
    assert held_out.root == data
    shutil.rmtree(run)
    every = people_of_run(run_of(tmp_path, data, split="all"))
    assert {sample.pid for sample in every.samples} == set(range(1, 9)), "no junk, no distractors"


def test_the_folder_that_a_run_names_is_said_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "genreid")
    data, mine = draw_market1501(tmp_path / "data", pids=2), draw_market1501(tmp_path / "mine", pids=3)
    run = run_of(tmp_path, data)
    assert people_of_run(run, mine).root == mine
    assert caplog.text == ""
    assert people_of_run(run).root == data
    assert f"reading images of {data} (--data DIR names another folder)" in caplog.text


def test_own_names_are_kept(tmp_path: Path) -> None:
    data = draw_folder_tree(tmp_path / "data", ("Ada", "Bert"), cameras=2)
    pattern = r"(?P<identity>[^/]+)/cam(?P<camera>[0-9]+)"
    drawn = draw_people(people_of_run(run_of(tmp_path, data, format="folder", pattern=pattern)), 2, 0, SIZE)
    assert {label.split(" c")[0] for label in drawn.labels} == {"Ada", "Bert"}


def test_a_run_that_remembers_no_data(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no run folder \(no job\.json\)"):
        people_of_run(tmp_path)
    run = run_of(tmp_path, tmp_path / "gone")
    with pytest.raises(
        ValueError, match=r"trained on images that are not there any more: no data set at .*gone"
    ):
        people_of_run(run)
    (run / "job.json").write_text('{"source": "a"}')
    with pytest.raises(ValueError, match=r"does not know the people that it was trained on.*type --data DIR"):
        people_of_run(run)


def test_different_people_are_drawn_as_long_as_there_are_some(tmp_path: Path) -> None:
    people = people_of_run(run_of(tmp_path, draw_market1501(tmp_path / "data", pids=6)))
    drawn = draw_people(people, 6, 1, SIZE)
    assert drawn.images.shape == (6, 3, *SIZE)
    assert {label.split()[0] for label in drawn.labels} == {f"{pid:04d}" for pid in range(1, 7)}
    more = draw_people(people, 24, 1, SIZE)
    assert more.labels[:6] == drawn.labels
    assert np.array_equal(more.images[:6], drawn.images)
    assert len({image.tobytes() for image in more.images}) == 24, "every image once"
    assert draw_people(people, 6, 2, SIZE).labels != drawn.labels
    again = draw_people(people, 30, 1, SIZE)
    assert np.array_equal(again.images[24:], more.images[:6])


def test_an_unreadable_image_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    people = people_of_run(run_of(tmp_path, draw_market1501(tmp_path / "data", pids=2)))
    assert len({image.tobytes() for image in draw_people(people, 8, 0, SIZE).images}) == 8
    broken = people.samples[3].path
    broken.write_bytes(b"no image")
    after = draw_people(people, 8, 0, SIZE)
    assert f"cannot read {broken}: not an image" in caplog.text
    assert len({image.tobytes() for image in after.images}) == 7
    for sample in people.samples:
        sample.path.write_bytes(b"")
    with pytest.raises(ValueError, match="no training image can be read; `genreid data check"):
        draw_people(people, 1, 0, SIZE)
