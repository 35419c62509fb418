"""The table of `make bench` is made of the result files alone."""

import argparse
from pathlib import Path

from benchmarks.measure import Sheet, Target
from benchmarks.summary import BENCHMARKS, page, read_records, target_rows


def write(folder: Path, name: str, sheet: Sheet) -> None:
    sheet.finish(argparse.Namespace(tiny=False, out=folder / f"{name}.json"))


def test_targets_growth_and_gpu_stand_in_the_page(tmp_path: Path) -> None:
    fast = Target(what="step", ours="1 s", reference="3 s", ratio=3.0, bound=2.0, note="a note")
    slow = Target(what="more", ours="1 s", reference="1 s", ratio=1.0, bound=2.0)
    write(tmp_path, "dgnet_step", Sheet("dgnet_step", "x", {}, [fast, slow]))
    growth = {
        "by": "images",
        "sizes": [1, 2],
        "seconds": [0.5, 1.0],
        "peak_bytes": [1e6, 2e6],
        "exponent": 1.0,
    }
    write(tmp_path, "growth", Sheet("growth", "x", {"ranking": growth}))
    steps = {
        "crgan": {"images_per_second": 1234.5, "share_of_peak": 0.25, "peak_bytes": 2e9},
        "dgnet": {"error": "OutOfMemoryError: too large"},
    }
    write(tmp_path, "gpu_steps", Sheet("gpu_steps", "x", {"steps": steps, "checks": {}}, device="a GPU"))
    (tmp_path / "masks.json").write_text('{"images": 3}', encoding="utf-8")
    text = page(tmp_path)
    for line in (
        "| step | 1 s | 3 s | 3.00x | >= 2.00x | yes |",
        "| more | 1 s | 1 s | 1.00x | >= 2.00x | **no** |",
        "- step: a note",
        "| ranking, by images | 1 / 2 | 0.5 / 1 | 1 / 2 | 1.00 |",
        "| crgan | 1234 | 25.0 % | 2.0 |",
        "| dgnet | OutOfMemoryError: too large | - | - |",
    ):
        assert line in text.splitlines(), text
    assert "a GPU, " in text
    assert "not in the table: `masks.json`" in text
    assert all(f"| `{name}` |" in text for name in BENCHMARKS)
    assert len(target_rows(read_records(tmp_path))) == 2


def test_parts_that_were_measured_apart_name_their_commits(tmp_path: Path) -> None:
    figures = {"clustering": {"small": {"commit": "b" * 40}, "large": {"commit": "a" * 40}}}
    write(tmp_path, "neighbours", Sheet("neighbours", "x", figures, busy=0.04, load=1.25))
    (line,) = [line for line in page(tmp_path).splitlines() if line.startswith("| `neighbours` |")]
    assert f"`{'a' * 10}`, `{'b' * 10}`" in line
    assert " | 4 %; 1.2 to " in line


def test_nothing_measured_is_said(tmp_path: Path) -> None:
    assert "Nothing is measured yet." in page(tmp_path)


def test_every_benchmark_is_a_module_with_its_name() -> None:
    folder = Path(__file__).parents[3] / "benchmarks"
    assert all((folder / f"{name}.py").exists() for name in BENCHMARKS)
