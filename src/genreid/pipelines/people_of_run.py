"""The people that a run was trained on, read again from what its folder remembers."""

import logging
from collections import Counter
from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from genreid.data.decode import Kind, UInt8, UnreadableImageError, decode
from genreid.data.load import load_dataset
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import UNKNOWN_CAMID, Sample
from genreid.data.sampling import step_generator
from genreid.data.training_people import training_people
from genreid.generation.swap_sheets import RealImages
from genreid.runs.run_folder import read_job

logger = logging.getLogger(__name__)

Split = Literal["train", "query", "gallery"]


class RunPeople(NamedTuple):
    """Images of a run's data set.

    Attributes:
        samples: Images of labelled people; of the training set, those held out left out.
        root: Their data set's folder.
        names: Text of each pid, where identities are text.
    """

    samples: tuple[Sample, ...]
    root: Path
    names: Mapping[int, str]


def people_of_run(run: Path, data: Path | None = None, split: Split = "train") -> RunPeople:
    """Return the images that a run of `genreid train` was trained on, or those of its data set's test set.

    Args:
        run: The run folder.
        data: Folder of its data set; None: the one that the run names, which is said aloud, for the run may
            be a stranger's.
        split: `train`, or `query` or `gallery`, without junk.

    Raises:
        ValueError: If it is no such run, its data set is gone, or it has no images of that split.
    """
    job = read_job(run)
    if data is None and "data" not in job:
        msg = (
            f"{run} does not know the people that it was trained on: its job.json names no data; "
            "type --data DIR with their folder"
        )
        raise ValueError(msg)
    folder = job["data"] if data is None else data
    if data is None:
        logger.info(
            "%s names its people: reading images of %s (--data DIR names another folder)", run, folder
        )
    try:
        dataset = load_dataset(folder, job.get("format"), ReaderOptions(pattern=job.get("pattern")))
    except (ValueError, OSError) as error:
        msg = f"{run} was trained on images that are not there any more: {error}"
        raise ValueError(msg) from error
    if split == "train":
        samples = training_people(dataset, job.get("split", "train"), int(job.get("holdout", 0)))
    else:
        samples = tuple(sample for sample in getattr(dataset, split) if sample.pid > 0)
    if not samples:
        msg = f"--split {split}: {folder} has no images of people there; leave it out, or give another --data"
        raise ValueError(msg)
    return RunPeople(samples, dataset.root, dataset.identity_names)


def draw_people(
    people: RunPeople, count: int, seed: int, size: tuple[int, int], kind: Kind = "image"
) -> RealImages:
    """Read random images, of as many different people as there are; those that cannot be read are left out.

    Args:
        people: What is drawn from.
        count: Number of images; more than there are: some are taken again.
        seed: Which images.
        size: Height and width.
        kind: How they are resized.

    Returns:
        Images, and for each the person and the camera as its label; more of them begin with the same ones.

    Raises:
        ValueError: If no image can be read.
    """
    images: list[UInt8] = []
    labels: list[str] = []
    for sample in _one_of_each_first(people.samples, seed):
        if len(images) == count:
            break
        try:
            images.append(decode(sample.path, size, kind))
            labels.append(_label(sample, people.names))
        except UnreadableImageError as error:
            logger.warning("cannot read %s: %s", sample.path, error)
    if not images:
        msg = f"{people.root}: no training image can be read; `genreid data check {people.root}` says why"
        raise ValueError(msg)
    return RealImages(np.stack(list(islice(cycle(images), count))), tuple(islice(cycle(labels), count)))


def _one_of_each_first(samples: tuple[Sample, ...], seed: int) -> list[Sample]:
    """Return images in random order: one of each person, then a second one of each, and so on."""
    order = torch.randperm(len(samples), generator=step_generator(0, seed, "generate/people")).tolist()
    seen: Counter[int] = Counter()
    turns = []
    for row in order:
        turns.append(seen[samples[row].pid])
        seen[samples[row].pid] += 1
    return [samples[row] for _, row in sorted(zip(turns, order, strict=True), key=lambda pair: pair[0])]


def _label(sample: Sample, names: Mapping[int, str]) -> str:
    """Name a person and a camera in a few letters."""
    person = names.get(sample.pid, f"{sample.pid:04d}")
    return person if sample.camid == UNKNOWN_CAMID else f"{person} c{sample.camid}"
