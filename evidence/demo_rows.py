"""The rows of results/demo: `genreid demo`, one seed after the other.

    python -m evidence.demo_rows --runs DIR [--seeds 0 1 2] [--out results/demo]

A demo that is there goes on, a row that has its file is kept. People and training follow the seed.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genreid import __version__
from genreid.cli.main import main as genreid
from genreid.evaluation.provenance import source_commit
from genreid.recipes.demo import demo
from genreid.reproduce.demo import COMPARED, ROWS, DemoRow, measure_rows
from genreid.reproduce.file import figures_of, gain_over, hardware, write_row
from genreid.reproduce.ranking import Measured
from genreid.runs.config_file import read_yaml_mapping
from genreid.runs.run_folder import read_job

logger = logging.getLogger(__name__)

NAMES = {row.name: f"demo/{'A' if row.domain == 'A' else 'A-B'}/{row.name}" for row in ROWS}
"""Row of the demo -> its name among all rows: DG-Net stays on A, CR-GAN goes from A to B."""
CONTROLS: Mapping[str, tuple[str, ...]] = dict(COMPARED.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo for each seed and write the files that are missing.

    Args:
        argv: Words of the command line.
    """
    options = _arguments().parse_args(argv)
    for seed in options.seeds:
        missing = [row for row in ROWS if not path_of(options.out, row, seed).is_file()]
        if not missing:
            continue
        out = options.runs / f"demo-seed{seed}"
        if genreid(["demo", "--out", str(out), "--seed", str(seed), "--device", "cpu"]) != 0:
            return 1
        measured = measure_rows(out)
        for row in missing:
            path = path_of(options.out, row, seed)
            write_row(path, content_of(out, row, seed, measured), measured[row.name])
            logger.info("%s", path)
    return 0


def path_of(folder: Path, row: DemoRow, seed: int) -> Path:
    """Return the result file of a row.

    Args:
        folder: Such as results/demo.
        row: The row.
        seed: The seed.
    """
    return folder / f"{NAMES[row.name].removeprefix('demo/')}.demo.seed{seed}.json"


def content_of(out: Path, row: DemoRow, seed: int, measured: Mapping[str, Measured]) -> dict[str, Any]:
    """Return what the result file of a row holds.

    Args:
        out: The demo's folder.
        row: The row.
        seed: The seed.
        measured: All rows of the demo.
    """
    ours, run, drawn = measured[row.name], out / row.run, demo()
    controls = CONTROLS.get(row.name, ())
    gains = [gain_over(NAMES[name], measured[name], ours) | {"published": None} for name in controls]
    return {
        "row": NAMES[row.name],
        "what": row.what,
        "recipe": "demo",
        "seed": seed,
        **figures_of(ours),
        "gains": gains,
        "controls_not_made": [],
        "drawn": {"people": drawn.people, "images_per_camera": drawn.images_per_camera},
        "config": read_yaml_mapping(run / "config.yaml"),
        "mirror": row.mirror,
        "precision": read_job(run)["precision"],
        "weights": {"evaluated": dict(ours.weights)},
        "commit": source_commit() or None,
        "version": __version__,
        "hardware": hardware("cpu"),
        "minutes": round(training_minutes(out, row), 1),
    }


def training_minutes(out: Path, row: DemoRow) -> float:
    """Return the minutes of every stage that a row needs, the shared stage I among them.

    Args:
        out: The demo's folder.
        row: The row.
    """
    own = stage_minutes(out / row.run)
    if row.stage == "pretrained":
        return own["identity"]
    shared = 0.0 if row.run in {"direct", "dgnet"} else stage_minutes(out / "direct")["identity"]
    return shared + sum(own.values())


def stage_minutes(run: Path) -> dict[str, float]:
    """Return how long each stage of a run trained, from its log.

    Args:
        run: The run folder.
    """
    minutes: dict[str, float] = {}
    before = 0.0
    for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        step_seconds = entry["seconds"] - before if entry["seconds"] >= before else entry["seconds"]
        minutes[entry["stage"]] = minutes.get(entry["stage"], 0.0) + step_seconds / 60
        before = entry["seconds"]
    return minutes


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evidence.demo_rows")
    add = parser.add_argument
    add("--runs", type=Path, required=True, help="folder of the demos' folders")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--out", type=Path, default=Path("results/demo"), help="folder of the result files")
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    raise SystemExit(main())
