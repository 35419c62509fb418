"""Clustering and re-ranking: seconds and memory, step by step, as the number of images grows.

    python -m benchmarks.neighbours [--parts NAME ...] [--sizes N ...] [--width D] [--threads N] [--tiny]
                                    [--out F.json]

1. `clustering`: drawn people, 2048-d: neighbours (k1 30), encoding, Jaccard distances up to 0.6, DBSCAN.
   Goal: 100,000 images in under 10 minutes and 8 GB on 2 cores.
2. `reranking`: 3,368 queries against galleries, 1280-d; Market-1501's 15,913 in place of 10,000. Goal there:
   5 s after the neighbour search, and under 2 GB.
3. `dense`: re-ranking against the same written plainly with full matrices, 3,000 images; the figures agree.

Each size runs in a process of its own. `cpu_seconds` is the work of all threads: on a busy machine it says
more than `seconds`; divided by the cores it is about what a quiet machine needs. `--out` keeps what other
parts and sizes have written there. The load is noted with each entry.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from sklearn.neighbors import sort_graph_by_row_values

from benchmarks.measure import RESULTS, Figures, Sheet, Target, add_options, commit, peak_bytes, read_figures
from benchmarks.ranking import DISTRACTORS, GALLERY, QUERIES
from genreid.evaluation.matches import Labels
from genreid.evaluation.ranking import rank, rank_by_chunks, rank_from_distances
from genreid.evaluation.reranking import (
    DISTANCES_AT_ONCE,
    Reranker,
    RerankingConfig,
    rerank,
)
from genreid.features.feature_set import FeatureSet
from genreid.neighbours.jaccard import jaccard_distances
from genreid.neighbours.nearest import farthest, nearest
from genreid.neighbours.reciprocal import ReciprocalConfig, encode

R = TypeVar("R")

PARTS = ("clustering", "reranking", "dense")
SIZES = (10_000, 30_000, 100_000)
WIDTHS = {"clustering": 2048, "reranking": 1280, "dense": 1280}
LATENT = 96
IMAGES_OF_ONE = 17
"""Images of a person, on average: as in Market-1501's training set."""
DENSE = (500, 2500)


class Steps:
    """Steps of a work, timed one after the other."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    def time(self, name: str, work: Callable[[], R]) -> R:
        """Do one step and note how long it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        seconds, worked = time.perf_counter() - wall, time.process_time() - cpu
        self.found[name] = {"seconds": round(seconds, 2), "cpu_seconds": round(worked, 2)}
        return result

    def total(self, *left_out: str) -> dict[str, float]:
        """Return the sum of the steps, some left out."""
        kept = [each for name, each in self.found.items() if name not in left_out]
        return {key: round(sum(each[key] for each in kept), 2) for key in ("seconds", "cpu_seconds")}


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    sheet = Sheet("neighbours", "clustering and k-reciprocal re-ranking, step by step")
    sheet.figures = {} if options.tiny else read_figures(options.out or RESULTS / "neighbours.json", PARTS)
    for part in PARTS if options.tiny else options.parts:
        for size in _sizes(part, options):
            entry = _in_a_process(part, (size, options.width or WIDTHS[part]), options.threads)
            entry["commit"] = commit()
            name = " x ".join(map(str, entry["shape"]))
            sheet.figures.setdefault(part, {})[name] = entry
            print(json.dumps({part: {name: entry}}, indent=1), flush=True)
    sheet.targets = _targets(sheet.figures)
    return sheet.finish(options)


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[SIZES[0]], help=f"images, such as {SIZES}")
    parser.add_argument("--width", type=int, help=f"of embeddings; default: {WIDTHS}")
    parser.add_argument("--threads", type=int, help="default: as many as the process may use")
    return add_options(parser)


def _sizes(part: str, options: argparse.Namespace) -> list[int]:
    """Return how many images a part is measured with."""
    if options.tiny:
        return [300]
    galleries = [GALLERY if size == SIZES[0] else size for size in options.sizes]
    sizes = {"clustering": options.sizes, "reranking": galleries, "dense": DENSE[1:]}
    return list(sizes[part])


