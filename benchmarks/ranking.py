"""CMC, mAP and mINP: time against `numpy.argsort` of the same distances; memory with a million images.

    python -m benchmarks.ranking [--repeats N] [--gallery N] [--tiny] [--out F.json]

1. Given distances of Market-1501's size (3,368 x 15,913, simulated people, cameras and distractors):
   `rank_from_distances` and `numpy.argsort(distances, axis=1)` take turns. Goal: 1/25 of its time.
2. Features of that size, 2048-d: `rank` and the bare matrix product take turns.
3. 100 queries against 1,000,000 images of 512-d features in a file: seconds and peak memory of a process that
   loads and ranks. Goal: under 4 GB in all.
4. The first call of a process, its loops not compiled yet, and compiled by an earlier process.

The load is noted: other work on the machine slows what uses all cores more than what uses one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import (
    Figures,
    Sheet,
    Target,
    add_options,
    bytes_text,
    in_process,
    peak_bytes,
    ratios,
    seconds_of,
    seconds_text,
    spread,
    take_turns,
)
from genreid.evaluation.ranking import rank, rank_from_distances
from genreid.features.feature_set import FeatureSet

QUERIES, GALLERY, DISTRACTORS, PEOPLE, CAMERAS = 3_368, 15_913, 2_798, 750, 6
WIDTH, LARGE_WIDTH, LARGE_QUERIES = 2048, 512, 100
GOAL_RATIO, GOAL_BYTES = 25, 4e9

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
    sheet = Sheet("ranking", "CMC, mAP and mINP from distances, against numpy.argsort; a million images")
    if options.tiny:
        options.repeats, options.gallery = 1, 500
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        given = given_distances(options.repeats, 50 if options.tiny else QUERIES)
        large = large_gallery(options.gallery, Path(scratch))
        sheet.figures = {"given_distances": given, "large_gallery": large}
        if not options.tiny:
            sheet.figures["first_call_seconds"] = first_calls(Path(scratch))
            sheet.figures["features"] = features(max(3, options.repeats // 2))
    seconds = given["seconds"]
    sheet.targets = [
        Target(
            what="ranking, distances given, Market-1501's size",
            ours=seconds_text(seconds["rank_from_distances"]),
            reference=f"numpy.argsort of the matrix: {seconds_text(seconds['numpy_argsort'])}",
            ratio=given["times_faster"]["median"],
            bound=GOAL_RATIO,
        ),
        Target(
            what=f"100 queries against {options.gallery:,} images of 512-d features in a file: peak memory",
            ours=f"{bytes_text(large['peak_bytes'])}, {large['seconds']:.3g} s",
            reference=f"the file: {bytes_text(large['file_bytes'])}",
            ratio=large["peak_bytes"] / 1e9,
            bound=GOAL_BYTES / 1e9,
            unit="GB",
            at_least=False,
        ),
    ]
    return sheet.finish(options)


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--gallery", type=int, default=1_000_000, help="images of the large gallery")
    parser.add_argument("--scratch", type=Path, help="folder for its features, 2 GB (default: the system's)")
    return add_options(parser)


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
    distances = rng.standard_normal((len(labels.query_pids), GALLERY), np.float32)
    distances -= 3.0 * (labels.query_pids[:, None] == labels.gallery_pids)
    return distances * np.float32(0.1) + np.float32(1.3)


def given_distances(repeats: int, queries: int) -> Figures:
    """Time the ranking of a distance matrix against its sort."""
    rng = np.random.default_rng(0)
    labels = market_labels(rng)
    labels = labels._replace(
        query_pids=labels.query_pids[:queries], query_camids=labels.query_camids[:queries]
    )
    distances = market_distances(rng, labels)
    seconds = take_turns(
        {
            "numpy_argsort": lambda: np.argsort(distances, axis=1),
            "rank_from_distances": lambda: rank_from_distances(distances, *labels),
        },
        repeats,
    )
    return {
        "shape": list(distances.shape),
        "mAP": rank_from_distances(distances, *labels).mAP,
        "repeats": repeats,
        "seconds": {name: spread(found) for name, found in seconds.items()},
        "times_faster": ratios(seconds["numpy_argsort"], seconds["rank_from_distances"]),
    }


def features(repeats: int) -> Figures:
    """Time the ranking of features against the bare matrix product."""
    query, gallery = market_features(WIDTH)
    seconds = take_turns(
        {
            "matrix_product": lambda: query.embedding @ gallery.embedding.T,
            "rank": lambda: rank(query, gallery),
        },
        repeats,
    )
    return {
        "shape": [QUERIES, GALLERY, WIDTH],
        "mAP": rank(query, gallery).mAP,
        "repeats": repeats,
        "seconds": {name: spread(found) for name, found in seconds.items()},
    }


def market_features(width: int) -> tuple[FeatureSet, FeatureSet]:
    """Simulate queries and a gallery of Market-1501's size."""
    rng = np.random.default_rng(0)
    labels = market_labels(rng)
    people = rng.standard_normal((PEOPLE + 1, width), np.float32)
    return (
        FeatureSet(_near(rng, people, labels.query_pids), labels.query_pids, labels.query_camids),
        FeatureSet(_near(rng, people, labels.gallery_pids), labels.gallery_pids, labels.gallery_camids),
    )


def _near(
    rng: np.random.Generator, people: NDArray[np.float32], pids: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return unit vectors scattered around their person's."""
    vectors = rng.standard_normal((len(pids), people.shape[1]), np.float32)
    vectors *= 4.0
    vectors += people[pids]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def large_gallery(images: int, scratch: Path) -> Figures:
    """Rank a large gallery from a file, in a process of its own."""
    rng = np.random.default_rng(0)
    people = rng.standard_normal((images // 20 + 1, LARGE_WIDTH), np.float32)
    files = []
    for name, size, camid in (("query", LARGE_QUERIES, 1), ("gallery", images, 2)):
        pids = np.arange(size) % (len(people) - 1) + 1
        files.append(scratch / f"{name}.safetensors")
        FeatureSet(_near(rng, people, pids), pids, np.full(size, camid)).save(files[-1])
    found = in_process("benchmarks.ranking", "rank_files", {"query": str(files[0]), "gallery": str(files[1])})
    return {"shape": [LARGE_QUERIES, images, LARGE_WIDTH], "file_bytes": files[1].stat().st_size, **found}


def rank_files(query: str, gallery: str) -> Figures:
    """Load and rank in this process."""
    found: list[float] = []
    seconds = seconds_of(lambda: found.append(rank(FeatureSet.load(query), FeatureSet.load(gallery)).mAP))
    return {"seconds": seconds, "peak_bytes": peak_bytes(), "mAP": found[0]}


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


if __name__ == "__main__":
    sys.exit(main())
