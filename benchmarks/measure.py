"""How every benchmark measures, and the form of what it leaves behind in `benchmarks/results/NAME.json`.

A figure is a ratio to a plain reference that is timed in the same run, turn about: what slows the machine
slows both. Where memory counts, or one side could warm the other, each side has a process of its own; the
processes are started in turns. Ratios are taken within a turn, and the median over the turns is the figure.

    {"name", "what", "figures": ..., "targets": [...], "commit", "changed", "machine", "versions", "load",
     "seconds"}
"""

import argparse
import json
import math
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = (
    *("genreid", "torch", "torchvision", "timm", "numpy", "scipy", "numba", "faiss-cpu", "scikit-learn"),
    *("pillow", "ai-edge-litert", "onnxruntime", "openvino"),
)
"""What computes: their versions stand in every result."""

Figures = dict[str, Any]
Spread = dict[str, float]
"""`median`, `min`, `max` of some turns."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One line of the table: what was reached, and what was wanted.

    Attributes:
        what: What was measured.
        ours: Ours, with its unit.
        reference: What it is compared with, with its unit.
        ratio: What is compared with the bound.
        bound: At least, or at most, so much.
        unit: Of ratio and bound: `x` is times.
        at_least: False: the ratio has to stay at or below the bound.
        note: What a reader must know to read the figure.
    """

    what: str
    ours: str
    reference: str
    ratio: float
    bound: float
    unit: str = "x"
    at_least: bool = True
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the bound is kept; never where nothing could be measured (NaN)."""
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound

    def to_json(self) -> Figures:
        """Return all of it, with `met`."""
        return {**asdict(self), "met": self.met}


def busy_share(seconds: float = 0.3) -> float | None:
    """Return how much of the machine's time other work takes just now, 0 to 1; None where nobody says so.

    A load average does not tell: it holds what ran minutes ago, such as the benchmark before.

    Args:
        seconds: How long to look.
    """
    stat = Path("/proc/stat")
    if not stat.exists():
        return None

    def ticks() -> list[int]:
        return [int(number) for number in stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]

    before = ticks()
    time.sleep(seconds)
    passed = [now - then for now, then in zip(ticks(), before, strict=True)]
    idle = passed[3] + passed[4]  # waiting for a disk is no work
    return round(1 - idle / max(sum(passed), 1), 2)


@dataclass
class Sheet:
    """What one run of a benchmark finds; made before anything is measured, since it notes load and time.

    Attributes:
        name: Of the benchmark and its file.
        what: One line.
        figures: Whatever was measured.
        targets: Lines of the table.
        device: The GPU, where one was measured.
    """

    name: str
    what: str
    figures: Figures = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    device: str = ""
    began: float = field(default_factory=time.monotonic)
    busy: float | None = field(default_factory=busy_share)
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def to_json(self) -> Figures:
        """Return the whole record."""
        made_by = provenance()
        if self.device:
            made_by["machine"]["device"] = self.device
        return {
            "name": self.name,
            "what": self.what,
            "figures": self.figures,
            "targets": [target.to_json() for target in self.targets],
            **made_by,
            "busy_before": self.busy,
            "load": [round(self.load, 2), round(os.getloadavg()[0], 2)],
            "seconds": round(time.monotonic() - self.began, 1),
        }

    def finish(self, options: argparse.Namespace) -> int:
        """Print what was found and write it, unless the run was a tiny one; returns 0.

        Args:
            options: With `tiny` and `out`, of `add_options`.
        """
        record = self.to_json()
        print(as_text(self.figures))
        for target in self.targets:
            print(line_of(target.to_json()))
        print(f"{self.name}: {record['seconds']} s, load {record['load']}", flush=True)
        out = options.out or (None if options.tiny else RESULTS / f"{self.name}.json")
        if out is not None:
            write(record, out)
        return 0


def add_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what every benchmark understands.

    Args:
        parser: Of the benchmark.
    """
    parser.add_argument("--tiny", action="store_true", help="seconds, to see that it runs; nothing is kept")
    parser.add_argument("--out", type=Path, help="result file (default: benchmarks/results/NAME.json)")
    return parser


