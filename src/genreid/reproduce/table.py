"""A table of a paper with ours in place: result files of its rows, and whether they are stale."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genreid.reproduce.file import RowFile, read_rows
from genreid.reproduce.printed import PrintedTable, System
from genreid.reproduce.published import PAPERS_AP
from genreid.reproduce.state import stale_reason


@dataclass(frozen=True)
class Ours:
    """One result file of a row.

    Attributes:
        recipe: The recipe.
        seed: The seed.
        stale: Why it is not what this code would make; empty: it is current.
        figures: By the table's names, in its units; those that the file does not hold are left out. Under
            `mAP` stands the form that the papers' code computes.
    """

    recipe: str
    seed: int
    stale: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class TableLine:
    """A line of a table on one data set or pair.

    Attributes:
        system: What is printed.
        on: The data set or pair, as in row names.
        published: The printed figures, by name.
        row: Name of the row that stands for it; empty: genreid does not make it.
        ours: The result files of that row that hold one of the table's figures.
    """

    system: System
    on: str
    published: Mapping[str, float]
    row: str
    ours: tuple[Ours, ...]


def table_lines(table: PrintedTable, results: Path) -> tuple[TableLine, ...]:
    """Return a table with ours in place, one data set or pair after the other.

    Args:
        table: A table.
        results: Folder of the result files.

    Raises:
        ValueError: If a result file is no JSON; it is named.
    """
    files: dict[str, list[RowFile]] = {}
    for file in read_rows(results):
        files.setdefault(file.content["row"], []).append(file)
    lines = []
    for on in table.on:
        for system in table.systems:
            row = f"{table.paper}/{on}/{system.variant}" if system.variant else ""
            found = [_ours(table, file) for file in files.get(row, ())]
            ours = tuple(one for one in found if one.figures)
            lines.append(TableLine(system, on, table.published(system, on), row, ours))
    return tuple(lines)


def _ours(table: PrintedTable, file: RowFile) -> Ours:
    """Return what a result file says under the table's columns."""
    figures = {}
    for name in table.figures:
        held = file.content["figures"].get(PAPERS_AP if name == "mAP" else name)
        if held is not None:
            figures[name] = 100 * float(held)
    return Ours(file.content["recipe"], file.content["seed"], stale_reason(file), figures)


def line_as_json(line: TableLine) -> dict[str, Any]:
    """Return a line as JSON values: percent as the paper prints it.

    Args:
        line: A line.
    """
    return {
        "on": line.on,
        "group": line.system.group,
        "system": line.system.name,
        "printed": dict(line.published),
        "row": line.row or None,
        "ours": [
            {
                "recipe": one.recipe,
                "seed": one.seed,
                "state": "stale" if one.stale else "made",
                "stale": one.stale or None,
                "figures": {name: round(value, 4) for name, value in one.figures.items()},
            }
            for one in line.ours
        ],
    }
