"""`genreid adapt`: from two folders of crops to an adapted re-id network (CR-GAN, algorithm 1)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from torch import nn

from genreid.data.batch import open_image_set
from genreid.data.load import open_dataset
from genreid.data.sample import UNKNOWN_CAMID, ReidDataset, Sample, count_pids
from genreid.data.training_people import training_people
from genreid.generation.renderings import rendering_sheet, save_sheet
from genreid.masks.blazepose import load_blazepose
from genreid.masks.make import make_masks
from genreid.methods import METHODS, load
from genreid.models.backbone import ReidNetwork
from genreid.models.crgan import CameraDiscriminator, PairRenderer
from genreid.models.precision import choose_compute
from genreid.pipelines.target_images import Following, OwnImages, TargetWork, pids_of
from genreid.recipes.crgan import RENDERER_OF_RECIPE
from genreid.runs.config_file import config_from_dict, config_of, config_to_dict, merge_mappings
from genreid.runs.earlier_run import take_over_if_it_fits, take_over_stage
from genreid.runs.loop import Outcome, Stage, run_stage
from genreid.runs.run import Run
from genreid.runs.run_folder import read_config, read_job
from genreid.runs.run_images import note_images
from genreid.runs.run_options import RunOptions
from genreid.runs.trained_renderer import AVERAGE, RENDERERS, RendererName
from genreid.runs.work import Work, work_on
from genreid.training.adapt_config import AdaptConfig
from genreid.training.crgan_stages import (
    Domains,
    PairPlan,
    Workbench,
    camera_stage,
    draw_pairs,
    finetuning_stage,
    make_renderer,
    render,
)
from genreid.training.identity_stage import identity_stage

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    ThenName = str
else:
    ThenName = Literal[("none", *(name for name, method in METHODS.items() if method.then))]
"""What follows the paper's three stages."""
SHEET_COLUMNS = 12
"""Pairs in the picture of a run's renderings."""


@dataclass(frozen=True, slots=True)
class AdaptJob:
    """Adapt a re-id network from a labelled source to an unlabelled target, with CR-GAN."""

    command: ClassVar[str] = "adapt"
    """What a run folder remembers of who made it."""

    source: Path
    """Labelled data set."""
    target: Path
    """Unlabelled data set; its training images are used, and of their names only the camera (see --then)."""
    out: Path
    """Run folder; a run that is there is resumed."""
    source_format: str | None = None
    """Format of the source such as `msmt17:train` (default: recognised)."""
    source_pattern: str | None = None
    """Format `folder`: where identity and camera stand in a path of the source; see `genreid data check`."""
    target_format: str | None = None
    """Format of the target such as `msmt17:train` (default: recognised)."""
    target_pattern: str | None = None
    """The same as --source-pattern for the target."""
    source_split: Literal["train", "all"] = "train"
    """`all`: train, query and gallery of the source together, junk and distractors left out."""
    source_masks: Path | None = None
    """Person masks of the source (default: made into RUN/masks/source)."""
    target_masks: Path | None = None
    """Person masks of the target (default: made into RUN/masks/target)."""
    renderer: RendererName | None = None
    """What makes stage III's images (default: crgan; with --recipe quick composite). crgan; crgan_single:
    without dual condition; spgan: SPGAN, another paper's. Without a generator, in minutes: composite: the
    person in the target's colours, on its background; colour: the target's colours alone; cut_paste: pasted
    as it is; none: source images."""
    pretrained: Path | None = None
    """Another run whose stage I (and nothing else) is taken over."""
    parser_model: Path | None = None
    """File of the person-mask network, where it cannot be fetched; see `genreid mask --help`."""
    then: ThenName = "none"
    """A fourth stage, on the target's own images: cluster (unlabelled); taudl, which uses which images of one
    camera show one person, and so is not label-free; none: the paper's three."""
    diagnose: bool = False
    """--then cluster: say how pure the clusters are; not to be used for choosing anything."""

    @property
    def renderer_name(self) -> RendererName:
        """What makes stage III's images."""
        return self.renderer or "crgan"

    @property
    def needs_masks(self) -> bool:
        """Whether its renderer looks at person masks."""
        return RENDERERS[self.renderer_name].kind.needs_masks

    @property
    def needs_cameras(self) -> bool:
        """Whether a camera network guides the training of its renderer."""
        return RENDERERS[self.renderer_name].needs_camera

    def __post_init__(self) -> None:
        """Refuse what would do nothing."""
        if self.diagnose and self.then != "cluster":
            msg = f"--diagnose looks at the clusters of --then cluster, got --then {self.then}"
            raise ValueError(msg)


class RecordedRun(NamedTuple):
    """What a run folder remembers.

    Attributes:
        job: What was asked for.
        config: All settings.
        held_out: Source people that were kept out.
    """

    job: AdaptJob
    config: AdaptConfig
    held_out: int