def write(record: Figures, out: Path) -> None:
    """Write a record as JSON.

    Args:
        record: Of `Sheet.to_json`.
        out: The file.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(as_text(record) + "\n", encoding="utf-8")


def read_figures(path: Path, parts: Sequence[str]) -> Figures:
    """Return some figures of a result file, so that what is not measured now stays.

    Args:
        path: The file; there need be none.
        parts: Which.
    """
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    figures = content.get("figures", content)  # an older form has them at the top
    return {part: figures[part] for part in parts if part in figures}


def as_text(record: Figures) -> str:
    """Return JSON with short numbers, its lists of numbers and words on one line each.

    Args:
        record: What JSON can hold.
    """

    def joined(found: re.Match[str]) -> str:
        return re.sub(r"\s+", " ", found[0]).replace("[ ", "[").replace(" ]", "]")

    return re.sub(r"\[[^][{}]*\]", joined, json.dumps(rounded(record), indent=1))


def line_of(target: Figures) -> str:
    """Return a target as one line of text.

    Args:
        target: Of `Target.to_json`.
    """
    return (
        f"{'met   ' if target['met'] else 'MISSED'} {target['what']}: {ratio_text(target)}"
        f" ({bound_text(target)}); {target['ours']} against {target['reference']}"
        + (f". {target['note']}" if target["note"] else "")
    )


def ratio_text(target: Figures) -> str:
    """Return the ratio with its unit.

    Args:
        target: Of `Target.to_json`.
    """
    return with_unit(target["ratio"], target["unit"])


def bound_text(target: Figures) -> str:
    """Return the bound with its unit.

    Args:
        target: Of `Target.to_json`.
    """
    return f"{'>=' if target['at_least'] else '<='} {with_unit(target['bound'], target['unit'])}"


def with_unit(value: float, unit: str) -> str:
    """Return a number with three digits that count, or all of a cosine, and its unit.

    Args:
        value: The number.
        unit: `x`, `cosine`, `%` or any word.
    """
    if unit == "cosine":
        return f"{value:.5f}"
    digits = 3 if not value or not math.isfinite(value) else max(0, 2 - math.floor(math.log10(abs(value))))
    number = f"{value:.{min(digits, 4)}f}"
    return f"{number}x" if unit == "x" else f"{number} {unit}".rstrip()


def rounded(value: Any) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """Return JSON data with numbers of six digits that count, and without NaN, which JSON does not know.

    Args:
        value: Dictionaries, lists, tuples, numbers, texts.
    """
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def provenance() -> Figures:
    """Return commit, machine and versions."""
    return {"commit": commit(), "changed": has_changes(), "machine": machine(), "versions": versions()}


def commit() -> str:
    """Return the commit of the code that runs, or `unknown` outside a repository."""
    return _git("rev-parse", "HEAD").strip() or "unknown"


def has_changes() -> bool:
    """Tell whether code that is measured differs from the commit."""
    return bool(_git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks/*.py").strip())


def _git(*words: str) -> str:
    """Return what git says, or nothing."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout if done.returncode == 0 else ""


