"""The figures of rows: their networks embed and rank a test set; what each query scores is kept for pairs.

RUN/rows/NAME.safetensors holds what each valid query contributes to the figures, so that a gain over a
control is judged query by query, and a row that was ranked is not ranked again.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from genreid.data.fingerprint import dataset_fingerprint
from genreid.data.sample import ReidDataset
from genreid.data.whole_file import write_whole
from genreid.evaluation.bootstrap import query_figures
from genreid.evaluation.ranking import rank
from genreid.evaluation.records import FOLDER, EvaluatedImages, record_evaluation
from genreid.features.halves import Half
from genreid.features.options import FeatureOptions
from genreid.models.precision import choose_compute
from genreid.pipelines.evaluate import EvaluateJob, embed_sides
from genreid.pipelines.two_sides import TwoSides
from genreid.reproduce.code import evaluation_code
from genreid.reproduce.plan import RowPlan
from genreid.reproduce.training import finished

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What the network of a finished run is asked.

    Attributes:
        run: The run folder.
        name: Name of the record, and of the scores that are kept.
        paper: Whose row it is.
        weights: The evaluated checkpoint: `stage`, `step` and the `sha256` of its networks' file.
        data: Folder of the data set whose test set is ranked.
        dataset: That data set, read.
        options: How embeddings are made.
        statistics: The data set that `options` takes batch-norm statistics from, read.
        half: DG-Net: half of the embedding that is ranked; None: all of it.
    """

    run: Path
    name: str
    paper: str
    weights: Mapping[str, str]
    data: Path
    dataset: ReidDataset
    options: FeatureOptions
    statistics: ReidDataset | None = None
    half: Half | None = None

    @property
    def kept(self) -> Path:
        """The file of its scores."""
        return self.run / "rows" / f"{self.name}.safetensors"

    @property
    def record(self) -> Path:
        """The file of its record for `genreid report`."""
        return self.run / FOLDER / f"{self.name}.json"


@dataclass(frozen=True)
class Measured:
    """A row's figures.

    Attributes:
        figures: `Ranking.to_json`: shares as fractions, and counts.
        by_query: float64 [valid queries, figures] of `query_figures`.
        weights: The evaluated checkpoint: `stage`, `step` and the `sha256` of its networks' file.
        minutes: Time that embedding and ranking took.
    """

    figures: Mapping[str, float]
    by_query: NDArray[np.float64]
    weights: Mapping[str, str]
    minutes: float


def measure(searches: Sequence[Search]) -> tuple[Measured, ...]:
    """Rank the test sets of rows by their networks, or return what was kept of doing so.

    Args:
        searches: Neighbours that differ by their half share their embeddings.

    Raises:
        ValueError: If a test set holds no query or gallery, or cannot be read.
    """

    @lru_cache(maxsize=1)
    def embedded(run: Path, data: Path, options: FeatureOptions) -> TwoSides:
        return embed_sides(EvaluateJob(run, data), options)

    measured = []
    for search in searches:
        key = _key(search)
        found = _read(search, key)
        if found is None:
            began = time.monotonic()
            sides = embedded(search.run, search.data, search.options).half(search.half)
            ranking = rank(*sides)
            images = EvaluatedImages(folder=str(search.data))
            record_evaluation(search.run, search.name, ranking, *sides, images)
            minutes = (time.monotonic() - began) / 60
            found = Measured(ranking.to_json(), query_figures(ranking.scores), search.weights, minutes)
            _write(search.kept, key, found)
        measured.append(found)
    return tuple(measured)


def search_of(plan: RowPlan) -> Search:
    """Return what the network of a row is asked.

    Args:
        plan: The row; its run is finished.
    """
    row, run = plan.row, plan.folder_of(plan.row.training)
    checkpoint = finished(run, row.training)
    assert checkpoint is not None, f"{run} is not finished"
    options = FeatureOptions(
        pooling=row.pooling,
        device=plan.options.device,
        precision=plan.options.precision,
        mirror=row.mirror,
    )
    if row.statistics_of is not None:
        options = replace(options, bn_statistics=str(plan.path_of(row.statistics_of)))
    return Search(
        run=run,
        name=f"{row.target}.{row.variant}",
        paper=row.paper,
        weights=checkpoint.as_text(),
        data=plan.path_of(row.target),
        dataset=plan.data[row.target],
        options=options,
        statistics=None if row.statistics_of is None else plan.data[row.statistics_of],
        half=row.half,
    )


def _key(search: Search) -> str:
    """Return all that decides the scores of a row, as one text."""
    options = search.options
    parts: dict[str, Any] = {
        "weights": search.weights["sha256"],
        "code": evaluation_code(search.paper),
        "data": dataset_fingerprint(search.dataset),
        "options": [options.pooling, search.half, options.mirror],
        "precision": choose_compute(options.device, options.precision).name,
    }
    if search.statistics is not None:
        parts["statistics"] = dataset_fingerprint(search.statistics)
    return json.dumps(parts, sort_keys=True)


def _write(path: Path, key: str, measured: Measured) -> None:
    """Keep scores beside the run."""
    facts = {"key": key, "figures": json.dumps(dict(measured.figures)), "minutes": repr(measured.minutes)}
    write_whole(path, save({"by_query": measured.by_query}, facts))


def _read(search: Search, key: str) -> Measured | None:
    """Return scores that were kept, if they are of this very row and its record is there."""
    if not (search.kept.is_file() and search.record.is_file()):
        return None
    try:
        with safe_open(search.kept, framework="numpy") as file:
            facts = file.metadata() or {}
            if facts.get("key") != key:
                return None
            by_query = file.get_tensor("by_query")
        return Measured(json.loads(facts["figures"]), by_query, search.weights, float(facts["minutes"]))
    except (SafetensorError, KeyError, ValueError) as error:
        logger.warning("%s is damaged, so the row is ranked again: %s", search.kept, error)
        return None
