"""Pictures of a run's renderings, made from the very data sets and masks that the run was made from."""

import logging
from dataclasses import dataclass
from pathlib import Path

from genreid.generation.renderings import check_sheet_path, rendering_sheet, save_sheet
from genreid.models.devices import DeviceName
from genreid.models.precision import choose_compute
from genreid.pipelines.adapt import job_of_run, open_domains
from genreid.runs.run import Run
from genreid.runs.trained_renderer import load_renderer
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
