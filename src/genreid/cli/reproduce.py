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
    from genreid.reproduce.printed import PrintedTable
    from genreid.reproduce.state import Measurement
    from genreid.reproduce.table import TableLine

COLUMNS = {
    "rank1": "rank-1",
    "rank5": "rank-5",
    "rank10": "rank-10",
    "mAP_trapezoid": "mAP trapezoid",
    "mAP": "mAP",
}
"""Figure -> its column; the papers' mAP stands under their form of it."""
PRINTED = {**COLUMNS, "lpips": "LPIPS", "fid": "FID", "ssim": "SSIM"}
"""Figure of a printed table -> its column."""
HELP = """usage: genreid reproduce NAME [--market1501 DIR] [--dukemtmc DIR] [--msmt17 DIR] [--cuhk03 DIR] ...
       genreid reproduce --list [WORD ...] [--results DIR] [--json]
       genreid reproduce --table PAPER/NUMBER [--results DIR] [--json]
       genreid reproduce --figure dgnet/8 --market1501 DIR [--alphas [A,...]] [--betas [B,...]] ...

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
  --table PAPER/NUMBER  the whole table as the paper prints it, such as crgan/6: every system's figures,
                      quoted, and ours in place with recipe, seed and state
  --results DIR       with --list and --table: where result files are (default: results)

  --figure dgnet/8    DG-Net trained with several alpha, tested with several beta, on the last 100 people of
                      the training set (--holdout N): figures, and both curves as a page

`genreid reproduce NAME --help` shows every setting of the row's recipe; `--figure dgnet/8 --help`, too.
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
    if argv[0].split("=")[0] == "--figure":
        return _figure(
            argv[0].partition("=")[2] or (argv[1:2] or [""])[0], argv[1 if "=" in argv[0] else 2 :]
        )
    if any(word.split("=")[0] == "--table" for word in argv):
        return _table(argv)
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
    section = f", section {content['section']}" if content.get("section") else "'s tables"
    where = f"{content['paper']}, table {tables}" if tables else f"{content['paper']}{section}"
    where = where if tables or content.get("section") else f"not in {where}"
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
    cells = []
    for name in COLUMNS:
        ends = " to ".join(form.format(100 * end) for end in interval.get(name, ()))
        cells.append(f"{_cell(figures.get(name), form)}{f' ({ends})' if ends else ''}")
    return cells


def _papers_cells(published: Mapping[str, float | None], form: str) -> list[str]:
    """Return the paper's figures in percent; its mAP stands under the form that its code computes."""
    return [*(_cell(published.get(name), form) for name in ("rank1", "rank5", "rank10", "mAP")), "-"]


def _cell(share: float | None, form: str) -> str:
    """Return a share in percent."""
    return "-" if share is None else form.format(100 * share)


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


def _figure(name: str, argv: Sequence[str]) -> int:
    """Draw DG-Net's figure 8."""
    if name != "dgnet/8":
        msg = f"genreid reproduce --figure: expected dgnet/8, got {name!r}; pictures: `genreid generate`"
        raise ValueError(msg)
    from genreid.cli.options import parse_training  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.reproduce.figure8 import ROW, Figure8Job, draw_figure8  # noqa: PLC0415
    from genreid.runs.loop import Outcome  # noqa: PLC0415
    from genreid.training.dgnet_config import DgnetConfig  # noqa: PLC0415

    prog = "genreid reproduce --figure dgnet/8"
    arguments = parse_training(
        DgnetConfig, ROW.recipes, argv, job_type=Figure8Job, prog=prog, default_recipe="paper"
    )
    drawn = draw_figure8(arguments.job, arguments.run, arguments.config)
    if drawn.path is None:
        _say_stopped("dgnet/8", drawn.outcome.value, as_json=arguments.run.json)
        return EXIT_INTERRUPTED if drawn.outcome is Outcome.INTERRUPTED else 0
    if arguments.run.json:
        sys.stdout.write(json.dumps({"finished": True, **drawn.content}, indent=1) + "\n")
        return 0
    for curve in ("alpha", "beta"):
        sys.stdout.write(f"{curve:>6}  rank-1    mAP  mAP trapezoid\n")
        for line in drawn.content[curve]:
            rank1, mean, trapezoid = (100 * line[name] for name in ("rank1", "mAP", "mAP_trapezoid"))
            sys.stdout.write(f"{line[curve]:>6g}  {rank1:6.1f} {mean:6.1f} {trapezoid:14.1f}\n")
    sys.stdout.write(
        f"Percent, on {drawn.content['holdout']} people held out; beta 0.5 for alpha, alpha "
        f"{drawn.content['beta'][0]['alpha']:g} for beta. Chart: {drawn.chart}. Result: {drawn.path}\n"
    )
    return 0


