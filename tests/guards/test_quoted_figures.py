"""Every figure that a page quotes from a result file is the one in that file; so is results/README.md.

A page says where its figures come from by `<!-- figures: results/demo.json, seed 0; others: 53.8 -->`, or by
the folder of a pair's rows, `results/crgan/cuhk03-market1501`, and where that ends by
`<!-- end of figures -->`. In between, a table whose rows are named in backticks and whose
columns are rank-1, mAP, mAP trapezoid or mINP has to agree cell by cell. Any other number with one decimal
has to be some figure of the file, or be named under `others`: what was measured apart, and differences.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks import results_readme
from tests.guards.tree import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "lab-notes.md",
    *sorted((ROOT / "docs" / "methods").glob("*.md")),
]
REGION = re.compile(
    r"<!-- figures: (?P<file>results/[^\s,;]+)(?:, seed (?P<seed>\d+))?"
    r"(?:; others: (?P<others>[\d. ]+))? -->\n"
    r"(?P<text>.*?)<!-- end of figures -->",
    re.DOTALL,
)
NUMBER = re.compile(r"(?<![\d.,/*^-])-?\d+\.\d(?![\d.]|\s*(?:x|s|ms|min|minutes|seconds|GB|M)\b)")
COLUMNS = {"rank-1": "rank1", "mAP": "mAP", "mAP trapezoid": "mAP_trapezoid", "mINP": "mINP"}
FIGURES = tuple(COLUMNS.values())
UNMARKED = re.compile(r"(?:rank-1|mAP).*\b\d\d\.\d\b|\b\d\d\.\d\b.*(?:rank-1|mAP)")


class Entry(NamedTuple):
    """The figures of one seed of one row, in percent, as a page writes them."""

    row: str
    seed: str
    figures: Mapping[str, str]


def read_entries(place: Path) -> list[Entry]:
    """Everything that a result file, or a folder of them, says."""
    paths = sorted(place.glob("*.json")) if place.is_dir() else [place]
    return [entry for path in paths for entry in entries_of(json.loads(path.read_text(encoding="utf-8")))]


def entries_of(content: Mapping[str, Any]) -> list[Entry]:
    """Everything that a result file says, whether it holds one row or several."""
    if "rows" not in content:
        variant = content["row"].rsplit("/", maxsplit=1)[-1]
        return [Entry(variant, str(content["seed"]), in_percent(content["figures"]))]
    return [
        Entry(name, str(seed["seed"]), in_percent(seed))
        for name, row in content["rows"].items()
        for seed in row["seeds"]
    ]


def in_percent(figures: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{100 * figures[name]:.1f}" for name in FIGURES}


def wrong_figures(page: str, root: Path) -> Iterator[str]:
    """Say which figures of a page are not those of their files."""
    assert page.count("<!-- figures:") == len(REGION.findall(page)), (
        "a region has no end, or is not understood"
    )
    for region in REGION.finditer(page):
        entries = read_entries(root / region["file"])
        chosen = [entry for entry in entries if region["seed"] in {None, entry.seed}]
        known = {figure for entry in entries for figure in entry.figures.values()}
        known |= set((region["others"] or "").split())
        header: list[str] = []
        for line in region["text"].splitlines():
            cells = (
                [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
            )
            header = [] if not cells else cells if {*cells} & set(COLUMNS) else header
            named = [entry for entry in chosen if f"`{entry.row}`" in cells]
            if header and named:
                yield from wrong_cells(header, cells, named)
            else:
                yield from (
                    f"{number} is not in {region['file']}: {line.strip()[:80]}"
                    for number in NUMBER.findall(line)
                    if number not in known
                )


def wrong_cells(header: list[str], cells: list[str], entries: list[Entry]) -> Iterator[str]:
    """Compare a row of a table with what the file says of it."""
    for title, cell in zip(header, cells, strict=True):
        if title in COLUMNS:
            right = {entry.figures[COLUMNS[title]] for entry in entries}
            if cell not in right:
                yield f"{entries[0].row}, {title}: {cell}, but the file says {' or '.join(sorted(right))}"


def unmarked(page: str) -> list[str]:
    """Lines that quote a rank-1 or mAP and stand in no region."""
    outside = re.sub(r"```.*?```", "", REGION.sub("", page), flags=re.DOTALL)
    return [line for line in outside.splitlines() if UNMARKED.search(line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_quoted_figures_are_those_of_the_files(page: Path) -> None:
    wrong = list(wrong_figures(page.read_text(encoding="utf-8"), ROOT))
    assert not wrong, f"{page.name} quotes other figures than its files:\n  " + "\n  ".join(wrong)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "lab-notes.md"], ids=lambda page: page.name
)
def test_figures_say_where_they_come_from(page: Path) -> None:
    lines = unmarked(page.read_text(encoding="utf-8"))
    assert not lines, (
        f"{page.name} quotes figures without their file; put them between `<!-- figures: results/F.json -->` "
        "and `<!-- end of figures -->`:\n  " + "\n  ".join(lines)
    )


def test_the_readme_of_the_results_says_what_the_files_say() -> None:
    assert results_readme.PAGE.read_text(encoding="utf-8") == results_readme.page(), (
        "results/README.md is not what the files below results/ (or the code that made them) say now; type "
        "`.venv/bin/python -m benchmarks.results_table`"
    )


PAGE = """
<!-- figures: results/demo.json, seed 0; others: 53.8 -->
| row | what it is | rank-1 | mAP |
|---|---|---|---|
| `direct` | as it is | 12.0 | 3.5 |

