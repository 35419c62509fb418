"""CMC, mAP and mINP: time against `numpy.argsort` of the same distances; memory with a million images.

    python -m benchmarks.ranking [--repeats N] [--gallery N] [--out F.json]

1. Given distances of Market-1501's size (3,368 x 15,913, simulated people, cameras and distractors):
   `rank_from_distances` and `numpy.argsort(distances, axis=1)` take turns. Goal: 1/25 of its time.
2. Features of that size, 2048-d: `rank` and the bare matrix product take turns.
3. 100 queries against 1,000,000 images of 512-d features in a file: seconds and peak memory of a process that
   loads and ranks. Goal: under 4 GB in all.
4. The first call of a process, its loops not compiled yet, and compiled by an earlier process.

The load is noted: other work on the machine slows what uses all cores more than what uses one.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genreid.evaluation.ranking import rank, rank_from_distances
from genreid.features.feature_set import FeatureSet

QUERIES, GALLERY, DISTRACTORS, PEOPLE, CAMERAS = 3_368, 15_913, 2_798, 750, 6
WIDTH, LARGE_WIDTH, LARGE_QUERIES = 2048, 512, 100
GOAL_RATIO, GOAL_BYTES = 25, 4e9

RANK_FILES = """
import json, sys, time
from benchmarks.ranking import peak_bytes
from genreid.evaluation.ranking import rank
from genreid.features.feature_set import FeatureSet
start = time.perf_counter()
found = rank(FeatureSet.load(sys.argv[1]), FeatureSet.load(sys.argv[2]))
print(json.dumps({"seconds": time.perf_counter() - start, "peak_bytes": peak_bytes(), "mAP": found.mAP}))
"""
FIRST_CALL = """
import time
import numpy as np
from genreid.evaluation.ranking import rank, rank_from_distances
from genreid.features.feature_set import FeatureSet
ones, twos, vectors = np.ones(4, np.int64), np.full(4, 2), np.eye(4, dtype=np.float32)
start = time.perf_counter()
rank_from_distances(vectors, ones, ones, ones, twos)
middle = time.perf_counter()
rank(FeatureSet(vectors, ones, ones), FeatureSet(vectors, ones, twos))
print(middle - start, time.perf_counter() - middle)
"""


class Labels(NamedTuple):
    """In the order that `rank_from_distances` takes them."""

    query_pids: NDArray[np.int64]
    gallery_pids: NDArray[np.int64]
    query_camids: NDArray[np.int64]
    gallery_camids: NDArray[np.int64]


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    load = os.getloadavg()[0]
    answer: dict[str, Any] = {"machine": machine(), "versions": versions()}
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        answer["first_call_seconds"] = first_calls(Path(scratch))
        answer["given_distances"] = given_distances(options.repeats)
        answer["features"] = features(max(3, options.repeats // 2))
        answer["large_gallery"] = large_gallery(options.gallery, Path(scratch))
    answer["load"] = [round(load, 2), round(os.getloadavg()[0], 2)]
    print(table(answer))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--gallery", type=int, default=1_000_000, help="images of the large gallery")
    parser.add_argument("--scratch", type=Path, help="folder for its features, 2 GB (default: the system's)")
    parser.add_argument("--out", type=Path)
    return parser


def machine() -> dict[str, str | int]:
    """Return what the figures depend on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = {line.split(":")[1].strip() for line in lines if line.startswith("model name")}
    return {"cpu": ", ".join(names) or platform.processor(), "cores": os.cpu_count() or 0}


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {"python": platform.python_version()} | {name: version(name) for name in ("numpy", "numba")}


def market_labels(rng: np.random.Generator) -> Labels:
    """Simulate Market-1501's test set: a query for each of about 4.5 cameras of a person, and distractors."""
    seen = np.argwhere(rng.random((PEOPLE, CAMERAS)) < 0.8)[:QUERIES]
    more = rng.integers(0, (PEOPLE, CAMERAS), (QUERIES - len(seen), 2))
    query = np.concatenate([seen, more])
    pids = np.concatenate(
        [rng.integers(1, PEOPLE + 1, GALLERY - DISTRACTORS), np.zeros(DISTRACTORS, np.int64)]
    )
    order = rng.permutation(GALLERY)
    return Labels(query[:, 0] + 1, pids[order], query[:, 1] + 1, rng.integers(1, CAMERAS + 1, GALLERY))


def market_distances(rng: np.random.Generator, labels: Labels) -> NDArray[np.float32]:
    """Simulate the distances of a network that works somewhat: those of one person are smaller."""
    distances = rng.standard_normal((QUERIES, GALLERY), np.float32)
    distances -= 3.0 * (labels.query_pids[:, None] == labels.gallery_pids)
    return distances * np.float32(0.1) + np.float32(1.3)


