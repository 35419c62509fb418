"""The layout corpus: whatever lies in a data set's folder is taken, or left out for a reason that is said."""

import csv
import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from genreid.data.check import check_dataset
from genreid.data.check_text import as_json, as_text
from genreid.data.files_seen import (
    ARCHIVE,
    FOREIGN,
    INSIDE,
    MISNAMED,
    MISSING,
    NO_SPLIT,
    REASONS,
    TABLE,
    UNLISTED,
    count_files,
)
from genreid.data.fingerprint import dataset_fingerprint
from genreid.data.load import load_dataset, recognise
from genreid.data.mask_paths import mask_path
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import ReidDataset
from tests.command_line import genreid
from tests.drawn_datasets import (
    Canvas,
    Shot,
    draw_csv,
    draw_cuhk03_np,
    draw_cuhk03_raw,
    draw_dukemtmc,
    draw_folder_tree,
    draw_market1501,
    draw_msmt17,
)

LEAVING = "left by an operating system, an archive or a tool"
OWN = ReaderOptions(pattern="(?P<identity>[^/]+)/(?:cam(?P<camera>[0-9]+))?")


def left_out(dataset: ReidDataset) -> dict[str, int]:
    """Return reason -> count, after a look whether the table adds up."""
    for part in count_files(dataset):
        assert part.seen == part.taken + sum(item.number for item in part.left_out)
        assert all(item.reason in REASONS and item.examples for item in part.left_out)
    return {item.reason: item.number for item in count_files(dataset).files.left_out}


def people(root: Path, *names: str, ending: str = ".jpg") -> Path:
    """Draw two images of each person in a folder of his own."""
    for pid, name in enumerate(names, start=1):
        for number in range(2):
            path = Canvas(root).write(f"{name}/{number}.jpg", Shot(pid, number + 1, number))
            path.rename(path.with_suffix(ending))
    return root


RELEASES: dict[str, Callable[[Path], object]] = {
    "market1501": draw_market1501,
    "dukemtmc": draw_dukemtmc,
    "cuhk03-np": draw_cuhk03_np,
    "msmt17": draw_msmt17,
    "cuhk03": draw_cuhk03_raw,
    "folder": draw_folder_tree,
}


@pytest.mark.parametrize("name", RELEASES)
def test_releases_are_taken_whole_and_leavings_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "data"
    RELEASES[name](root)
    before = load_dataset(root)
    assert before.format == name
    found = left_out(before)
    assert not [reason for reason in found if REASONS[reason]], found
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        for leaving in (".DS_Store", "Thumbs.db", "._x.jpg", "desktop.ini"):
            (folder / leaving).write_bytes(b"\0\5\x26\7")
        for number in range(30):  # more than there are images: they must not outvote them
            (folder / f"._0001_c1s1_{number:06d}_00.jpg").write_bytes(b"\0\5\x26\7")
    shutil.copytree(root, root / "__MACOSX")
    assert recognise(root) == name
    after = load_dataset(root)
    assert (after.train, after.query, after.gallery) == (before.train, before.query, before.gallery)
    assert dataset_fingerprint(after) == dataset_fingerprint(before)
    assert not after.unmatched_names
    if name != "cuhk03":  # whose images lie in the cache
        assert left_out(after)[LEAVING] >= 34 * len(folders)


def _gt_folders(root: Path) -> Path:
    draw_market1501(root)
    shutil.copytree(root / "query", root / "gt_bbox")
    return root


def _distractors_inside(root: Path) -> Path:
    draw_market1501(root)
    shutil.copytree(root / "query", root / "bounding_box_test" / "distractors")
    return root


def _distractors_beside(root: Path) -> Path:
    draw_market1501(root)
    shutil.copytree(root / "query", root / "distractors")
    return root


def _masks_beside(root: Path) -> Path:
    draw_market1501(root, masks_root=root / "masks")
    return root


