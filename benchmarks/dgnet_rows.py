"""The rows of results/dgnet-*.json: DG-Net on real data beside its teacher and a longer teacher.

    python -m benchmarks.dgnet_rows --data DIR --runs DIR --out results/dgnet-cuhk03np-compact.json

`longer_teacher` is E_a with both heads, erasing and positives, trained for as many iterations as DG-Net
without generation: so that erasing and time are not credited to generation. Rows that end in `_bn` have
batch-norm statistics re-estimated on the data set's own training images: DG-Net's stored ones are mixed with
those of generated images (spec dg-net F7). Every row is made by the commands that a user would type; a run
that is there is resumed, a row that is in the file is kept.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class Run(NamedTuple):
    """A run, how it is evaluated, and which stages of training that takes."""

    folder: str
    words: tuple[str, ...]
    stages: tuple[str, ...]


RUNS = {
    "teacher": Run("dgnet", ("--stage", "pretrained"), ("identity",)),
    "teacher_bn": Run("dgnet", ("--stage", "pretrained"), ("identity",)),
    "dgnet": Run("dgnet", (), ("identity", "dgnet")),
    "dgnet_bn": Run("dgnet", (), ("identity", "dgnet")),
    "longer_teacher": Run("longer", (), ("dgnet",)),
    "longer_teacher_bn": Run("longer", (), ("dgnet",)),
}
"""What is evaluated, in order; `dgnet` gives the rows primary, fine and both."""
EXTRA = {"dgnet": (), "longer": ("--training.generation", "false")}
"""Run -> options of `genreid train dgnet`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make every row that is not in the file yet, and write the file after each.

    Args:
        argv: Words of the command line.
    """
    options = _arguments().parse_args(argv)
    for name, run in RUNS.items():
        rows = _rows_of(name)
        if all(seeds_of(read_results(options.out), row, options.seed) for row in rows):
            continue
        folder = options.runs / f"{run.folder}-seed{options.seed}"
        _train(folder, EXTRA[run.folder], options)
        begin = time.monotonic()
        figures = _evaluate(folder, name, run, options)
        trained = stage_minutes(folder)
        minutes = sum(trained[stage] for stage in run.stages) + (time.monotonic() - begin) / 60
        for row, half in rows.items():
            entry = entry_of(options.seed, figures[half] if half else figures, minutes)
            settings = (
                {"recipe": options.recipe, **recorded_settings(folder)} if run.folder == "dgnet" else None
            )
            add_entry(options.out, row, entry, settings)
            logger.info("%s: %s", row, entry)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dgnet_rows")
    add = parser.add_argument
    add("--data", type=Path, required=True)
    add("--runs", type=Path, required=True, help="folder of the run folders")
    add("--out", type=Path, required=True, help="the result file")
    add("--recipe", default="compact")
    add("--seed", type=int, default=0)
    add("--set", nargs="*", default=[], help="more options of `genreid train dgnet`, for all runs")
    return parser


def _rows_of(name: str) -> dict[str, str | None]:
    """Return the rows that an evaluation gives, and under which key of its figures."""
    if not name.startswith("dgnet"):
        return {name: None}
    ending = name.removeprefix("dgnet")
    return {f"primary{ending}": "primary", f"fine{ending}": "fine", f"both{ending}": None}


def _train(folder: Path, extra: tuple[str, ...], options: argparse.Namespace) -> None:
    """Run `genreid train dgnet`."""
    words = ["train", "dgnet", "--data", options.data, "--out", folder, "--recipe", options.recipe]
    words += ["--seed", options.seed, *extra, *options.set]
    run_command(words)


def _evaluate(folder: Path, name: str, run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Run `genreid evaluate` and return its figures."""
    statistics = ["--bn-statistics", options.data] if name.endswith("_bn") else []
    return evaluated(folder, ["--data", options.data, *run.words, *statistics])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    raise SystemExit(main())