def _table(argv: Sequence[str]) -> int:
    """Show a table as it is printed, ours in place."""
    parser = Arguments(prog="genreid reproduce --table", allow_abbrev=False)
    parser.add_argument("--table", required=True, metavar="PAPER/NUMBER", help="such as crgan/6")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print as JSON, percent as the paper prints it")
    options = parser.parse_args(argv)
    from genreid.reproduce.printed import find_table  # noqa: PLC0415 - `genreid --help` stays quick

    table = find_table(options.table)
    from genreid.reproduce.rows import PAPERS  # noqa: PLC0415
    from genreid.reproduce.table import line_as_json, table_lines  # noqa: PLC0415

    lines, paper = table_lines(table, options.results), PAPERS[table.paper].title
    if options.json:
        head = {"paper": paper, "table": table.number, "title": table.title, "note": table.note}
        content = {**head, "figures": list(table.figures), "lines": [line_as_json(line) for line in lines]}
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
    else:
        sys.stdout.write(f"{paper}, table {table.number}: {table.title}\n")
        for on in table.on:
            _print_table(table, on, [line for line in lines if line.on == on])
        sys.stdout.write(f"\n{table.note}\n" if table.note else "\n")
        sys.stdout.write(TABLE_WORDS)
    return 0


TABLE_WORDS = (
    "Printed figures are quoted from the paper; other systems were not run here. The papers' mAP stands\n"
    "beside our mAP trapezoid, the form that their code computes. Judge a row by its gain over its\n"
    "controls (`genreid reproduce NAME`), not by absolute figures.\n"
)


def _print_table(table: "PrintedTable", on: str, lines: Sequence["TableLine"]) -> None:
    """Print what a table says of one data set or pair."""
    cells = [[on, *(PRINTED[name] for name in table.figures), ""]]
    before = ""
    for line in lines:
        if line.system.group != before:
            before = line.system.group
            cells.append([before, *("" for _ in table.figures), ""])
        texts = line.system.printed[table.on.index(on)]
        cells.append([f"  {line.system.name}", *texts, ""])
        for one in line.ours:
            found = [f"{one.figures[name]:.1f}" if name in one.figures else "-" for name in table.figures]
            state = f"stale: {one.stale}" if one.stale else "made"
            cells.append(["    ours", *found, f"{one.recipe}, seed {one.seed}; {state}"])
        if line.row and not line.ours:
            state = f"not made: {line.row}" if "rank1" in table.figures else "not measured"
            cells.append(["    ours", *("-" for _ in table.figures), state])
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    sys.stdout.write("\n")
    for first, *numbers, last in cells:
        shown = "  ".join(f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:], strict=False))
        sys.stdout.write(f"{first:<{widths[0]}}  {shown}  {last}".rstrip() + "\n")


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


def _as_printed(share: float | None) -> str:
    """Return a paper's share in percent, with the second decimal where the paper has one."""
    return "-" if share is None else f"{100 * share:.2f}".removesuffix("0")


def _print_rows(rows: Sequence["Row"], took: Mapping[str, Sequence["Measurement"]]) -> None:
    """Print two lines for each row."""
    width = max(len(row.name) for row in rows)
    for row in rows:
        tables = ", ".join(str(number) for number in row.tables)
        where = f"table {tables}" if tables else f"section {row.section}"
        paper = "not in the paper's tables"
        if row.published is not None:
            paper = f"{where}: {_as_printed(row.published.rank1)} / {_as_printed(row.published.mAP)}"
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
