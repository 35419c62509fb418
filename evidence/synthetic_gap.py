"""How far domain B is from domain A: the mAP that a network trained on A keeps on B.

    python -m evidence.synthetic_gap [--work DIR] [--pids N] [--iterations N] [--seeds S ...] [--out F.json]

Makes both data sets, trains `genreid train baseline` on A and evaluates it on A's and on B's test people,
with stored batch-norm statistics and with those of B's training images; and trains on B and evaluates on B,
so that what is lost by the domain can be told from what is hard about B. Runs that are there go on, so that
the same command can be broken off and typed again. The goal: on B at most half of the mAP on A.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LARGEST_SHARE_KEPT = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        found = [_measure(work, seed, options) for seed in options.seeds]
    shares = [figures["A -> B"] / figures["A -> A"] for figures in found]
    answer = {
        "pids": options.pids,
        "iterations": options.iterations,
        "mAP": dict(zip(map(str, options.seeds), found, strict=True)),
        "share_kept": round(statistics.median(shares), 3),
        "goal_met": max(shares) <= LARGEST_SHARE_KEPT,
    }
    text = json.dumps(answer, indent=2) + "\n"
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.write_text(text, encoding="utf-8")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m evidence.synthetic_gap")
    add = parser.add_argument
    add("--work", type=Path, help="keep data sets and runs here (default: a folder that is deleted)")
    add("--pids", type=int, default=200)
    add("--iterations", type=int, default=600)
    add("--seeds", type=int, nargs="+", default=[0])
    add("--recipe", default="compact")
    add("--weights", help="as --backbone.weights (default: the recipe's)")
    add("--out", type=Path)
    return parser


def _measure(work: Path, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Train on each domain with one seed; return mAP by what was trained on -> what was ranked."""
    data = {}
    for domain in ("A", "B"):
        data[domain] = work / f"{domain}-{seed}"
        _genreid(
            "data", "synthesize", data[domain], "--domain", domain, "--pids", options.pids, "--seed", seed
        )
    runs = {domain: work / f"trained-{domain}-{seed}" for domain in data}
    weights = ["--backbone.weights", options.weights] if options.weights else []
    for domain, run in runs.items():
        words = ["--recipe", options.recipe, "--identity.iterations", options.iterations, "--seed", seed]
        _genreid("train", "baseline", "--data", data[domain], "--out", run, *words, *weights)
    return {
        "A -> A": _map_of(runs["A"], data["A"]),
        "A -> B": _map_of(runs["A"], data["B"]),
        "A -> B, batch norms of B": _map_of(runs["A"], data["B"], "--bn-statistics", data["B"]),
        "B -> B": _map_of(runs["B"], data["B"]),
    }


def _map_of(run: Path, data: Path, *words: object) -> float:
    """Return the mAP of a run on a data set's test people."""
    answer = json.loads(_genreid("evaluate", run, "--data", data, "--json", *words))
    return round(float(answer["mAP"]), 4)


def _genreid(*words: object) -> str:
    """Run a command and return what it writes to stdout; its progress stays visible."""
    command = [sys.executable, "-m", "genreid.cli.main", *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
