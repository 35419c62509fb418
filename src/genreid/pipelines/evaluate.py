"""`genreid evaluate`: queries and gallery, embedded by the network of a run, ranked, kept for the report."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from genreid.data.holdout import Trial, holdout, test_set_of, trial_of
from genreid.data.image_config import ImageConfig
from genreid.data.load import open_dataset
from genreid.data.training_people import training_people
from genreid.evaluation.ranking import Ranking
from genreid.evaluation.records import EvaluatedImages, evaluation_name, record_evaluation
from genreid.features.extract import Extractor
from genreid.features.halves import halves_in
from genreid.features.options import FeatureOptions
from genreid.models.backbone import BackboneConfig
from genreid.pipelines.two_sides import WHOLE, TwoSides
from genreid.runs.run import Run
from genreid.runs.run_folder import read_job

logger = logging.getLogger(__name__)

_EARLIER = ("init", "pretrained", "teacher_run")
"""Entries of job.json that name a run whose network was taken over."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """A backbone without a run."""

    backbone: BackboneConfig
    """Which, and its weights."""
    image: ImageConfig
    """Size of the images."""


@dataclass(frozen=True, slots=True)
class EvaluateJob:
    """Which images are ranked with which network."""

    run: Path | Backbone
    """The run folder, or a backbone that is ranked as it is."""
    data: Path
    """The data set."""
    format: str | None = None
    """Its format; None: recognised."""
    pattern: str | None = None
    """Format `folder`: where identity and camera stand in a path."""
    holdout: int | None = None
    """So many labelled people, the last ones, in place of the test set."""
    split: Literal["train", "all"] | None = None
    """With `holdout`: of which images; None: `train`."""


def embed_sides(job: EvaluateJob, options: FeatureOptions) -> TwoSides:
    """Embed the queries and the gallery of a data set, or of its people that were held out.

    Args:
        job: Run and images.
        options: FEATURE OPTIONS.

    Raises:
        ValueError: If the run holds no such network, or the data set nothing to rank.
    """
    dataset = open_dataset(job.data, job.format, job.pattern)
    if isinstance(job.run, Path):
        _warn_of_known_people(job, job.run)
    if job.holdout is None:
        trial = test_set_of(dataset)
    else:
        trial = _held_out(job, training_people(dataset, job.split or "train"), job.holdout)
    if isinstance(job.run, Path):
        extractor = Extractor.from_run(job.run, options)
    else:
        extractor = Extractor.of_backbone(job.run.backbone, job.run.image, options)
    return TwoSides(extractor.extract(trial.query), extractor.extract(trial.gallery))


def record_rankings(job: EvaluateJob, sides: TwoSides, rankings: Mapping[str, Ranking]) -> None:
    """Keep figures in the run folder, for `genreid report`; if it cannot be written to, say so.

    Args:
        job: Run and images; without a run nothing is kept.
        sides: What was ranked.
        rankings: Of `rank_sides`.
    """
    if not isinstance(job.run, Path):
        return
    given = {name: getattr(job, name) for name in ("format", "pattern", "holdout", "split")}
    images = EvaluatedImages(
        folder=str(job.data), options={name: str(v) for name, v in given.items() if v is not None}
    )
    try:
        for half in (None, *halves_in(sides.query)):
            ranking, ranked = rankings.get(half or WHOLE), sides.half(half)
            if ranking is not None:
                name = evaluation_name(images, ranked.query.metadata)
                record_evaluation(job.run, name, ranking, *ranked, images)
    except OSError as error:
        logger.warning("the figures are not kept for `genreid report`: %s", error)


def _held_out(job: EvaluateJob, people: tuple[Any, ...], count: int) -> Trial:
    """Return queries and gallery made of the people that training with the same --holdout keeps out."""
    trial = trial_of(holdout(people, count).held_out)
    if not trial.query:
        msg = (
            f"{job.data}: none of the last {count} people is seen by two cameras, so nobody can be found "
            "again; type a larger --holdout, for training as well"
        )
        raise ValueError(msg)
    return trial


def _warn_of_known_people(job: EvaluateJob, ranked: Path) -> None:
    """Warn if a run, or one that it began from, has learned from people that are ranked here."""
    for run, record in _with_earlier(ranked):
        data = record.get("source", record.get("data"))
        if data is None or Path(data).resolve() != job.data.resolve():
            continue
        kept_out, split = record.get("holdout", 0), record.get("source_split", record.get("split", "train"))
        known = split == "all" if job.holdout is None else _are_known(job, kept_out, split)
        if known:
            logger.warning(
                "%s was trained with --holdout %s of the %s images of %s: people ranked here may have been "
                "learned, and the figures be too good",
                *(run, kept_out, split, job.data),
            )


def _are_known(job: EvaluateJob, kept_out: int, split: str) -> bool:
    """Tell whether training with these options has seen people that are held out here."""
    assert job.holdout is not None
    return kept_out < job.holdout or split != (job.split or "train")


def _with_earlier(run: Path, depth: int = 9) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield what a run remembers, and the runs that it was started from; those that are gone are left out."""
    if depth == 0 or not Run(run).job.is_file():
        return
    try:
        record = read_job(run)
    except ValueError as error:  # the network is there all the same
        logger.warning("nobody can tell whether people ranked here were learned: %s", error)
        return
    yield run, record
    for name in _EARLIER:
        if record.get(name):
            yield from _with_earlier(Path(record[name]), depth - 1)