def _endings(root: Path) -> Path:
    people(root, "Ada", "Bert")
    people(root, "Carl", ending=".heic")
    people(root, "Dora", ending=".avif")
    people(root, "Emil", ending="")
    people(root, "Fritz", ending=".jfif")
    people(root, "Gerd", ending=".gif")
    return root


def _archive(root: Path) -> Path:
    people(root, "Ada", "Bert")
    (root / "Carl.zip").write_bytes(b"PK\3\4")
    return root


def _unlisted(root: Path) -> Path:
    draw_csv(root)
    Canvas(root).write("crops/new.png", Shot(9, 1, 1))
    (root / "crops" / "110.png").unlink()
    return root


def _list_beside(root: Path) -> Path:
    draw_folder_tree(root)
    (root / "train_list.txt").write_text("train/Ada/cam1-train.jpg 0\n")
    return root


def _misnamed(root: Path) -> Path:
    draw_market1501(root)
    first = min((root / "query").iterdir())
    first.rename(first.with_name("holiday.jpg"))
    return root


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (_gt_folders, {"part of a release that its protocol does not use": 8}),
        (_distractors_inside, {INSIDE: 8}),
        (_distractors_beside, {NO_SPLIT: 8}),
        (_masks_beside, {"person masks": 38}),
        (_endings, {FOREIGN: 6}),
        (_archive, {ARCHIVE: 1}),
        (_unlisted, {UNLISTED: 1, MISSING: 1, "no image": 1}),
        (_list_beside, {TABLE: 1}),
        (_misnamed, {MISNAMED: 1}),
    ],
)
def test_what_vanished_without_a_word_is_counted(
    tmp_path: Path, draw: Callable[[Path], Path], expected: dict[str, int]
) -> None:
    dataset = load_dataset(draw(tmp_path / "data"))
    assert left_out(dataset) == expected
    check = check_dataset(dataset, workers=1, shown=False)
    text, files = as_text(check), as_json(check)["files"]
    assert files["seen"] == files["taken"] + sum(item["count"] for item in files["left_out"])
    to_mend = [reason for reason in expected if REASONS[reason]]
    assert ("nothing is wrong" in text) == (not to_mend)
    assert all(reason in text for reason in expected)
    told = genreid("data", "check", tmp_path / "data", "--json", "--workers", 1)
    assert json.loads(told.out)["files"] == files


def test_a_person_of_whom_nothing_can_be_read_is_an_empty_folder(tmp_path: Path) -> None:
    folders = count_files(load_dataset(_endings(tmp_path))).folders
    assert (folders.seen, folders.taken) == (7, 4)
    assert folders.left_out[0].examples == ("Carl", "Dora", "Emil")


@pytest.mark.parametrize(
    "names",
    [
        ("image_train", "image_query", "image_test"),
        ("bbox_train", "bbox_test"),
        ("photos", "test"),
        ("set/train_all", "set/val"),
    ],
)
@pytest.mark.parametrize("pattern", [None, "(?P<identity>[0-9]+)_c(?P<camera>[0-9]+)"])
def test_splits_of_other_names_are_no_training_images(
    tmp_path: Path, names: tuple[str, ...], pattern: str | None
) -> None:
    for pid, name in enumerate(names, start=1):
        Canvas(tmp_path).write(f"{name}/000{pid}_c001_00016450_0.jpg", Shot(pid, 1, 1))
    with pytest.raises(ValueError, match=r"test people too|is not a data set that is known"):
        load_dataset(tmp_path, options=ReaderOptions(pattern=pattern))


def test_a_person_may_be_called_val(tmp_path: Path) -> None:
    people(tmp_path, "Val", "Ada", "Bert")
    assert len(load_dataset(tmp_path).identity_names) == 3


