"""`--help` of everything answers, and that of `genreid` at once."""

import subprocess
import sys
import time

import pytest

from genreid.cli.main import VERBS

LIMIT_SECONDS = 0.4
HELPS = [[verb] for verb in VERBS if verb not in {"data", "train"}]
HELPS += [["data"], ["data", "check"], ["train"], ["train", "baseline"]]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "genreid.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def fastest(command: list[str]) -> float:
    """Return the least of several wall times, in seconds: the machine may be busy with something else."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_help_answers_at_once() -> None:
    bare = fastest([sys.executable, "-c", "pass"])
    answered = fastest([sys.executable, "-m", "genreid.cli.main", "--help"])
    assert answered - bare < LIMIT_SECONDS, (
        f"`genreid --help` takes {answered - bare:.2f} s more than Python's start"
    )


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_every_verb_has_help(words: list[str]) -> None:
    answer = run(*words, "--help")
    assert answer.returncode == 0, answer.stderr
    assert "usage" in answer.stdout.lower()
    assert f"genreid {words[0]}" in answer.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_is_refused_in_one_paragraph(verb: str) -> None:
    answer = run(verb, "--no-such-option-at-all")
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
