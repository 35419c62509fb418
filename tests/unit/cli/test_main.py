"""The dispatcher: verbs, exit codes, messages."""

import logging
import sys
import types
import warnings
from collections.abc import Callable, Iterator

import pytest

from genreid import __version__
from genreid.cli import main as dispatcher
from genreid.cli.main import VERBS, main
from genreid.cli.trouble import _REMEDIES, _SMALLER
from tests.command_line import logging_as_before


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    with logging_as_before():
        yield


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[list[str]], int]], None]:
    """Return a function that puts a stand-in behind `genreid data`."""

    def install(run: Callable[[list[str]], int]) -> None:
        module = types.ModuleType("genreid.cli.data")
        module.main = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "genreid.cli.data", module)

    monkeypatch.delenv("GENREID_DEBUG", raising=False)
    return install


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in VERBS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"genreid {__version__}\n"


@pytest.mark.parametrize(
    ("word", "hint"), [("evalute", "did you mean `genreid evaluate`?"), ("zzz", "there are demo, data, mask")]
)
def test_unknown_verb(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 2
    assert hint in capsys.readouterr().err


def test_the_verb_gets_the_rest(verb: Callable[[Callable[[list[str]], int]], None]) -> None:
    seen: list[list[str]] = []
    verb(lambda argv: seen.append(argv) or 3)  # type: ignore[func-returns-value]
    assert main(["data", "check", "x"]) == 3
    assert seen == [["check", "x"]]


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ValueError("x.yaml: wrong; type this"), 2, "genreid: x.yaml: wrong; type this\n"),
        (ValueError("genreid adapt: unknown option --x"), 2, "genreid adapt: unknown option --x\n"),
        (ValueError("genreid train baseline: no"), 2, "genreid train baseline: no\n"),
        (ValueError("genreid adapt needs --source"), 2, "genreid adapt needs --source\n"),
        (FileNotFoundError("no such folder: x"), 2, "genreid: no such folder: x\n"),
        (
            PermissionError(13, "Permission denied", "x"),
            2,
            f"genreid: x: Permission denied: {_REMEDIES[13]}\n",
        ),
        (
            type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory.\nMore than you want to know"),
            2,
            f"genreid: CUDA out of memory. {_SMALLER}\n",
        ),
        (KeyboardInterrupt(), 130, "\nStopped by Ctrl-C.\n"),
    ],
)
def test_errors_of_users_are_one_paragraph(
    error: BaseException,
    code: int,
    text: str,
    verb: Callable[[Callable[[list[str]], int]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(argv: list[str]) -> int:
        raise error

    verb(run)
    assert main(["data"]) == code
    assert capsys.readouterr().err == text


def test_debug_shows_where_an_error_came_from(
    verb: Callable[[Callable[[list[str]], int]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(argv: list[str]) -> int:
        msg = "wrong"
        raise ValueError(msg)

    verb(run)
    monkeypatch.setenv("GENREID_DEBUG", "1")
    with pytest.raises(ValueError, match="wrong"):
        main(["data"])


def test_errors_of_ours_are_not_hidden(verb: Callable[[Callable[[list[str]], int]], None]) -> None:
    def run(argv: list[str]) -> int:
        raise AssertionError

    verb(run)
    with pytest.raises(AssertionError):
        main(["data"])


def test_other_runtime_errors_are_not_hidden(verb: Callable[[Callable[[list[str]], int]], None]) -> None:
    def run(argv: list[str]) -> int:
        raise RuntimeError

    verb(run)
    with pytest.raises(RuntimeError):
        main(["data"])


def test_log_lines_and_warnings_go_to_stderr(
    verb: Callable[[Callable[[list[str]], int]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(argv: list[str]) -> int:
        logging.getLogger("genreid.data").info("three images")
        logging.getLogger("elsewhere").info("not ours")
        warnings.warn("look here", stacklevel=1)
        return 0

    verb(run)
    assert main(["data"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "three images" in captured.err
    assert "look here" in captured.err
    assert "not ours" not in captured.err


def test_every_verb_has_a_purpose() -> None:
    assert all(VERBS.values())
    assert dispatcher.help_text().endswith("\n")
