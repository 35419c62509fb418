"""results/README.md from the files below results/; `python -m evidence.results_page` writes it.

A test compares the page with the files.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from evidence.quality_rows import quality_cell
from genreid.quality.measure import FIGURES
from genreid.reproduce.file import RowFile, read_results, read_rows
from genreid.reproduce.paper import Row
from genreid.reproduce.rows import ROWS
from genreid.reproduce.state import rests_on_a_trial, stale_reason, trained_on

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "results" / "README.md"
INTRODUCTION = """# Results

Made by `python -m evidence.results_page` from the files beside it; not edited by hand. What the figures
say, and what was tried: [docs/lab-notes.md](../docs/lab-notes.md). How to make a row:
[docs/reproduce.md](../docs/reproduce.md).

- Percent, single query, cross-camera. The papers' mAP is compared with our mAP trapezoid, the form of their
  code.
- In brackets: 95 % bootstrap interval over queries, of one seed. Pictures of one person are alike, so with
  other people an absolute figure would move by more than that; a gain hardly (docs/reproduce.md).
- **A row is judged by its gain** over controls made with the same recipe, never against the paper's
  absolute figures. Shown are the gain over the paper's own comparison and, where another control is harder
  to beat, the one over that.
- *Stale*: the code that trained or ranked the row or its controls, or its recipe, has changed since.
  *Current, by trial*: code has changed, and small runs of both versions gave the same networks and figures
  bit for bit (`same_outcome.json`).
- Minutes are of the clock, masks apart, with whatever else the machine did. The commit is that of the last
  training.
- Beside each file `.queries.safetensors` holds what each query scores, where the row was made since that is
  kept: a test makes figures and intervals from it anew. A row without intervals is older.
"""
OTHERS_WORDS = """What `genreid reproduce` does not make: rows of the demo, by `python -m evidence.demo_rows`,
and what was tried beside the papers. No fingerprint says what has changed since the commit that made them.

**Gains over `teacher` and `teacher_bn`** in rows of DG-Net whose file says nothing of `mirror` are not
fair: DG-Net was ranked by image and mirror image, its teacher by the image alone (docs/lab-notes.md). Gains
over `longer_teacher` are.
"""
ROW_HEAD = ("row", "the paper", "rank-1", "mAP trapezoid", "mAP", "gain (mAP trapezoid)", "made", "state")
BY_SEED_WORDS = """Rows made with several seeds: by how many points of mAP trapezoid they are ahead of each
control, and the mean. The spread over seeds is what an interval over queries does not show.
"""
BY_SEED_HEAD = ("row", "over", "recipe", "seeds", "gain of each", "mean")
QUALITY_WORDS = """Made by `python -m evidence.quality_rows`; [docs/quality.md](../docs/quality.md) says what
each figure is. In brackets: its share of `source_target`, which can be compared with CR-GAN's tables.
"""
QUALITY_HEAD = ("data: row", *FIGURES, "images", "made")
OTHERS_HEAD = ("row", "what", "rank-1", "mAP trapezoid", "mAP", "mINP", "gain (mAP trapezoid)", "made")


def page(folder: Path | None = None) -> str:
    """Return the whole page.

    Args:
        folder: Where the result files are; default: the repository's.
    """
    place = folder or PAGE.parent
    rows = read_rows(place)
    parts = [INTRODUCTION, "## Rows made by `genreid reproduce`\n"]
    parts.append(_table(ROW_HEAD, [_row_cells(file) for file in rows]) if rows else "None yet.\n")
    by_seed = _gains_by_seed(rows)
    parts += ["## Gains, seed by seed\n", BY_SEED_WORDS, _table(BY_SEED_HEAD, by_seed)] if by_seed else []
    others = [_other_cells(file.content) for file in read_results(place) if file.content["row"] not in ROWS]
    parts += ["## Other rows\n", OTHERS_WORDS, _table(OTHERS_HEAD, others)] if others else []
    measured = read_quality(place)
    quality = [_quality_cells(file, measured) for file in measured]
    parts += (
        ["## Quality of generated images\n", QUALITY_WORDS, _table(QUALITY_HEAD, quality)] if quality else []
    )
    return "\n".join(parts)


def read_quality(folder: Path) -> list[RowFile]:
    """Return the files of `python -m evidence.quality_rows`, by path.

    Args:
        folder: Such as `results`.
    """
    paths = sorted((folder / "quality").glob("*/*.json"))
    return [RowFile(path, json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def _quality_cells(file: RowFile, everything: Sequence[RowFile]) -> list[str]:
    """Return the figures of a row, and behind distances their share of `source_target` of its folder."""
    content = file.content
    same = ("recipe", "seed")
    base: Mapping[str, float | None] = next(
        (
            other.content["figures"]
            for other in everything
            if other.path.parent == file.path.parent
            and other.content["quality_of"] == "source_target"
            and all(other.content[key] == content[key] for key in same)
        ),
        {},
    )
    shown = [quality_cell(name, content["figures"].get(name), base.get(name)) for name in FIGURES]
    made = f"{content['recipe']}, seed {content['seed']}, `{content['commit'] or content['version']}`"
    return [f"{file.path.parent.name}: `{content['quality_of']}`", *shown, str(content["images"]), made]


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _row_cells(file: RowFile) -> list[str]:
    """Return one row of `genreid reproduce`."""
    content = file.content
    shown = [_figure(content, name) for name in ("rank1", "mAP_trapezoid", "mAP")]
    reason = stale_reason(file)
    state = f"**stale**: {reason}" if reason else "current, by trial" if rests_on_a_trial(file) else "current"
    row, made = ROWS[content["row"]], _made(content)
    return [f"`{row.name}`", _paper(row), *shown, _gain(content, row.controls), made, state]


def _other_cells(content: Mapping[str, Any]) -> list[str]:
    """Return a row that `genreid reproduce` does not make."""
    shown = [_figure(content, name) for name in ("rank1", "mAP_trapezoid", "mAP", "mINP")]
    controls = tuple(gain["over"] for gain in content["gains"])
    return [f"`{content['row']}`", content["what"], *shown, _gain(content, controls), _made(content)]


def _figure(content: Mapping[str, Any], name: str) -> str:
    """Return a figure with its interval, where there is one."""
    return f"{_percent(content['figures'][name])}{_in_brackets(content, name, _percent)}"


def _in_brackets(part: Mapping[str, Any], name: str, form: Callable[[float], str]) -> str:
    """Return the interval of a figure or a gain; empty: an older file, which has none."""
    ends = part.get("interval", {}).get(name)
    return f" ({' to '.join(map(form, ends))})" if ends else ""


def _made(content: Mapping[str, Any]) -> str:
    """Return how and where a row was made."""
    made = f"{content['recipe']}, seed {content['seed']}, {_where(content)}, {content['minutes']:g} min"
    return f"{made}, {_last_commit(content)}"


def _where(content: Mapping[str, Any]) -> str:
    """Return what trained a row, and in which arithmetic."""
    return f"{trained_on(content)} in {content['precision']}"


def _last_commit(content: Mapping[str, Any]) -> str:
    """Return the commit of the code that a row's last run ended with."""
    makers = [maker for makers in content.get("runs", {}).values() for maker in makers]
    trained = makers[-1]["commit"] if makers else content.get("commit")
    return f"`{trained or content['version']}`"


