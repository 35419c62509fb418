"""Readers of the public data sets, on drawn people in the true folder layouts."""

from pathlib import Path

import pytest

from genreid.data import JUNK_PID, ReaderOptions, ReidDataset, dukemtmc, load_dataset, market1501
from genreid.data import cuhk03_np as np_reader
from genreid.data.sample import DISTRACTOR_PID, Sample, count_cameras, count_pids
from tests.drawn_datasets import draw_cuhk03_np, draw_dukemtmc, draw_market1501, draw_msmt17

SHARED = Path(__file__).parents[4] / "shared" / "data"


def sizes(dataset: ReidDataset) -> list[tuple[int, int, int]]:
    """Return images, people and cameras of the three splits."""
    splits = (dataset.train, dataset.query, dataset.gallery)
    return [(len(split), count_pids(split), count_cameras(split)) for split in splits]


def test_market1501_is_recognised_and_counted(tmp_path: Path) -> None:
    dataset = load_dataset(draw_market1501(tmp_path))
    assert dataset.format == "market1501"
    assert sizes(dataset) == [(16, 4, 2), (8, 4, 2), (8 + 3 + 3, 4, 2)]
    pids = [sample.pid for sample in dataset.gallery]
    assert (pids.count(JUNK_PID), pids.count(DISTRACTOR_PID)) == (3, 3)
    assert not dataset.unmatched_names
    assert dataset.train == tuple(sorted(dataset.train, key=lambda sample: sample.path))


def test_known_people_leave_junk_and_distractors_out(tmp_path: Path) -> None:
    dataset = load_dataset(draw_market1501(tmp_path))
    people = dataset.known_people
    assert len(people) == 16 + 8 + 8
    assert {sample.pid for sample in people} == set(range(1, 9))


def test_cameras_of_two_digits_are_read(tmp_path: Path) -> None:
    dataset = load_dataset(draw_market1501(tmp_path, pids=2, cameras=12, images_per_camera=1))
    assert {sample.camid for sample in dataset.train} == set(range(1, 13))


@pytest.mark.parametrize(
    ("name", "pid", "camid"),
    [
        ("0002_c1s1_000451_03.jpg", 2, 1),
        ("-1_c3s2_000001_00.jpg", -1, 3),
        ("0000_c6s3_000001_00.jpg.jpg", 0, 6),
        ("1234567_c104s1_1_1.png", 1234567, 104),
        ("0007_c12_31.jpg", 7, 12),
        ("0007_c12.jpg", 7, 12),
    ],
)
def test_market_names(name: str, pid: int, camid: int) -> None:
    fields = market1501.parse_name(name)
    assert fields is not None
    assert (fields.pid, fields.camid, fields.physical_camid) == (pid, camid, None)


@pytest.mark.parametrize(
    "name", ["", "0002.jpg", "x0002_c1s1_1.jpg", "-2_c1s1_1.jpg", "0002_c_1.jpg", "._0002_c1s1_1.jpg"]
)
def test_names_that_are_no_market_names(name: str) -> None:
    assert market1501.parse_name(name) is None