def take_turns(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, dict[str, float]]:
    """Time the works in turn: median, fastest and slowest, in seconds, after one turn that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {
        name: {"median": statistics.median(found), "min": min(found), "max": max(found)}
        for name, found in seconds.items()
    }


def given_distances(repeats: int) -> dict[str, Any]:
    """Time the ranking of a distance matrix against its sort."""
    rng = np.random.default_rng(0)
    labels = market_labels(rng)
    distances = market_distances(rng, labels)
    seconds = take_turns(
        {
            "numpy_argsort": lambda: np.argsort(distances, axis=1),
            "rank_from_distances": lambda: rank_from_distances(distances, *labels),
        },
        repeats,
    )
    ratio = seconds["numpy_argsort"]["median"] / seconds["rank_from_distances"]["median"]
    mean_ap = rank_from_distances(distances, *labels).mAP
    shape = list(distances.shape)
    return {"shape": shape, "mAP": mean_ap, "repeats": repeats, "seconds": seconds, "times_faster": ratio}


def features(repeats: int) -> dict[str, Any]:
    """Time the ranking of features against the bare matrix product."""
    rng = np.random.default_rng(0)
    labels = market_labels(rng)
    people = rng.standard_normal((PEOPLE + 1, WIDTH), np.float32)
    query = FeatureSet(_near(rng, people, labels.query_pids), labels.query_pids, labels.query_camids)
    gallery = FeatureSet(_near(rng, people, labels.gallery_pids), labels.gallery_pids, labels.gallery_camids)
    seconds = take_turns(
        {
            "matrix_product": lambda: query.embedding @ gallery.embedding.T,
            "rank": lambda: rank(query, gallery),
        },
        repeats,
    )
    shape = [QUERIES, GALLERY, WIDTH]
    return {"shape": shape, "mAP": rank(query, gallery).mAP, "repeats": repeats, "seconds": seconds}


def _near(
    rng: np.random.Generator, people: NDArray[np.float32], pids: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return unit vectors scattered around their person's."""
    vectors = rng.standard_normal((len(pids), people.shape[1]), np.float32)
    vectors *= 4.0
    vectors += people[pids]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def large_gallery(images: int, scratch: Path) -> dict[str, Any]:
    """Rank a large gallery from a file, in a process of its own."""
    rng = np.random.default_rng(0)
    people = rng.standard_normal((images // 20 + 1, LARGE_WIDTH), np.float32)
    files = []
    for name, size, camid in (("query", LARGE_QUERIES, 1), ("gallery", images, 2)):
        pids = np.arange(size) % (len(people) - 1) + 1
        files.append(scratch / f"{name}.safetensors")
        FeatureSet(_near(rng, people, pids), pids, np.full(size, camid)).save(files[-1])
    found = json.loads(_python(RANK_FILES, *map(str, files)))
    return {"shape": [LARGE_QUERIES, images, LARGE_WIDTH], "file_bytes": files[1].stat().st_size, **found}


def first_calls(scratch: Path) -> dict[str, dict[str, float]]:
    """Time the first call of a process, without and with loops that an earlier process has compiled."""
    seconds = {}
    for name in ("nothing_compiled", "compiled_before"):
        text = _python(FIRST_CALL, NUMBA_CACHE_DIR=str(scratch / "numba"))
        seconds[name] = dict(zip(("rank_from_distances", "then_rank"), map(float, text.split()), strict=True))
    return seconds


def _python(code: str, *arguments: str, **environment: str) -> str:
    """Run a program in a new process and return what it writes."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def peak_bytes() -> int:
    """Return the largest memory this process has held, the pages of mapped files among it."""
    status = Path("/proc/self/status")  # getrusage counts the parent's memory, too, where it was forked
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if "VmHWM" in line)
        return int(line.split()[1]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def table(answer: dict[str, Any]) -> str:
    """Return the figures as lines of text."""
    given, large, first = answer["given_distances"], answer["large_gallery"], answer["first_call_seconds"]
    lines = [f"{answer['machine']['cpu']}, {answer['machine']['cores']} cores, load {answer['load']}"]
    for part in ("given_distances", "features"):
        lines.append(f"{part} {' x '.join(map(str, answer[part]['shape']))}, mAP {answer[part]['mAP']:.3f}")
        for name, found in answer[part]["seconds"].items():
            spread = f"({found['min']:.4f} to {found['max']:.4f})"
            lines.append(f"  {name:<20} {found['median']:8.4f} s {spread}")
    lines.append(
        f"  given distances: {given['times_faster']:.1f} times faster than argsort (goal {GOAL_RATIO})"
    )
    lines.append(
        f"large gallery {' x '.join(map(str, large['shape']))}: {large['seconds']:.2f} s, peak "
        f"{large['peak_bytes'] / 1e9:.2f} GB (goal {GOAL_BYTES / 1e9:.0f})"
    )
    for name, found in first.items():
        whole = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in found.items())
        lines.append(f"first call, {name}: {whole}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