On A `direct` finds 53.8, on B 3.5; on seed 1 4.5 in 7.5 minutes.
<!-- end of figures -->
"""


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("", "", []),
        ("| 12.0 |", "| 12.1 |", ["direct, rank-1: 12.1, but the file says 12.0"]),
        ("| 3.5 |", "| 4.5 |", ["direct, mAP: 4.5, but the file says 3.5"]),
        ("4.5 in", "4.6 in", ["4.6 is not in results/demo.json: On A"]),
    ],
)
def test_the_guard_sees_a_figure_that_differs(old: str, new: str, wrong: list[str], tmp_path: Path) -> None:
    seeds = [
        {"seed": seed, "rank1": 0.12, "mAP": 0.035 + 0.01 * seed, "mAP_trapezoid": 0.03, "mINP": 0.01}
        for seed in (0, 1)
    ]
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "demo.json").write_text(json.dumps({"rows": {"direct": {"seeds": seeds}}}))
    assert old in PAGE
    found = list(wrong_figures(PAGE.replace(old, new) if old else PAGE, tmp_path))
    assert len(found) == len(wrong)
    assert all(line.startswith(start) for line, start in zip(found, wrong, strict=True))


def test_a_folder_of_rows_is_read(tmp_path: Path) -> None:
    figures = {"rank1": 0.12, "mAP": 0.035, "mAP_trapezoid": 0.03, "mINP": 0.01}
    row = {"row": "crgan/a-b/direct", "seed": 0, "figures": figures}
    (tmp_path / "results" / "a-b").mkdir(parents=True)
    (tmp_path / "results" / "a-b" / "direct.compact.seed0.json").write_text(json.dumps(row))
    page = PAGE.replace("results/demo.json", "results/a-b")
    assert list(wrong_figures(page.replace("4.5", "3.0"), tmp_path)) == []
    assert list(wrong_figures(page.replace("4.5", "3.0").replace("| 12.0", "| 11.0"), tmp_path))


def test_the_guard_sees_a_figure_without_a_file() -> None:
    assert unmarked("CR-GAN reaches 54.3 mAP.") == ["CR-GAN reaches 54.3 mAP."]
    assert unmarked(PAGE) == []
