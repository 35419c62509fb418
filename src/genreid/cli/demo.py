"""`genreid demo`: both methods and their controls on drawn people, with a table and a report at the end."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.arguments import Arguments
from genreid.cli.main import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from genreid.reproduce.demo import DemoResult

FIGURES = {"rank1": "rank-1", "mAP": "mAP", "mAP_trapezoid": "mAP trapezoid"}
"""Figure -> its column."""
MIRRORED = (
    "Ranked by image and mirror image together, as DG-Net's authors do: teacher, longer_teacher, primary, "
    "fine and both. All other rows: by the image alone."
)


def main(argv: Sequence[str]) -> int:
    """Run `genreid demo` and return its exit status: 0, or 130 after a signal.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If the folder holds a demo with other settings.
    """
    options = _arguments().parse_args(argv)
    from genreid.recipes.demo import RECIPES  # noqa: PLC0415
    from genreid.reproduce.demo import DemoJob, run_demo  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.runs.loop import Outcome  # noqa: PLC0415
    from genreid.runs.run_options import RunOptions  # noqa: PLC0415

    out = options.out or Path("runs") / f"demo-seed{options.seed}"
    run = RunOptions(recipe=options.recipe, seed=options.seed, device=options.device)
    result = run_demo(DemoJob(out, run), RECIPES[options.recipe]())
    if result.outcome is not Outcome.FINISHED:
        if options.json:
            sys.stdout.write(json.dumps({"finished": False, "out": str(out)}) + "\n")
        return EXIT_INTERRUPTED
    if options.json:
        sys.stdout.write(json.dumps(_as_json(result), indent=2) + "\n")
    else:
        _print(result)
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid demo",
        description=(
            "Draw the people of two camera networks, A and B, and show what both methods do: CR-GAN takes "
            "a network that was trained on A to B, where nobody is labelled, beside its controls; DG-Net "
            "learns on A beside its teacher. Needs neither data nor a GPU: some minutes on two CPU cores. "
            "Ends with a table and the path of a report. A demo that was stopped goes on if typed again."
        ),
    )
    add = parser.add_argument
    add("--out", type=Path, metavar="DIR", help="folder of data, runs and report (default: runs/demo-seedN)")
    add("--seed", type=int, default=0, metavar="N", help="seed of the people and of training (default: 0)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)")
    add(
        "--recipe",
        choices=("demo", "tiny"),
        default="demo",
        help="tiny: a few iterations, to try the machinery; its figures mean nothing (default: demo)",
    )
    add("--json", action="store_true", help="print the table as JSON, shares as fractions")
    return parser


def _as_json(result: "DemoResult") -> dict[str, object]:
    """Return the table's rows, shares as fractions, and where the report is."""
    rows = [{"on": row.domain, "row": row.name, "what": row.what, **figures} for row, figures in result.rows]
    return {"finished": True, "rows": rows, "report": str(result.report)}


def _print(result: "DemoResult") -> None:
    """Print the table, what it says, and where the report is."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from genreid.reproduce.demo import verdict  # noqa: PLC0415

    table = Table(title="Drawn people, percent (single query, cross-camera)", title_justify="left")
    for name in ("found on", "row", "what it is"):
        table.add_column(name)
    for name in FIGURES.values():
        table.add_column(name, justify="right")
    before = result.rows[0].row.domain
    for row, figures in result.rows:
        if row.domain != before:
            table.add_section()
        before = row.domain
        shares = (f"{100 * figures[name]:.1f}" for name in FIGURES)
        table.add_row(row.domain, row.name, row.what, *shares)
    console = Console(file=sys.stdout, soft_wrap=True, highlight=False)
    console.print(table)
    console.print(verdict(result.rows))
    console.print(MIRRORED)
    console.print(f"Report: {result.report}")