def machine() -> Figures:
    """Return what the figures depend on."""
    facts = _lines("/proc/cpuinfo")
    names = {line.split(":")[1].strip() for line in facts if line.startswith("model name")}
    flags = next((line for line in facts if line.startswith("flags")), "")
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    threads = os.environ.get("OMP_NUM_THREADS")
    return {
        "cpu": ", ".join(sorted(names)) or platform.processor(),
        "cores": os.cpu_count() or 0,
        "usable_cores": usable_cores(),
        "memory_bytes": 1024 * int(memory),
        "bf16": [name for name in ("avx512_bf16", "amx_bf16") if name in flags.split()],
    } | ({} if threads is None else {"omp_num_threads": threads})


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lines(path: str) -> list[str]:
    """Return the lines of a file of the system, or none."""
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def versions() -> dict[str, str]:
    """Return the versions of Python and of what computes."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def spread(values: Sequence[float]) -> Spread:
    """Return median, smallest and largest.

    Args:
        values: One of each turn.
    """
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Return the spread of the ratios within each turn.

    Args:
        over: One number of each turn.
        under: The same, of what it is compared with.
    """
    return spread([a / b for a, b in zip(over, under, strict=True)])


def take_turns(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time works in turn, after one turn that is not counted.

    Args:
        works: By name.
        repeats: Turns.

    Returns:
        Seconds of each turn, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            taken = seconds_of(work)
            if turn:
                seconds[name].append(taken)
    return seconds


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a work takes.

    Args:
        work: What to do.
    """
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


IN_PROCESS = """
import importlib, json, sys
from benchmarks.measure import peak_bytes
module, function, arguments = sys.argv[1:]
found = getattr(importlib.import_module(module), function)(**json.loads(arguments))
print()
print(json.dumps({"process_peak_bytes": peak_bytes(), **found}))
"""


def in_process(module: str, function: str, arguments: Mapping[str, Any]) -> Figures:
    """Call a function in a new process.

    Args:
        module: Such as `benchmarks.dgnet_step`.
        function: Its name; it returns what JSON can hold, by name.
        arguments: Of the function, by name; what JSON can hold.

    Returns:
        What the function returned, and `process_peak_bytes`.
    """
    words = [sys.executable, "-c", IN_PROCESS, module, function, json.dumps(dict(arguments))]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(answer, dict)
    return answer


def processes_in_turns(
    module: str, function: str, variants: Mapping[str, Mapping[str, Any]], rounds: int
) -> dict[str, list[Figures]]:
    """Call a function in processes of their own, one variant after the other, round after round.

    Args:
        module: As in `in_process`.
        function: As in `in_process`.
        variants: Arguments by the variant's name.
        rounds: How often.

    Returns:
        What each round of each variant found.
    """
    found: dict[str, list[Figures]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, arguments in variants.items():
            found[name].append(in_process(module, function, arguments))
    return found


def column(found: Sequence[Figures], key: str) -> list[float]:
    """Return one number of each round.

    Args:
        found: Of `processes_in_turns`.
        key: Which number.
    """
    return [float(entry[key]) for entry in found]


def peak_bytes() -> int:
    """Return the largest memory this process has held, the pages of mapped files among it."""
    peak = _status_bytes("VmHWM")  # getrusage counts the parent's memory, too, where it was forked
    scale = 1 if sys.platform == "darwin" else 1024
    return peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def resident_bytes() -> int:
    """Return the memory this process holds now; 0 where the system does not say."""
    return _status_bytes("VmRSS")


def forget_peak() -> None:
    """Let `peak_bytes` count from now on, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _status_bytes(name: str) -> int:
    """Return a line of /proc/self/status, in bytes."""
    line = next((line for line in _lines("/proc/self/status") if line.startswith(f"{name}:")), None)
    return 0 if line is None else int(line.split()[1]) * 1024


def seconds_text(found: Spread) -> str:
    """Return median and range, for people.

    Args:
        found: Seconds, of `spread`.
    """
    return f"{found['median']:.3g} s ({found['min']:.3g} to {found['max']:.3g})"


def bytes_text(number: float) -> str:
    """Return bytes in MB or GB.

    Args:
        number: Bytes.
    """
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return k of cost = c * size^k, by least squares in logarithms: 1 is in proportion.

    Args:
        sizes: Two or more, not all alike.
        costs: Of each size, above 0.
    """
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    return statistics.linear_regression(x, y).slope
