"""`check_dataset`: counts, unreadable files, queries nobody can answer, and masks."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from genreid.data import JUNK_PID, UNKNOWN_CAMID, ReaderOptions, Sample, load_dataset
from genreid.data.check import DatasetCheck, check_dataset, found_copies, lost_queries
from genreid.data.check_text import as_json, as_text, shown
from tests.drawn_datasets import Canvas, Shot, draw_folder_tree, draw_market1501


def check(root: Path, masks_root: Path | None = None, options: ReaderOptions | None = None) -> DatasetCheck:
    """Check a data set in silence."""
    return check_dataset(load_dataset(root, options=options), masks_root, shown=False)


def sample(name: str, pid: int, camid: int) -> Sample:
    """Return a sample without a file."""
    return Sample(Path(name), pid, camid)


def test_counts(tmp_path: Path) -> None:
    answer = as_json(check(draw_market1501(tmp_path)))
    assert answer == {
        "train": {"images": 16, "pids": 4, "cameras": 2},
        "query": {"images": 8, "pids": 4, "cameras": 2},
        "gallery": {"images": 11, "pids": 4, "cameras": 2, "junk": 3, "distractors": 3},
        "unreadable": [],
        "unmatched_names": [],
        "queries_without_match": [],
        "files": {"seen": 38, "taken": 38, "left_out": []},
        "folders": {"seen": 3, "taken": 3, "left_out": []},
    }


def test_text_of_a_sound_data_set(tmp_path: Path) -> None:
    text = as_text(check(draw_market1501(tmp_path)))
    assert (
        "  gallery        11        4        2   to rank, 3 of them distractors; 3 junk images more" in text
    )
    assert "nothing is wrong" in text
    assert text.endswith("usable to train: yes; to evaluate: yes\n")


def test_why_a_query_has_no_match() -> None:
    gallery = [
        sample("g1", 1, 1),
        sample("g2", 1, 1),
        sample("g3", 2, 2),
        sample("g4", 4, 1),
        sample("g5", 5, UNKNOWN_CAMID),
        sample("gone", 6, 2),
    ]
    query = [
        sample("q1", 1, 1),
        sample("q2", 2, 2),
        sample("q3", 3, 1),
        sample("q4", 4, 12),
        sample("q5", 5, UNKNOWN_CAMID),
        sample("q6", 6, 1),
        sample("q7", JUNK_PID, 1),
        sample("q8", 9, 1),
    ]
    lost = lost_queries(query, gallery, {Path("gone"), Path("q8")})
    assert {item.path.name: item.reason for item in lost} == {
        "q1": "all 2 gallery images of person 1 are of the query's own camera 1",
        "q2": "the only gallery image of person 2 is of the query's own camera 2",
        "q3": "no gallery image of person 3 at all",
        "q6": "no gallery image of person 6 from another camera can be read",
        "q7": "the query's name gives no person",
    }


def test_damage_is_named_with_the_remedy(tmp_path: Path) -> None:
    draw_market1501(tmp_path)
    empty = tmp_path / "bounding_box_train" / "0001_c1s1_000001_00.jpg"
    empty.write_bytes(b"")
    odd = tmp_path / "query" / "somebody.jpg"
    odd.write_bytes(b"")
    for path in (tmp_path / "bounding_box_test").glob("0005_c2*"):
        path.unlink()
    for path in (tmp_path / "bounding_box_test").glob("0006_*"):
        path.unlink()
    found = check(tmp_path)
    answer = as_json(found)
    assert answer["unreadable"] == [{"path": str(empty), "reason": "empty file"}]
    assert answer["unmatched_names"] == [str(odd)]
    assert [(item["pid"], item["reason"]) for item in answer["queries_without_match"]] == [
        (5, "the only gallery image of person 5 is of the query's own camera 1"),
        (6, "no gallery image of person 6 at all"),
        (6, "no gallery image of person 6 at all"),
    ]
    text = as_text(found)
    for words in (
        f"{empty}: empty file",
        "Fetch these files again",
        "--pattern",
        str(odd),
        "leaves them out",
        "add one",
    ):
        assert words in text
    assert found.can_train
    assert found.can_evaluate


def test_an_unreadable_gallery_image_loses_its_query(tmp_path: Path) -> None:
    draw_market1501(tmp_path)
    next((tmp_path / "bounding_box_test").glob("0005_c2*")).write_bytes(b"no image")
    reasons = [item.reason for item in check(tmp_path).queries_without_match]
    assert reasons == ["no gallery image of person 5 from another camera can be read"]


def test_long_lists_are_cut_in_the_text_only(tmp_path: Path) -> None:
    draw_market1501(tmp_path, pids=4)
    for path in (tmp_path / "bounding_box_train").iterdir():
        path.write_bytes(b"")
    found = check(tmp_path)
    assert len(as_json(found)["unreadable"]) == 16
    assert "... and 6 more (--json names all)" in as_text(found)
    assert not found.can_train
    says = "as a target: NO; as a source: with the images of all splits (`all`) only; to evaluate: yes"
    assert says in as_text(found)


def test_people_in_train_and_test_are_named(tmp_path: Path) -> None:
    found = check(draw_folder_tree(tmp_path, ("Ada", "Bert")))
    assert found.people_in_both == (1, 2)
    assert "identities both in train and in query or gallery" in as_text(found)
    assert "    Ada" in as_text(found)


def test_queries_that_lie_in_the_gallery_are_named(tmp_path: Path) -> None:
    folder = draw_folder_tree(tmp_path, ("Ada", "Bert"))
    found = check(folder)
    assert not found.queries_in_gallery
    query = found.dataset.query[0]
    shutil.copy(query.path, folder / "gallery" / found.dataset.identity_names[query.pid] / "copy.jpg")
    found = check(folder)
    assert found.queries_in_gallery == (query.path,)
    assert "1 queries that are in the gallery, too, byte for byte:" in as_text(found)
    assert as_json(found)["queries_in_gallery"] == [str(query.path)]


def test_a_copy_of_the_querys_own_camera_does_no_harm(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("query.jpg", "copy.jpg", "other.jpg")]
    for path, content in zip(paths, (b"one", b"one", b"two"), strict=True):
        path.write_bytes(content)
    query = [Sample(paths[0], 1, 1)]
    for pid, camid, found in ((1, 1, []), (1, 2, [paths[0]]), (2, 2, []), (1, UNKNOWN_CAMID, [paths[0]])):
        gallery = [Sample(paths[1], pid, camid), Sample(paths[2], 1, 2)]
        assert found_copies(query, gallery) == found


def test_unlabelled_crops_can_train(tmp_path: Path) -> None:
    Canvas(tmp_path, (16, 8)).write("crop.jpg", Shot(1, 1, 1))
    found = check(tmp_path)
    assert (found.train.images, found.train.pids, found.train.cameras) == (1, 0, 0)
    assert found.can_train
    assert not found.can_evaluate
    says = (
        "usable to train: as a target: yes; as a source: needs two people or more, got 0; to evaluate: NO\n"
    )
    assert as_text(found).endswith(says)


def test_people_of_the_test_splits_can_be_a_source(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path)
    for path in (root / "bounding_box_train").iterdir():
        path.unlink()
    assert "as a target: NO; as a source: with the images of all splits (`all`) only" in as_text(check(root))


def test_masks(tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    root = draw_market1501(tmp_path / "market", masks_root=masks)
    train = sorted((masks / "bounding_box_train").iterdir())
    train[0].unlink()
    train[1].write_bytes(b"no mask")
    Image.new("1", (32, 64), 0).save(train[2])
    Image.new("1", (32, 64), 1).save(train[3])
    found = check(root, masks)
    answer = as_json(found)["masks"]
    assert (answer["images"], answer["found"], answer["empty"], answer["full"]) == (38, 36, 1, 1)
    assert answer["missing"] == [str(train[0])]
    assert answer["unreadable"] == [{"path": str(train[1]), "reason": "not an image"}]
    assert 0.2 < answer["mean_share"] < 0.6
    assert "genreid mask" in as_text(found)


def test_images_that_would_share_a_mask(tmp_path: Path) -> None:
    canvas = Canvas(tmp_path / "own", (16, 8), masks_root=tmp_path / "masks")
    canvas.write("Ada/1.jpg", Shot(1, 1, 1))
    canvas.write("Ada/1.png", Shot(1, 1, 2))
    masks = check(tmp_path / "own", tmp_path / "masks").masks
    assert masks is not None
    assert masks.shared == (tmp_path / "masks" / "Ada" / "1.png",)


def test_no_folder_of_masks(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "market")
    with pytest.raises(ValueError, match=r"genreid mask .*market --out .*masks"):
        check(root, tmp_path / "masks")


def test_any_name_can_be_printed() -> None:
    assert shown(Path("caf\udce9.jpg")) == "caf\\xe9.jpg"
    assert shown(Path("caf\u00e9.jpg")) == "caf\u00e9.jpg"
