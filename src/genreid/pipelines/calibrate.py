"""`genreid calibrate`: labelled people or labelled pairs, embedded by the network of a run, compared."""

import csv
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genreid.data.load import open_dataset
from genreid.data.protocol import is_person
from genreid.data.sample import Sample
from genreid.evaluation.provenance import made_by
from genreid.features.embedder import Embedder
from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions
from genreid.search.calibration import Calibration, Threshold, identification_at
from genreid.search.rates import PairScores, compare_all, compare_listed

logger = logging.getLogger(__name__)

MOST_IMAGES = 10_000
"""Of more images so many are drawn; they are compared each with each."""
_COLUMNS = ("first", "second", "same")


@dataclass(frozen=True, slots=True)
class CalibrateJob:
    """What is compared.

    Raises:
        ValueError: If it is neither a data set nor a list of pairs.
    """

    run: Path
    """The run folder."""
    data: Path | None = None
    """A data set with labelled people."""
    pairs: Path | None = None
    """In place of it a CSV file: first,second,same."""
    format: str | None = None
    """Format of the data set."""
    pattern: str | None = None
    """Its pattern, for the format `folder`."""
    size: int | None = None
    """Images in the gallery that the printed threshold is for; None: as many as were compared."""

    def __post_init__(self) -> None:
        """Refuse half a job."""
        if (self.data is None) == (self.pairs is None):
            msg = "type `genreid calibrate RUN --data DIR`, or --pairs FILE in place of --data DIR"
            raise ValueError(msg)
        if self.pairs is not None and (self.size, self.format, self.pattern) != (None, None, None):
            msg = "--size, --format and --pattern belong to --data; labelled pairs are no searches"
            raise ValueError(msg)
        if self.size is not None and self.size < 1:
            msg = f"--size must be 1 or more images, got {self.size}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Calibrated:
    """What was measured.

    Attributes:
        calibration: What is kept with the run.
        threshold: The one for the asked size of gallery; None: of pairs only.
        refusal: Why there is none.
    """

    calibration: Calibration
    threshold: Threshold | None
    refusal: str = ""


def calibrate(job: CalibrateJob, options: FeatureOptions) -> Calibrated:
    """Compare people, keep what was found with the run.

    Args:
        job: Run and people.
        options: FEATURE OPTIONS.

    Raises:
        ValueError: If there are too few people (says how many are needed), or something cannot be read.
    """
    extractor = Extractor.from_run(job.run, options)
    source = str(job.data or job.pairs)
    scores = _people(job, extractor) if job.pairs is None else _pairs(job.pairs, extractor)
    calibration = Calibration.measure(scores, extractor.metadata, source, made_by())
    calibration.save(job.run)
    try:
        threshold = identification_at(scores, job.size or scores.largest_gallery)
    except ValueError as error:
        if job.size is not None:
            raise
        return Calibrated(calibration, None, str(error))
    return Calibrated(calibration, threshold)


def _people(job: CalibrateJob, extractor: Extractor) -> PairScores:
    """Compare all labelled people of a data set: those of its test set, if it has one."""
    assert job.data is not None
    dataset = open_dataset(job.data, job.format, job.pattern)
    test = [sample for sample in (*dataset.query, *dataset.gallery) if is_person(sample.pid)]
    if not test:
        logger.warning(
            "%s has no query and gallery images, so its training images are compared: if the run has learned "
            "from them, thresholds come out too low",
            job.data,
        )
    samples = tuple(dict.fromkeys(test)) or dataset.known_people
    if not samples:
        msg = f"{job.data} has no labelled people; `genreid data check {job.data}` shows what it holds"
        raise ValueError(msg)
    return compare_all(extractor.extract(_drawn(samples)))


def _drawn(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """Return the images, or a part of them that was drawn if there are very many."""
    if len(samples) <= MOST_IMAGES:
        return samples
    rows = np.sort(np.random.default_rng(0).choice(len(samples), MOST_IMAGES, replace=False))
    logger.info("of %s labelled images %s were drawn", f"{len(samples):,}", f"{MOST_IMAGES:,}")
    return tuple(samples[row] for row in rows)


def _pairs(path: Path, extractor: Extractor) -> PairScores:
    """Compare the pairs of a CSV file."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        msg = (
            f"--pairs {path} cannot be read ({error}); expected a CSV file with the columns first,second,same"
        )
        raise ValueError(msg) from error
    bad = [
        number
        for number, row in enumerate(rows, start=1)
        if any(not row.get(name) for name in _COLUMNS) or row["same"] not in {"0", "1"}
    ]
    if bad or not rows:
        where = f"pair {bad[0]}" if bad else "it is empty"
        msg = f"--pairs {path}: {where}: expected first,second,same: two images (relative to it), and 0 or 1"
        raise ValueError(msg)
    names = [path.parent / row[column] for row in rows for column in ("first", "second")]
    images = list(dict.fromkeys(names))
    embedding = Embedder(extractor)(images)
    lost = np.flatnonzero(np.isnan(embedding).any(axis=1))
    if lost.size:
        msg = f"--pairs {path}: {images[lost[0]]} cannot be read as a picture; mend it or leave its pairs out"
        raise ValueError(msg)
    number = {image: row for row, image in enumerate(images)}
    listed = np.array([number[name] for name in names]).reshape(-1, 2)
    likeness = np.einsum("ij,ij->i", embedding[listed[:, 0]], embedding[listed[:, 1]])
    return compare_listed(likeness, np.array([row["same"] == "1" for row in rows]), listed)