def _gain(content: Mapping[str, Any], controls: tuple[str, ...]) -> str:
    """Return the gains over the paper's own comparison and over the hardest control."""
    missing = [_variant(name) for name in content["controls_not_made"]]
    unknown = f"not made: {', '.join(missing)}" if missing else ""
    shown = [gain for gain in content["gains"] if gain["over"] == controls[0]]
    if content["gains"]:
        hardest = min(content["gains"], key=lambda gain: gain["mAP_trapezoid"])
        shown += [hardest] if hardest not in shown else []
    return "; ".join([*map(_one_gain, shown), *filter(None, [unknown])]) or "-"


def _one_gain(gain: Mapping[str, Any]) -> str:
    """Return a gain, its interval, and the paper's."""
    ends = _in_brackets(gain, "mAP_trapezoid", _points)
    text = f"{_points(gain['mAP_trapezoid'])}{ends} over {_variant(gain['over'])}"
    published = (gain["published"] or {}).get("mAP")
    return text if published is None else f"{text} (the paper {_points(published)})"


def _variant(name: str) -> str:
    """Return the last part of a row's name."""
    return f"`{name.rsplit('/', maxsplit=1)[-1]}`"


def _gains_by_seed(rows: Sequence[RowFile]) -> list[list[str]]:
    """Return the gains of rows that several seeds have; stale rows do not count."""
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for content in (file.content for file in rows if not stale_reason(file)):
        for gain in content["gains"]:
            key = (content["row"], _variant(gain["over"]), f"{content['recipe']}, {_where(content)}")
            found.setdefault(key, {})[content["seed"]] = 100 * gain["mAP_trapezoid"]
    lines = []
    for (row, over, recipe), by_seed in found.items():
        seeds, gains = zip(*sorted(by_seed.items()), strict=True)
        each = ", ".join(f"{gain:+.1f}" for gain in gains)
        cells = [f"`{row}`", over, recipe, ", ".join(map(str, seeds)), each, f"{fmean(gains):+.1f}"]
        lines += [cells] if len(seeds) > 1 else []
    return lines


def _paper(row: Row) -> str:
    """Return the paper's figures of a row."""
    if row.published is None:
        return "-"
    both = (row.published.rank1, row.published.mAP)
    return " / ".join("-" if share is None else _percent(share) for share in both)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
