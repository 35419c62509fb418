"""Quality of generated images, several runs beside each other: CR-GAN's tables 1 and 4, DG-Net's table 2.

    python -m evidence.quality_rows RUN... --data DIR [--source DIR] [--judge RUN] [--inception-weights FILE]
        [--recipe NAME] [--seed N] [--out results/quality/PAIR]

A RUN's row has the name of its folder. Beside them stand `real` (the test set's people against the training
images, as DG-Net's authors may have done) and, for runs of `genreid adapt`, `source_target` (source images as
they are, against target images): what a perfect generator would reach, and where it starts. The papers'
absolute figures cannot be reached with another network; compared are ratios to `source_target` (spec cr-gan
E25). The figures come from the cache where they were computed before, so the same command goes on.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genreid import __version__
from genreid.data.fingerprint import dataset_fingerprint
from genreid.data.load import load_dataset
from genreid.data.mask_paths import mask_path
from genreid.data.sample import DISTRACTOR_PID, JUNK_PID, Sample
from genreid.data.whole_file import write_whole
from genreid.evaluation.provenance import source_commit
from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions
from genreid.models.precision import choose_compute
from genreid.pipelines.adapt import job_of_run
from genreid.pipelines.quality import CONTEXTS, PEOPLE, QualityOptions, quality_of
from genreid.quality.generated import GeneratedImage, read_settings
from genreid.quality.inception_weights import load_inception
from genreid.quality.measure import FIGURES, Instruments, Quality, Subject, measure
from genreid.reproduce.file import hardware
from genreid.runs.run import Run
from genreid.runs.run_folder import read_job

logger = logging.getLogger(__name__)

OF_REAL = ("fid2048", "fid768", "frechet_vgg16", "kid", "dssim_lab")
"""What can be said of real images alone."""
OF_PAIRS = ("lpips", "lpips_diversity", "ssim")
"""What is said of a source image and a target image, or of two target images."""
RATIOS = ("fid2048", "fid768", "frechet_vgg16", "kid", "lpips", "lpips_diversity", "context_distance")
"""Distances, of which a share of `source_target` can be told."""


class Domains(NamedTuple):
    """Real images that runs are measured against.

    Attributes:
        source: People who are rendered; empty: the runs are no runs of `genreid adapt`.
        target: Images that renderings should look like.
        others: Images of the same place that show other people: those of query and gallery.
        masks: Of source and target, in this order; empty: unknown.
    """

    source: tuple[Sample, ...]
    target: tuple[Sample, ...]
    others: tuple[Sample, ...]
    masks: tuple[tuple[Path, Path], ...]
    """Folder of the masks, folder of the data set."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the runs and what they are compared with; write a file a row.

    Args:
        argv: Words of the command line.
    """
    options = _arguments().parse_args(argv)
    rows: dict[str, Quality] = {}
    minutes: dict[str, float] = {}
    for run in options.runs:
        start = time.monotonic()
        wanted = QualityOptions(
            options.data,
            source=options.source,
            judge=options.judge,
            contexts=options.contexts,
            inception_weights=options.inception_weights,
            device=options.device,
        )
        rows[run.name] = quality_of(run, wanted)
        minutes[run.name] = (time.monotonic() - start) / 60
    first = options.runs[0]
    rows |= references(first, _domains(first, options), _instruments(options), options.contexts or CONTEXTS)
    for name, quality in rows.items():
        if options.out is not None:
            content = _content(name, quality, options)
            content["minutes"] = round(minutes.get(name, 0.0), 1)
            path = options.out / f"{name}.{options.recipe}.seed{options.seed}.json"
            write_whole(path, json.dumps(content, indent=1) + "\n")
    sys.stdout.write(table(rows))
    return 0


def references(
    run: Path, domains: Domains, instruments: Instruments, contexts: int = CONTEXTS
) -> dict[str, Quality]:
    """Measure real images as if they were generated.

    Args:
        run: A run whose images were measured: theirs is the size.
        domains: The real images.
        instruments: The networks.
        contexts: Target images for each source image of `lpips_diversity`.

    Returns:
        `real`, and `source_target` where there is a source.
    """
    settings = read_settings(Run(run).quality / "images")
    size = settings["height"], settings["width"]
    real = [sample.path for sample in domains.target]
    others = [GeneratedImage(sample.path, sample, sample.path) for sample in domains.others]
    found = {"real": measure(Subject(others, real, size, settings["kind"]), instruments, OF_REAL)}
    if not domains.source:
        return found
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(domains.target), len(domains.source)).tolist()
    people = [
        GeneratedImage(giver.path, giver, domains.target[place].path)
        for giver, place in zip(domains.source, drawn, strict=True)
    ]
    some = [domains.source[place] for place in random.permutation(len(domains.source))[:PEOPLE]]
    several = [
        GeneratedImage(domains.target[place].path, giver, domains.target[place].path)
        for giver in some
        for place in random.integers(0, len(domains.target), contexts)
    ]
    subject = Subject(people, real, size, settings["kind"], several, _masks(domains, people))
    alone = measure(subject, instruments)
    apart = [replace(item, path=item.context) for item in people]
    pairs = measure(replace(subject, images=apart), instruments, OF_PAIRS)
    found["source_target"] = alone._replace(
        figures={**alone.figures, **pairs.figures}, missing={**alone.missing, **pairs.missing}
    )
    return found


def table(rows: Mapping[str, Quality]) -> str:
    """Return the figures of all rows, and behind distances their share of `source_target`.

    Args:
        rows: By name.
    """
    names = [name for name in FIGURES if any(name in quality.figures for quality in rows.values())]
    base: Mapping[str, float | None] = rows["source_target"].figures if "source_target" in rows else {}
    lines = ["  ".join([f"{'row':<16}", *(f"{name:>16}" for name in names)])]
    for row, quality in rows.items():
        cells = [quality_cell(name, quality.figures.get(name), base.get(name)) for name in names]
        lines.append("  ".join([f"{row:<16}", *(f"{cell:>16}" for cell in cells)]))
    return "\n".join(lines) + "\n"


def quality_cell(name: str, value: float | None, base: float | None) -> str:
    """Return a figure, and its share of the figure of `source_target`.

    Args:
        name: The figure.
        value: None: it is missing.
        base: Of `source_target`; None: it is missing there.
    """
    if value is None:
        return "-"
    share = f" ({value / base:.2f})" if base and name in RATIOS else ""
    return f"{value:.4g}{share}"


def _domains(run: Path, options: argparse.Namespace) -> Domains:
    """Read the real images that a run is measured against."""
    target = load_dataset(options.data)
    seen = (*target.query, *target.gallery)
    others = tuple(sample for sample in seen if sample.pid not in {JUNK_PID, DISTRACTOR_PID})
    if "renderer" not in read_job(run):
        return Domains((), target.train, others, ())
    job = job_of_run(run).job
    source = load_dataset(options.source or job.source)
    people = source.known_people if job.source_split == "all" else source.train
    folders = (job.source_masks or run / "masks" / "source", job.target_masks or run / "masks" / "target")
    masks = tuple(zip(folders, (source.root, target.root), strict=True))
    return Domains(people, target.train, others, masks if all(folder.is_dir() for folder in folders) else ())


def _masks(domains: Domains, images: Sequence[GeneratedImage]) -> list[list[Path]]:
    """Return the masks of both images that a row is made of."""
    if not domains.masks:
        return []
    (givers, source), (contexts, target) = domains.masks
    return [
        [mask_path(contexts, target, item.context) for item in images],
        [mask_path(givers, source, item.giver.path) for item in images],
    ]


def _instruments(options: argparse.Namespace) -> Instruments:
    """Load what the runs were measured with."""
    weights, judge = options.inception_weights, options.judge
    chosen = FeatureOptions(device=options.device, precision="fp32")
    return Instruments(
        choose_compute(options.device, "fp32"),
        None if weights is None else load_inception(weights),
        None if judge is None else Extractor.from_run(judge, chosen),
    )


def _content(name: str, quality: Quality, options: argparse.Namespace) -> dict[str, Any]:
    """Return what the file of a row holds."""
    runs = {run.name: run for run in options.runs}
    judge = options.judge
    return {
        "quality_of": name,
        "recipe": options.recipe,
        "seed": options.seed,
        "figures": {
            key: value if value is None else round(value, 6) for key, value in quality.figures.items()
        },
        "missing": dict(quality.missing),
        "images": quality.images,
        "real": quality.real,
        "data": dataset_fingerprint(load_dataset(options.data)),
        "judge": None if judge is None else Extractor.from_run(judge, FeatureOptions()).metadata["model"],
        "made_with": read_settings(Run(runs[name]).quality / "images")["networks"] if name in runs else None,
        "commit": source_commit() or None,
        "version": __version__,
        "hardware": hardware(options.device),
    }


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evidence.quality_rows")
    add = parser.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN", help="of one method and one pair of data sets")
    add("--data", type=Path, required=True, help="the target, or DG-Net's people")
    add("--source", type=Path, help="CR-GAN's source (default: the one that the first run names)")
    add("--judge", type=Path, help="a baseline of another backbone and other people")
    add("--contexts", type=int, help="as that of `genreid quality` (default: 20)")
    add("--inception-weights", type=Path)
    add("--recipe", default="compact", help="what the runs were trained with, for the files' names")
    add("--seed", type=int, default=0)
    add("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    add("--out", type=Path, help="folder of the files, such as results/quality/cuhk03-market1501")
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    raise SystemExit(main())