def _targets(figures: Figures) -> list[Target]:
    """Say which goals are met."""
    found = []
    market = figures.get("reranking", {}).get(f"{QUERIES} x {GALLERY} x {WIDTHS['reranking']}")
    if market is not None:
        seconds = market["after_nearest"]["seconds"]
        found.append(
            Target(
                what="k-reciprocal re-ranking, Market-1501's size, after the neighbour search",
                ours=f"{seconds:.3g} s",
                reference=f"with the neighbour search: {market['all']['seconds']:.3g} s",
                ratio=seconds,
                bound=5.0,
                unit="s",
                at_least=False,
            )
        )
        found.append(_memory("k-reciprocal re-ranking, Market-1501's size: peak memory", market, 2.0))
    for name, entry in figures.get("dense", {}).items():
        found.append(
            Target(
                what=f"k-reciprocal re-ranking, {name}: work of all threads",
                ours=f"{entry['rerank']['cpu_seconds']:.3g} s",
                reference=f"full matrices: {entry['dense']['cpu_seconds']:.3g} s",
                ratio=entry["times_less_work"],
                bound=1.0,
                note=f"mAP {entry['mAP']:.6f} and {entry['mAP_dense']:.6f}",
            )
        )
    large = [
        (name, entry) for name, entry in figures.get("clustering", {}).items() if entry["shape"][0] == 100_000
    ]
    for name, entry in large:
        found.append(
            Target(
                what=f"clustering of {name}",
                ours=f"{entry['all']['seconds']:.4g} s on {entry['threads']} cores",
                reference="-",
                ratio=entry["all"]["seconds"] / 60,
                bound=10.0,
                unit="min",
                at_least=False,
                note=f"{entry['all']['cpu_seconds']:.4g} s of work; load {entry['load']}",
            )
        )
        found.append(_memory(f"clustering of {name}: peak memory", entry, 8.0))
    return found


def _memory(what: str, entry: Figures, bound: float) -> Target:
    """Say whether memory stays below a bound in GB."""
    peak = entry["peak_bytes"] / 1e9
    return Target(
        what=what, ours=f"{peak:.2f} GB", reference="-", ratio=peak, bound=bound, unit="GB", at_least=False
    )


