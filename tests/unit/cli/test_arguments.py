"""Mistakes on the command line are one sentence that says what was meant."""

import pytest

from tests.command_line import genreid


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "extract run --dta A --data A --out f",
            "genreid extract: unknown option --dta; did you mean --data",
        ),
        ("extract run --data A --out f more", "genreid extract: one word too many: more; `genreid extract"),
        ("extract run", "the following arguments are required: --data, --out; `genreid extract --help`"),
        ("data chek x", "argument check|synthesize: got 'chek'; did you mean check?"),
        ("data check x --jsno", "unknown option --jsno; did you mean --json?"),
        ("data check x --workers two", "argument --workers: invalid int value: 'two'"),
        (
            "extract run --data A --out f --split tests",
            "--split: got 'tests'; there is query, gallery",
        ),
        ("reproduce --list --resluts x", "unknown option --resluts; did you mean --results?"),
        ("evaluate --querry q", "unknown option --querry; did you mean --query?"),
    ],
)
def test_what_was_meant(words: str, said: str) -> None:
    answer = genreid(*words.split())
    assert answer.code == 2
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "usage:" not in answer.err
