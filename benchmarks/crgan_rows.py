"""The rows of results/crgan-*.json: CR-GAN on real data with all of its controls, one after the other.

    python -m benchmarks.crgan_rows --source DIR --target DIR --runs DIR --out results/crgan-c2m-compact.json

Every row is made by the commands that a user would type; a run that is there is resumed, a row that is in the
file is kept. Stage I is shared. Nothing is chosen here by looking at the target's test set.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.result_file import (
    add_entry,
    entry_of,
    read_results,
    recorded_settings,
    run_command,
    seeds_of,
    stage_minutes,
)
from genreid.data.load import load_dataset
from genreid.data.sample import JUNK_PID
from genreid.evaluation.ranking import rank
from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One row: which run, which of its networks, which features."""

    run: str
    options: dict[str, str] = field(default_factory=dict)
    statistics_of_target: bool = False


ROWS = {
    "direct": Row("none", {"stage": "pretrained"}),
    "direct_lmp": Row("none", {"stage": "pretrained", "pooling": "lmp"}),
    "bn_control": Row("none", {"stage": "pretrained"}, statistics_of_target=True),
    "source_control": Row("none"),
    "source_bn_control": Row("none", statistics_of_target=True),
    "crgan": Row("crgan"),
    "crgan_bn": Row("crgan", statistics_of_target=True),
    "crgan_lmp": Row("crgan", {"pooling": "lmp"}),
    "cut_paste": Row("cut_paste"),
    "cut_paste_bn": Row("cut_paste", statistics_of_target=True),
    "without_dual": Row("crgan_single"),
    "without_dual_bn": Row("crgan_single", statistics_of_target=True),
}
"""In the order in which they are made; a run's name is its `--renderer`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make every row that is not in the file yet, and write the file after each.

    Args:
        argv: Words of the command line.
    """
    options = _arguments().parse_args(argv)
    for name in options.rows or ROWS:
        if seeds_of(read_results(options.out), name, options.seed):
            continue
        row = ROWS[name]
        run = options.runs / f"{row.run}-seed{options.seed}"
        if not options.evaluate_only:
            _train(run, row.run, options)
        entry = _evaluate(run, row, options)
        made = options.runs / f"crgan-seed{options.seed}"
        recipe = {"recipe": options.recipe, "source_split": "all"}
        add_entry(options.out, name, entry, recipe | recorded_settings(made) if made.exists() else None)
        logger.info("%s: %s", name, entry)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crgan_rows")
    add = parser.add_argument
    add("--source", type=Path, required=True)
    add("--target", type=Path, required=True)
    add("--runs", type=Path, required=True, help="folder of the run folders")
    add("--out", type=Path, required=True, help="the result file")
    add("--recipe", default="compact")
    add("--seed", type=int, default=0)
    add("--source-masks", type=Path)
    add("--target-masks", type=Path)
    add("--rows", nargs="*", choices=tuple(ROWS))
    add("--evaluate-only", action="store_true", help="the runs are there; train nothing")
    return parser


def _train(run: Path, renderer: str, options: argparse.Namespace) -> None:
    """Run `genreid adapt`; every run but the first takes its stage I from the first."""
    words = ["adapt", "--source", options.source, "--source-split", "all", "--target", options.target]
    words += ["--out", run, "--recipe", options.recipe, "--renderer", renderer, "--seed", options.seed]
    for flag in ("source_masks", "target_masks"):
        if getattr(options, flag) is not None:
            words += [f"--{flag.replace('_', '-')}", getattr(options, flag)]
    first = options.runs / f"none-seed{options.seed}"
    if renderer != "none":
        words += ["--pretrained", first]
    run_command(words)


def _evaluate(run: Path, row: Row, options: argparse.Namespace) -> dict[str, Any]:
    """Extract, rank, and return the figures as fractions."""
    begin = time.monotonic()
    dataset = load_dataset(options.target)
    statistics = {"bn_statistics": str(options.target)} if row.statistics_of_target else {}
    features = FeatureOptions(**row.options, **statistics)  # type: ignore[arg-type]
    gallery = [sample for sample in dataset.gallery if sample.pid != JUNK_PID]
    extractor = Extractor.from_run(run, features)
    ranking = rank(extractor.extract(dataset.query), extractor.extract(gallery))
    minutes = training_minutes(options, row) + (time.monotonic() - begin) / 60
    return entry_of(options.seed, ranking.to_json(), minutes)


def training_minutes(options: argparse.Namespace, row: Row) -> float:
    """Return the minutes of every stage that a row needs, the shared stage I among them; without masks.

    Args:
        options: Where the runs are.
        row: The row.
    """
    stages = stage_minutes(options.runs / f"none-seed{options.seed}")
    needed = stages.get("identity", 0.0)
    if row.options.get("stage") != "pretrained":
        own = stage_minutes(options.runs / f"{row.run}-seed{options.seed}")
        needed += sum(minutes for stage, minutes in own.items() if stage != "identity")
    return needed


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    raise SystemExit(main())
