"""The pages of docs/methods tell the truth: what they name is there; settings have the values they say."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from genreid.recipes import crgan, dgnet
from genreid.runs.config_file import config_to_dict, flatten
from tests.guards.tree import PACKAGE, ROOT

PAGES = sorted((ROOT / "docs" / "methods").glob("*.md"))
RECIPES: dict[str, Mapping[str, Callable[[], Any]]] = {
    "dgnet": dgnet.RECIPES,
    "crgan": crgan.RECIPES,
    "spgan": crgan.RECIPES,
}
"""Page -> the recipes whose settings its tables give."""
ELSEWHERE: dict[str, tuple[str, ...]] = {"dgnet": (), "crgan": ("cluster.", "spgan.", "taudl.")}
"""Page -> beginnings of settings that are on other pages."""
ONLY = {"spgan": "spgan."}
"""Page -> the beginning of all its settings."""
REFERENCE = re.compile(r"^([\w/]+\.py)(?::\s+(\w[\w.,\s]*))?$")
"""`file.py` or `file.py: name, Class.method`."""


def code_of(page: Path) -> list[str]:
    """What stands in backticks, also across the end of a line."""
    text = re.sub(r"^    .*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", text)]


def names_in(file: Path) -> set[str]:
    """Functions, classes and `Class.method` or `Class.field` of a module."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    found.add(f"{node.name}.{item.name}")
                elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    found.add(f"{node.name}.{item.target.id}")
    return found


def wrong_references(page: Path) -> Iterator[str]:
    for code in code_of(page):
        match = REFERENCE.match(code)
        if match is None:
            continue
        file = next((root / match[1] for root in (PACKAGE, ROOT) if (root / match[1]).exists()), None)
        if file is None:
            yield f"{match[1]} is not there"
            continue
        wanted = {name.strip() for name in (match[2] or "").split(",") if name.strip()}
        yield from (f"{match[1]} has no {name}" for name in sorted(wanted - names_in(file)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    wrong = list(wrong_references(page))
    assert not wrong, f"{page.name} names what does not exist (renamed?): {wrong}"


def test_a_wrong_name_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`losses/teacher.py: primary_loss,\nother_loss` `losses/nothing.py` `losses/teacher.py`\n"
        "`training/dgnet_config.py: DgnetWeights.by_term, DgnetWeights.gone`\n",
        encoding="utf-8",
    )
    assert list(wrong_references(page)) == [
        "losses/teacher.py has no other_loss",
        "losses/nothing.py is not there",
        "training/dgnet_config.py has no DgnetWeights.gone",
    ]


# Tables of settings


def settings(page: str) -> dict[str, dict[str, str]]:
    """Every setting of every recipe, as the page writes it."""
    return {
        recipe: {
            name: written(value)
            for name, value in flatten(config_to_dict(make())).items()
            if name.startswith(ONLY.get(page, "")) and not name.startswith(ELSEWHERE.get(page, ()))
        }
        for recipe, make in RECIPES[page].items()
    }


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def said(page: str) -> Iterator[tuple[str, str, str]]:
    """Setting, recipe and value of each cell of the tables that begin with `setting`."""
    recipes: list[str] = []
    for line in (ROOT / "docs" / "methods" / f"{page}.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and cells[0] == "setting":
            recipes = [cell.strip("`") for cell in cells]
        elif not cells:
            recipes = []
        elif recipes and not set(line) <= set("|-"):
            for recipe, cell in zip(recipes, cells, strict=True):
                if recipe in RECIPES[page]:
                    yield cells[0].strip("`"), recipe, cell.strip("`")


@pytest.mark.parametrize(("page", "least"), [("dgnet", 100), ("crgan", 60), ("spgan", 20)])
def test_settings_have_the_values_that_the_page_says(page: str, least: int) -> None:
    true = settings(page)
    cells = list(said(page))
    assert len(cells) > least, "the tables are not recognised"
    wrong = [
        f"{name} of {recipe}: {value} on the page, {true[recipe].get(name)} in the recipe"
        for name, recipe, value in cells
        if true[recipe].get(name) != numbered(value)
    ]
    assert not wrong, f"docs/methods/{page}.md: {wrong}"


def numbered(value: str) -> str:
    """Numbers as Python writes them: 0.0001 as 0.0001, 5e-4 as 0.0005."""
    try:
        return value if value.isdigit() else str(float(value))
    except ValueError:
        return value


def test_every_point_on_which_the_papers_text_differs_is_on_the_page() -> None:
    true = settings("dgnet")
    listed = {name for name, recipe, _ in said("dgnet") if recipe == "paper_text"}
    different = {name for name, value in true["published"].items() if value != true["paper_text"][name]}
    assert different <= listed, f"docs/methods/dgnet.md says nothing of {sorted(different - listed)}"
    weights = {name for name in true["published"] if name.startswith("training.weights.")}
    assert weights <= listed, f"docs/methods/dgnet.md says nothing of {sorted(weights - listed)}"


@pytest.mark.parametrize(
    ("page", "base", "recipe"),
    [
        *(("dgnet", "published", recipe) for recipe in ("published_msmt17", "single_gpu", "compact")),
        *((page, "paper", recipe) for page in ("crgan", "spgan") for recipe in ("single_gpu", "compact")),
    ],
)
def test_every_setting_in_which_a_recipe_differs_is_on_the_page(page: str, base: str, recipe: str) -> None:
    true = settings(page)
    listed = {name for name, column, _ in said(page) if column == recipe}
    different = {name for name, value in true[base].items() if value != true[recipe][name]}
    assert different <= listed, f"docs/methods/{page}.md says nothing of {sorted(different - listed)}"


def test_quick_is_compact_with_another_renderer() -> None:
    """So the page need not have a column for it."""
    assert crgan.RECIPES["quick"]() == crgan.RECIPES["compact"]()
    assert set(crgan.RECIPES) == {"paper", "single_gpu", "compact", "quick"}


# Tags of facts

FACTS = ROOT / "docs" / "methods" / "facts.md"
TAG = re.compile(r"\bspec(?:/| )?(?:[a-z-]+(?:\.md)?)? ((?:[A-H]\d+(?:-[A-H]?\d+)?(?:, )?)+)")


def tags_in(text: str) -> set[str]:
    """Tags such as F8 that a text refers to as `spec F8`; F2-F5 are four."""
    found = set()
    for group in TAG.findall(text):
        for first, last in re.findall(r"([A-H]\d+)(?:-[A-H]?(\d+))?", group):
            end = int(last or first[1:])
            found |= {f"{first[0]}{number}" for number in range(int(first[1:]), end + 1)}
    return found


def test_tags_are_recognised() -> None:
    assert tags_in("(spec dg-net F2-F4, F9), spec/cr-gan.md A1-A2; spec G2") == {
        *("F2", "F3", "F4", "F9", "A1", "A2", "G2")
    }


def test_every_tag_that_the_package_names_is_told_of() -> None:
    named = {tag for path in PACKAGE.rglob("*.py") for tag in tags_in(path.read_text(encoding="utf-8"))}
    told = set(re.findall(r"^\| ([A-H]\d+) \|", FACTS.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert len(named) > 40, "the tags are not recognised"
    assert named <= told, f"docs/methods/facts.md says nothing of {sorted(named - told)}"
