"""A data set of generated people, made of the very people that a run was trained on."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from genreid.data.batch import open_image_set
from genreid.generation.dataset import DatasetOrder, Generated, generate_dataset
from genreid.generation.dataset_plan import People
from genreid.generation.rendered_dataset import Rendering, Side, render_dataset
from genreid.generation.swapping import Swapper
from genreid.models.devices import DeviceName
from genreid.models.precision import choose_compute
from genreid.pipelines.adapt import OpenedRun, RecordedRun, job_of_run, open_run
from genreid.pipelines.people_of_run import people_of_run
from genreid.runs.run_folder import read_job
from genreid.runs.trained_renderer import load_renderer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetOptions:
    """Which pictures of a run are wanted.

    Attributes:
        out: The data set's folder; one that was begun with the same settings is gone on with.
        count: Pictures; None: `contexts` of each real image. For DG-Net alone.
        contexts: Pictures of each real image: other target images (CR-GAN), other structures (DG-Net).
        seed: Which pictures.
        as_published: As `DatasetOrder`.
        device: `auto`, `cpu` or `cuda`.
    """

    out: Path
    count: int | None = None
    contexts: int = 1
    seed: int = 0
    as_published: bool = False
    device: DeviceName = "auto"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, number in (("--count", self.count), ("--contexts", self.contexts)):
            if number is not None and number < 1:
                msg = f"{name} must be 1 or more, got {number}"
                raise ValueError(msg)

    def order(self, run: Path, images: int) -> DatasetOrder:
        """Return what is wanted, with its count.

        Args:
            run: The run folder, for the record.
            images: Real images that can be read.
        """
        count = self.contexts * images if self.count is None else self.count
        return DatasetOrder(self.out, count, self.seed, run, self.as_published)


def dataset_of_run(run: Path, options: DatasetOptions, data: Path | None = None) -> Generated:
    """Write a data set of generated people: DG-Net's, as DG-Market, or what any renderer of CR-GAN makes.

    Args:
        run: Run folder of `genreid train dgnet` or `genreid adapt`.
        options: Which pictures, and where to.
        data: DG-Net: folder of the training people; None: the one that the run names.

    Returns:
        What is there now.

    Raises:
        ValueError: If the run holds no generator, its training data are gone, or the folder is another's.
        OSError: If the disk does not take a file.
    """
    if "renderer" not in read_job(run):
        return swaps_of_run(run, options, data)
    if data is not None or options.count is not None:
        msg = (
            f"{run} is a run of `genreid adapt`, which names its source and target: give --contexts N for N "
            "renderings of every source image, without --data and --count"
        )
        raise ValueError(msg)
    recorded = job_of_run(run)
    logger.info(
        "%s names its data: reading images of %s and of %s", run, recorded.job.source, recorded.job.target
    )
    return render_run(run, rendering_of_run(run, recorded, open_run(recorded), options.device), options)


def swaps_of_run(run: Path, options: DatasetOptions, data: Path | None = None) -> Generated:
    """Write a data set of people whom DG-Net put into each other's clothes.

    Args:
        run: Run folder of `genreid train dgnet`.
        options: Which pictures, and where to.
        data: Folder of the training people; None: the one that the run names.

    Raises:
        ValueError: If the run holds no DG-Net, its training data are gone, or the folder is another's.
        OSError: If the disk does not take a file.
    """
    swapper = Swapper.from_run(run, options.device)
    found = people_of_run(run, data)
    images = open_image_set(
        found.samples, [sample.pid for sample in found.samples], swapper.size, found.root, kind=swapper.kind
    )
    people = People(found.samples, images, found.root)
    return generate_dataset(swapper, people, options.order(run, len(images.usable)))


def rendering_of_run(run: Path, recorded: RecordedRun, opened: OpenedRun, device: DeviceName) -> Rendering:
    """Load the renderer of a run, and put it beside its images.

    Args:
        run: Run folder of `genreid adapt`.
        recorded: What it was asked to do.
        opened: Its images.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        ValueError: If the run has no generator yet.
    """
    compute = choose_compute(device)
    network = compute.place(load_renderer(run).network).eval()
    source = Side(opened.source_samples, opened.domains.source, opened.source.root, opened.source_masks)
    target = Side(opened.target.train, opened.domains.target, opened.target.root, opened.target_masks)
    return Rendering(network, recorded.job.renderer_name, source, target, compute)


def render_run(
    run: Path, rendering: Rendering, options: DatasetOptions, people: int | None = None
) -> Generated:
    """Write a data set of rendered people.

    Args:
        run: The run folder, for the record.
        rendering: Of `rendering_of_run`.
        options: Which pictures, and where to.
        people: Render only so many source images, drawn at random by the seed; None: all.

    Raises:
        ValueError: If the folder is another's.
        OSError: If the disk does not take a file.
    """
    source = rendering.source
    usable = source.images.usable
    if people is not None:
        drawn = torch.randperm(len(usable), generator=torch.Generator().manual_seed(options.seed))
        usable = usable[drawn[:people].sort().values]
        rendering = replace(rendering, source=replace(source, images=replace(source.images, usable=usable)))
    return render_dataset(rendering, options.order(run, len(usable)), options.contexts)
