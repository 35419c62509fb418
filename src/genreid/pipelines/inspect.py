"""`genreid inspect`: the images of a data set, embedded by the network of a run, looked at."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genreid.data.load import open_dataset
from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions
from genreid.search.calibration import CAMERA_RATE, Calibration
from genreid.search.inspection import Inspection, inspect

logger = logging.getLogger(__name__)

MOST_IMAGES = 5_000
"""Of more images so many are drawn; they are compared each with each."""


class InspectJob(NamedTuple):
    """What is looked at.

    Attributes:
        run: The run folder.
        data: The data set; nobody need be labelled.
        format: Its format.
        pattern: Its pattern, for the format `folder`.
    """

    run: Path
    data: Path
    format: str | None = None
    pattern: str | None = None


def inspect_run(job: InspectJob, options: FeatureOptions) -> Inspection:
    """Embed the images and look at them.

    Args:
        job: Run and images.
        options: FEATURE OPTIONS.

    Raises:
        ValueError: If there are too few images, or something cannot be read.
    """
    dataset = open_dataset(job.data, job.format, job.pattern)
    samples = tuple(dict.fromkeys((*dataset.train, *dataset.query, *dataset.gallery)))
    if len(samples) > MOST_IMAGES:
        rows = np.sort(np.random.default_rng(0).choice(len(samples), MOST_IMAGES, replace=False))
        logger.info("of %s images %s were drawn", f"{len(samples):,}", f"{MOST_IMAGES:,}")
        samples = tuple(samples[row] for row in rows)
    extractor = Extractor.from_run(job.run, options)
    calibration = Calibration.of_run(job.run, extractor.metadata)
    return inspect(
        extractor.extract(samples), None if calibration is None else calibration.threshold_at(CAMERA_RATE)
    )