@dataclass(frozen=True)
class _Inputs:
    """The two data sets and what is used of them."""

    source: ReidDataset
    source_samples: tuple[Sample, ...]
    target: ReidDataset


def adapt(job: AdaptJob, options: RunOptions, config: AdaptConfig) -> Outcome:
    """Run CR-GAN's three stages, from where the run folder stands.

    Args:
        job: Source, target, run folder, renderer.
        options: Seed, device, precision, time limit, people held out.
        config: All settings.

    Returns:
        Whether the run is finished, or the time limit or a signal stopped it at a checkpoint.

    Raises:
        ValueError: If the folders, masks or settings do not fit together.
    """
    job = replace(job, renderer=job.renderer or RENDERER_OF_RECIPE.get(options.recipe, "crgan"))
    compute = choose_compute(options.device, options.precision)
    inputs = _read_inputs(job, options.holdout)
    following: Following | None = None if job.then == "none" else load(METHODS[job.then].then)
    name = job.renderer_name
    config = config_of(config, RENDERERS[name].decides, source=f"--renderer {name}")
    with work_on(job, options, config, compute) as work:
        finished = _run(job, inputs, following, Workbench(config, options.seed, compute), work)
    return work.session.end(finished=finished)


class OpenedRun(NamedTuple):
    """Source and target as a run sees them.

    Attributes:
        domains: Their images, decoded.
        source_samples: What is known of the source's images, row by row.
        source: The source.
        target: The target; its training images are the rows.
        source_masks: Folder of the source's masks; None: the renderer looks at none.
        target_masks: The same of the target.
    """

    domains: Domains
    source_samples: tuple[Sample, ...]
    source: ReidDataset
    target: ReidDataset
    source_masks: Path | None
    target_masks: Path | None


def open_run(recorded: RecordedRun) -> OpenedRun:
    """Open source and target as a run sees them; masks that are missing are made.

    Args:
        recorded: What the run was asked to do.

    Raises:
        ValueError: If a data set is gone or holds too little.
    """
    inputs = _read_inputs(recorded.job, recorded.held_out)
    masks = _masks_of(recorded.job, inputs)
    assert masks is not None
    domains = _domains_of(recorded.job, inputs, masks, recorded.config)
    return OpenedRun(domains, inputs.source_samples, inputs.source, inputs.target, *masks)


def open_domains(recorded: RecordedRun) -> Domains:
    """Open the images of source and target as a run sees them: `open_run`.

    Args:
        recorded: What the run was asked to do.

    Raises:
        ValueError: As `open_run`.
    """
    return open_run(recorded).domains


def job_of_run(run: Path) -> RecordedRun:
    """Return what a run of `genreid adapt` was asked to do.

    Args:
        run: The run folder.

    Raises:
        ValueError: If it is no run folder of this command.
    """
    record = read_job(run)
    if "renderer" not in record:
        msg = f"{run} is no run of `genreid adapt`"
        raise ValueError(msg)
    # a run of an older version lacks newer settings: it was made with what are their defaults today
    given = {item.name: record.get(item.name, item.default) for item in fields(AdaptJob)}
    job = config_from_dict(AdaptJob, {**given, "out": str(run)}, source=str(Run(run).job))
    settings = merge_mappings(config_to_dict(AdaptConfig()), read_config(run))
    config = config_from_dict(AdaptConfig, settings, source=str(Run(run).config))
    return RecordedRun(job, config, int(record.get("holdout", 0)))


