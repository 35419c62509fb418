"""`genreid reproduce`: one row of a paper's table, ours beside the paper's; or the list of all rows."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genreid.cli.arguments import Arguments
from genreid.cli.main import EXIT_INTERRUPTED
from genreid.methods import METHOD_OF_PAPER, load

if TYPE_CHECKING:
    from genreid.reproduce.paper import Row
    from genreid.reproduce.state import Measurement

COLUMNS = {"rank1": "rank-1", "mAP_trapezoid": "mAP trapezoid", "mAP": "mAP"}
"""Figure -> its column; the papers' mAP stands under their form of it."""
HELP = """usage: genreid reproduce NAME [--market1501 DIR] [--dukemtmc DIR] [--msmt17 DIR] [--cuhk03 DIR] ...
       genreid reproduce --list [WORD ...] [--results DIR] [--json]

Make one row of CR-GAN's or DG-Net's tables: train what it needs, rank the test set, write a result file, and
print ours beside the paper's, with 95 % intervals, the gain over the row's controls, and every difference
between the recipes. Rows share their runs, so a second row costs only what is new in it.

  NAME                such as crgan/market1501-dukemtmc/crgan_lmp; `genreid reproduce --list` shows all
  --market1501 DIR    and so on: the data sets that the row needs
  --recipe NAME       paper (default), single_gpu, compact, ...
  --runs RUNS         folder of all run folders (default: runs/reproduce)
  --masks DIR         person masks in DIR/market1501 and so on (default: RUNS/masks, where they are made)
  --out F.json        the result file (default: results/NAME.RECIPE.seedN.json)
  --max-minutes M     stop training at a checkpoint after M minutes; the same command resumes it. Ranking,
                      minutes for Market-1501 and hours for MSMT17 on a CPU, comes on top
  --json              print the result file, and "finished": true or, when time was up, false
  --checkpoint-minutes M, --seed N, --device, --precision, --config FILE, --x.y VALUE
                      as in `genreid adapt` and `genreid train dgnet`

  --list [WORD ...]   rows in whose name every WORD stands (table3: rows of a table of that number): what they
                      are, what they need, the paper's figures, and how long they took here
  --results DIR       with --list: where result files are (default: results)

`genreid reproduce NAME --help` shows every setting of the row's recipe.
"""


def main(argv: Sequence[str]) -> int:
    """Run `genreid reproduce` and return its exit status: 0, also when time is up; 130 after a signal.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If there is no such row, or data, masks or settings do not fit; says what to type.
    """
    if not argv or argv[0] in {"-h", "--help"}:
        sys.stdout.write(HELP)
        return 0
    if "--list" in argv:
        return _list([word for word in argv if word != "--list"])
    if argv[0].startswith("-"):
        msg = (
            f"genreid reproduce: expected the name of a row first, got {argv[0]}; "
            "`genreid reproduce --list` shows all"
        )
        raise ValueError(msg)
    return _reproduce(argv[0], argv[1:])


def _reproduce(name: str, argv: Sequence[str]) -> int:
    """Make one row."""
    from genreid.reproduce.rows import find_row  # noqa: PLC0415 - `genreid --help` stays quick

    row = find_row(name)
    from genreid.cli.options import parse_training  # noqa: PLC0415
    from genreid.reproduce.file import RowFile  # noqa: PLC0415
    from genreid.reproduce.make import reproduce  # noqa: PLC0415
    from genreid.reproduce.plan import ReproduceJob, plan_row  # noqa: PLC0415
    from genreid.reproduce.state import stale_reason  # noqa: PLC0415
    from genreid.runs.loop import Outcome  # noqa: PLC0415

    config_type: type[Any] = load(METHOD_OF_PAPER[row.paper].config)
    prog = f"genreid reproduce {row.name}"
    arguments = parse_training(
        config_type, row.recipes, argv, job_type=ReproduceJob, prog=prog, default_recipe="paper"
    )
    plan = plan_row(row, arguments.job, arguments.run, arguments.config)
    made = reproduce(plan)
    if made.path is None:
        _say_stopped(row.name, made.outcome.value, as_json=arguments.run.json)
        return EXIT_INTERRUPTED if made.outcome is Outcome.INTERRUPTED else 0
    if arguments.run.json:
        sys.stdout.write(json.dumps({"finished": True, **made.content}, indent=1) + "\n")
    else:
        _print(made.content, made.path)
        stale = stale_reason(RowFile(made.path, made.content))
        sys.stdout.write(
            f"This row is stale: {stale}. To make it anew, give another --runs.\n" if stale else ""
        )
    return 0


def _say_stopped(name: str, why: str, *, as_json: bool) -> None:
    """Say that a row is not finished."""
    if as_json:
        sys.stdout.write(json.dumps({"row": name, "finished": False, "outcome": why}) + "\n")
    else:
        sys.stdout.write(f"{name}: not finished ({why}); the same command resumes it\n")


