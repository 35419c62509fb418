"""A data set of generated people, mixed from the very people that a DG-Net run was trained on."""

from pathlib import Path

from genreid.data.batch import open_image_set
from genreid.generation.dataset import DatasetOrder, Generated, generate_dataset
from genreid.generation.dataset_plan import People
from genreid.generation.swapping import Swapper
from genreid.models.devices import DeviceName
from genreid.pipelines.people_of_run import people_of_run


def dataset_of_run(
    run: Path, order: DatasetOrder, device: DeviceName = "auto", data: Path | None = None
) -> Generated:
    """Write a data set of generated people, as DG-Market.

    Args:
        run: Run folder of `genreid train dgnet`.
        order: Where to, how many, which.
        device: `auto`, `cpu` or `cuda`.
        data: Folder of the training people; None: the one that the run names.

    Returns:
        What is there now.

    Raises:
        ValueError: If the run holds no DG-Net, its training data are gone, or the folder is another's.
        OSError: If the disk does not take a file.
    """
    swapper = Swapper.from_run(run, device)
    found = people_of_run(run, data)
    images = open_image_set(
        found.samples, [sample.pid for sample in found.samples], swapper.size, found.root, kind=swapper.kind
    )
    people = People(found.samples, images, found.root)
    return generate_dataset(swapper, people, order)
