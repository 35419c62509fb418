"""How sure a figure is: percentile bootstrap over the queries (Efron 1979).

Queries are drawn with replacement, as many as there are valid ones, many times; the figure of each draw is
the mean over the drawn queries; the middle 95 % of these means are the interval. A gain over a control is
drawn in pairs: both are averaged over the same queries, so that a query that is hard for both does not blur
the difference.

The interval says how much the choice of query images matters. It says nothing of another seed, and the
queries of one person resemble each other, so the truth is somewhat wider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genreid.evaluation.metrics import QueryScores

FIGURES = ("rank1", "mAP", "mAP_trapezoid", "mINP")
"""What is drawn, in the order of the columns."""
_COUNTS_AT_ONCE = 2**22


@dataclass(frozen=True, kw_only=True)
class BootstrapConfig:
    """How intervals are drawn.

    Raises:
        ValueError: If the numbers make no interval.
    """

    resamples: int = 2_000
    """Draws."""
    level: float = 0.95
    """Share of the draws within the interval."""
    seed: int = 0
    """Seed of the draws."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.resamples < 1 or not 0 < self.level < 1:
            msg = (
                f"bootstrap: resamples >= 1 and a level between 0 and 1 are needed, got {self.resamples} "
                f"and {self.level:g}"
            )
            raise ValueError(msg)


class Interval(NamedTuple):
    """Where a figure lies.

    Attributes:
        low: Lower end.
        high: Upper end.
    """

    low: float
    high: float


def query_figures(scores: QueryScores) -> NDArray[np.float64]:
    """Return what each valid query contributes to the figures.

    Args:
        scores: Of all queries; those without a correct gallery image are left out.

    Returns:
        float64 [valid queries, figures], columns as in `FIGURES`, 0 to 1; a column's mean is the figure.
    """
    valid = scores.first_match >= 0
    columns = (
        (scores.first_match == 0).astype(np.float64),
        scores.average_precision,
        scores.average_precision_trapezoid,
        scores.inverse_negative_penalty,
    )
    return np.stack(columns, axis=1)[valid]


def bootstrap(figures: NDArray[np.float64], config: BootstrapConfig | None = None) -> Mapping[str, Interval]:
    """Return the interval of each figure.

    Args:
        figures: float64 [Q, figures] of `query_figures`, one query or more.
        config: Draws, level, seed.

    Raises:
        ValueError: If there is no query.
    """
    chosen = config or BootstrapConfig()
    if figures.ndim != 2 or figures.shape[1] != len(FIGURES) or not len(figures):
        msg = f"bootstrap: expected [queries, {len(FIGURES)}] with a query at least, got {figures.shape}"
        raise ValueError(msg)
    means = _resampled_means(figures, chosen)
    outside = (1 - chosen.level) / 2
    low, high = np.quantile(means, (outside, 1 - outside), axis=0)
    return {name: Interval(float(low[i]), float(high[i])) for i, name in enumerate(FIGURES)}


def bootstrap_gain(
    ours: NDArray[np.float64], control: NDArray[np.float64], config: BootstrapConfig | None = None
) -> Mapping[str, Interval]:
    """Return the interval of each figure's gain over a control, drawn in pairs.

    Args:
        ours: float64 [Q, figures] of `query_figures`.
        control: The same of the control, of the same queries in the same order.
        config: Draws, level, seed.

    Raises:
        ValueError: If the two do not have the same number of queries.
    """
    if ours.shape != control.shape:
        msg = f"bootstrap: {len(ours)} queries against {len(control)} of the control; expected the same ones"
        raise ValueError(msg)
    return bootstrap(ours - control, config)


def _resampled_means(figures: NDArray[np.float64], config: BootstrapConfig) -> NDArray[np.float64]:
    """Return float64 [resamples, figures]: how often each query is drawn, times what it contributes."""
    random, queries = np.random.default_rng(config.seed), len(figures)
    equal = np.full(queries, 1 / queries)
    rows = max(1, _COUNTS_AT_ONCE // queries)
    parts = [
        random.multinomial(queries, equal, min(rows, config.resamples - done)) @ figures
        for done in range(0, config.resamples, rows)
    ]
    return np.concatenate(parts) / queries
