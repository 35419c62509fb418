"""Own data: trees, patterns, tables; identities and cameras of any text."""

import logging
from pathlib import Path

import pytest

from genreid.data import JUNK_PID, UNKNOWN_CAMID, ReaderOptions, load_dataset
from genreid.data.files_seen import NO_SPLIT, count_files
from genreid.data.load import open_dataset
from tests.drawn_datasets import Canvas, Shot, draw_csv, draw_folder_tree, draw_market1501

PATTERN = ReaderOptions(pattern=r"(?P<identity>[^/]+)/cam(?P<camera>\d+)")


def draw(root: Path, *names: str) -> Path:
    """Draw images under relative names."""
    for number, name in enumerate(names):
        Canvas(root, (16, 8)).write(name, Shot(1, 1, number))
    return root


def write_table(root: Path, *lines: str, encoding: str = "utf-8") -> Path:
    """Write a table."""
    table = root / "people.csv"
    table.write_text("\n".join(lines) + "\n", encoding=encoding)
    return table


def test_tree_without_a_pattern_has_identities_and_no_cameras(tmp_path: Path) -> None:
    dataset = load_dataset(draw_folder_tree(tmp_path, ("Bert", "Ada")))
    assert dataset.format == "folder"
    assert (len(dataset.train), len(dataset.query), len(dataset.gallery)) == (24, 2, 2)
    assert dict(dataset.identity_names) == {1: "Ada", 2: "Bert"}
    assert {sample.camid for sample in dataset.train} == {UNKNOWN_CAMID}
    assert any("no camera" in note for note in dataset.notes)


def test_pattern_reads_more_than_nine_cameras(tmp_path: Path) -> None:
    dataset = load_dataset(draw_folder_tree(tmp_path, cameras=12), options=PATTERN)
    assert {sample.camid for sample in dataset.train} == set(range(1, 13))
    assert {sample.pid for sample in dataset.query} == {1, 2}
    assert not dataset.unmatched_names


def test_paths_that_miss_the_pattern_are_listed(tmp_path: Path) -> None:
    draw(
        tmp_path,
        "train/Ada/cam1-a.jpg",
        "train/Ada/left.jpg",
        "train/.hidden.jpg",
        "train/.trash/Ada/cam1-b.jpg",
    )
    dataset = load_dataset(tmp_path, options=PATTERN)
    assert [sample.path.name for sample in dataset.train] == ["cam1-a.jpg"]
    assert [path.name for path in dataset.unmatched_names] == ["left.jpg"]
    assert count_files(dataset).files.left_out[1].number == 2  # hidden


def test_market_names_in_any_folder(tmp_path: Path) -> None:
    draw(tmp_path, "0003_c11s1_1_0.jpg", "0009_c2s1_1_0.jpg", "-1_c2s1_2_0.jpg")
    dataset = load_dataset(tmp_path)
    assert {(sample.pid, sample.camid) for sample in dataset.train} == {(1, 11), (2, 2), (JUNK_PID, 2)}
    assert dict(dataset.identity_names) == {1: "0003", 2: "0009"}


def test_identity_zero_is_a_person(tmp_path: Path) -> None:
    dataset = load_dataset(draw(tmp_path, "0/a.jpg", "10/a.jpg", "9/a.jpg"))
    assert dict(dataset.identity_names) == {1: "0", 2: "9", 3: "10"}


def test_flat_crops_without_identity_can_be_a_target(tmp_path: Path) -> None:
    dataset = load_dataset(draw(tmp_path, "door.jpg", "hall (2).PNG", "stairs.jpeg"))
    assert [sample.pid for sample in dataset.train] == [JUNK_PID] * 3
    assert any("have no identity" in note for note in dataset.notes)
    assert not dataset.known_people


def test_cameras_of_any_text_are_numbered(tmp_path: Path) -> None:
    draw(tmp_path, "Ada/north-1.jpg", "Ada/0-1.jpg", "Bert/10-1.jpg")
    dataset = load_dataset(tmp_path, options=ReaderOptions(pattern=r"(?P<identity>.*)/(?P<camera>\w+)-"))
    assert {sample.path.name: sample.camid for sample in dataset.train} == {
        "0-1.jpg": 1,
        "10-1.jpg": 2,
        "north-1.jpg": 3,
    }
    assert "3 = north" in dataset.notes[-1]


