"""benchmarks/README.md and the table of `make bench`, from the result files; nothing in it is typed by hand.

`python -m benchmarks.summary` writes the page, and so does every `python -m benchmarks`; a guard compares.
"""

import json
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import RESULTS, Figures, bound_text, ratio_text

PAGE = RESULTS.parent / "README.md"


class Benchmark(NamedTuple):
    """A module of this folder with `main(argv) -> int`.

    Attributes:
        what: What it measures.
        minutes: About how long on two quiet cores.
    """

    what: str
    minutes: float


BENCHMARKS = {
    "dgnet_step": Benchmark("one iteration of DG-Net at full size, against a literal one: time, memory", 6),
    "crgan_arithmetic": Benchmark("stage II at full size, against its own convolutions run alone", 3),
    "crgan_step": Benchmark("stage II at compact sizes, against a literal one", 3),
    "crgan_finetuning": Benchmark("stage III, against rendering alone and training alone", 0.5),
    "extraction": Benchmark("JPEG files to embeddings, against a plain loop", 3),
    "export": Benchmark("JPEG files to embeddings: torch, ONNX Runtime, OpenVINO, float32 and int8", 2),
    "ranking": Benchmark("CMC, mAP and mINP from distances, against numpy.argsort; a million images", 1.5),
    "evaluation": Benchmark("from 2048-d features to the figures, against full matrices: time, memory", 1.5),
    "neighbours": Benchmark("clustering and k-reciprocal re-ranking, step by step", 1.5),
    "waiting": Benchmark("the share of a training step that goes into its data", 1),
    "masks": Benchmark("person masks, against the same model called image by image", 1.5),
    "startup": Benchmark("`genreid --help`, against an empty Python program", 0.2),
    "synthesize": Benchmark("drawn people with masks: images a second", 0.3),
    "growth": Benchmark("time and memory at three sizes each", 3),
    "gpu_steps": Benchmark("both steps on a GPU, where there is one: images a second, share of the peak", 25),
}
"""Every benchmark by its module, in the order of the table."""

INTRODUCTION = """# Benchmarks

Made by `python -m benchmarks` from `benchmarks/results/*.json`; not edited by hand. A ratio is to a plain
reference that does the same work, timed in the same run, turn about; where there is no reference, the target
is a time or a size. How to measure, and what was tried: `docs/performance.md`.

```sh
make bench                                   # all of them, on a machine with nothing else to do
.venv/bin/python -m benchmarks NAME ...      # some
.venv/bin/python -m benchmarks.NAME --help   # one, with its options; --tiny: seconds, keeps nothing
```
"""


def read_records(folder: Path = RESULTS) -> dict[str, Figures]:
    """Return the result files by name, in the order of the table.

    Args:
        folder: Where they lie.
    """
    found = {}
    for name in BENCHMARKS:
        path = folder / f"{name}.json"
        if path.exists():
            record = json.loads(path.read_text(encoding="utf-8"))
            assert isinstance(record, dict)
            found[name] = record
    return found


def target_rows(records: dict[str, Figures]) -> list[list[str]]:
    """Return the lines of the table: what, ours, reference, ratio, target, met.

    Args:
        records: Of `read_records`.
    """
    targets = [target for record in records.values() for target in record.get("targets", [])]
    return [
        [
            target["what"],
            target["ours"],
            target["reference"],
            "-" if target["ratio"] is None else ratio_text(target),
            bound_text(target),
            "yes" if target["met"] else "**no**",
        ]
        for target in targets
    ]


def growth_rows(records: dict[str, Figures]) -> list[list[str]]:
    """Return how costs grow: what, sizes, seconds, memory, exponent of the time.

    Args:
        records: Of `read_records`.
    """
    rows = []
    for name, found in records.get("growth", {}).get("figures", {}).items():
        rows.append(
            [
                f"{name}, by {found['by']}",
                " / ".join(str(size) for size in found["sizes"]),
                " / ".join(f"{seconds:.3g}" for seconds in found["seconds"]),
                " / ".join(f"{peak / 1e6:.0f}" for peak in found["peak_bytes"]),
                f"{found['exponent']:.2f}",
            ]
        )
    return rows


