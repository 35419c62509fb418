"""The form of a benchmark: targets, ratios within turns, result files, processes of their own."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import (
    Sheet,
    Target,
    as_text,
    bound_text,
    exponent,
    in_process,
    line_of,
    peak_bytes,
    ratio_text,
    ratios,
    read_figures,
    rounded,
    spread,
    take_turns,
    with_unit,
)


def target(**changes: Any) -> Target:
    given: dict[str, Any] = {"what": "it", "ours": "1 s", "reference": "2 s", "ratio": 2.0, "bound": 2.0}
    return Target(**(given | changes))


@pytest.mark.parametrize(
    ("ratio", "at_least", "met"),
    [(2.0, True, True), (1.999, True, False), (2.0, False, True), (2.001, False, False)],
)
def test_a_bound_is_kept_on_the_right_side(ratio: float, at_least: bool, met: bool) -> None:
    assert target(ratio=ratio, at_least=at_least).met is met


@pytest.mark.parametrize("at_least", [True, False])
def test_what_could_not_be_measured_meets_nothing(at_least: bool) -> None:
    found = target(ratio=math.nan, at_least=at_least)
    assert not found.met
    assert rounded(found.to_json())["ratio"] is None


def test_a_line_says_both_sides() -> None:
    found = target(ratio=1.5, note="busy").to_json()
    assert line_of(found) == "MISSED it: 1.50x (>= 2.00x); 1 s against 2 s. busy"
    share = target(ratio=0.123456, bound=2.0, unit="%", at_least=False).to_json()
    assert (ratio_text(share), bound_text(share)) == ("0.123 %", "<= 2.00 %")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (25.0, "x", "25.0x"),
        (314.159, "x", "314x"),
        (0.0, "waits", "0.000 waits"),
        (0.99999, "cosine", "0.99999"),
        (0.00001234, "s", "0.0000 s"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, unit: str, text: str) -> None:
    assert with_unit(value, unit) == text


def test_ratios_are_taken_within_a_turn() -> None:
    """A machine that becomes half as fast slows both sides, and changes no ratio."""
    assert ratios([4.0, 8.0, 9.0], [2.0, 4.0, 3.0]) == {"median": 2.0, "min": 2.0, "max": 3.0}
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_works_take_turns_and_the_first_is_not_counted() -> None:
    calls: list[str] = []
    found = take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert "".join(calls) == "ababab"
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 2, "b": 2}


def test_exponents_of_powers() -> None:
    assert exponent([1, 2, 4], [3.0, 12.0, 48.0]) == pytest.approx(2.0)
    assert exponent([10, 100], [0.5, 0.5]) == pytest.approx(0.0)


def test_a_sheet_is_written_with_its_provenance(tmp_path: Path) -> None:
    sheet = Sheet("some", "something", {"list": [1.0, 2.0]}, [target()])
    out = tmp_path / "some.json"
    sheet.finish(argparse.Namespace(tiny=True, out=out))
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["targets"][0]["met"] is True
    assert {"commit", "changed", "machine", "versions", "busy_before", "load", "seconds"} <= set(found)
    assert 0 <= found["busy_before"] <= 1
    assert found["machine"]["cores"] > 0
    assert "python" in found["versions"]
    assert read_figures(out, ("list", "none")) == {"list": [1.0, 2.0]}
    assert read_figures(tmp_path / "none.json", ("list",)) == {}


def test_a_tiny_run_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.measure.RESULTS", tmp_path)
    Sheet("some", "something").finish(argparse.Namespace(tiny=True, out=None))
    assert not list(tmp_path.iterdir())
    Sheet("some", "something").finish(argparse.Namespace(tiny=False, out=None))
    assert [path.name for path in tmp_path.iterdir()] == ["some.json"]


def test_lists_of_numbers_stand_on_one_line() -> None:
    text = as_text({"a": [1.0, 2.0], "b": {"c": ["x", "y"]}, "d": []})
    assert json.loads(text) == {"a": [1.0, 2.0], "b": {"c": ["x", "y"]}, "d": []}
    assert '"a": [1.0, 2.0],' in text


def hold(megabytes: int) -> dict[str, int]:
    """Fill some memory and let it go."""
    return {"length": len(bytearray(megabytes * 1_000_000))}


def test_a_process_of_its_own_says_how_much_memory_it_held() -> None:
    small, large = (
        in_process("tests.unit.benchmarks.test_measure", "hold", {"megabytes": n}) for n in (1, 150)
    )
    assert large["length"] == 150_000_000
    assert 100e6 < large["process_peak_bytes"] - small["process_peak_bytes"] < 200e6
    assert peak_bytes() > 1e6
