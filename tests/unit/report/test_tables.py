"""Tables: who stands beside whom, what is best, how numbers are written."""

from pathlib import Path

import pytest

from genreid.evaluation.records import EvaluatedImages, EvaluationRecord
from genreid.report.loss_log import LossLog
from genreid.report.run_reader import RunFolder
from genreid.report.tables import COLUMNS, Row, percent, result_tables


def record(
    name: str, images: str = "1", features: dict[str, str] | None = None, **figures: float
) -> EvaluationRecord:
    counts = {"queries": 10.0, "valid_queries": 9.0, "gallery": 1234.0}
    data = EvaluatedImages(folder="data/B", options={"holdout": "5"} if images == "2" else {})
    return EvaluationRecord(
        name=name,
        data=data,
        images=images,
        features=features or {},
        figures={**counts, **figures},
        cmc=(0.5,),
    )


def run(label: str, *records: EvaluationRecord) -> RunFolder:
    return RunFolder(Path(label), label, {}, "", {}, (), LossLog({}, 0, ()), (), records, ())


def test_only_the_same_images_stand_in_one_table() -> None:
    tables = result_tables(
        [run("a", record("B-x", "2")), run("b", record("B-y", "1")), run("c", record("B-z", "1"))]
    )
    assert [[row.label for row in table.rows] for table in tables] == [["b / y", "c / z"], ["a / x"]]
    assert tables[1].data == "data/B (holdout 5)"
    assert tables[0].counts == "9 of 10 valid queries, 1,234 gallery images ranked"


def test_the_best_of_a_column_is_what_looks_best() -> None:
    rows = [record("x", mAP=0.5004, rank1=0.3), record("y", mAP=0.5001), record("z", mAP=0.49, rank1=0.4)]
    (table,) = result_tables([run("a", *rows)])
    names = list(COLUMNS)
    at = {
        name: [(cells[names.index(name)].text, cells[names.index(name)].best) for cells in table.cells]
        for name in names
    }
    assert at["mAP"] == [("50.0", True), ("50.0", True), ("49.0", False)]
    assert at["rank1"] == [("30.0", False), ("-", False), ("40.0", True)]
    assert at["mINP"] == [("-", False)] * 3


def test_one_row_alone_is_not_the_best() -> None:
    (table,) = result_tables([run("a", record("x", mAP=0.5))])
    assert not any(cell.best for cell in table.cells[0])


def test_rows_of_a_run_come_in_the_order_of_training() -> None:
    stages = [
        ("B-m", {"stage": "adapted"}),
        ("B-z", {"stage": "pretrained"}),
        ("B-a", {"stage": "adapted"}),
        ("B-k", {}),
    ]
    (table,) = result_tables([run("r", *(record(name, features=features) for name, features in stages))])
    assert [row.title for row in table.rows] == ["z", "a", "m", "k"]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({}, ""),
        ({"stage": "adapted", "pooling": "average", "bn_statistics": "stored"}, " --stage adapted"),
        ({"stage": "dgnet", "fine_weight": "0.5"}, ""),
        ({"pooling": "lmp", "parts": "7", "fine_weight": "1"}, " --pooling lmp --parts 7 --fine-weight 1"),
        ({"bn_statistics": "a b"}, " --bn-statistics 'a b'"),
        ({"pooling": "average", "mirror": "off"}, ""),
        ({"pooling": "average", "mirror": "on"}, " --mirror on"),
        ({"fine_weight": "0.5", "mirror": "on"}, ""),
        ({"fine_weight": "0.5", "mirror": "off"}, " --mirror off"),
    ],
)
def test_the_command_says_what_is_not_the_default(features: dict[str, str], words: str) -> None:
    command = Row(run("runs/r"), record("x", features=features)).command
    assert command == f"genreid evaluate runs/r --data data/B{words}"


def test_the_command_says_which_images(tmp_path: Path) -> None:
    command = Row(
        run("r"), record("x", "2", {"stage": "adapted", "half": "fine", "fine_weight": "1"})
    ).command
    assert command == "genreid evaluate r --data data/B --stage adapted --holdout 5 --fine-weight 1"


def test_rows_with_and_without_mirror_images_are_told_apart() -> None:
    older, plain, mirrored = (
        record(name, features=features)
        for name, features in (
            ("B-x", {"fine_weight": "0.5"}),
            ("B-y", {"pooling": "average", "mirror": "off"}),
            ("B-z", {"pooling": "average", "mirror": "on"}),
        )
    )
    (alike,) = result_tables([run("a", older, mirrored, record("B-q"))])
    (mixed,) = result_tables([run("a", older, plain)])
    assert "mirror" not in alike.counts
    assert mixed.counts.endswith("beside rows of the image alone: compare like with like")
    assert [row.details for row in mixed.rows] == ["image and mirror image", "average pooling, image alone"]


def test_percentages_have_one_decimal() -> None:
    assert [percent(share) for share in (0, 0.12345, 1)] == ["0.0", "12.3", "100.0"]
