"""results/README.md from the files below results/; `python -m benchmarks.results_table` writes it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.grouped_rows import grouped_rows, read_grouped
from genreid.pipelines.row_file import RowFile, read_rows
from genreid.pipelines.row_state import recipe_changes, rests_on_a_trial, stale_reason
from genreid.recipes.reproduce import ROWS, Row

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "results" / "README.md"
INTRODUCTION = """# Result files

Made by `python -m benchmarks.results_table`; not edited by hand. Percent, single query, cross-camera. The
papers' mAP is compared with our mAP trapezoid, the form of their code. In brackets: 95 % bootstrap interval
over queries, of one seed. A gain is judged over our own controls with the same recipe, never against the
paper's absolute figures; of several controls, the one with the smallest gain is shown. A row is *stale* if
the code that trained or ranked it, or its recipe, has changed since it was made. It is *current, by trial* if
code has changed, and small runs of both versions gave the same networks and figures bit for bit
(`same_outcome.json`, by `python -m benchmarks.same_outcome`).
Minutes are of the clock, masks apart, with whatever else the machine did. How to make one:
[docs/reproduce.md](../docs/reproduce.md).
"""
GROUPED_WORDS = """Made before rows had files of their own, by the commands of `benchmarks/*_rows.py`: they
are marked by the commit of the last one, and no fingerprint says whether the code has changed since. All
rows of these files, and those of other files: [docs/results.md](../docs/results.md).
"""
ROW_HEAD = ("row", "the paper", "rank-1", "mAP trapezoid", "mAP", "gain (mAP trapezoid)", "made", "state")
BY_SEED_WORDS = """Rows made with several seeds: by how many points of mAP trapezoid they are ahead of each
control, and the mean. The spread over seeds is what an interval over queries does not show.
"""
BY_SEED_HEAD = ("row", "over", "recipe", "seeds", "gain of each", "mean")
GROUPED_HEAD = ("row", "the paper", "seed", "rank-1", "mAP trapezoid", "mAP", "minutes", "state")


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
    parts.append("## Rows of the papers in files of several rows\n")
    parts.append(GROUPED_WORDS)
    parts += [_grouped(file) for file in read_grouped(place) if grouped_rows(file)]
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
    hardware = content["hardware"]
    made = f"{content['recipe']}, seed {content['seed']}, {hardware['device']}, {content['minutes']:g} min, "
    made += f"`{content['commit'] or content['version']}`"
    reason = stale_reason(file)
    state = f"**stale**: {reason}" if reason else "current, by trial" if rests_on_a_trial(file) else "current"
    return [f"`{content['row']}`", _paper(ROWS[content["row"]]), *shown, _gain(content), made, state]


def _gain(content: Mapping[str, Any]) -> str:
    """Return the gain over the hardest control."""
    missing = [_variant(name) for name in content["controls_not_made"]]
    unknown = f"; not made: {', '.join(missing)}" if missing else ""
    if not content["gains"]:
        return f"-{unknown}"
    hardest = min(content["gains"], key=lambda gain: gain["mAP_trapezoid"])
    low, high = hardest["interval"]["mAP_trapezoid"]
    text = f"{100 * hardest['mAP_trapezoid']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    text += f" over {_variant(hardest['over'])}"
    if hardest["published"] is not None:
        text += f"; the paper {100 * hardest['published']['mAP']:+.1f}"
    return text + unknown


def _variant(name: str) -> str:
    """Return the last part of a row's name."""
    return f"`{name.rsplit('/', maxsplit=1)[-1]}`"


def _gains_by_seed(rows: Sequence[RowFile]) -> list[list[str]]:
    """Return the gains of rows that several seeds have; stale rows do not count."""
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for content in (file.content for file in rows if not stale_reason(file)):
        for gain in content["gains"]:
            key = (content["row"], _variant(gain["over"]), content["recipe"])
            found.setdefault(key, {})[content["seed"]] = 100 * gain["mAP_trapezoid"]
    lines = []
    for (row, over, recipe), by_seed in found.items():
        seeds, gains = zip(*sorted(by_seed.items()), strict=True)
        each = ", ".join(f"{gain:+.1f}" for gain in gains)
        cells = [f"`{row}`", over, recipe, ", ".join(map(str, seeds)), each, f"{fmean(gains):+.1f}"]
        lines += [cells] if len(seeds) > 1 else []
    return lines


def _grouped(file: RowFile) -> str:
    """Return the rows of a file of several that the papers' tables have."""
    content = file.content
    lines = []
    recipe, settings = content["config"]["recipe"], content["config"].get("settings")
    for name, entries in grouped_rows(file).items():
        changed = recipe_changes(ROWS[name], recipe, settings or {})
        kept = "no fingerprint" if settings else "no fingerprint, settings not kept"
        state = f"**stale**: {changed}" if changed else kept
        for entry in entries:
            figures = [_percent(entry[figure]) for figure in ("rank1", "mAP_trapezoid", "mAP")]
            paper = _paper(ROWS[name])
            minutes = f"{entry['minutes']:g}"
            lines.append([f"`{name}`", paper, str(entry["seed"]), *figures, minutes, state])
    made = f"`{file.path.name}`: recipe {recipe}, {content['hardware']['device']}, "
    made += f"made by `{content['commit'][:10]}`.\n"
    return f"{made}\n{_table(GROUPED_HEAD, lines)}"


def _paper(row: Row) -> str:
    """Return the paper's figures of a row."""
    return "-" if row.published is None else " / ".join(_percent(share) for share in row.published)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _span(ends: list[float]) -> str:
    return f"{_percent(ends[0])} to {_percent(ends[1])}"