def _print(content: Mapping[str, Any], path: Path) -> None:
    """Print ours beside the paper's, then in what the recipes differ."""
    tables = ", ".join(str(number) for number in content["tables"])
    where = f"{content['paper']}, table {tables}" if tables else f"not in {content['paper']}'s tables"
    lines = [["percent", *COLUMNS.values()]]
    if content["published"] is not None:
        lines.append(["the paper", *_papers_cells(content["published"], "{:.1f}")])
    ours = f"ours ({content['recipe']}, seed {content['seed']})"
    lines.append([ours, *_cells(content["figures"], content["interval"], "{:.1f}")])
    for gain in content["gains"]:
        lines.append([f"gain over {_short(gain['over'])}", *_cells(gain, gain["interval"], "{:+.1f}")])
        if gain["published"] is not None:
            lines.append(["  in the paper", *_papers_cells(gain["published"], "{:+.1f}")])
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    write = sys.stdout.write
    write(f"{content['row']}: {content['what']} ({where})\n\n")
    for line in lines:
        cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        write("  ".join(cells).rstrip() + "\n")
    write(
        f"\n(to): {100 * content['interval']['level']:.0f} % bootstrap interval over the "
        f"{content['figures']['valid_queries']:,} valid queries, of one seed.\n"
        "Queries of one person are alike: with other people a figure would move by more, a gain hardly.\n"
    )
    for name in content["controls_not_made"]:
        write(f"Not made yet, so without a gain over it: {name}\n")
    write("Differences from the paper's recipe:\n")
    for words in content["difference"]["words"]:
        write(f"  {words}\n")
    write(f"{content['minutes']:g} minutes of training and ranking. Result: {path}\n")


def _cells(figures: Mapping[str, float], interval: Mapping[str, Any], form: str) -> list[str]:
    """Return figures in percent with their intervals."""
    return [
        f"{form.format(100 * figures[name])} "
        f"({form.format(100 * interval[name][0])} to {form.format(100 * interval[name][1])})"
        for name in COLUMNS
    ]


def _papers_cells(published: Mapping[str, float], form: str) -> list[str]:
    """Return the paper's figures in percent; its mAP stands under the form that its code computes."""
    return [form.format(100 * published["rank1"]), form.format(100 * published["mAP"]), "-"]


def _short(name: str) -> str:
    """Return a row's variant."""
    return name.rsplit("/", maxsplit=1)[-1]


def _list(argv: Sequence[str]) -> int:
    """Show the rows."""
    options = _list_arguments().parse_args(argv)
    from genreid.reproduce.rows import rows_with  # noqa: PLC0415
    from genreid.reproduce.state import measurements  # noqa: PLC0415 - quick --help

    rows = rows_with(tuple(options.words))
    if not rows:
        msg = f"genreid reproduce --list: no row has all of {', '.join(options.words)}; leave some out"
        raise ValueError(msg)
    took = measurements(options.results)
    if options.json:
        entries = [_row_as_json(row, took.get(row.name, ())) for row in rows]
        sys.stdout.write(json.dumps(entries, indent=1) + "\n")
    else:
        _print_rows(rows, took)
    return 0


def _list_arguments() -> argparse.ArgumentParser:
    """Return the options of `--list`."""
    parser = Arguments(prog="genreid reproduce --list", allow_abbrev=False)
    parser.add_argument("words", nargs="*", metavar="WORD", help="rows in whose name every WORD stands")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print as JSON, shares as fractions")
    return parser


def _row_as_json(row: "Row", took: Sequence["Measurement"]) -> dict[str, Any]:
    """Return a row of the list as JSON values."""
    return {
        "row": row.name,
        "tables": list(row.tables),
        "what": row.what,
        "needs": list(row.needs),
        "published": None if row.published is None else row.published._asdict(),
        "controls": list(row.controls),
        "measured": [{"recipe": one.recipe, "device": one.device, "minutes": one.minutes} for one in took],
    }


def _print_rows(rows: Sequence["Row"], took: Mapping[str, Sequence["Measurement"]]) -> None:
    """Print two lines for each row."""
    width = max(len(row.name) for row in rows)
    for row in rows:
        tables = ", ".join(str(number) for number in row.tables)
        figures = "" if row.published is None else " / ".join(f"{100 * share:.1f}" for share in row.published)
        paper = f"table {tables}: {figures}" if figures else "not in the paper's tables"
        times = ", ".join(
            f"{one.minutes:g} min ({one.recipe}, {one.device})" for one in took.get(row.name, ())
        )
        needs = " ".join(f"--{name}" for name in row.needs)
        sys.stdout.write(
            f"{row.name:<{width}}  {paper}\n    {row.what}; needs {needs}; {times or 'not measured'}\n"
        )
    sys.stdout.write(
        "Figures: the paper's rank-1 / mAP in percent. Minutes: of ranking and of all training that a row\n"
        "needs, which rows share. The default recipe, `paper`, is for a GPU and runs long; `compact` is for\n"
        "a CPU. Backbones are fetched by timm, the network for masks from its package, unless given.\n"
    )
