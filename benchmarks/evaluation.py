"""From 2048-d features to CMC and mAP at Market-1501's size: `rank` against full matrices and sorting.

    python -m benchmarks.evaluation [--rounds 3] [--repeats 2] [--tiny] [--out F.json]

3,368 queries against 15,913 images. The reference is what evaluation code usually does with numpy: the whole
matrix of squared distances, `numpy.argsort` of it, the sorted identities, a loop over queries. `product` is
the bare matrix product, below which nothing can go that compares all pairs. A process each, started in turns;
memory is what the work adds to a process that has read the features and done a small ranking before. Goals:
6 times as fast, a tenth of the memory. About a minute and a half.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from benchmarks.measure import (
    Figures,
    Sheet,
    Target,
    add_options,
    bytes_text,
    column,
    forget_peak,
    peak_bytes,
    processes_in_turns,
    ratios,
    resident_bytes,
    seconds_of,
    seconds_text,
    spread,
)
from benchmarks.ranking import WIDTH, market_features
from genreid.evaluation.ranking import rank
from genreid.features.feature_set import FeatureSet

Variant = Literal["numpy", "rank", "product"]
VARIANTS: tuple[Variant, ...] = ("numpy", "rank", "product")
AGREEMENT = 1e-4
"""Rounding of float32 may exchange two images that lie equally far: figures agree to this."""


class Scores(NamedTuple):
    """What both sides find, as fractions."""

    rank1: float
    mAP: float  # noqa: N815 (its name everywhere)


def plain_scores(query: FeatureSet, gallery: FeatureSet) -> Scores:
    """Rank as one would write it first."""
    q, g = query.embedding, gallery.embedding
    distances = (q**2).sum(1)[:, None] + (g**2).sum(1)[None] - 2 * q @ g.T
    order = np.argsort(distances, axis=1)
    matches = gallery.pid[order] == query.pid[:, None]
    firsts, precisions = [], []
    for row in range(len(q)):
        kept = ~(
            (gallery.pid[order[row]] == query.pid[row]) & (gallery.camid[order[row]] == query.camid[row])
        )
        right = matches[row][kept]
        if not right.any():
            continue
        hits = np.flatnonzero(right)
        firsts.append(hits[0] == 0)
        precisions.append(((np.arange(len(hits)) + 1) / (hits + 1)).mean())
    return Scores(float(np.mean(firsts)), float(np.mean(precisions)))


def our_scores(query: FeatureSet, gallery: FeatureSet) -> Scores:
    """Rank with the package."""
    found = rank(query, gallery)
    return Scores(found.rank_at(1), found.mAP)


def product(query: FeatureSet, gallery: FeatureSet) -> Scores:
    """Multiply all pairs and keep nothing."""
    _ = query.embedding @ gallery.embedding.T
    return Scores(0.0, 0.0)


WORKS = {"numpy": plain_scores, "rank": our_scores, "product": product}


def measure(variant: Variant, folder: str, repeats: int) -> Figures:
    """Time one variant in this process, with features from files."""
    query, gallery = (_in_memory(Path(folder) / f"{name}.safetensors") for name in ("query", "gallery"))
    work = WORKS[variant]
    work(query.select(slice(64)), gallery)  # compiles, or loads what is compiled
    forget_peak()
    before = resident_bytes()
    found: list[Scores] = []
    seconds = [seconds_of(lambda: found.append(work(query, gallery))) for _ in range(repeats)]
    return {"seconds": min(seconds), "added_bytes": peak_bytes() - before, **found[-1]._asdict()}


def _in_memory(path: Path) -> FeatureSet:
    """Read features, embeddings too."""
    lazy = FeatureSet.load(path)
    return FeatureSet(lazy.embedding.copy(), lazy.pid, lazy.camid)


def main(argv: Sequence[str] | None = None) -> int:
    """Time all variants in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="in a process; the fastest counts")
    options = add_options(parser).parse_args(argv)
    sheet = Sheet("evaluation", "2048-d features to CMC and mAP, Market-1501's size, against full matrices")
    with tempfile.TemporaryDirectory() as folder:
        width = 32 if options.tiny else WIDTH
        query, gallery = market_features(width)
        if options.tiny:
            query, gallery = query.select(slice(200)), gallery.select(slice(1500))
        query.save(Path(folder) / "query.safetensors")
        gallery.save(Path(folder) / "gallery.safetensors")
        shape = [len(query), len(gallery), width]
        del query, gallery
        variants: dict[str, Figures] = {
            name: {"variant": name, "folder": folder, "repeats": options.repeats} for name in VARIANTS
        }
        rounds = 1 if options.tiny else options.rounds
        found = processes_in_turns("benchmarks.evaluation", "measure", variants, rounds)
    sheet.figures = {"shape": shape}
    summarise(sheet, found)
    return sheet.finish(options)


def summarise(sheet: Sheet, found: dict[str, list[Figures]]) -> None:
    """Turn what the processes found into figures and targets."""
    seconds = {name: column(rounds, "seconds") for name, rounds in found.items()}
    added = {name: column(rounds, "added_bytes") for name, rounds in found.items()}
    ours, theirs = found["rank"][0], found["numpy"][0]
    for name in Scores._fields:
        assert abs(ours[name] - theirs[name]) < (AGREEMENT if name == "mAP" else 1e-3), f"{ours} {theirs}"
    floor = ratios(seconds["product"], seconds["rank"])["median"]
    sheet.figures |= {
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "added_bytes": {name: spread(values) for name, values in added.items()},
        "share_of_the_matrix_product_in_rank": floor,
        "most_times_faster_that_the_product_allows": ratios(seconds["numpy"], seconds["product"])["median"],
        "scores": {name: {key: found[name][0][key] for key in Scores._fields} for name in ("rank", "numpy")},
    }
    most = sheet.figures["most_times_faster_that_the_product_allows"]
    sheet.targets = [
        Target(
            what="evaluation from 2048-d features, Market-1501's size: time",
            ours=seconds_text(spread(seconds["rank"])),
            reference=f"numpy, full matrices: {seconds_text(spread(seconds['numpy']))}",
            ratio=ratios(seconds["numpy"], seconds["rank"])["median"],
            bound=6.0,
            note=f"{100 * floor:.0f} % of ours is the bare matrix product; with nothing else: {most:.2f}x",
        ),
        Target(
            what="evaluation from 2048-d features, Market-1501's size: memory beside the features",
            ours=bytes_text(spread(added["rank"])["median"]),
            reference=f"numpy, full matrices: {bytes_text(spread(added['numpy'])['median'])}",
            ratio=ratios(added["rank"], added["numpy"])["median"],
            bound=0.1,
            at_least=False,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
