"""`genreid generate`: pictures with a trained network."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str]) -> int:
    """Run `genreid generate` and return its exit status, 0.

    Args:
        argv: The words after the verb.
    """
    options = _arguments().parse_args(argv)
    from genreid.pipelines.picture import SheetOptions, picture_renderings  # noqa: PLC0415 - quick --help

    path = picture_renderings(
        options.run, SheetOptions(options.count, options.seed, options.out, options.device)
    )
    sys.stdout.write(
        f"{path}: rows X_S (source), X_T (target), M_S (mask), 1-X_C (kept of X_S), X_G (rendering)\n"
    )
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = argparse.ArgumentParser(
        prog="genreid generate",
        description="Draw what a run of `genreid adapt` makes of random source-target pairs.",
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="run folder of `genreid adapt`")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--renderings",
        action="store_true",
        help="rows of X_S, X_T, M_S, 1-X_C, X_G as in the paper's figures",
    )
    add("--count", type=int, default=12, metavar="N", help="number of pairs (default: 12)")
    add("--seed", type=int, default=0, metavar="N", help="which pairs (default: 0)")
    add("--out", type=Path, metavar="FILE", help="the PNG (default: RUN/images/renderings-seedN.png)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)")
    return parser
