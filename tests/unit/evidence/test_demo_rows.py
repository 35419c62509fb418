"""The demo's result files have the form of all rows: figures, intervals, gains, and a line of the page."""

import json
from pathlib import Path

import numpy as np
import pytest

from evidence.demo_rows import content_of, path_of, training_minutes
from evidence.results_page import page
from genreid.evaluation.bootstrap import FIGURES
from genreid.reproduce.demo import ROWS
from genreid.reproduce.file import read_results, read_rows, scores_beside, write_row
from genreid.reproduce.ranking import Measured

BY_NAME = {row.name: row for row in ROWS}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a demo's folder, as far as its rows' files look at it."""
    stages = {
        "direct": {"identity": 300},
        "cut_paste": {"finetuning": 60},
        "crgan": {"camera": 60, "rendering": 120, "finetuning": 180},
        "dgnet": {"identity": 60, "dgnet": 120},
    }
    for run, ends in stages.items():
        folder = tmp_path / "demo" / run
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("image:\n  height: 64\n")
        (folder / "job.json").write_text(json.dumps({"precision": "bf16"}))
        lines = [{"stage": stage, "step": 1, "seconds": end} for stage, end in ends.items()]
        (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return tmp_path / "demo"


def measured(share: float) -> Measured:
    """Return a row that every query scores alike."""
    scores = np.full((5, len(FIGURES)), share)
    return Measured(dict.fromkeys(FIGURES, share), scores, {"stage": "finetuning"}, 0.1)


def test_a_row_has_intervals_and_gains_over_its_controls(out: Path, tmp_path: Path) -> None:
    shares = dict.fromkeys(BY_NAME, 0.2) | {"crgan": 0.5, "cut_paste": 0.3}
    rows = {name: measured(share) for name, share in shares.items()}
    results = tmp_path / "results"
    for name in ("crgan", "both"):
        path = path_of(results / "demo", BY_NAME[name], 1)
        write_row(path, content_of(out, BY_NAME[name], 1, rows), rows[name])
        assert scores_beside(path).is_file()
    both, crgan = read_results(results)
    assert [file.content["row"] for file in (both, crgan)] == ["demo/A/both", "demo/A-B/crgan"]
    assert crgan.content["interval"]["mAP"] == [0.5, 0.5]
    gains = {gain["over"]: gain["mAP"] for gain in crgan.content["gains"]}
    cheap = {f"demo/A-B/{name}": 0.3 for name in ("direct", "source_long", "colour", "composite")}
    assert gains == {**cheap, "demo/A-B/cut_paste": 0.2}
    assert not read_rows(results), "rows of `genreid reproduce` are others"
    gain = "+30.0 (+30.0 to +30.0) over `direct`; +20.0 (+20.0 to +20.0) over `cut_paste`"
    assert f"| 50.0 (50.0 to 50.0) | {gain} |" in page(results)


@pytest.mark.parametrize(
    ("name", "minutes"), [("direct", 5), ("cut_paste", 6), ("crgan_bn", 8), ("teacher", 1), ("both", 2)]
)
def test_minutes_are_of_every_stage_that_a_row_needs(out: Path, name: str, minutes: float) -> None:
    assert training_minutes(out, BY_NAME[name]) == pytest.approx(minutes)
