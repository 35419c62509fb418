"""Pictures of a run's renderings, made from the very data sets and masks that the run was made from."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genreid.data.augment import to_float
from genreid.data.batch import BatchPlan, ImageSet
from genreid.generation.renderings import check_sheet_path, context_sheet, rendering_sheet, save_sheet
from genreid.models.crgan import ConditionPair
from genreid.models.devices import DeviceName
from genreid.models.precision import choose_compute
from genreid.pipelines.adapt import job_of_run, open_domains
from genreid.runs.run import Run
from genreid.runs.trained_renderer import RENDERERS, load_renderer
from genreid.training.crgan_stages import PairPlan, draw_pairs, render

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SheetOptions:
    """Which pairs are drawn, and where the picture goes.

    Attributes:
        count: Number of pairs.
        seed: Which pairs.
        out: The PNG; None: RUN/images/renderings-seedN.png.
        device: `auto`, `cpu` or `cuda`.
        force: Replace `out` even if genreid did not draw it.
    """

    count: int = 12
    seed: int = 0
    out: Path | None = None
    device: DeviceName = "auto"
    force: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.count < 1:
            msg = f"--count must be 1 or more, got {self.count}"
            raise ValueError(msg)
        if self.out is not None:
            check_sheet_path(self.out, replaces=self.force)


@dataclass(frozen=True, kw_only=True)
class ContextOptions(SheetOptions):
    """Who is drawn under which targets.

    Attributes:
        count: People that are drawn, if none are given.
        contexts: Targets that are drawn, if none are given.
        source: Images of the run's source, one for each person; empty: drawn.
        target: Images of the run's target; empty: drawn.
    """

    count: int = 3
    contexts: int = 6
    source: Sequence[Path] = ()
    target: Sequence[Path] = ()

    def __post_init__(self) -> None:
        """Check the ranges."""
        SheetOptions.__post_init__(self)
        if self.contexts < 1:
            msg = f"--contexts must be 1 or more, got {self.contexts}"
            raise ValueError(msg)


def picture_renderings(run: Path, options: SheetOptions) -> Path:
    """Draw rows of X_S, X_T, M_S, 1-X_C, X_G for random pairs of a run's source and target.

    Args:
        run: Run folder of `genreid adapt`.
        options: Which pairs, and where to.

    Returns:
        The PNG that was written.

    Raises:
        ValueError: If the run has no generator yet, or its data sets are gone.
    """
    recorded = job_of_run(run)
    renderer = load_renderer(run)
    compute = choose_compute(options.device)
    job = recorded.job
    logger.info("%s names its data: reading images of %s and of %s", run, job.source, job.target)
    domains = open_domains(recorded)
    network = compute.place(renderer.network).eval()
    pair = draw_pairs(domains, PairPlan(options.count, options.seed, "pictures"), 0, compute.device).pair
    path = options.out or Run(run).images / f"renderings-seed{options.seed}.png"
    save_sheet(path, rendering_sheet(pair, render(network, pair, compute)))
    return path


def picture_contexts(runs: Sequence[Path], options: ContextOptions) -> Path:
    """Draw people under many targets, what several runs make of them below each other (figures 6 and 7).

    Args:
        runs: Run folders of `genreid adapt`, of one image size. Images and masks are those of the first one
            that has masks.
        options: Who, under which targets, and where to.

    Returns:
        The PNG that was written.

    Raises:
        ValueError: If a run has no generator yet, sizes differ, its data sets are gone, or an image is none
            of theirs.
    """
    recorded = [job_of_run(run) for run in runs]
    renderers = [load_renderer(run) for run in runs]
    if len({renderer.size for renderer in renderers}) > 1:
        sizes = ", ".join(
            f"{run} {one.size[0]}x{one.size[1]}" for run, one in zip(runs, renderers, strict=True)
        )
        msg = f"runs that are drawn below each other have to be of one image size, got {sizes}"
        raise ValueError(msg)
    chosen = next(
        (one for one in recorded if RENDERERS[one.job.renderer or "crgan"].kind.needs_masks), recorded[0]
    )
    compute, domains = choose_compute(options.device), open_domains(chosen)
    seed, device = options.seed, compute.device
    people = _rows(domains.source, options.source, BatchPlan(options.count, seed, "contexts/source"))
    targets = _rows(domains.target, options.target, BatchPlan(options.contexts, seed, "contexts/target"))
    pairs = torch.cartesian_prod(people, targets)
    images, masks = zip(
        *(_taken(*side, device) for side in zip((domains.source, domains.target), pairs.T, strict=True)),
        strict=True,
    )
    pair = ConditionPair(*images, *masks)
    shown = {}
    for run, renderer in zip(runs, renderers, strict=True):
        network = compute.place(renderer.network).eval()
        shown[run.resolve().name] = render(network, pair, compute).image
    sheet = context_sheet(pair.source[:: len(targets)], pair.target[: len(targets)], shown)
    path = options.out or Run(runs[0]).images / f"contexts-seed{seed}.png"
    save_sheet(path, sheet)
    return path


def _rows(images: ImageSet, given: Sequence[Path], plan: BatchPlan) -> Tensor:
    """Return the rows of the images that were given, or drawn ones."""
    if not given:
        return images.rows(plan, 0)
    usable = set(images.usable.tolist())
    known = {path.resolve(): row for row, path in enumerate(images.bank.paths) if row in usable}
    for path in given:
        if path.resolve() not in known:
            msg = (
                f"--{plan.stream.removeprefix('contexts/')} {path}: expected an image that the run was made "
                f"with, such as {next(iter(known))}; only of those the mask is known"
            )
            raise ValueError(msg)
    return torch.tensor([known[path.resolve()] for path in given])


def _taken(images: ImageSet, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return images and masks as they are; masks that nobody needs are empty."""
    pixels = to_float(images.bank.gather(rows, device))
    masks = (
        torch.zeros_like(pixels[:, :1]) if images.masks is None else images.masks.gather(rows, device).float()
    )
    return pixels.contiguous(memory_format=torch.channels_last), masks
