"""Every figure that a page quotes from a result file is the one in that file; so is results/README.md.

A page says where its figures come from by `<!-- figures: results/demo/*, seed 0; others: 53.8 -->`: folders
of rows, or the files themselves, `results/dgnet/cuhk03/*.compact.seed0.json`; and where that ends by
`<!-- end of figures -->`. In between, a table whose rows are named in backticks and whose
columns are rank-1, mAP, mAP trapezoid or mINP has to agree cell by cell. Any other number with one decimal
has to be some figure of that seed, or a gain over a control or an end of an interval in a row's file, or be
named under `others`: what was measured apart.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file

from evidence import results_page
from genreid.evaluation.bootstrap import FIGURES as BOOTSTRAPPED
from genreid.evaluation.bootstrap import bootstrap
from genreid.reproduce.file import read_rows, scores_beside
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
    """The figures of one seed of one row, in percent, as a page writes them; `more`: gains and intervals."""

    row: str
    seed: str
    figures: Mapping[str, str]
    more: frozenset[str] = frozenset()


def read_entries(root: Path, place: str) -> list[Entry]:
    """Everything that result files say."""
    paths = sorted(root.glob(place if place.endswith(".json") else f"{place}/*.json"))
    assert paths, f"{place}: there is no such result file"
    return [entry_of(json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def entry_of(content: Mapping[str, Any]) -> Entry:
    """Everything that a result file says."""
    variant = content["row"].rsplit("/", maxsplit=1)[-1]
    more = frozenset(gains_and_intervals(content))
    return Entry(variant, str(content["seed"]), in_percent(content["figures"]), more)


def gains_and_intervals(content: Mapping[str, Any]) -> Iterator[str]:
    """What a row is ahead of its controls, and the ends of all intervals."""
    for part in (content, *content.get("gains", ())):
        for name in FIGURES:
            numbers = [part[name]] if name in part else []
            for number in (*numbers, *part.get("interval", {}).get(name, ())):
                yield f"{100 * number:.1f}"


def in_percent(figures: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{100 * figures[name]:.1f}" for name in FIGURES}


def wrong_figures(page: str, root: Path) -> Iterator[str]:
    """Say which figures of a page are not those of their files."""
    assert page.count("<!-- figures:") == len(REGION.findall(page)), (
        "a region has no end, or is not understood"
    )
    for region in REGION.finditer(page):
        entries = read_entries(root, region["file"])
        chosen = [entry for entry in entries if region["seed"] in {None, entry.seed}]
        known = {figure for entry in chosen for figure in (*entry.figures.values(), *entry.more)}
        others = set((region["others"] or "").split())
        unused = others - set(NUMBER.findall(region["text"]))
        yield from (f"{number} is named under others and not there" for number in unused | (others & known))
        known |= others
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


def test_figures_and_intervals_are_those_of_the_scores() -> None:
    files = [file for file in read_rows(ROOT / "results") if scores_beside(file.path).is_file()]
    for path, content in files:
        scores = load_file(scores_beside(path))["by_query"].astype(np.float64)
        means = dict(
            zip(FIGURES, scores[:, [BOOTSTRAPPED.index(name) for name in FIGURES]].mean(axis=0), strict=True)
        )
        assert {name: content["figures"][name] for name in FIGURES} == pytest.approx(means, abs=2e-6), path
        again = {name: list(ends) for name, ends in bootstrap(scores).items()}
        for name in FIGURES:
            assert content["interval"][name] == pytest.approx(again[name], abs=2e-6), path


def test_the_readme_of_the_results_says_what_the_files_say() -> None:
    assert results_page.PAGE.read_text(encoding="utf-8") == results_page.page(), (
        "results/README.md is not what the files below results/ (or the code that made them) say now; type "
        "`.venv/bin/python -m evidence.results_page`"
    )


PAGE = """
<!-- figures: results/demo/*, seed 0; others: 53.8 -->
| row | what it is | rank-1 | mAP |
|---|---|---|---|
| `direct` | as it is | 12.0 | 3.5 |

On A `direct` finds 53.8, on B 3.5; on B at night 3.0 in 7.5 minutes.
<!-- end of figures -->
"""


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("", "", []),
        ("others: 53.8", "others: 53.8 3.0", ["3.0 is named under others and not there"]),
        ("| 12.0 |", "| 12.1 |", ["direct, rank-1: 12.1, but the file says 12.0"]),
        ("| 3.5 |", "| 4.5 |", ["direct, mAP: 4.5, but the file says 3.5"]),
        ("3.5; on", "3.6; on", ["3.6 is not in results/demo/*: On A"]),
        ("3.5; on", "4.5; on", ["4.5 is not in results/demo/*: On A"]),  # another seed's
    ],
)
def test_the_guard_sees_a_figure_that_differs(old: str, new: str, wrong: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "results" / "demo" / "A-B"
    folder.mkdir(parents=True)
    for seed in (0, 1):
        figures = {"rank1": 0.12, "mAP": 0.035 + 0.01 * seed, "mAP_trapezoid": 0.03, "mINP": 0.01}
        row = {"row": "demo/A-B/direct", "seed": seed, "figures": figures}
        (folder / f"direct.demo.seed{seed}.json").write_text(json.dumps(row))
    assert old in PAGE
    found = list(wrong_figures(PAGE.replace(old, new) if old else PAGE, tmp_path))
    assert len(found) == len(wrong)
    assert all(line.startswith(start) for line, start in zip(found, wrong, strict=True))


def test_gains_and_intervals_are_read(tmp_path: Path) -> None:
    figures = {"rank1": 0.12, "mAP": 0.035, "mAP_trapezoid": 0.03, "mINP": 0.01}
    interval = {"mAP": [0.0312, 0.0391]}
    gains = [{"over": "crgan/a-b/bn_control", "rank1": -0.011, "interval": {"rank1": [-0.02, 0.001]}}]
    row = {"row": "crgan/a-b/direct", "seed": 0, "figures": figures, "interval": interval, "gains": gains}
    (tmp_path / "results" / "a-b").mkdir(parents=True)
    (tmp_path / "results" / "a-b" / "direct.compact.seed0.json").write_text(json.dumps(row))
    page = PAGE.replace("results/demo/*", "results/a-b/direct.*.json")
    said = page.replace("in 7.5", "(3.1 to 3.9), -1.1 (-2.0 to 0.1) ahead, in 7.5")
    for right in (page, said):
        assert list(wrong_figures(right, tmp_path)) == []
    assert list(wrong_figures(page.replace("| 12.0", "| 11.0"), tmp_path))
    assert list(wrong_figures(said.replace("-1.1", "1.1"), tmp_path))


def test_the_guard_sees_a_figure_without_a_file() -> None:
    assert unmarked("CR-GAN reaches 54.3 mAP.") == ["CR-GAN reaches 54.3 mAP."]
    assert unmarked(PAGE) == []
