"""From JPEG files to a `FeatureSet`: `Extractor` against the loop that one would write first.

    python -m benchmarks.extraction [--count 1024] [--images DIR] [--backbone NAME] [--size H W]
                                    [--repeats 2] [--tiny] [--out F.json]

ResNet-50, 256x128, crops of Market-1501's size, drawn unless DIR holds real ones (`--count 15913` and
Market-1501's bounding_box_test is the full gallery). The plain loop opens each file with PIL, resizes it, and
runs the network in evaluation mode, NCHW, float32, batch 32. Ours decodes in parallel into a bank (made anew
each time), folds the batch norms away, runs channels last, in float32 and in bf16. The three take turns.

How near the embeddings are to the plain ones: the smallest cosine. Of a random ResNet-50 that says little,
since it maps all images to nearly one point (`cosine_between_images` says how nearly); so the same is done
with trained weights, EfficientNet-Lite0's from the extra `offline`, where it is installed.
Goals: 4 times as fast with a cosine of 0.999 (bf16), 2.5 times with 0.99999 (float32). About 3 minutes.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.drawn import draw_crops
from benchmarks.measure import Figures, Sheet, Target, add_options, ratios, seconds_of, spread
from genreid.data.cache import CACHE_VARIABLE
from genreid.data.listing import walk_images
from genreid.data.sample import Sample
from genreid.features.extract import Extractor
from genreid.features.feature_set import FeatureSet
from genreid.features.options import FeatureOptions
from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.models.devices import PrecisionName

PEOPLE, PLAIN_BATCH, COSINE_IMAGES = 751, 32, 256
TRAINED = "tf_efficientnet_lite0"
PLAIN, EXACT, FAST = "plain loop, fp32", "Extractor, fp32", "Extractor, bf16"
GOALS = {EXACT: (2.5, 0.99999), FAST: (4.0, 0.999)}


@dataclass(frozen=True)
class Case:
    """What is embedded.

    Attributes:
        backbone: timm name.
        size: Height and width.
        samples: The images.
        weights: `none` or `package`.
    """

    backbone: str
    size: tuple[int, int]
    samples: tuple[Sample, ...]
    weights: str = "none"


def main(argv: Sequence[str] | None = None) -> int:
    """Embed the images in three ways, in turns."""
    options = _arguments().parse_args(argv)
    if options.tiny:
        options.count, options.backbone, options.size, options.repeats = 6, "test_resnet", [128, 64], 1
    sheet = Sheet("extraction", "JPEG files to embeddings, against a plain loop")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        root = options.images or draw_crops(place / "crops", options.count)
        paths = sorted(walk_images(root))[: options.count]
        samples = tuple(Sample(path, 1 + row % PEOPLE, 1) for row, path in enumerate(paths))
        given = Case(options.backbone, (options.size[0], options.size[1]), samples)
        with cache_in(place / "cache"):
            rates = measure(given, options.repeats)
            compared = {"random": compare(given)} | trained_cosines(given, tiny=options.tiny)
    sheet.figures = {
        "backbone": options.backbone,
        "size": options.size,
        "images": len(samples),
        "real_images": options.images is not None,
        "images_per_second": {name: spread(found) for name, found in rates.items()},
        "cosines": compared,
        "threads": torch.get_num_threads(),
    }
    add_targets(sheet, rates, compared)
    return sheet.finish(options)


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction")
    parser.add_argument(
        "--backbone", default="resnet50.tv_in1k", help="with random weights: as fast as trained"
    )
    parser.add_argument("--size", type=int, nargs=2, default=[256, 128], metavar=("H", "W"))
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--images", type=Path, help="folder of real crops (default: drawn ones)")
    parser.add_argument("--repeats", type=int, default=2)
    return add_options(parser)


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """Let the package's cache, where banks are kept, be a folder of this run."""
    before = os.environ.get(CACHE_VARIABLE)
    os.environ[CACHE_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE_VARIABLE]
        else:
            os.environ[CACHE_VARIABLE] = before


def forget_banks() -> None:
    """Take decoded images out of the cache, so that they are decoded anew."""
    for path in (Path(os.environ[CACHE_VARIABLE]) / "banks").glob("*"):
        path.unlink()


