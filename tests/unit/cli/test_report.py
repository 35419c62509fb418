"""`genreid report` as a command: defaults, messages, exit codes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from genreid.cli.main import main
from tests.command_line import logging_as_before
from tests.drawn_runs import draw_run


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    with logging_as_before():
        yield


def test_it_says_where_the_page_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = draw_run(tmp_path / "r", tmp_path / "B")
    assert main(["report", str(run)]) == 0
    told = capsys.readouterr().out
    assert told == f"{run / 'report.html'}: 1 run, 0.0 MB; open it with a browser\n"
    assert main(["report", str(run), str(run), "--out", str(tmp_path / "x.html")]) == 0
    assert (tmp_path / "x.html").read_bytes() == (run / "report.html").read_bytes()


@pytest.mark.parametrize(("words", "message"), [(["nowhere"], "nowhere is no folder"), ([], "RUN")])
def test_what_cannot_be_meant_ends_with_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *words]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_it_does_not_wait_for_torch(tmp_path: Path) -> None:
    run = draw_run(tmp_path / "r", tmp_path / "B")
    code = "import sys; from genreid.cli import report; report.main(sys.argv[1:]); "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(run)], check=True, capture_output=True)