def test_odd_names_are_listed_and_other_files_are_passed_over(tmp_path: Path) -> None:
    draw_market1501(tmp_path)
    train = tmp_path / "bounding_box_train"
    (train / "Thumbs.db").write_bytes(b"not an image")
    (train / "portrait.jpg").write_bytes(b"")
    (train / "0001_c1s1_gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    dataset = load_dataset(tmp_path)
    assert dataset.unmatched_names == (train / "portrait.jpg",)
    assert train / "0001_c1s1_gone.jpg" in {sample.path for sample in dataset.train}


def test_dukemtmc(tmp_path: Path) -> None:
    dataset = load_dataset(draw_dukemtmc(tmp_path))
    assert dataset.format == "dukemtmc"
    assert sizes(dataset) == [(16, 4, 2), (8, 4, 2), (9, 5, 2)]
    assert dukemtmc.parse_name("0005_c12_f0046985.jpg") == market1501.parse_name("0005_c12.jpg")


@pytest.mark.parametrize("pairs", [True, False])
def test_cuhk03_np(tmp_path: Path, pairs: bool) -> None:
    dataset = load_dataset(draw_cuhk03_np(tmp_path, pids=6, pairs=pairs))
    assert dataset.format == "cuhk03-np"
    assert sizes(dataset) == [(24, 6, 2), (12, 6, 2), (12, 6, 2)]
    cameras = {sample.training_camid for sample in dataset.train}
    assert cameras == (set(range(1, 11)) if pairs else {1, 2})


def test_physical_camera_of_cuhk03_np() -> None:
    cameras = [
        fields.physical_camid
        for pair in range(1, 6)
        for view in (1, 2)
        if (fields := np_reader.parse_name(f"0001_c{view}_p{pair}_01.jpg")) is not None
    ]
    assert cameras == list(range(1, 11))


def test_folder_above_detected_and_labeled(tmp_path: Path) -> None:
    draw_cuhk03_np(tmp_path / "detected", pids=2)
    draw_cuhk03_np(tmp_path / "labeled", pids=3)
    detected = load_dataset(tmp_path)
    labeled = load_dataset(tmp_path, options=ReaderOptions(boxes="labeled"))
    assert (detected.root, count_pids(detected.train)) == (tmp_path / "detected", 2)
    assert (labeled.root, count_pids(labeled.train)) == (tmp_path / "labeled", 3)
    assert "labeled" in labeled.notes[0]


@pytest.mark.parametrize("version", [1, 2])
def test_msmt17(tmp_path: Path, version: int) -> None:
    dataset = load_dataset(draw_msmt17(tmp_path, version=version))
    assert dataset.format == "msmt17"
    assert [size[:2] for size in sizes(dataset)] == [(24, 4), (4, 4), (20, 4)]
    assert {sample.camid for sample in dataset.train} == set(range(1, 13))
    assert f"V{version}, train = train + val (20 + 4 images)" in dataset.notes[0]
    assert all(sample.path.is_file() for sample in dataset.known_people)
    # Identity 0 is a person, and people of the test set are not those of the training set.
    assert {sample.pid for sample in dataset.train} == {1, 2, 3, 4}
    assert (
        {sample.pid for sample in dataset.query} == {sample.pid for sample in dataset.gallery} == {5, 6, 7, 8}
    )


def test_msmt17_without_validation_images_keeps_its_numbers(tmp_path: Path) -> None:
    draw_msmt17(tmp_path)
    alone = load_dataset(tmp_path, options=ReaderOptions(msmt_train="train"))
    both = load_dataset(tmp_path)
    assert (len(alone.train), len(both.train)) == (20, 24)
    assert alone.query == both.query
    assert "list_train alone" in alone.notes[0]


def test_msmt17_lists_cannot_lead_out_of_their_folder(tmp_path: Path) -> None:
    draw_msmt17(tmp_path)
    with (tmp_path / "list_train.txt").open("a", encoding="utf-8") as file:
        file.write("../../0001_000_01_x.jpg 1\n/0001_000_01_x.jpg 1\n0001/0001.jpg 1\nno number\n\n")
    dataset = load_dataset(tmp_path)
    assert len(dataset.train) == 24
    assert len(dataset.unmatched_names) == 4


def test_msmt17_with_a_missing_list(tmp_path: Path) -> None:
    draw_msmt17(tmp_path)
    (tmp_path / "list_query.txt").unlink()
    with pytest.raises(ValueError, match=r"list_query\.txt"):
        load_dataset(tmp_path, format="msmt17")


def test_a_tree_without_tests_can_train(tmp_path: Path) -> None:
    draw_market1501(tmp_path)
    for folder in ("query", "bounding_box_test"):
        for path in (tmp_path / folder).iterdir():
            path.unlink()
        (tmp_path / folder).rmdir()
    dataset = load_dataset(tmp_path)
    assert len(dataset.train) == 16
    assert [note for note in dataset.notes if "cannot be used to evaluate" in note]


def test_errors_say_what_was_found_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        load_dataset(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"Found: nothing(?s:.)*market1501(?s:.)*--format folder --pattern"):
        load_dataset(tmp_path)
    with pytest.raises(ValueError, match=r"format 'imagenet' is not known, expected one of .*market1501"):
        load_dataset(tmp_path, format="imagenet")
    with pytest.raises(ValueError, match=r"no image of .* fits the format dukemtmc"):
        load_dataset(draw_market1501(tmp_path / "Market"), format="dukemtmc")
    with pytest.raises(ValueError, match=r"Did you mean .*Market"):
        load_dataset(tmp_path)


def test_options_are_checked_at_birth() -> None:
    with pytest.raises(ValueError, match="classic_split is 20"):
        ReaderOptions(classic_split=20)
    with pytest.raises(ValueError, match="'detected', 'labeled'"):
        ReaderOptions(boxes="both")  # type: ignore[arg-type]


def test_training_camera_prefers_the_physical_one() -> None:
    assert Sample(Path("a.jpg"), 1, 2, 8).training_camid == 8
    assert Sample(Path("a.jpg"), 1, 2).training_camid == 2


@pytest.mark.skipif(
    not (SHARED / "market1501").is_dir(), reason="the real benchmarks are not on this machine"
)
def test_counts_of_the_real_benchmarks() -> None:
    market = load_dataset(SHARED / "market1501")
    assert sizes(market) == [(12936, 751, 6), (3368, 750, 6), (19732, 750, 6)]
    pids = [sample.pid for sample in market.gallery]
    assert (pids.count(JUNK_PID), pids.count(DISTRACTOR_PID)) == (3819, 2798)
    cuhk03 = load_dataset(SHARED / "cuhk03-np" / "detected")
    assert [size[:2] for size in sizes(cuhk03)] == [(7365, 767), (1400, 700), (5332, 700)]
    assert len({sample.pid for sample in cuhk03.known_people}) == 1467
    assert {sample.training_camid for sample in cuhk03.known_people} == set(range(1, 11))