def _run(job: AdaptJob, inputs: _Inputs, following: Following | None, bench: Workbench, work: Work) -> bool:
    """Make masks, then run stages I, II and III; False as soon as the session has to stop."""
    with work.session.catching_signals():
        masks = _masks_of(job, inputs, work.session.must_stop)
    if masks is None:
        return False
    domains = _domains_of(job, inputs, masks, bench.config)
    for domain in (domains.source, domains.target):
        note_images(work.session, domain)
        domain.to_device(bench.compute.device)
    own = _own_images(inputs, domains)
    if following is not None and following.expect is not None:  # hours before it begins
        following.expect(own, getattr(bench.config, job.then))

    # Stage I: D_id learns the source people, D_cam the target's cameras.
    identity = identity_stage(bench.config.baseline, domains.source, bench.seed, bench.compute)
    if job.pretrained is not None:
        take_over_stage(job.pretrained, job.out, identity, "--pretrained")
    if not run_stage(identity, *work):
        return False
    needs_camera = job.needs_cameras and domains.cameras_known and bench.config.stage2.weights.camera > 0
    camera = camera_stage(bench, domains.target) if needs_camera else None
    if camera is not None and job.pretrained is not None:
        take_over_if_it_fits(job.pretrained, job.out, camera)  # that of another target does not
    if camera is not None and not run_stage(camera, *work):
        return False

    # Stage II: G and D_d learn, D_id and D_cam are frozen (SPGAN: both generators, and what judges them).
    renderer = make_renderer(job.renderer_name, bench.config)
    reid = identity.network("identity", ReidNetwork)
    if train := RENDERERS[job.renderer_name].train:
        cameras = None if camera is None else camera.network("camera", CameraDiscriminator)
        rendering: Stage[Any] = load(train)(bench, domains, reid, cameras)
        if not run_stage(rendering, *work):
            return False
        renderer = rendering.network(AVERAGE if AVERAGE in rendering.networks else "generator", PairRenderer)
        _save_pictures(Run(job.out).images / "renderings.png", renderer, domains, bench)

    # Stage III: D_id learns from renderings made on the fly.
    if not run_stage(finetuning_stage(bench, domains, reid, renderer), *work):
        return False

    # And then, if asked for: the network goes on with the target's own images.
    backbone = replace(bench.config.backbone, weights="none", dropout=0.0, bottleneck=0)
    at = TargetWork(own, backbone, partial(_copy_backbone, reid), bench.compute, work, job.diagnose)
    return following is None or following.run(at, getattr(bench.config, job.then))


def _copy_backbone(trained: ReidNetwork, fresh: nn.Module) -> None:
    """Give a fresh backbone the weights of a trained network's."""
    fresh.load_state_dict(trained.backbone.state_dict())


def _own_images(inputs: _Inputs, domains: Domains) -> OwnImages:
    """Return the target's images, whether or not they have masks, and what their names say of people."""
    images = replace(domains.target, masks=None, usable=domains.target.bank.readable_indices)
    return OwnImages(images, pids_of(inputs.target.train))


def _read_inputs(job: AdaptJob, held_out: int) -> _Inputs:
    """Read both data sets and choose the source images."""
    source = open_dataset(job.source, job.source_format, job.source_pattern)
    target = open_dataset(job.target, job.target_format, job.target_pattern)
    samples = training_people(source, job.source_split, held_out)
    if not target.train:
        msg = f"{job.target}: no training images; CR-GAN adapts to the training split of the target"
        raise ValueError(msg)
    people = count_pids(samples)
    logger.info("source: %d images of %d people; target: %d images", len(samples), people, len(target.train))
    return _Inputs(source, samples, target)


class _Masks(NamedTuple):
    """Where the person masks of both domains are; None: no stage asks for them."""

    source: Path | None
    target: Path | None


def _masks_of(job: AdaptJob, inputs: _Inputs, must_stop: Callable[[], bool] | None = None) -> _Masks | None:
    """Return the masks that were given, or make those that are missing; None: stopped before that."""
    if not job.needs_masks:
        return _Masks(None, None)
    made = job.out / "masks"
    for out, given, root, samples in (
        (made / "source", job.source_masks, inputs.source.root, inputs.source_samples),
        (made / "target", job.target_masks, inputs.target.root, inputs.target.train),
    ):
        if given is None:
            parser = load_blazepose(job.parser_model)
            if make_masks(samples, root, out, parser, must_stop=must_stop).missing:
                return None
    return _Masks(job.source_masks or made / "source", job.target_masks or made / "target")


def _domains_of(job: AdaptJob, inputs: _Inputs, masks: _Masks, config: AdaptConfig) -> Domains:
    """Decode the images of both domains."""
    size, kind = config.image.size, config.image.kind
    pids = [sample.pid for sample in inputs.source_samples]
    camids = [sample.training_camid for sample in inputs.target.train]
    source = open_image_set(inputs.source_samples, pids, size, inputs.source.root, masks.source, kind)
    target = open_image_set(inputs.target.train, camids, size, inputs.target.root, masks.target, kind)
    known = UNKNOWN_CAMID not in target.classes and len(target.classes) > 1
    if not known and job.needs_cameras:
        logger.warning(
            "%s: %s: the camera loss is off",
            job.target,
            "cameras are unknown" if UNKNOWN_CAMID in target.classes else "one camera",
        )
    for name, images in (("source", source), ("target", target)):
        if len(images.usable) < len(images.labels):
            logger.warning("%s: %d of %d images can be used", name, len(images.usable), len(images.labels))
    return Domains(source, target, known)


def _save_pictures(path: Path, renderer: PairRenderer, domains: Domains, bench: Workbench) -> None:
    """Keep a sheet of renderings in the run folder, for the eye."""
    if path.exists():
        return
    pair = draw_pairs(domains, PairPlan(SHEET_COLUMNS, bench.seed, "pictures"), 0, bench.compute.device).pair
    save_sheet(path, rendering_sheet(pair, render(renderer.eval(), pair, bench.compute)))
