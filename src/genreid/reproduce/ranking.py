"""The figures of a row: its network embeds and ranks the test set; what each query scores is kept for pairs.

RUN/rows/NAME.safetensors holds what each valid query contributes to the figures, so that a gain over a
control is judged query by query, and a row that was ranked is not ranked again.
"""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from genreid.data.fingerprint import dataset_fingerprint
from genreid.data.whole_file import write_whole
from genreid.evaluation.bootstrap import query_figures
from genreid.evaluation.ranking import rank
from genreid.evaluation.records import EvaluatedImages, record_evaluation
from genreid.features.options import FeatureOptions
from genreid.pipelines.evaluate import EvaluateJob, embed_sides
from genreid.reproduce.code import evaluation_code
from genreid.reproduce.plan import RowPlan
from genreid.reproduce.training import finished
from genreid.training.precision import choose_compute

logger = logging.getLogger(__name__)


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


def measure(plan: RowPlan) -> Measured:
    """Rank the target's test set by the network of a row, or return what was kept of doing so.

    Args:
        plan: The row; its run is finished.

    Raises:
        ValueError: If the test set holds no query or gallery, or cannot be read.
    """
    run = plan.folder_of(plan.row.training)
    checkpoint = finished(run, plan.row.training)
    assert checkpoint is not None, f"{run} is not finished"
    weights = {"stage": checkpoint.stage, "step": str(checkpoint.step), "sha256": checkpoint.sha256}
    key = _key(plan, weights)
    path = run / "rows" / f"{plan.row.target}.{plan.row.variant}.safetensors"
    kept = _read(path, key)
    if kept is not None:
        return replace(kept, weights=weights)
    began = time.monotonic()
    job = EvaluateJob(run, plan.path_of(plan.row.target))
    sides = embed_sides(job, _feature_options(plan)).half(plan.row.half)
    ranking = rank(*sides)
    record_evaluation(run, path.stem, ranking, *sides, EvaluatedImages(folder=str(job.data)))
    minutes = (time.monotonic() - began) / 60
    found = Measured(ranking.to_json(), query_figures(ranking.scores), weights, minutes)
    _write(path, key, found)
    return found


def _feature_options(plan: RowPlan) -> FeatureOptions:
    """Return how a row's embeddings are made."""
    options = FeatureOptions(
        pooling=plan.row.pooling, device=plan.options.device, precision=plan.options.precision
    )
    if plan.row.statistics_of is None:
        return options
    return replace(options, bn_statistics=str(plan.path_of(plan.row.statistics_of)))


def _key(plan: RowPlan, weights: Mapping[str, str]) -> str:
    """Return all that decides the scores of a row, as one text."""
    row, options = plan.row, plan.options
    parts: dict[str, Any] = {
        "weights": weights["sha256"],
        "code": evaluation_code(row.paper),
        "data": dataset_fingerprint(plan.data[row.target]),
        "options": [row.pooling, row.half, row.statistics_of],
        "precision": choose_compute(options.device, options.precision).name,
    }
    if row.statistics_of is not None:
        parts["statistics"] = dataset_fingerprint(plan.data[row.statistics_of])
    return json.dumps(parts, sort_keys=True)


def _write(path: Path, key: str, measured: Measured) -> None:
    """Keep scores beside the run."""
    facts = {"key": key, "figures": json.dumps(dict(measured.figures)), "minutes": repr(measured.minutes)}
    write_whole(path, save({"by_query": measured.by_query}, facts))


def _read(path: Path, key: str) -> Measured | None:
    """Return scores that were kept, if they are of this very row."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            facts = file.metadata() or {}
            if facts.get("key") != key:
                return None
            by_query = file.get_tensor("by_query")
        return Measured(json.loads(facts["figures"]), by_query, {}, float(facts["minutes"]))
    except (SafetensorError, KeyError, ValueError) as error:
        logger.warning("%s is damaged, so the row is ranked again: %s", path, error)
        return None
