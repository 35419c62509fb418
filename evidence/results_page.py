"""results/README.md from the files below results/; `python -m evidence.results_page` writes it.

A test compares the page with the files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from evidence.grouped_rows import MEANINGS, published_of, read_grouped
from genreid.reproduce.file import RowFile, read_rows
from genreid.reproduce.rows import ROWS, Row
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
  kept: a test makes figures and intervals from it anew.
"""
GROUPED_WORDS = """Made by the commands of `benchmarks/*_rows.py`, each file by the code of one commit. No
fingerprint says what has changed since, so rows of the papers in them count as stale.
"""
ROW_HEAD = ("row", "the paper", "rank-1", "mAP trapezoid", "mAP", "gain (mAP trapezoid)", "made", "state")
BY_SEED_WORDS = """Rows made with several seeds: by how many points of mAP trapezoid they are ahead of each
control, and the mean. The spread over seeds is what an interval over queries does not show.
"""
BY_SEED_HEAD = ("row", "over", "recipe", "seeds", "gain of each", "mean")
GROUPED_HEAD = ("row", "what", "the paper", "seed", "rank-1", "mAP trapezoid", "mAP", "mINP", "minutes")


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
    grouped = [_grouped(file) for file in read_grouped(place)]
    parts += ["## Files of several rows\n", GROUPED_WORDS, *grouped] if grouped else []
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _row_cells(file: RowFile) -> list[str]:
    """Return one row of `genreid reproduce`."""
    content = file.content
    figures, ends = content["figures"], content["interval"]
    shown = [f"{_percent(figures[name])} ({_span(ends[name])})" for name in ("rank1", "mAP_trapezoid", "mAP")]
    reason = stale_reason(file)
    made = f"{content['recipe']}, seed {content['seed']}, {_where(content)}, {content['minutes']:g} min"
    made += f", {_last_commit(content)}"
    state = f"**stale**: {reason}" if reason else "current, by trial" if rests_on_a_trial(file) else "current"
    return [f"`{content['row']}`", _paper(ROWS[content["row"]]), *shown, _gain(content), made, state]


def _where(content: Mapping[str, Any]) -> str:
    """Return what trained a row, and in which arithmetic."""
    return f"{trained_on(content)} in {content['precision']}"


def _last_commit(content: Mapping[str, Any]) -> str:
    """Return the commit of the code that a row's last run ended with."""
    makers = [maker for makers in content.get("runs", {}).values() for maker in makers]
    return f"`{(makers[-1]['commit'] if makers else None) or content['version']}`"


def _gain(content: Mapping[str, Any]) -> str:
    """Return the gains over the paper's own comparison and over the hardest control."""
    missing = [_variant(name) for name in content["controls_not_made"]]
    unknown = f"not made: {', '.join(missing)}" if missing else ""
    shown = [gain for gain in content["gains"] if gain["over"] == ROWS[content["row"]].controls[0]]
    if content["gains"]:
        hardest = min(content["gains"], key=lambda gain: gain["mAP_trapezoid"])
        shown += [hardest] if hardest not in shown else []
    return "; ".join([*map(_one_gain, shown), *filter(None, [unknown])]) or "-"


def _one_gain(gain: Mapping[str, Any]) -> str:
    """Return a gain, its interval, and the paper's."""
    low, high = gain["interval"]["mAP_trapezoid"]
    text = f"{100 * gain['mAP_trapezoid']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    text += f" over {_variant(gain['over'])}"
    return text if gain["published"] is None else f"{text} (the paper {100 * gain['published']['mAP']:+.1f})"


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


def _grouped(file: RowFile) -> str:
    """Return a file of several rows."""
    content, published = file.content, published_of(file)
    lines = []
    for name in [name for name in MEANINGS if name in content["rows"]]:
        for entry in content["rows"][name]["seeds"]:
            figures = [_percent(entry[figure]) for figure in ("rank1", "mAP_trapezoid", "mAP", "mINP")]
            minutes, paper = (
                f"{entry['minutes']:g}",
                _paper(ROWS[published[name]]) if name in published else "-",
            )
            lines.append([f"`{name}`", MEANINGS[name], paper, str(entry["seed"]), *figures, minutes])
    stale = "**stale**, " if published else ""
    made = f"{stale}recipe {content['config']['recipe']}, {content['hardware']['device']}, "
    made += f"made by `{content['commit'][:10]}`."
    return f"`{file.path.name}`: {made}\n\n{_table(GROUPED_HEAD, lines)}"


def _paper(row: Row) -> str:
    """Return the paper's figures of a row."""
    return "-" if row.published is None else " / ".join(_percent(share) for share in row.published)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _span(ends: list[float]) -> str:
    return f"{_percent(ends[0])} to {_percent(ends[1])}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