def gpu_rows(records: dict[str, Figures]) -> list[list[str]]:
    """Return what was measured on a GPU: step, images a second, share of the peak, memory.

    Args:
        records: Of `read_records`.
    """
    steps = records.get("gpu_steps", {}).get("figures", {}).get("steps", {})
    rows = []
    for name, found in steps.items():
        figures = [found.get("error", "-"), "-", "-"]
        if "images_per_second" in found:
            share, peak = found["share_of_peak"], found["peak_bytes"]
            figures = [f"{found['images_per_second']:.4g}", f"{100 * share:.1f} %", f"{peak / 1e9:.1f}"]
        rows.append([name, *figures])
    return rows


def markdown(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """Return a table.

    Args:
        head: Names of the columns.
        rows: Cells.
    """
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TARGET_HEAD = ("what", "ours", "reference", "ratio", "target", "met")
GPU_HEAD = ("step", "images/s", "share of the measured matrix rate", "GB")
GROWTH_HEAD = ("what", "sizes", "seconds", "MB at most", "time grows with the power")


def targets_table(records: dict[str, Figures]) -> str:
    """Return the table of targets.

    Args:
        records: Of `read_records`.
    """
    return markdown(TARGET_HEAD, target_rows(records))


def page(folder: Path = RESULTS) -> str:
    """Return the whole page.

    Args:
        folder: Where the result files lie.
    """
    records = read_records(folder)
    current = {name: record for name, record in records.items() if "targets" in record}
    parts = [INTRODUCTION, "## Targets\n"]
    parts.append(f"{targets_table(current)}\n" if target_rows(current) else "Nothing is measured yet.\n")
    notes = [
        f"- {target['what']}: {target['note']}"
        for record in current.values()
        for target in record["targets"]
        if target["note"]
    ]
    if notes:
        parts += ["\n".join(notes) + "\n"]
    if growth_rows(current):
        parts += ["## How costs grow\n", f"{markdown(GROWTH_HEAD, growth_rows(current))}\n"]
    if gpu_rows(current):
        parts += ["## On a GPU\n", f"{markdown(GPU_HEAD, gpu_rows(current))}\n"]
    parts += ["## Where the figures come from\n", f"{_sources(current)}\n"]
    older = [f"`{name}.json`" for name in records if name not in current]
    if older:
        parts.append(f"Of an older form, from a busy machine, and not in the table: {', '.join(older)}.\n")
    return "\n".join(parts)


def _sources(records: dict[str, Figures]) -> str:
    """Return the table of benchmarks: what, commits, machine, what else it did, how long it takes."""
    rows = []
    for name, benchmark in BENCHMARKS.items():
        made = _made(records[name]) if name in records else ["-", "-", "-"]
        takes = f"about {benchmark.minutes:g} min"
        rows.append([f"`{name}`", benchmark.what, *made, takes])
    return markdown(("benchmark", "what", "commit", "machine", "other work; load", "takes"), rows)


def _made(record: Figures) -> list[str]:
    """Return at what commits, on what machine and beside what work a record was made."""
    commits = sorted(_commits(record["figures"])) or [record["commit"]]
    named = ", ".join(f"`{commit[:10]}`" for commit in commits)
    busy, load = record.get("busy_before"), " to ".join(f"{load:.1f}" for load in record["load"])
    work = f"{'-' if busy is None else f'{100 * busy:.0f} %'}; {load}"
    return [f"{named}{' and changes' if record['changed'] else ''}", _machine(record), work]


def _commits(figures: object) -> set[str]:
    """Return the commits that parts of a record were made at, where they say so."""
    if not isinstance(figures, dict):
        return set()
    own = {figures["commit"]} if isinstance(figures.get("commit"), str) else set()
    return own.union(*(_commits(value) for value in figures.values()))


def _machine(record: Figures) -> str:
    """Return the machine in a few words."""
    machine, versions = record["machine"], record["versions"]
    device = f"{machine['device']}, " if "device" in machine else ""
    return f"{device}{machine['usable_cores']} cores, {machine['cpu']}, torch {versions.get('torch', '-')}"


def write_page() -> None:
    """Write benchmarks/README.md."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_page()
