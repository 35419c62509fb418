"""metrics.jsonl: whole, cut off, resumed, hostile."""

import json
from pathlib import Path

import pytest

from genreid.report.loss_log import LossLog, Point, read_loss_log
from genreid.runs.run_log import RunLog


def read(tmp_path: Path, *lines: str, end: str = "\n") -> LossLog:
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return read_loss_log(path)


def line(step: object, stage: str = "one", seconds: float = 0, **terms: object) -> str:
    return json.dumps({"stage": stage, "step": step, "seconds": seconds, **terms})


def test_what_a_run_writes_is_read(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write("identity", 20, {"identity": 1.25, "accuracy": 0.5})
        log.write("identity", 40, {"identity": 1.0, "accuracy": 0.75})
        log.write("rendering", 20, {"domain": 0.5})
    found = read_loss_log(tmp_path / "metrics.jsonl")
    assert found.stages == {
        "identity": {
            "identity": (Point(20, 1.25), Point(40, 1.0)),
            "accuracy": (Point(20, 0.5), Point(40, 0.75)),
        },
        "rendering": {"domain": (Point(20, 0.5),)},
    }
    assert not found.notes


def test_a_resumed_run_replaces_what_it_did_again(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        line(20, seconds=1, a=1.0),
        line(40, seconds=2, a=2.0),
        line(60, seconds=3, a=3.0),
        line(37, seconds=1, a=4.0),
        line(57, seconds=2, a=5.0),
    )
    assert found.stages["one"]["a"] == (Point(20, 1.0), Point(37, 4.0), Point(57, 5.0))
    assert found.seconds == 5
    assert "2 lines of steps that were done again" in found.notes[0]


def test_a_last_line_that_is_cut_off_is_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, line(20, a=1.0), line(40, a=2.0)[:-7], end="")
    assert found.stages["one"]["a"] == (Point(20, 1.0),)
    assert found.notes == ("The last line of metrics.jsonl is cut off and left out.",)


def test_a_last_line_without_its_end_is_whole(tmp_path: Path) -> None:
    found = read(tmp_path, line(20, a=1.0), end="")
    assert found.stages["one"]["a"] == (Point(20, 1.0),)
    assert not found.notes


@pytest.mark.parametrize(
    "bad",
    [
        "not JSON",
        "[1]",
        line("20", a=1.0),
        line(True, a=1.0),
        line(-1, a=1.0),
        line(10**400, a=1.0),
        json.dumps({"step": 20, "a": 1.0}),
        json.dumps({"stage": 7, "step": 20}),
        "[" * 100_000,
    ],
)
def test_lines_that_are_none_are_counted(tmp_path: Path, bad: str) -> None:
    found = read(tmp_path, line(20, a=1.0), bad, line(40, a=2.0))
    assert found.stages["one"]["a"] == (Point(20, 1.0), Point(40, 2.0))
    assert found.notes == ("1 lines of metrics.jsonl cannot be read and are left out.",)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, 1e300, "1", None, True, [1], {}])
def test_values_that_cannot_be_drawn_are_gaps(tmp_path: Path, value: object) -> None:
    found = read(tmp_path, line(20, a=value, b=1.0), line(40, a=2.0, b=value))
    assert found.stages["one"] == {"b": (Point(20, 1.0),), "a": (Point(40, 2.0),)}


def test_bytes_that_are_no_text_are_read_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"\xff\xfe\x00 garbage\n" + line(20, a=1.0).encode() + b"\n")
    assert read_loss_log(path).stages["one"]["a"] == (Point(20, 1.0),)


def test_no_file_and_an_empty_one_say_so(tmp_path: Path) -> None:
    assert read_loss_log(tmp_path / "metrics.jsonl").notes == ("No loss terms: there is no metrics.jsonl.",)
    assert "no line that can be read" in read(tmp_path, end="").notes[0]
    (tmp_path / "folder").mkdir()
    assert read_loss_log(tmp_path / "folder").notes[0].startswith("No loss terms: ")