def measure(given: Case, repeats: int) -> dict[str, list[float]]:
    """Return images a second of each way and turn."""
    network = _network(given)
    ways = {PLAIN: lambda: plain(network, given), **_ours(network, given)}
    few = Case(given.backbone, given.size, given.samples[:PLAIN_BATCH], given.weights)
    for warm in (lambda: plain(network, few), *_ours(network, few).values()):
        warm()
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            forget_banks()
            rates[name].append(len(given.samples) / seconds_of(way))
    return rates


def _network(given: Case) -> ReidNetwork:
    """Build the network, in evaluation mode."""
    torch.manual_seed(0)
    return build_reid_network(BackboneConfig(given.backbone, given.weights), PEOPLE).eval()


def _ours(network: ReidNetwork, given: Case) -> dict[str, Callable[[], FeatureSet]]:
    """Return the package's ways."""
    precisions: dict[str, PrecisionName] = {EXACT: "fp32", FAST: "bf16"}

    def way(precision: PrecisionName) -> Callable[[], FeatureSet]:
        extractor = Extractor.of_network(network, given.size, FeatureOptions(precision=precision), {})
        return lambda: extractor.extract(given.samples)

    return {name: way(precision) for name, precision in precisions.items()}


def plain(network: ReidNetwork, given: Case) -> FeatureSet:
    """Embed as one would write it first."""
    height, width = given.size
    found = []
    with torch.no_grad():
        for start in range(0, len(given.samples), PLAIN_BATCH):
            images = []
            for sample in given.samples[start : start + PLAIN_BATCH]:
                with Image.open(sample.path) as image:
                    resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
                images.append(torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1) / 127.5 - 1)
            embedding = network.feature_map(torch.stack(images).contiguous()).mean((2, 3))
            found.append((embedding / embedding.norm(dim=1, keepdim=True)).numpy())
    pids, camids = ([getattr(sample, name) for sample in given.samples] for name in ("pid", "camid"))
    paths = tuple(str(sample.path) for sample in given.samples)
    return FeatureSet(np.concatenate(found), np.array(pids), np.array(camids), paths)


def compare(given: Case) -> Figures:
    """Return the smallest cosine of each way to the plain loop, and the median between different images."""
    few = Case(given.backbone, given.size, given.samples[:COSINE_IMAGES], given.weights)
    network = _network(few)
    expected = plain(network, few).embedding
    found = {name: _smallest_cosine(way().embedding, expected) for name, way in _ours(network, few).items()}
    between = expected @ expected[np.roll(np.arange(len(expected)), 1)].T
    return {
        "backbone": given.backbone,
        "images": len(expected),
        "smallest": found,
        "cosine_between_images": float(np.median(np.diag(between))),
    }


def _smallest_cosine(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the smallest cosine of two lists of unit vectors, row by row."""
    return float((found.astype(np.float64) * expected).sum(1).min())


def trained_cosines(given: Case, *, tiny: bool) -> dict[str, Figures]:
    """Compare with trained weights, if there are any."""
    if tiny:
        return {}
    try:
        return {"trained": compare(Case(TRAINED, given.size, given.samples, "package"))}
    except ValueError:  # the extra is not installed
        return {}


def add_targets(sheet: Sheet, rates: dict[str, list[float]], compared: dict[str, Figures]) -> None:
    """Say which goals are met."""
    for name, (times, cosine) in GOALS.items():
        sheet.targets.append(
            Target(
                what=f"extraction from JPEG files, {sheet.figures['backbone'].split('.')[0]}, {name}",
                ours=f"{spread(rates[name])['median']:.3g} images/s",
                reference=f"{PLAIN}: {spread(rates[PLAIN])['median']:.3g} images/s",
                ratio=ratios(rates[name], rates[PLAIN])["median"],
                bound=times,
            )
        )
        for kind, found in compared.items():
            sheet.targets.append(
                Target(
                    what=f"smallest cosine to plain, {kind} {found['backbone'].split('.')[0]}, {name}",
                    ours=f"{found['smallest'][name]:.6f}",
                    reference="the same image, plain loop",
                    ratio=found["smallest"][name],
                    bound=cosine,
                    unit="cosine",
                    note=f"median between different images: {found['cosine_between_images']:.4f}",
                )
            )


if __name__ == "__main__":
    sys.exit(main())
