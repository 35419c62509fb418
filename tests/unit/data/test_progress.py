"""How far a long job is: plain lines, or a bar."""

import io
import logging
import sys
import time

import pytest

from genreid.data.progress import progress_of


def test_plain_lines_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO), progress_of("rendering", 100, done=40) as advance:
        now = 10.0
        advance(20, "context 0.25")
        assert caplog.text == "", "a line every half minute"
        now = 40.0
        advance(20, "context 0.25")
        assert "rendering: 80 of 100, 1.00/s, 20 s left; context 0.25" in caplog.text
        caplog.clear()
        now = 41.0
        advance(20)
        assert "rendering: 100 of 100" in caplog.text, "the last line always comes"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_of("rendering", 10, done=2) as advance:
        advance(8, "context 0.5")
    assert "rendering" in screen.getvalue()
    assert "10/10" in screen.getvalue()
    assert "context 0.5" in screen.getvalue()


def test_nothing_is_shown_where_nothing_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), progress_of("decoding images", 10, shown=False) as advance:
        advance(10)
    assert caplog.text == ""


def test_hours_are_told_in_minutes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with caplog.at_level(logging.INFO), progress_of("decoding images", 1_000_000) as advance:
        now = 40.0
        advance(40_000)
        assert "decoding images: 40000 of 1000000, 1,000/s, 16.0 min left\n" in caplog.text