def test_camera_that_is_optional_in_the_pattern(tmp_path: Path) -> None:
    draw(tmp_path, "Ada/1.jpg", "Ada/x.jpg")
    dataset = load_dataset(tmp_path, options=ReaderOptions(pattern=r"(?P<identity>[^/]+)/(?P<camera>\d+)?"))
    assert [sample.camid for sample in dataset.train] == [1, UNKNOWN_CAMID]


def test_folders_that_are_no_split_are_named(tmp_path: Path) -> None:
    draw(tmp_path, "train/Ada/1.jpg", "gallery/Ada/2.jpg", "query/Ada/3.jpg", "validation/Bert/1.jpg")
    (left,) = count_files(load_dataset(tmp_path)).files.left_out
    assert left == (NO_SPLIT, 1, ("validation/Bert/1.jpg",))


def test_linked_folders_are_read_and_loops_do_no_harm(tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere", "Ada/1.jpg")
    (tmp_path / "data" / "train").mkdir(parents=True)
    (tmp_path / "data" / "train" / "Ada").symlink_to(tmp_path / "elsewhere" / "Ada")
    (tmp_path / "elsewhere" / "Ada" / "loop").symlink_to(tmp_path / "data" / "train")
    dataset = load_dataset(tmp_path / "data")
    assert [sample.path.name for sample in dataset.train] == ["1.jpg"]


def test_deep_trees_need_a_pattern(tmp_path: Path) -> None:
    draw(tmp_path, "site/day/Ada/1.jpg")
    with pytest.raises(ValueError, match="--pattern"):
        load_dataset(tmp_path)
    pattern = ReaderOptions(pattern=r"(?P<identity>[^/]+)/[^/]+$")
    assert dict(load_dataset(tmp_path, options=pattern).identity_names) == {1: "Ada"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<identity>", "is not a regular expression"),
        (r"(\d+)/", "needs a named group identity, camera, or both"),
        (r"(?P<identity>\d+)_(?P<cam>\d+)", "needs a named group identity, camera, or both"),
        ("(?P<identity>zebra)", "none of the 1 images .* 'Ada/1.jpg'"),
    ],
)
def test_patterns_that_cannot_be_used(tmp_path: Path, pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_dataset(draw(tmp_path, "Ada/1.jpg"), options=ReaderOptions(pattern=pattern))


def test_a_pattern_may_say_the_camera_alone(tmp_path: Path) -> None:
    root = draw(tmp_path, "day1/north/1.jpg", "day1/south/1.jpg", "day2/north/1.jpg")
    dataset = load_dataset(root, options=ReaderOptions(pattern=r"(?P<camera>[^/]+)/[^/]+$"))
    assert [sample.camid for sample in dataset.train] == [1, 2, 1]
    assert {sample.pid for sample in dataset.train} == {JUNK_PID}
    assert dict(dataset.camera_names) == {1: "north", 2: "south"}


@pytest.mark.parametrize("names", [("cam1", "cam12"), ("Camera 3", "camera-4"), ("CAM_1", "cam2")])
def test_folders_named_like_cameras_are_cameras(tmp_path: Path, names: tuple[str, str]) -> None:
    dataset = load_dataset(draw(tmp_path, *(f"{name}/a.jpg" for name in names)))
    assert len({sample.camid for sample in dataset.train} - {UNKNOWN_CAMID}) == 2
    assert {sample.pid for sample in dataset.train} == {JUNK_PID}
    assert any("read as cameras and people are unknown" in note for note in dataset.notes)


def test_one_person_among_folders_of_cameras_makes_them_people(tmp_path: Path) -> None:
    dataset = load_dataset(draw(tmp_path, "cam1/a.jpg", "camilla/a.jpg"))
    assert dict(dataset.identity_names) == {1: "cam1", 2: "camilla"}
    assert any("reads it as the camera" in note for note in dataset.notes)


def test_data_sets_that_number_people_apart_can_be_told(tmp_path: Path) -> None:
    whole = load_dataset(draw(tmp_path / "whole", "anna/1.jpg", "bob/1.jpg"))
    part = load_dataset(draw(tmp_path / "part", "bob/1.jpg"))
    same = load_dataset(draw(tmp_path / "same", "anna/2.jpg", "bob/3.jpg"))
    assert whole.numbering == same.numbering != part.numbering
    cameras = [
        load_dataset(draw(tmp_path / name, f"bob/cam{name}-1.jpg"), options=PATTERN) for name in ("1", "2")
    ]
    assert cameras[0].numbering != cameras[1].numbering
    assert not load_dataset(draw_market1501(tmp_path / "market")).numbering, "pids of its own"


def test_a_command_says_what_it_read_and_what_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    draw(
        tmp_path,
        "train/Ada/cam1-a.jpg",
        "train/Ada/left.jpg",
        "train/Bert/cam2-a.jpg",
        "query/Ada/cam2-b.jpg",
    )
    with caplog.at_level(logging.INFO):
        open_dataset(tmp_path, None, PATTERN.pattern)
    assert "(folder): train 2 images, 2 people, 2 cameras, query 1 images, 1 people, 1 cameras" in caplog.text
    assert "identity and camera by the pattern" in caplog.text
    assert (
        "4 files seen = 3 taken + 1 left out; 1 files: name does not fit, such as train/Ada/left.jpg"
        in caplog.text
    )


def test_no_images_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no images in"):
        load_dataset(tmp_path, format="folder")


def test_table(tmp_path: Path) -> None:
    table = draw_csv(tmp_path)
    dataset = load_dataset(table)
    assert dataset.root == tmp_path
    assert [len(split) for split in (dataset.train, dataset.query, dataset.gallery)] == [4, 4, 4]
    assert {sample.camid for sample in dataset.train} == {1, 2}
    assert dict(dataset.identity_names) == {1: "Ada", 2: "Bert"}
    assert load_dataset(tmp_path) == dataset


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_table_as_spreadsheets_write_it(tmp_path: Path, delimiter: str) -> None:
    rows = (("Path", "Identity", "Camera"), ("a.jpg", '"Zoe, the cook"', "14"), ("b.jpg", "", ""))
    table = write_table(tmp_path, *(delimiter.join(row) for row in rows), "", encoding="utf-8-sig")
    dataset = load_dataset(table)
    assert [(sample.path.name, sample.pid, sample.camid) for sample in dataset.train] == [
        ("a.jpg", 1, 14),
        ("b.jpg", JUNK_PID, UNKNOWN_CAMID),
    ]
    assert dict(dataset.identity_names) == {1: "Zoe, the cook"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("file,identity", "a.jpg,Ada"), "has the columns file, identity; expected path"),
        (
            ("path,identity,split", "a.jpg,Ada,validation"),
            "line 2: split 'validation', expected one of train",
        ),
        (("path,identity", ",Ada"), "line 2: no path"),
        (("path,identity",), "names no image"),
        (("path,identity,camid", "a.jpg,Ada,1"), "has a column 'camid' and none called 'camera'"),
        (("path,identity,subset", "a.jpg,Ada,query"), "has a column 'subset' and none called 'split'"),
        (("path,pid", "a.jpg,7"), "has a column 'pid' and none called 'identity'"),
        (("path,identity", 'a.jpg,"Ada'), "is not a CSV file"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_dataset(write_table(tmp_path, *lines))


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    lines = ("path,identity,camera,colour,camid", "a.jpg,Ada,1,red,7")
    dataset = load_dataset(write_table(tmp_path, *lines))
    assert "columns of people.csv that are not read: colour, camid" in dataset.notes
    assert dataset.train[0].camid == 1


def test_of_several_tables_none_is_taken_in_silence(tmp_path: Path) -> None:
    draw_csv(tmp_path)
    (tmp_path / "old.csv").write_text("path,identity\na.jpg,Ada\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"holds several tables \(.*old\.csv.*\): give one of them, such as"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path / "old.csv").train


def test_a_table_without_identities_is_named(tmp_path: Path) -> None:
    draw_folder_tree(tmp_path)
    (tmp_path / "crops.csv").write_text("path,camera\ntrain/Ada/a.jpg,1\n", encoding="utf-8")
    notes = " ".join(load_dataset(tmp_path).notes)
    assert (
        f"crops.csv has no column identity, so it is not read; give {tmp_path / 'crops.csv'} itself" in notes
    )


def test_table_that_is_no_text(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_bytes(b"path,identity\n\xff\xfe,Ada\n")
    with pytest.raises(ValueError, match="not a CSV file in UTF-8"):
        load_dataset(table)
    with pytest.raises(ValueError, match="takes no --pattern"):
        load_dataset(table, options=PATTERN)


def test_a_public_data_set_wins_over_own_data(tmp_path: Path) -> None:
    draw_market1501(tmp_path)
    (tmp_path / "people.csv").write_text("path,identity\nquery/a.jpg,Ada\n", encoding="utf-8")
    assert load_dataset(tmp_path).format == "market1501"
