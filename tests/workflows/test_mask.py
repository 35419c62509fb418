import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.cli.mask import main
from genreid.data.load import load_dataset
from genreid.masks import read_mask
from tests.drawn_datasets import draw_market1501

JSON_KEYS = {"masks", "parser", "made", "kept", "refused", "coverage", "seconds"}


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A drawn data set, and beside it the label maps of its people: exact masks as labels 0 and 1."""
    return draw_market1501(tmp_path / "market", pids=2, masks_root=tmp_path / "maps")


def arguments(people: Path, *more: str) -> list[str]:
    maps, out = people.parent / "maps", people.parent / "masks"
    return [
        str(people),
        "--out",
        str(out),
        "--parser",
        "labels",
        "--labels",
        str(maps),
        "--workers",
        "1",
        *more,
    ]


def test_every_image_of_the_data_set_gets_its_mask(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(people, "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    images = sorted(people.rglob("*.jpg"))
    assert set(answer) == JSON_KEYS
    assert (answer["made"], answer["kept"], answer["refused"]) == (len(images), 0, [])
    assert 0.2 < answer["coverage"]["mean_share"] < 0.7
    for image in images:
        relative = image.relative_to(people).with_suffix(".png")
        drawn = np.asarray(Image.open(people.parent / "maps" / relative))
        assert np.array_equal(read_mask(people.parent / "masks" / relative), drawn)


def test_the_report_names_what_is_wrong_and_a_second_run_mends_it(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = min((people / "query").iterdir())
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    assert main(arguments(people)) == 1
    assert f"no mask: {broken}" in capsys.readouterr().out
    broken.write_bytes(whole)
    assert main(arguments(people)) == 0
    text = capsys.readouterr().out
    assert "1 made and" in text
    assert "mean share" in text


def test_images_whose_names_no_pattern_fits_get_masks_too(
    people: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = people / "query" / "somebody.jpg"
    image.write_bytes(min((people / "query").iterdir()).read_bytes())
    Image.new("L", (32, 64), 3).save(people.parent / "maps" / "query" / "somebody.png")
    assert main(arguments(people, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["coverage"]["largest"][0]["name"] == "query/somebody.jpg"


def test_any_folder_of_images_will_do_and_may_hold_its_masks(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "crops" / "today"
    folder.mkdir(parents=True)
    first = min((people / "query").iterdir())
    (folder / first.name).write_bytes(first.read_bytes())
    options = [str(tmp_path / "crops"), *arguments(people)[1:], "--out", str(tmp_path / "crops" / "masks")]
    assert main(options) == 0
    assert (tmp_path / "crops" / "masks" / "today" / first.with_suffix(".png").name).is_file()
    capsys.readouterr()
    assert main([*options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["coverage"]["images"] == 1
    train = load_dataset(tmp_path / "crops", format="folder").train
    assert [sample.path for sample in train] == [folder / first.name], "masks are no crops"


def test_a_pattern_is_passed_on(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(people, "--pattern", r"(?P<identity>\d+)_c(?P<camera>\d)", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["made"] == len([*people.rglob("*.jpg")])
    with pytest.raises(ValueError, match="identity"):
        main(arguments(people, "--pattern", "no groups"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--parser", "labels"], "--labels DIR"),
        (["--parser", "labels", "--labels", "x", "--parser-model", "y"], "--parser-model does not go with"),
        (["--labels", "x"], "--labels does not go with --parser blazepose"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_options_that_do_not_fit_are_refused(people: Path, options: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        main([str(people), "--out", str(people.parent / "masks"), *options])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none"):
        main([str(tmp_path / "none"), "--out", str(tmp_path / "masks")])


def test_the_true_command_line_works_in_several_processes(people: Path) -> None:
    command = [sys.executable, "-m", "genreid.cli.main", "mask", *arguments(people, "--json")]
    command[command.index("--workers") + 1] = "2"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["made"] == len([*people.rglob("*.jpg")])
    assert "making masks" in done.stderr
