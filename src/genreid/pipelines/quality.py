"""`genreid quality`: how good the images of a run, or of a folder of generated ones, are."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from genreid.data.load import load_dataset, open_dataset
from genreid.data.sample import Sample
from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions
from genreid.generation.dataset import SETTINGS, Generated
from genreid.models.devices import DeviceName
from genreid.models.precision import choose_compute
from genreid.pipelines.adapt import job_of_run, open_run
from genreid.pipelines.generate_dataset import DatasetOptions, render_run, rendering_of_run, swaps_of_run
from genreid.pipelines.people_of_run import people_of_run
from genreid.quality.generated import GeneratedSet, MaskFolders, RealImages, read_generated, read_settings
from genreid.quality.inception_weights import load_inception
from genreid.quality.judge import expect_strangers
from genreid.quality.measure import Instruments, Quality, Subject, measure
from genreid.runs.run import Run
from genreid.runs.run_folder import read_config, read_job

logger = logging.getLogger(__name__)

CONTEXTS = 20
"""Renderings of one source image for `lpips_diversity`: 19 pairs, as MUNIT has them."""
PEOPLE = 100
"""Source images that are rendered so often."""

NO_MASKS = MaskFolders()


@dataclass(frozen=True)
class QualityOptions:
    """What is measured against what, and with what.

    Attributes:
        data: Data set whose training images the generated ones should look like; CR-GAN: the target.
        source: CR-GAN: the source; None: the one that the run, or the folder, names.
        judge: Run folder of a baseline that ranks; None: no `judge_rank1`.
        contexts: CR-GAN: renderings of each of 100 source images for `lpips_diversity` (default: 20). DG-Net:
            images of each appearance (default: 1). A folder holds what it holds.
        inception_weights: File of TensorFlow's Inception; None: no FID and no KID.
        masks: Person masks, where those that the run, or the folder, names are not meant.
        device: `auto`, `cpu` or `cuda`.
    """

    data: Path
    source: Path | None = None
    judge: Path | None = None
    contexts: int | None = None
    inception_weights: Path | None = None
    masks: MaskFolders = NO_MASKS
    device: DeviceName = "auto"


class _Found(NamedTuple):
    """What was found to measure."""

    generated: GeneratedSet
    real: tuple[Sample, ...]
    several: GeneratedSet | None = None


def quality_of(place: Path, options: QualityOptions) -> Quality:
    """Measure the images that a run generates, or a folder of generated images.

    A run's images are generated into RUN/quality and stay there.

    Args:
        place: Run folder of `genreid adapt` or `genreid train dgnet`, or a folder of `genreid generate
            --dataset`.
        options: Against what, and with what.

    Returns:
        The figures; those that cannot be had are missing, with the reason.

    Raises:
        ValueError: If there is nothing to measure, or a file or the judge is not what it should be.
        KeyboardInterrupt: If Ctrl-C came while images were generated; those that there are stay.
    """
    inception = None if options.inception_weights is None else load_inception(options.inception_weights)
    if (place / SETTINGS).is_file():
        found = _of_folder(place, options)
    elif not Run(place).job.is_file():
        msg = f"{place} is neither a run folder nor a folder that `genreid generate RUN --dataset DIR` wrote"
        raise ValueError(msg)
    else:
        found = _of_adapt(place, options) if "renderer" in read_job(place) else _of_dgnet(place, options)
    judge = None if options.judge is None else _judge(options.judge, place, found, options.device)
    generated = found.generated
    masks = MaskFolders(
        options.masks.givers or generated.masks.givers, options.masks.contexts or generated.masks.contexts
    )
    subject = Subject(
        generated.images,
        [sample.path for sample in found.real],
        generated.size,
        generated.kind,
        None if found.several is None else found.several.images,
        generated.background_masks(masks),
    )
    return measure(subject, Instruments(choose_compute(options.device, "fp32"), inception, judge))


def _of_folder(folder: Path, options: QualityOptions) -> _Found:
    """Read a folder of generated images."""
    if options.contexts is not None:
        msg = f"--contexts: {folder} holds its images already; `genreid generate RUN --contexts N` makes more"
        raise ValueError(msg)
    settings = read_settings(folder)
    dataset = open_dataset(options.data)
    contexts = RealImages.of(dataset.train, dataset.root)
    givers = contexts
    if "renderer" in settings or options.source is not None:
        source = load_dataset(options.source or settings["data"])
        givers = RealImages.of((*source.train, *source.known_people), source.root)
    return _Found(read_generated(folder, givers, contexts), dataset.train)


def _of_adapt(run: Path, options: QualityOptions) -> _Found:
    """Render the source of a run of `genreid adapt`."""
    recorded = job_of_run(run)
    given, job = options.masks, recorded.job
    job = replace(
        job,
        source=options.source or job.source,
        target=options.data,
        source_masks=given.givers or job.source_masks,
        target_masks=given.contexts or job.target_masks,
    )
    recorded = recorded._replace(job=job)
    opened = open_run(recorded)
    rendering = rendering_of_run(run, recorded, opened, options.device)
    main = DatasetOptions(Run(run).quality / "images")
    _generate(main.out, lambda: render_run(run, rendering, main))
    several = DatasetOptions(Run(run).quality / "several", contexts=options.contexts or CONTEXTS)
    _generate(several.out, lambda: render_run(run, rendering, several, PEOPLE))
    givers = RealImages.of(opened.source_samples, opened.source.root)
    contexts = RealImages.of(opened.target.train, opened.target.root)
    images, varied = (read_generated(item.out, givers, contexts) for item in (main, several))
    folders = (job.source_masks or run / "masks" / "source", job.target_masks or run / "masks" / "target")
    masks = MaskFolders(*(folder if folder.is_dir() else None for folder in folders))
    return _Found(replace(images, masks=masks), opened.target.train, varied)


def _of_dgnet(run: Path, options: QualityOptions) -> _Found:
    """Generate the people of a run of `genreid train dgnet`, each image as appearance once."""
    if options.source is not None:
        msg = f"--source is for runs of `genreid adapt`; {run} mixes the people of --data with each other"
        raise ValueError(msg)
    wanted = DatasetOptions(Run(run).quality / "images", contexts=options.contexts or 1)
    _generate(wanted.out, lambda: swaps_of_run(run, wanted, options.data))
    people = people_of_run(run, options.data)
    real = RealImages.of(people.samples, people.root)
    return _Found(read_generated(wanted.out, real, real), people.samples)


def _generate(folder: Path, write: Callable[[], Generated]) -> None:
    """Generate into a folder of the run, or go on there."""
    try:
        made = write()
    except ValueError as error:
        if not (folder / SETTINGS).is_file():
            raise
        msg = f"{error}\n`genreid quality` generates into {folder}: delete it to measure the run as it is now"
        raise ValueError(msg) from error
    if not made.finished:
        raise KeyboardInterrupt


def _judge(judge: Path, place: Path, found: _Found, device: DeviceName) -> Extractor:
    """Load the judge; refuse one that knows the people, warn of one that is like the run."""
    people = people_of_run(judge).samples
    expect_strangers(judge, [item.giver for item in found.generated.images], people)
    extractor = Extractor.from_run(judge, FeatureOptions(device=device, precision="fp32"))
    own = _backbone(place)
    if own and own == _backbone(judge):
        logger.warning("--judge %s has the backbone of the run (%s): take another one", judge, own)
    return extractor


def _backbone(run: Path) -> str:
    """Return the name of a run's backbone; empty: it is no run."""
    if not Run(run).job.is_file():
        return ""
    config = read_config(run)
    return str(config.get("backbone", config.get("teacher", {}).get("backbone", {})).get("name", ""))
