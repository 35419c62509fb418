"""The rows of results/demo.json: `genreid demo`, one seed after the other.

    python -m evidence.demo_rows --runs DIR [--seeds 0 1 2] [--out results/demo.json]

A demo that is there goes on, a row that is in the file is kept. People and training follow the seed.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evidence.result_file import (
    add_entry,
    entry_of,
    read_results,
    recorded_settings,
    run_command,
    seeds_of,
    stage_minutes,
)
from genreid.recipes.demo import demo
from genreid.reproduce.demo import ROWS, DemoRow, measure_rows

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo for each seed and add its rows to the file.

    Args:
        argv: Words of the command line.
    """
    options = _arguments().parse_args(argv)
    for seed in options.seeds:
        if all(seeds_of(read_results(options.out), row.name, seed) for row in ROWS):
            continue
        out = options.runs / f"demo-seed{seed}"
        run_command(["demo", "--out", out, "--seed", seed, "--device", "cpu"])
        for row, figures in measure_rows(out):
            if not seeds_of(read_results(options.out), row.name, seed):
                entry = entry_of(seed, dict(figures), training_minutes(out, row))
                add_entry(options.out, row.name, entry, _config(out))
                logger.info("%s: %s", row.name, entry)
    return 0


def training_minutes(out: Path, row: DemoRow) -> float:
    """Return the minutes of every stage that a row needs, the shared stage I among them.

    Args:
        out: The demo's folder.
        row: The row.
    """
    own = stage_minutes(out / row.run)
    if row.stage == "pretrained":
        return own["identity"]
    shared = stage_minutes(out / "direct")["identity"] if row.run in {"cut_paste", "crgan"} else 0.0
    return shared + sum(own.values())


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evidence.demo_rows")
    add = parser.add_argument
    add("--runs", type=Path, required=True, help="folder of the demos' folders")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--out", type=Path, default=Path("results/demo.json"), help="the result file")
    return parser


def _config(out: Path) -> dict[str, Any]:
    """Return what all rows are made with."""
    config = demo()
    drawn = {"people": config.people, "images_per_camera": config.images_per_camera}
    crgan, dgnet = recorded_settings(out / "crgan"), recorded_settings(out / "dgnet")
    settings = {"drawn": drawn, "crgan": crgan.pop("settings"), "dgnet": dgnet["settings"]}
    return {"recipe": "demo", "settings": settings, **crgan}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    raise SystemExit(main())
