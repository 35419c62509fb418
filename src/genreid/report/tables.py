"""Evaluations of several runs as tables: one for each set of images, best values marked."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from genreid.evaluation.records import EvaluationRecord, data_name
from genreid.features.options import mirror_in, usual_mirror
from genreid.report.run_reader import RunFolder

COLUMNS = {
    "rank1": "rank-1",
    "rank5": "rank-5",
    "rank10": "rank-10",
    "rank20": "rank-20",
    "mAP": "mAP",
    "mAP_trapezoid": "mAP trapezoid",
    "mINP": "mINP",
}
"""Figure -> its column."""
_STAGES = ("pretrained", "adapted")
_STANDARD = {
    "pooling": "average",
    "parts": "",
    "bn_statistics": "stored",
    "bn_format": "",
    "bn_pattern": "",
    "fine_weight": "0.5",
}
_SHOWN = (
    *("stage", "training", "step", "half", "pooling", "parts", "bn_statistics", "image_size", "precision"),
    "uses",
)
_MIRROR = {"on": "image and mirror image", "off": "image alone"}
MIXED = "rows of image and mirror image stand beside rows of the image alone: compare like with like"
"""Said of a table whose rows were not all embedded alike."""


class Row(NamedTuple):
    """One evaluation of one run.

    Attributes:
        run: The run.
        record: The evaluation.
    """

    run: RunFolder
    record: EvaluationRecord

    @property
    def title(self) -> str:
        """Name of the row without the data set, which the table names."""
        return self.record.name.removeprefix(f"{data_name(self.record.data)}-") or self.record.name

    @property
    def label(self) -> str:
        """Run and row."""
        return f"{self.run.label} / {self.title}"

    @property
    def details(self) -> str:
        """How the embeddings were made, shortly."""
        features = self.record.features
        words = [_detail(key, features[key]) for key in _SHOWN if key in features]
        return ", ".join([*words, _MIRROR[self.mirror]] if self.mirror else words)

    @property
    def mirror(self) -> str:
        """`on` or `off`: whether mirror images count; empty: not known."""
        return mirror_in(self.record.features) or ""

    @property
    def command(self) -> str:
        """The command that made it, as far as the record tells."""
        data, features = self.record.data, self.record.features
        words = ["genreid", "evaluate", str(self.run.path), "--data", data.folder or "DIR"]
        stage = features.get("stage")
        words += ["--stage", stage] if stage in _STAGES else []
        given = {
            key: features[key] for key in _STANDARD if features.get(key, _STANDARD[key]) != _STANDARD[key]
        }
        if self.mirror not in {"", usual_mirror(features)}:
            given["mirror"] = self.mirror
        for key, value in {**data.options, **given}.items():
            words += [f"--{key.replace('_', '-')}", value]
        return shlex.join(words)


class Cell(NamedTuple):
    """One figure.

    Attributes:
        text: A percentage with one decimal, or a dash.
        best: Whether no other row of the table has more.
    """

    text: str
    best: bool


@dataclass(frozen=True)
class ResultTable:
    """The rows that ranked the same images.

    Attributes:
        data: The data set.
        counts: Valid queries, queries and gallery, in words; and whether rows may not be compared.
        rows: Runs and evaluations.
        cells: One tuple for each row, one cell for each of `COLUMNS`.
    """

    data: str
    counts: str
    rows: tuple[Row, ...]
    cells: tuple[tuple[Cell, ...], ...]


def result_tables(runs: Sequence[RunFolder]) -> tuple[ResultTable, ...]:
    """Sort the evaluations of several runs into tables.

    Figures are compared only where the very same images were ranked. The table with most rows comes first.

    Args:
        runs: The runs, in the order of the rows.
    """
    groups: dict[str, list[Row]] = {}
    for run in runs:
        for record in sorted(run.records, key=_by_stage):
            groups.setdefault(record.images, []).append(Row(run, record))
    return tuple(_table(rows) for rows in sorted(groups.values(), key=len, reverse=True))


def percent(share: float) -> str:
    """Write a share as a percentage with one decimal, without its sign.

    Args:
        share: 0 to 1.
    """
    return f"{100 * share:.1f}"


def _by_stage(record: EvaluationRecord) -> tuple[int, str]:
    """Return what a run's rows are sorted by: networks in the order of training, then names."""
    stage = record.features.get("stage", "")
    return (_STAGES.index(stage) if stage in _STAGES else len(_STAGES), record.name)


def _table(rows: Sequence[Row]) -> ResultTable:
    """Return a table with the best value of each column marked."""
    columns = [_column([row.record.figures for row in rows], name) for name in COLUMNS]
    names = list(dict.fromkeys(row.record.data.words for row in rows))
    return ResultTable(
        data=" = ".join(names),
        counts="; ".join(filter(None, (_counts(rows[0].record.figures), _mixed(rows)))),
        rows=tuple(rows),
        cells=tuple(zip(*columns, strict=True)),
    )


def _column(figures: Sequence[Mapping[str, float]], name: str) -> list[Cell]:
    """Return one column; what looks equal is equally good, and one row alone is not the best."""
    texts = [percent(row[name]) if name in row else "-" for row in figures]
    numbers = [float(text) for text in texts if text != "-"]
    best = f"{max(numbers):.1f}" if len(texts) > 1 and numbers else ""
    return [Cell(text, text == best) for text in texts]


def _counts(figures: Mapping[str, float]) -> str:
    """Say how many images were ranked."""
    if not {"valid_queries", "queries", "gallery"} <= figures.keys():
        return ""
    valid, queries, gallery = (int(figures[key]) for key in ("valid_queries", "queries", "gallery"))
    of = f"{valid:,}" if valid == queries else f"{valid:,} of {queries:,}"
    return f"{of} valid queries, {gallery:,} gallery images ranked"


def _mixed(rows: Sequence[Row]) -> str:
    """Say if some rows count mirror images and others do not."""
    return MIXED if len({row.mirror for row in rows} - {""}) > 1 else ""


def _detail(key: str, value: str) -> str:
    """Write one option of the embeddings in words."""
    words = {
        "stage": value,
        "step": f"step {value}",
        "half": f"{value} half alone",
        "uses": f"uses {value}",
        "pooling": f"{value} pooling",
        "parts": f"{value} parts",
        "bn_statistics": "BN as stored" if value == "stored" else f"BN of {PurePath(value).name}",
    }
    return words.get(key, value)
