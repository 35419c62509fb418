"""How time and memory grow: each cost at three sizes, each size in a process of its own.

    python -m benchmarks.growth [--only NAME ...] [--tiny] [--out F.json]

No goals: the exponent k of time = c * size^k says what a larger job will take. Peak memory is the process's,
interpreter and libraries (some 0.3 to 0.9 GB) in it. About 3 minutes.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.drawn import draw_crops
from benchmarks.measure import Figures, Sheet, add_options, exponent, in_process, seconds_of

REPEATS = 3


def ranking(size: int, *, tiny: bool) -> list[float]:
    """Rank 1,000 queries, 512-d, against a gallery."""
    from benchmarks.neighbours import test_set  # noqa: PLC0415 (faiss and numba are slow to import)
    from genreid.evaluation.ranking import rank  # noqa: PLC0415

    query, gallery = test_set(100 if tiny else 1_000, size, 64 if tiny else 512)
    return _repeated(lambda: rank(query, gallery))


def clustering(size: int, *, tiny: bool) -> list[float]:
    """Cluster images, 512-d; one run, as it is long."""
    from benchmarks.neighbours import cluster  # noqa: PLC0415

    cluster(min(size, 200), 64)  # compiles
    return [cluster(size, 64 if tiny else 512)["all"]["seconds"]]


def extraction(size: int, *, tiny: bool) -> list[float]:
    """JPEG files to embeddings, EfficientNet-Lite0 at 128x64, bf16 where the hardware has it."""
    from benchmarks.extraction import cache_in, forget_banks  # noqa: PLC0415
    from genreid.data.sample import Sample  # noqa: PLC0415
    from genreid.features.extract import Extractor  # noqa: PLC0415
    from genreid.features.options import FeatureOptions  # noqa: PLC0415
    from genreid.models.backbone import BackboneConfig, build_reid_network  # noqa: PLC0415

    name = "test_resnet" if tiny else "tf_efficientnet_lite0"
    network = build_reid_network(BackboneConfig(name, "none"), 10).eval()
    extractor = Extractor.of_network(network, (128, 64), FeatureOptions(), {})
    with tempfile.TemporaryDirectory() as folder, cache_in(Path(folder) / "cache"):
        crops = draw_crops(Path(folder) / "crops", size)
        samples = [Sample(path, 1, 1) for path in sorted(crops.iterdir())]

        def extract() -> None:
            forget_banks()
            extractor.extract(samples)

        return _repeated(extract)


def masks(size: int, *, tiny: bool) -> list[float]:
    """Person masks of crops of 128x64; the start of the processes is in the time."""
    from genreid.masks.blazepose import load_blazepose  # noqa: PLC0415
    from genreid.masks.make import make_masks  # noqa: PLC0415

    assert size < 100 or not tiny
    with tempfile.TemporaryDirectory() as folder:
        crops = draw_crops(Path(folder) / "crops", size)
        images = sorted(crops.iterdir())
        return [make_masks(images, crops, Path(folder) / "masks", load_blazepose()).seconds]


def crgan_step(size: int, *, tiny: bool) -> list[float]:
    """CR-GAN's stage II step, compact, by pairs in a batch."""
    from benchmarks.crgan_step import case, ours  # noqa: PLC0415

    step = ours(replace(case(tiny=tiny), batch=size))
    return _repeated(partial(step, 0))


def dgnet_step(size: int, *, tiny: bool) -> list[float]:
    """DG-Net's step, compact, by pairs in a batch; every term has its weight."""
    from benchmarks.dgnet_step import Case, build_networks, case, channels_last, draw_batch  # noqa: PLC0415
    from benchmarks.dgnet_step import our_step as step_of  # noqa: PLC0415
    from genreid.models.precision import choose_compute  # noqa: PLC0415
    from genreid.recipes.dgnet import compact  # noqa: PLC0415

    given = case(tiny=True, pairs=size)
    if not tiny:
        base = compact()
        backbone = replace(base.appearance.backbone, weights="none")
        given = Case(
            replace(
                base,
                appearance=replace(base.appearance, backbone=backbone),
                training=replace(base.training, batch=size),
                teacher=replace(base.teacher, backbone=replace(base.teacher.backbone, weights="none")),
            ),
            751,
        )
    batch = channels_last(draw_batch(given))
    step = step_of(given, build_networks(given), choose_compute("cpu"))
    middle = given.config.training.iterations // 2
    return _repeated(lambda: step(batch, middle + 1, 0.0))


class Cost(NamedTuple):
    """One cost.

    Attributes:
        by: What grows.
        sizes: Three.
        tiny: Sizes of a tiny run.
        seconds: Takes a size, gives the seconds of some runs.
    """

    by: str
    sizes: tuple[int, ...]
    tiny: tuple[int, ...]
    seconds: Callable[..., list[float]]


COSTS = {
    "ranking from 512-d features": Cost("gallery images", (10_000, 30_000, 100_000), (300, 600), ranking),
    "clustering of 512-d features": Cost("images", (2_500, 5_000, 10_000), (300, 600), clustering),
    "extraction, EfficientNet-Lite0, 128x64": Cost("images", (512, 1024, 2048), (4, 8), extraction),
    "person masks": Cost("images", (100, 200, 400), (2, 4), masks),
    "CR-GAN stage II step, compact": Cost("pairs", (8, 16, 32), (2, 4), crgan_step),
    "DG-Net step, compact": Cost("pairs", (2, 4, 8), (2, 3), dgnet_step),
}


def _repeated(work: Callable[[], object]) -> list[float]:
    """Time a work some times, after one run that is not counted."""
    work()
    return [seconds_of(work) for _ in range(REPEATS)]


def measure(name: str, size: int, *, tiny: bool) -> Figures:
    """Measure one size in this process."""
    torch.manual_seed(0)
    return {"seconds": float(np.median(COSTS[name].seconds(size, tiny=tiny)))}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every cost at its sizes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--only", nargs="+", choices=tuple(COSTS), default=tuple(COSTS))
    options = add_options(parser).parse_args(argv)
    sheet = Sheet("growth", "time and memory at three sizes each")
    for name in options.only:
        cost = COSTS[name]
        sizes = cost.tiny if options.tiny else cost.sizes
        found = [
            in_process("benchmarks.growth", "measure", {"name": name, "size": size, "tiny": options.tiny})
            for size in sizes
        ]
        seconds = [entry["seconds"] for entry in found]
        sheet.figures[name] = {
            "by": cost.by,
            "sizes": list(sizes),
            "seconds": seconds,
            "peak_bytes": [entry["process_peak_bytes"] for entry in found],
            "exponent": exponent(sizes, seconds),
        }
        print(name, sheet.figures[name], flush=True)
    return sheet.finish(options)


if __name__ == "__main__":
    sys.exit(main())
