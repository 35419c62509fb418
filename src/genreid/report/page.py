"""The page: what run folders hold, laid out as one HTML file that needs nothing else.

Nothing is fetched and no script runs: a Content-Security-Policy in the page forbids both, and allows the one
style sheet by its hash. Every text is escaped by the template engine; paths and files are not trusted.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from genreid.data.whole_file import write_whole
from genreid.evaluation.provenance import made_by
from genreid.evaluation.ranked_lists import RankedImage, RankedList, spread
from genreid.methods import STAGES
from genreid.report.charts import Curve, cmc_chart, loss_chart, stroke_classes
from genreid.report.explanations import Explanation, explain_sheet, explain_stage, explain_term
from genreid.report.loss_log import Point
from genreid.report.pictures import Picture, PictureBook
from genreid.report.run_reader import RunFolder, read_runs
from genreid.report.tables import COLUMNS, ResultTable, Row, percent, result_tables

GENERATOR_MARK = '<meta name="generator" content="genreid report">'
"""Stands in every page: a file without it is not replaced."""
MOST_SHEETS = 12
"""Pictures of one run that are shown."""
MOST_STRIPS = 8
"""Rows of a table whose ranked lists are shown, the first ones."""
MOST_LISTS, FEWEST_QUERIES = 20, 3
"""Ranked lists of a table: the more rows, the fewer queries are shown, but not fewer than this."""


class LegendEntry(NamedTuple):
    """One line of a legend.

    Attributes:
        label: Name of the curve.
        classes: Its stroke.
    """

    label: str
    classes: str


@dataclass(frozen=True)
class Results:
    """A table and the curves of its rows.

    Attributes:
        table: The figures.
        chart: CMC curves as SVG.
        legend: Which curve is which row.
        queries: Ranked lists.
        lists_left_out: Rows whose ranked lists are not shown.
    """

    table: ResultTable
    chart: Markup
    legend: tuple[LegendEntry, ...]
    queries: tuple["Query", ...]
    lists_left_out: int


@dataclass(frozen=True)
class Query:
    """One query and what several rows found for it.

    Attributes:
        name: Its file's name.
        camid: Its camera; -1 unknown.
        picture: Its picture, or why there is none.
        strips: One ranked list for each row.
    """

    name: str
    camid: int
    picture: Picture | str
    strips: tuple["Strip", ...]


class Strip(NamedTuple):
    """A ranked list.

    Attributes:
        label: Run and row.
        found: The list.
        hits: Gallery images and their pictures.
    """

    label: str
    found: RankedList
    hits: tuple["Hit", ...]


class Hit(NamedTuple):
    """A gallery image in a ranked list.

    Attributes:
        image: What is known of it.
        picture: Its picture, or why there is none.
        words: What it is, for those who cannot see it.
    """

    image: RankedImage
    picture: Picture | str
    words: str


class Sheet(NamedTuple):
    """A picture of one run.

    Attributes:
        run: The run.
        file: Path of the file, in words.
        picture: The picture, or why there is none.
    """

    run: RunFolder
    file: str
    picture: Picture | str


class SheetGroup(NamedTuple):
    """Pictures of the same name, one of each run.

    Attributes:
        explanation: What they show.
        sheets: The pictures.
    """

    explanation: Explanation
    sheets: tuple[Sheet, ...]


class TermChart(NamedTuple):
    """One loss term of one stage.

    Attributes:
        term: Its name.
        text: What it is; empty for a term that is not known.
        chart: SVG.
    """

    term: str
    text: str
    chart: Markup


class StageCharts(NamedTuple):
    """The loss terms of a stage.

    Attributes:
        name: Name of the stage.
        explanation: What happens in it.
        charts: One for each term.
        legend: Which curve is which run.
    """

    name: str
    explanation: Explanation
    charts: tuple[TermChart, ...]
    legend: tuple[LegendEntry, ...]


class Difference(NamedTuple):
    """A setting that is not the same in all runs.

    Attributes:
        name: Its dotted name.
        values: One for each run.
    """

    name: str
    values: tuple[str, ...]


def write_report(
    runs: Sequence[Path], out: Path | None = None, *, data: Sequence[Path] = (), force: bool = False
) -> Path:
    """Write the report of one or more runs.

    Args:
        runs: Run folders.
        out: The HTML file; None: RUN/report.html for one run, `report.html` in the working folder for more.
        data: Folders of data sets: only pictures below them, and those in the runs, are put into the page.
        force: Replace a file that is no report.

    Returns:
        The file that was written.

    Raises:
        ValueError: If a folder is no run, or the file is there and is no report.
    """
    path = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    if path.is_dir():
        msg = f"--out {path} is a folder; give a file, such as {path / 'report.html'}"
        raise ValueError(msg)
    if not force and path.exists() and GENERATOR_MARK.encode() not in path.read_bytes()[:4096]:
        msg = f"{path} is there and is no report of genreid; delete it, give another --out, or --force"
        raise ValueError(msg)
    content = render(read_runs(runs), data).encode(
        "utf-8", "replace"
    )  # names that are no UTF-8 get question marks
    write_whole(path, content)
    return path


def render(runs: Sequence[RunFolder], data: Sequence[Path] = ()) -> str:
    """Lay runs out as one HTML page.

    Args:
        runs: One or more.
        data: As in `write_report`.

    Returns:
        The page.
    """
    book = PictureBook([run.path for run in runs], data)
    results = [_results(table, book, alone=len(runs) == 1) for table in result_tables(runs)]
    sheets = _sheet_groups(runs, book)
    pictures = [sheet.picture for group in sheets for sheet in group.sheets]
    pictures += [query.picture for result in results for query in result.queries]
    pictures += [hit.picture for r in results for q in r.queries for s in q.strips for hit in s.hits]
    style = resources.files("genreid.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    loader = PackageLoader("genreid.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": percent, "duration": duration}
    return environment.get_template("report.html.j2").render(
        runs=runs,
        results=results,
        columns=COLUMNS,
        sheets=sheets,
        sheets_left_out=sum(max(0, len(run.pictures) - MOST_SHEETS) for run in runs),
        stages=_stage_charts(runs),
        differences=_differences(runs),
        has_pictures=any(isinstance(picture, Picture) for picture in pictures),
        people_are_drawn=book.drawn,
        crops_not_named=book.not_named,
        mark=Markup(GENERATOR_MARK),  # noqa: S704 - a constant
        style=Markup(style),  # noqa: S704 - a file of this package
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii"),
        made_by=made_by(),
        is_picture=_is_picture,
    )


def duration(seconds: float) -> str:
    """Write a time in words: `40 s`, `12 min`, `3 h 5 min`.

    Args:
        seconds: 0 or more.
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60:,} h {minutes % 60} min"


