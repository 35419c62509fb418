"""The rows of results/hybrid-*.json: what learning from the target's own images adds to each start.

    python -m benchmarks.hybrid_rows --target DIR --runs DIR --out results/hybrid-c2m-compact.json

Started from ImageNet, from stage I, or from CR-GAN's stage III; the last round is evaluated, on stored
batch-norm statistics, and nothing is chosen by looking at the target's test set. `crgan_taudl` uses which
images of one camera show one person, so it is not label-free. The runs of CR-GAN are those of
`benchmarks.crgan_rows` (`none-seedN`, `crgan-seedN`), in the same folder. Every row is made by the commands
that a user would type; a run that is there is resumed, a row that is in the file is kept.
"""

import argparse
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.result_file import (
    add_entry,
    entry_of,
    evaluated,
    read_results,
    recorded_settings,
    run_command,
    seeds_of,
    stage_minutes,
)

logger = logging.getLogger(__name__)

ROUND_FIGURES = ("clusters", "outliers", "spanning")
"""What a row keeps of each round; purity and pair F1 stay in the run's log."""


class Row(NamedTuple):
    """A method on the target, where it starts, and which stages of that start are its own work."""

    method: str
    start: str | None
    stage: str | None
    stages_before: tuple[str, ...]


CRGAN = ("identity", "camera", "rendering", "finetuning")
ROWS = {
    "imagenet_cluster": Row("cluster", None, None, ()),
    "direct_cluster": Row("cluster", "none", "pretrained", CRGAN[:1]),
    "crgan_cluster": Row("cluster", "crgan", "adapted", CRGAN),
    "direct_taudl": Row("taudl", "none", "pretrained", CRGAN[:1]),
    "crgan_taudl": Row("taudl", "crgan", "adapted", CRGAN),
}
"""In the order in which they are made."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make every row that is not in the file yet, and write the file after each.

    Args:
        argv: Words of the command line.
    """
    options = _arguments().parse_args(argv)
    for name in options.rows or ROWS:
        if seeds_of(read_results(options.out), name, options.seed):
            continue
        row, run = ROWS[name], options.runs / f"{name}-seed{options.seed}"
        _train(run, row, options)
        begin = time.monotonic()
        figures = evaluated(run, ["--data", options.target])
        own = sum(stage_minutes(run).values()) + (time.monotonic() - begin) / 60
        entry = entry_of(options.seed, figures, _minutes_before(row, options) + own)
        entry |= {"minutes_after_start": round(own, 1)}
        if row.method == "cluster":
            entry |= {"rounds": rounds_of(run)}
        before = read_results(options.out).get("config", {})
        made = {"recipe": options.recipe, "source_split": "all", row.method: recorded_settings(run)}
        add_entry(options.out, name, entry, before | made)
        logger.info("%s: %s", name, entry)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hybrid_rows")
    add = parser.add_argument
    add("--target", type=Path, required=True)
    add("--runs", type=Path, required=True, help="folder of the run folders")
    add("--out", type=Path, required=True, help="the result file")
    add("--recipe", default="compact")
    add("--seed", type=int, default=0)
    add("--rows", nargs="*", choices=tuple(ROWS))
    return parser


def _train(run: Path, row: Row, options: argparse.Namespace) -> None:
    """Run `genreid train cluster` or `genreid train taudl`."""
    words = ["train", row.method, "--data", options.target, "--out", run]
    words += ["--recipe", options.recipe, "--seed", options.seed]
    if row.start is not None:
        words += ["--init", options.runs / f"{row.start}-seed{options.seed}", "--init-stage", row.stage]
    if row.method == "cluster":
        words += ["--diagnose"]
    run_command(words)


def _minutes_before(row: Row, options: argparse.Namespace) -> float:
    """Return the minutes of the stages that a row starts from, masks apart; stage I is shared."""
    folders = {"identity": "none"}
    runs = {stage: f"{folders.get(stage, row.start)}-seed{options.seed}" for stage in row.stages_before}
    return sum(stage_minutes(options.runs / run).get(stage, 0.0) for stage, run in runs.items())


def rounds_of(run: Path) -> list[dict[str, float]]:
    """Return what each round of a run has found.

    Args:
        run: Run folder of `genreid train cluster`.
    """
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rounds = [entry for entry in map(json.loads, lines) if entry["stage"] == "cluster_rounds"]
    return [{name: round(entry[name], 4) for name in ROUND_FIGURES} for entry in rounds]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    raise SystemExit(main())
