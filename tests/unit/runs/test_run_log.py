"""What a run tells: metrics.jsonl, TensorBoard events."""

import json
from pathlib import Path

from genreid.runs.run_log import RunLog


def test_one_json_object_a_line(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.write("rendering", 20, {"context": 0.123456789, "domain": 1.0})
        first = json.loads((tmp_path / "metrics.jsonl").read_text())  # flushed: a killed run keeps it
        log.write("rendering", 40, {"context": 1e-7})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[0] == first
    assert {**lines[0], "seconds": 0} == {
        "stage": "rendering",
        "step": 20,
        "seconds": 0,
        "context": 0.123457,
        "domain": 1.0,
    }
    assert lines[1]["context"] == 1e-7
    assert lines[1]["seconds"] >= lines[0]["seconds"] >= 0
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_resumed_run_appends(tmp_path: Path) -> None:
    for step in (1, 2):
        with RunLog(tmp_path) as log:
            log.write("identity", step, {"identity": 1.0})
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
