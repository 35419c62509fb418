"""`genreid demo` as a user types it, a few iterations long: every run, every row, the table, the report."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from genreid.cli.main import main
from genreid.evaluation.records import read_record
from genreid.recipes.demo import RECIPES
from genreid.reproduce.demo import COMPARED, ROWS, RUNS, DemoFigures, verdict
from tests.command_line import logging_as_before


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    with logging_as_before():
        yield


def files(folder: Path) -> dict[str, int]:
    """Return every picture, checkpoint and record with the time it was written."""
    kept = [path for path in folder.rglob("*") if path.suffix in {".jpg", ".png", ".safetensors", ".json"}]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in kept}


def test_a_demo_ends_with_a_table_and_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    words = ["demo", "--recipe", "tiny", "--out", str(out), "--device", "cpu"]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert re.search(r"about \d+\.\d minutes on this machine", printed.err)
    text = printed.out
    for row in ROWS:
        figures = read_record(out / row.run / "evaluations" / f"{row.name}.json").figures
        line = re.search(rf"\b{row.domain}\b.*\b{row.name}\b.*", text)
        assert line is not None, row.name
        shown = line.group().replace("│", " ").split()[-3:]
        assert shown == [f"{100 * figures[name]:.1f}" for name in ("rank1", "mAP", "mAP_trapezoid")]
    assert "By mAP on B, CR-GAN" in text
    assert f"Report: {out / 'report.html'}" in text
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(row.name in page for row in ROWS)
    assert all((out / run / "config.yaml").is_file() for run in RUNS)
    assert (out / "crgan" / "images" / "renderings.png").is_file()
    longer, paired = (out / run / "checkpoints" / "dgnet" for run in ("dgnet_without_generation", "dgnet"))
    assert sorted(path.name for path in longer.iterdir()) == sorted(path.name for path in paired.iterdir())
    assert not (out / "dgnet_without_generation" / "checkpoints" / "identity").exists()

    # once more: nothing is drawn, trained or evaluated again
    before = files(out)
    (out / "report.html").unlink()
    assert main([*words, "--json"]) == 0
    assert files(out) == before
    answer = json.loads(capsys.readouterr().out)
    assert answer["finished"] is True
    assert [(row["on"], row["row"]) for row in answer["rows"]] == [(row.domain, row.name) for row in ROWS]
    assert answer["rows"][-1]["mAP"] == figures["mAP"]
    assert answer["report"] == str(out / "report.html")
    assert (out / "report.html").is_file()

    # another seed does not go into the same folder
    assert main([*words, "--seed", "1"]) == 2
    assert "made with other options" in capsys.readouterr().err


def figures(**shares: float) -> list[DemoFigures]:
    """Return rows with these mAPs in percent, the others at 10."""
    return [DemoFigures(row, {"mAP": shares.get(row.name, 10.0) / 100}) for row in ROWS]


def test_the_sentence_says_who_is_ahead() -> None:
    text = verdict(figures(crgan=30, crgan_bn=40, both=50))
    assert text == (
        "By mAP on B, CR-GAN (30.0) is ahead of direct (10.0), source_long (10.0), cut_paste (10.0), "
        "colour (10.0) and composite (10.0); with B's batch-norm statistics CR-GAN (40.0) is ahead of "
        "bn_control (10.0), source_long_bn (10.0), cut_paste_bn (10.0), colour_bn (10.0) and "
        "composite_bn (10.0); "
        "on A, DG-Net (50.0) is ahead of teacher (10.0) and longer_teacher (10.0)."
    )


def test_the_sentence_says_who_is_not() -> None:
    text = verdict(figures(crgan=30, cut_paste=35, both=9, longer_teacher=8))
    assert (
        "CR-GAN (30.0) is ahead of direct (10.0), source_long (10.0), colour (10.0) and composite (10.0) "
        "but not ahead of cut_paste (35.0)" in text
    )
    assert "on A, DG-Net (9.0) is ahead of longer_teacher (8.0) but not ahead of teacher (10.0)" in text
    assert "CR-GAN (10.0) is not ahead of bn_control (10.0), source_long_bn (10.0), cut_paste_bn" in text


def test_every_row_is_of_a_run_and_named_once() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert {row.run for row in ROWS} == set(RUNS)
    assert {name for ours, others in COMPARED.values() for name in (ours, *others)} <= set(names)


def test_recipes_are_complete() -> None:
    assert set(RECIPES) == {"demo", "tiny"}
    for recipe in RECIPES.values():
        assert recipe().adapt.image == recipe().dgnet.image
