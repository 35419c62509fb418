"""What a run tells: metrics.jsonl, TensorBoard events, progress lines."""

import io
import json
import logging
import sys
import time
from pathlib import Path

import pytest

from genreid.runs.progress import StageProgress
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


def test_plain_lines_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO), StageProgress("rendering", 100, done=40) as shown:
        now = 10.0
        shown.advance(20, {"context": 0.25})
        assert caplog.text == "", "a line every half minute"
        now = 40.0
        shown.advance(20, {"context": 0.25})
        assert "rendering: step 80 of 100, 1.00 it/s, 0.3 min left; context 0.25" in caplog.text
        caplog.clear()
        now = 41.0
        shown.advance(20, {})
        assert "rendering: step 100 of 100" in caplog.text, "the last line always comes"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with StageProgress("rendering", 10, done=2) as shown:
        shown.advance(8, {"context": 0.5})
    assert "rendering" in screen.getvalue()
    assert "10/10" in screen.getvalue()
    assert "context 0.5" in screen.getvalue()