def _in_a_process(part: str, shape: tuple[int, int], threads: int | None) -> dict[str, Any]:
    """Measure one size in a new process and return what it found."""
    code = "import sys; from benchmarks.neighbours import measure; measure(*sys.argv[1:])"
    limits = (
        {} if threads is None else {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    )
    prefix = []
    if threads is not None:  # the loops take as many threads as the process may use
        allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
        prefix = ["taskset", "--cpu-list", allowed]
    done = subprocess.run(
        [*prefix, sys.executable, "-c", code, part, *map(str, shape)],
        env={**os.environ, **limits},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    entry = json.loads(done.stdout)
    assert isinstance(entry, dict)
    return entry


def measure(part: str, size: str, width: str) -> None:
    """Measure one size and write what was found as JSON."""
    load = os.getloadavg()[0]
    works = {"clustering": cluster, "reranking": rerank_gallery, "dense": against_dense}
    works[part](min(200, int(size)), int(width))  # compiles, or loads what is compiled
    entry = works[part](int(size), int(width))
    threads = len(os.sched_getaffinity(0))
    entry |= {"peak_bytes": peak_bytes(), "threads": threads}
    entry["load"] = [round(load, 2), round(os.getloadavg()[0], 2)]
    sys.stdout.write(json.dumps(entry))


def drawn(rng: np.random.Generator, pid: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    """Draw unit vectors scattered around their person's; distractors (pid 0) are near nobody.

    They are drawn in `LATENT` dimensions and widened: a network's embeddings have few in truth, too.
    """
    people = rng.standard_normal((int(pid.max()) + 1, LATENT), np.float32)
    strangers = pid == 0
    latent = people[pid] + 1.4 * rng.standard_normal((len(pid), LATENT), np.float32)
    latent[strangers] = 1.5 * rng.standard_normal((int(strangers.sum()), LATENT), np.float32)
    lift = rng.standard_normal((LATENT, width), np.float32)
    points = np.empty((len(pid), width), np.float32)
    for first in range(0, len(pid), 4096):
        part = latent[first : first + 4096] @ lift
        points[first : first + 4096] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return points


def cluster(images: int, width: int) -> dict[str, Any]:
    """Cluster drawn people."""
    rng = np.random.default_rng(0)
    pid = rng.integers(1, images // IMAGES_OF_ONE + 1, images)
    points = drawn(rng, pid, width)
    lists, steps = ReciprocalConfig(k1=30, k2=6, counts_itself=True), Steps()
    neighbours = steps.time("nearest", lambda: nearest(points, lists.columns))
    codes = steps.time("encode", lambda: encode(points, neighbours, lists))
    distances = steps.time("jaccard", lambda: jaccard_distances(codes, largest=0.6))

    def dbscan() -> NDArray[np.int64]:
        graph = sort_graph_by_row_values(distances, copy=False, warn_when_not_sorted=False)
        found = DBSCAN(eps=0.6, min_samples=4, metric="precomputed").fit_predict(graph)
        return np.asarray(found)

    labels = steps.time("dbscan", dbscan)
    return {
        "shape": [images, width],
        **steps.found,
        "all": steps.total(),
        "encoding_values_per_image": round(codes.nnz / images, 1),
        "stored_distances_per_image": round(distances.nnz / images, 1),
        "people": len(np.unique(pid)),
        "clusters": int(labels.max()) + 1,
        "outliers": round(float((labels < 0).mean()), 4),
    }


def test_set(queries: int, gallery: int, width: int) -> tuple[FeatureSet, FeatureSet]:
    """Draw queries and a gallery with Market-1501's share of distractors."""
    rng = np.random.default_rng(0)
    people = max(2, gallery // 21)
    query_pid = rng.integers(1, people + 1, queries)
    gallery_pid = rng.integers(1, people + 1, gallery)
    gallery_pid[rng.random(gallery) < DISTRACTORS / GALLERY] = 0
    points = drawn(rng, np.concatenate([query_pid, gallery_pid]), width)
    cameras = rng.integers(1, 7, queries + gallery)
    return (
        FeatureSet(points[:queries], query_pid, cameras[:queries]),
        FeatureSet(points[queries:], gallery_pid, cameras[queries:]),
    )


def rerank_gallery(images: int, width: int) -> dict[str, Any]:
    """Re-rank a gallery, step by step as `rerank` does it."""
    queries = min(QUERIES, images)
    query, gallery = test_set(queries, images, width)
    before = rank(query, gallery).mAP
    config, steps = RerankingConfig(), Steps()
    points = np.concatenate([query.embedding, gallery.embedding])
    lists = ReciprocalConfig(k1=config.k1, k2=config.k2)
    neighbours = steps.time("nearest", lambda: nearest(points, lists.columns))
    scale = steps.time("farthest", lambda: farthest(points))
    codes = steps.time("encode", lambda: encode(points, neighbours, lists, scale))
    labels = Labels(query.pid, gallery.pid, query.camid, gallery.camid)
    distances_of = Reranker(points, queries, codes, scale, config.original_weight)
    rows = max(1, DISTANCES_AT_ONCE // images)
    ranking = steps.time("jaccard_and_rank", lambda: rank_by_chunks(distances_of, labels, rows))
    return {
        "shape": [queries, images, width],
        **steps.found,
        "after_nearest": steps.total("nearest"),
        "after_nearest_and_farthest": steps.total("nearest", "farthest"),
        "all": steps.total(),
        "encoding_values_per_image": round(codes.nnz / len(points), 1),
        "mAP_before": round(before, 5),
        "mAP": round(ranking.mAP, 5),
    }


def against_dense(images: int, width: int) -> dict[str, Any]:
    """Re-rank by the package and by full matrices."""
    query, gallery = test_set(min(DENSE[0], images), images, width)
    steps = Steps()
    ours = steps.time("rerank", lambda: rerank(query, gallery))

    def plain() -> float:
        distances = dense_distances(query.embedding, gallery.embedding)
        return rank_from_distances(distances, query.pid, gallery.pid, query.camid, gallery.camid).mAP

    theirs = steps.time("dense", plain)
    ratio = steps.found["dense"]["cpu_seconds"] / max(0.01, steps.found["rerank"]["cpu_seconds"])
    return {
        "shape": [len(query), images, width],
        **steps.found,
        "times_less_work": round(ratio, 1),
        "mAP": ours.mAP,
        "mAP_dense": theirs,
    }


def dense_distances(query: NDArray[np.float32], gallery: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return re-ranked distances (Zhong et al. 2017) as one would write them first: every matrix is full."""
    points, (k1, k2, share) = np.concatenate([query, gallery]), (20, 6, 0.3)
    norms = (points**2).sum(1)
    original = norms[:, None] + norms[None] - 2 * points @ points.T
    original /= original.max(1, keepdims=True)
    order = np.argsort(original, axis=1)

    def mutual(point: int, entries: int) -> NDArray[np.int64]:
        near = order[point, :entries]
        found: NDArray[np.int64] = near[(order[near, :entries] == point).any(1)]
        return found

    codes = np.zeros_like(original)
    halves = [mutual(point, round(k1 / 2) + 1) for point in range(len(points))]
    for point in range(len(points)):
        own = mutual(point, k1 + 1)
        more = [
            half for half in (halves[q] for q in own) if 3 * len(np.intersect1d(half, own)) > 2 * len(half)
        ]
        found = np.unique(np.concatenate([own, *more]))
        weights = np.exp(-original[point, found])
        codes[point, found] = weights / weights.sum()
    codes = np.stack([codes[order[point, :k2]].mean(0) for point in range(len(points))])
    result = np.empty((len(query), len(gallery)), np.float32)
    for row in range(len(query)):
        minima = np.minimum(codes[row], codes[len(query) :]).sum(1)
        result[row] = (1 - share) * (1 - minima / (2 - minima)) + share * original[row, len(query) :]
    return result


if __name__ == "__main__":
    sys.exit(main())
