"""`genreid train dgnet`: the teacher, then DG-Net on the people of one data set."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from genreid.data.batch import open_image_set
from genreid.data.load import open_dataset
from genreid.data.training_people import training_people
from genreid.models.backbone import ReidNetwork
from genreid.models.dgnet import AppearanceEncoder, Decoder, DgnetNetworks, StructureEncoder
from genreid.models.precision import choose_compute
from genreid.pipelines.generate_sheets import SwapSheetOptions, picture_grid
from genreid.runs.checkpoint import load_newest
from genreid.runs.earlier_run import start_backbone_from, take_over_stage
from genreid.runs.loop import Outcome, run_stage
from genreid.runs.run import Run
from genreid.runs.run_images import note_images
from genreid.runs.run_options import RunOptions
from genreid.runs.work import Work, work_on
from genreid.training.dgnet_config import DgnetConfig
from genreid.training.dgnet_stage import DgnetBench, dgnet_stage, offline_stage
from genreid.training.identity_stage import identity_stage


@dataclass(frozen=True, slots=True)
class DgnetJob:
    """Train DG-Net on labelled people: it learns to tell them apart and to redress them."""

    command: ClassVar[str] = "train dgnet"
    """What a run folder remembers of who made it."""

    data: Path
    """Labelled data set; its training images are used."""
    out: Path
    """Run folder; a run that is there is resumed."""
    format: str | None = None
    """Format of the data set such as `msmt17:train` (default: recognised)."""
    pattern: str | None = None
    """Format `folder`: where identity and camera stand in a path; see `genreid data check`."""
    split: Literal["train", "all"] = "train"
    """`all`: train, query and gallery together, junk and distractors left out."""
    teacher_run: Path | None = None
    """Another run, of the same data and people, whose teacher is taken over (default: one is trained)."""
    init: Path | None = None
    """Another run whose re-id network's backbone the teacher, if it is trained here, and E_a start from."""


def train_dgnet(job: DgnetJob, options: RunOptions, config: DgnetConfig) -> Outcome:
    """Train the teacher and DG-Net, from where the run folder stands.

    Args:
        job: Data set, run folder, teacher.
        options: Seed, device, precision, time limit, people held out.
        config: All settings.

    Returns:
        Whether the run is finished, or the time limit or a signal stopped it at a checkpoint.

    Raises:
        ValueError: If the folder, the teacher or the settings do not fit.
    """
    compute = choose_compute(options.device, options.precision)
    dataset = open_dataset(job.data, job.format, job.pattern)
    samples = training_people(dataset, job.split, options.holdout)
    with work_on(job, options, config, compute) as work:
        pids = [sample.pid for sample in samples]
        images = open_image_set(samples, pids, config.image.size, dataset.root, kind=config.image.kind)
        note_images(work.session, images)
        images.to_device(compute.device)
        finished = _run(job, DgnetBench(config, images, None, options.seed, compute), work)
        if finished and config.training.generation:
            _save_grid(job.out, options)
    return work.session.end(finished=finished)


def _save_grid(run: Path, options: RunOptions) -> None:
    """Keep a grid of swapped people in the run folder, for the eye."""
    path = Run(run).images / "grid.png"
    if not path.exists():
        picture_grid(run, SwapSheetOptions(seed=options.seed, out=path, device=options.device))


def _run(job: DgnetJob, bench: DgnetBench, work: Work) -> bool:
    """Train the teacher, DG-Net and, where feeding is offline, the re-id network; False on a stop before."""
    # The teacher: a plain re-id network of the same people.
    if bench.config.training.needs_teacher:
        teaching = identity_stage(bench.config.teacher, bench.source, bench.seed, bench.compute)
        if job.teacher_run is not None:
            take_over_stage(job.teacher_run, job.out, teaching, "--teacher-run")
        elif job.init is not None and load_newest(Run(job.out).stage(teaching.name)) is None:
            start_backbone_from(teaching.network("identity", ReidNetwork).backbone, job.init)
        if not run_stage(teaching, *work):
            return False
        bench = replace(bench, teacher=teaching.network("identity", ReidNetwork))

    # DG-Net: E_a, E_s, G and D together.
    stage = dgnet_stage(bench)
    if job.init is not None and load_newest(Run(job.out).stage(stage.name)) is None:
        start_backbone_from(stage.network("appearance", AppearanceEncoder).backbone, job.init)
    if not run_stage(stage, *work):
        return False
    if bench.config.training.feeding != "offline" or not bench.config.training.needs_teacher:
        return True

    # Offline feeding: a new E_a learns from a generator that no longer changes.
    generators = DgnetNetworks(
        stage.network("appearance", AppearanceEncoder),
        stage.network("structure", StructureEncoder),
        stage.network("decoder", Decoder),
    )
    offline = offline_stage(bench, generators)
    return run_stage(offline, *work)