def _is_picture(value: object) -> bool:
    """Tell the template whether there is a picture."""
    return isinstance(value, Picture)


def _results(table: ResultTable, book: PictureBook, *, alone: bool) -> Results:
    """Return a table with its curves and lists; rows of the only run do not name it."""
    labels = [row.title if alone else row.label for row in table.rows]
    curves = [
        Curve(label, tuple(Point(k, 100 * y) for k, y in enumerate(row.record.cmc, start=1)), stroke)
        for stroke, (label, row) in enumerate(zip(labels, table.rows, strict=True))
    ]
    first = "; ".join(f"{curve.label}: {curve.points[0].y:.1f} % at rank 1" for curve in curves)
    return Results(
        table,
        cmc_chart(curves, f"CMC curves. {first}."),
        _legend(curves),
        _queries(list(zip(labels, table.rows, strict=True))[:MOST_STRIPS], book),
        sum(bool(row.record.lists) for row in table.rows[MOST_STRIPS:]),
    )


def _queries(rows: Sequence[tuple[str, Row]], book: PictureBook) -> tuple[Query, ...]:
    """Return some queries, evenly spaced among those that the rows remember, and what the rows found."""
    found = {item.row: item for _, row in rows for item in row.record.lists}
    count = max(FEWEST_QUERIES, MOST_LISTS // max(1, len(rows)))
    return tuple(
        Query(
            _name_of(found[number].path, number),
            found[number].camid,
            book.crop(found[number].path),
            _strips(number, rows, book),
        )
        for number in spread(np.array(sorted(found)), count)
    )


def _strips(query: int, rows: Sequence[tuple[str, Row]], book: PictureBook) -> tuple[Strip, ...]:
    """Return what several rows found for one query."""
    return tuple(
        Strip(label, found, tuple(_hit(image, book) for image in found.images))
        for label, row in rows
        for found in row.record.lists
        if found.row == query
    )


def _hit(image: RankedImage, book: PictureBook) -> Hit:
    """Return a gallery image with its picture."""
    what = {"right": "right, the query's person", "wrong": "wrong, another person", "junk": "not counted"}
    place = "" if image.rank is None else f"rank {image.rank}: "
    camera = "" if image.camid < 0 else f", camera {image.camid}"
    return Hit(image, book.crop(image.path), f"{place}{what[image.verdict]}{camera}")


def _name_of(path: str | None, row: int) -> str:
    """Return how a query is called."""
    return f"query {row}" if path is None else Path(path).name


def _legend(curves: Iterable[Curve]) -> tuple[LegendEntry, ...]:
    """Return the legend of curves; those of one stroke share an entry."""
    strokes = {curve.stroke: curve.label for curve in curves}
    return tuple(LegendEntry(strokes[stroke], stroke_classes(stroke)) for stroke in sorted(strokes))


def _sheet_groups(runs: Sequence[RunFolder], book: PictureBook) -> tuple[SheetGroup, ...]:
    """Return the pictures of all runs, those of one name together."""
    groups: dict[str, list[Sheet]] = {}
    for run in runs:
        for path in run.pictures[:MOST_SHEETS]:
            sheet = Sheet(run, f"{run.label}/images/{path.name}", book.sheet(path, drawn=run.drawn))
            groups.setdefault(path.name, []).append(sheet)
    return tuple(SheetGroup(explain_sheet(name), tuple(sheets)) for name, sheets in groups.items())


def _stage_charts(runs: Sequence[RunFolder]) -> tuple[StageCharts, ...]:
    """Return the loss curves, stage by stage, those of all runs in one chart."""
    known = {name: place for place, name in enumerate(STAGES)}
    names = dict.fromkeys(stage for run in runs for stage in run.log.stages)
    return tuple(
        _charts_of_stage(stage, runs)
        for stage in sorted(names, key=lambda name: known.get(name, len(known)))
        if any(run.log.stages.get(stage) for run in runs)
    )


def _charts_of_stage(stage: str, runs: Sequence[RunFolder]) -> StageCharts:
    """Return one chart for each term of a stage."""
    terms = dict.fromkeys(term for run in runs for term in run.log.stages.get(stage, {}))
    curves = {term: _curves_of_term(stage, term, runs) for term in terms}
    charts = [
        TermChart(term, explain_term(stage, term), loss_chart(drawn, f"{term}. {_ends(drawn)}."))
        for term, drawn in curves.items()
    ]
    legend = _legend(curve for drawn in curves.values() for curve in drawn) if len(runs) > 1 else ()
    return StageCharts(stage, explain_stage(stage), tuple(charts), legend)


def _curves_of_term(stage: str, term: str, runs: Sequence[RunFolder]) -> list[Curve]:
    """Return the curves of one loss term; a run has the same stroke in all charts."""
    logged = [run.log.stages.get(stage, {}).get(term, ()) for run in runs]
    pairs = zip(runs, logged, strict=True)
    return [Curve(run.label, points, stroke) for stroke, (run, points) in enumerate(pairs) if points]


def _ends(curves: Sequence[Curve]) -> str:
    """Say where curves begin and end."""
    words = [
        f"{curve.label}: {curve.points[0].y:.3g} at first, {curve.points[-1].y:.3g} at last"
        for curve in curves
    ]
    return "; ".join(words)


def _differences(runs: Sequence[RunFolder]) -> tuple[Difference, ...]:
    """Return the settings that two runs or more have and that differ."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    differing = [
        name for name in names if len({run.settings[name] for run in runs if name in run.settings}) > 1
    ]
    return tuple(Difference(name, tuple(run.settings.get(name, "-") for run in runs)) for name in differing)