def _table(root: Path, header: str, path: str = "crops/{}{}.png") -> Path:
    """Draw people and write a table with columns of these names, of a split each."""
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        for pid in (1, 2):
            for number, split in enumerate(("train", "query", "gallery")):
                Canvas(root).write(f"crops/{pid}{number}.png", Shot(pid, number, number))
                writer.writerow((path.format(pid, number), f"P{pid}", f"cam {number}", split))
    return root


@pytest.mark.parametrize(
    "header", ["image,pid,camid,split", "FileName,Label,Cam,Subset", "img_path,person_id,c,d"]
)
def test_a_table_of_other_columns_beside_images_is_not_passed_over(tmp_path: Path, header: str) -> None:
    _table(tmp_path, header)
    with pytest.raises(
        ValueError, match=r"labels\.csv seems to say what the images show.* = path, .* = identity"
    ):
        load_dataset(tmp_path)
    pattern = ReaderOptions(pattern="(?P<identity>[0-9])")
    assert left_out(load_dataset(tmp_path, options=pattern)) == {TABLE: 1}


def test_tables_of_windows_and_of_other_folders(tmp_path: Path) -> None:
    """With a byte-order mark, backslashes, accents stored otherwise, and images outside of its folder."""
    name = unicodedata.normalize("NFD", "José")
    Canvas(tmp_path).write(f"images/{name}/1.jpg", Shot(1, 1, 1))
    Canvas(tmp_path).write("images/Ada/1.jpg", Shot(2, 1, 1))
    table = tmp_path / "annotations" / "t.csv"
    table.parent.mkdir()
    composed = unicodedata.normalize("NFC", name)
    lines = ("path,identity,camera", rf"..\images\{composed}\1.jpg,{composed},1")
    rows = "\n".join((*lines, f"{tmp_path}/images/Ada/1.jpg,Ada,1")) + "\n"
    table.write_text(rows, encoding="utf-8-sig")
    dataset = load_dataset(table)
    assert all(sample.path.is_file() for sample in dataset.train)
    assert dataset.root == tmp_path
    assert left_out(dataset) == {}
    # masks keep the images' paths below the folder of all images
    masks = tmp_path / "masks"
    names = {mask_path(masks, dataset.root, s.path).relative_to(masks).as_posix() for s in dataset.train}
    assert names == {f"images/{name}/1.png", "images/Ada/1.png"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,identity\na.jpg,1\na.jpg,2\n", "two values of identity, '1' and '2'"),
        ("path,identity,camera\na.jpg,1,1\na.jpg,1,2\n", "two values of camera"),
        ("path,identity,identity\na.jpg,1,2\n", "2 columns 'identity'"),
        ("path,identity\na\0.jpg,1\n", "zero byte"),
        ("x" * 9000 + "\na\n", r"has the columns x{200}\.\.\.; expected"),
    ],
)
def test_tables_that_contradict_themselves(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_dataset(tmp_path / "t.csv")


def test_msmt17_lists(tmp_path: Path) -> None:
    draw_msmt17(tmp_path)
    before = load_dataset(tmp_path)
    for path in tmp_path.glob("list_*.txt"):  # as Notepad saves them
        path.write_text(path.read_text().replace("/", "\\"), encoding="utf-8-sig")
    assert load_dataset(tmp_path) == before
    (tmp_path / "list_query.txt").write_text("0000/0000_000_01_0303morning_0000_0.jpg 0\n" * 2)
    assert left_out(load_dataset(tmp_path, "msmt17:train"))["not asked for"] == 4
    line = "0000/0000_000_01_0303morning_0000_0.jpg"
    (tmp_path / "list_query.txt").write_text(f"{line} 0\n{line} 1\n")
    with pytest.raises(ValueError, match=r"in the data set as person \d and as person \d"):
        load_dataset(tmp_path)


def test_boxes_that_are_not_there_are_refused(tmp_path: Path) -> None:
    draw_cuhk03_np(tmp_path / "detected")
    assert left_out(load_dataset(tmp_path)) == {}
    with pytest.raises(ValueError, match="holds no labeled boxes, but detected"):
        load_dataset(tmp_path, "cuhk03-np:labeled")
    draw_cuhk03_np(tmp_path / "labeled")
    assert left_out(load_dataset(tmp_path)) == {"not asked for": 32}


def test_accents_are_accents_however_they_are_stored(tmp_path: Path) -> None:
    for pid, name in enumerate(("José 2", "Zoë"), start=1):
        Canvas(tmp_path).write(f"query/{unicodedata.normalize('NFD', name)}/1.jpg", Shot(pid, 1, 1))
        Canvas(tmp_path).write(f"gallery/{unicodedata.normalize('NFC', name)}/1.jpg", Shot(pid, 1, 1))
    dataset = load_dataset(tmp_path, options=OWN)
    assert dict(dataset.identity_names) == {1: "José 2", 2: "Zoë"}
    shutil.rmtree(tmp_path / "gallery" / "Zoë")
    lost = check_dataset(load_dataset(tmp_path, options=OWN), workers=1, shown=False).queries_without_match
    assert [item.reason for item in lost] == ["no gallery image of person 'Zoë' at all"]


def test_names_that_may_be_one_and_cameras_that_are_not_common(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "path,identity,camera,split\na,Ada,cam1,query\nb,ada,Cam 01,gallery\n"
        "c,2,c2,train\nd,002,3,train\ne,9,-1,train\n"
    )
    dataset = load_dataset(tmp_path / "t.csv")
    warnings = "\n".join(dataset.warnings)
    assert "2 groups of people have names that may mean one person: '002', '2'; 'Ada', 'ada'" in warnings
    assert "1 groups of cameras have names that may mean one camera: 'Cam 01', 'cam1'" in warnings
    assert "no camera is common to query (cam1) and gallery (Cam 01)" in warnings
    assert [sample.camid for sample in dataset.train if sample.path.name == "e"] == [-1]
    assert "warning: no camera is common" in as_text(check_dataset(dataset, workers=1, shown=False))


def test_people_with_the_number_0(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path)
    first = min((root / "bounding_box_train").glob("0001*"))
    first.rename(first.with_name(first.name.replace("0001", "0000")))
    assert "1 training images have the number 0" in load_dataset(root).warnings[0]


def test_numbers_of_more_than_64_bits_are_names(tmp_path: Path) -> None:
    large = 10**20
    for split, camid in (("bounding_box_train", 1), ("query", 1), ("bounding_box_test", 2)):
        for pid in (1, 2):
            name = f"{split}/{large + pid}_c{large + camid}s1_1_00.jpg"
            Canvas(tmp_path).write(name, Shot(pid, camid, 1))
    dataset = load_dataset(tmp_path)
    assert {sample.pid for sample in dataset.train} == {1, 2}
    assert dict(dataset.identity_names) == {1: str(large + 1), 2: str(large + 2)}
    assert dict(dataset.camera_names) == {1: str(large + 1), 2: str(large + 2)}
    (tmp_path / "t.csv").write_text(f"path,identity,camera\na,{'9' * 5000},{'8' * 5000}\nb,{'9' * 4999},1\n")
    assert [sample.pid for sample in load_dataset(tmp_path / "t.csv").train] == [2, 1]


def test_archives_and_odd_files_in_the_place_of_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "veri.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is an archive: unpack it"):
        load_dataset(tmp_path / "veri.zip")
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(ValueError, match=r"files of it end in \.zip \(1\), \.csv \(1\)"):
        load_dataset(tmp_path)


def test_queries_nobody_can_name_need_a_pattern(tmp_path: Path) -> None:
    for split in ("train", "query", "gallery"):
        Canvas(tmp_path).write(f"{split}/snap.jpg", Shot(1, 1, len(split)))
    text = as_text(check_dataset(load_dataset(tmp_path), workers=1, shown=False))
    assert "the query's name gives no person" in text
    assert "Say where it stands in the paths: --format folder --pattern" in text
