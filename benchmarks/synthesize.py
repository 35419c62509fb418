"""Images of synthetic people a second, on one core, from nothing to JPEG and mask on disk.

    python -m benchmarks.synthesize [--people N] [--size H W] [--repeats R] [--tiny] [--out F.json]

Seconds are those of the processor (`time.process_time`), so that other jobs on the machine take less part in
the figure: the wall clock's rate stands beside it, with the load. Painting the six scenes, once for each data
set, is measured apart.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Sheet, Target, add_options, spread
from genreid.drawn.picture import scene_of
from genreid.drawn.plan import Synthesis, plan
from genreid.drawn.write import synthesize

TARGET = 200.0
"""Images a second that the package promises at 128x64."""


class Run(NamedTuple):
    """One data set."""

    images: int
    scenes: float
    processor: float
    wall: float


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    if options.tiny:
        options.people, options.repeats = 2, 1
    sheet = Sheet("synthesize", "drawn people with masks: images a second of one core")
    sheet.figures["size"] = options.size
    for domain in ("A", "B"):
        runs = [_run(domain, options.size, options.people, seed) for seed in range(options.repeats)]
        rates = [run.images / run.processor for run in runs]
        sheet.figures[domain] = {
            "images": [run.images for run in runs],
            "per_processor_second": spread(rates),
            "per_wall_second": spread([run.images / run.wall for run in runs]),
            "scenes_seconds": spread([run.scenes for run in runs]),
        }
        sheet.targets.append(
            Target(
                what=f"drawn people of domain {domain}, {options.size[0]}x{options.size[1]}, on one core",
                ours=f"{spread(rates)['median']:.3g} images a processor second",
                reference="-",
                ratio=spread(rates)["median"],
                bound=TARGET,
                unit="images/s",
            )
        )
    return sheet.finish(options)


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.synthesize")
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64], metavar=("H", "W"))
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    return add_options(parser)


def _run(domain: str, size: Sequence[int], people: int, seed: int) -> Run:
    """Write a data set and take the time."""
    assert domain in {"A", "B"}
    synthesis = Synthesis("A" if domain == "A" else "B", people, seed, size[0], size[1])
    start = time.process_time()
    for camid in range(1, 7):
        scene_of(synthesis.studio, camid)
    painted = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        wall = time.perf_counter()
        synthesize(Path(folder), Path(folder) / "masks", synthesis, shown=False)
        wall = time.perf_counter() - wall
    return Run(len(plan(synthesis)), painted - start, time.process_time() - painted, wall)


if __name__ == "__main__":
    sys.exit(main())
