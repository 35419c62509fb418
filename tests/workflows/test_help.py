"""`--help` of everything answers, that of `genreid` at once, and the README names only what exists."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genreid.cli.main import VERBS
from tests.command_line import genreid

LIMIT_SECONDS = 0.4
README = Path(__file__).resolve().parents[2] / "README.md"
WITH_SUBCOMMANDS = {"data", "train", "import", "gallery"}
HELPS = [[verb] for verb in VERBS] + [["data", "check"], ["data", "synthesize"], ["import", "dgnet"]]
HELPS += [["train", method] for method in ("baseline", "dgnet", "cluster", "taudl")]


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
    extra = answered - bare
    assert extra < LIMIT_SECONDS, f"`genreid --help` takes {extra:.2f} s more than Python's start"


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_every_verb_has_help(words: list[str]) -> None:
    answer = genreid(*words, "--help")
    assert answer.code == 0, answer.err
    assert "usage" in answer.out.lower()
    assert f"genreid {words[0]}" in answer.out


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_is_refused(verb: str) -> None:
    answer = genreid(verb, "--no-such-option-at-all")
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err


def commands_of_readme() -> list[str]:
    """Return the `genreid ...` lines of the README's shell blocks, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("genreid ")]


@pytest.mark.parametrize("command", commands_of_readme())
def test_the_readmes_commands_exist(command: str) -> None:
    words = command.split()[1:]
    help_words = words[:2] if words[0] in WITH_SUBCOMMANDS else words[:1]
    text = genreid(*help_words, "--help").out
    unknown = [word for word in words if word.startswith("--") and not re.search(rf"{word}\b", text)]
    assert not unknown, f"README.md says `{command}`, but `genreid {' '.join(help_words)}` has no {unknown}"
