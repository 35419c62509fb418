"""`genreid report`: one self-contained page for one or more runs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from genreid.cli.arguments import Arguments


def main(argv: Sequence[str]) -> int:
    """Run `genreid report` and return its exit status, 0.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If a folder is no run, or the file that would be written is something else.
    """
    options = _arguments().parse_args(argv)
    from genreid.report.page import write_report  # noqa: PLC0415 - quick --help

    path = write_report(options.runs, options.out, data=options.data, force=options.force)
    size = path.stat().st_size / 1e6
    runs = "1 run" if len(options.runs) == 1 else f"{len(options.runs)} runs"
    sys.stdout.write(f"{path}: {runs}, {size:.1f} MB; open it with a browser\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid report",
        description=(
            "Write one HTML page about one or more runs: table, CMC curves, ranked lists, pictures, loss "
            "curves, settings. Several runs stand side by side. Figures and ranked lists are those of "
            "earlier `genreid evaluate RUN --data DIR`. The page needs no network and no other file. It "
            "shows pictures of people: do not pass it on without thought."
        ),
    )
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="folder of `genreid train` or `genreid adapt`")
    add(
        "--out",
        type=Path,
        metavar="F.html",
        help="the page (default: RUN/report.html for one run, report.html in the working folder for several)",
    )
    add(
        "--data",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="data sets whose pictures may stand in the ranked lists; what a run names is not read unasked",
    )
    add("--force", action="store_true", help="replace F.html even if it is no report")
    return parser
