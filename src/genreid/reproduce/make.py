"""`genreid reproduce`: one row of a paper's table, from data sets to a result file."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from genreid.reproduce.code import evaluation_code
from genreid.reproduce.file import expect_same_kind, row_content, write_row
from genreid.reproduce.plan import RowPlan
from genreid.reproduce.ranking import Measured, measure, search_of
from genreid.reproduce.rows import ROWS
from genreid.reproduce.training import finished, train
from genreid.runs.loop import Outcome

logger = logging.getLogger(__name__)


class Reproduced(NamedTuple):
    """What became of a row.

    Attributes:
        outcome: Whether it is finished, or the time limit or a signal stopped it.
        path: The result file; None if it is not finished.
        content: What the file holds; empty if it is not finished.
    """

    outcome: Outcome
    path: Path | None = None
    content: Mapping[str, Any] = {}


def reproduce(plan: RowPlan) -> Reproduced:
    """Train what a row needs, from where its run folders stand; rank it and its controls; write its file.

    The time limit holds for training; ranking, some minutes at most, is done whenever training is. Controls
    are ranked if their runs are finished: those that share the row's runs always are.

    Args:
        plan: The row.

    Raises:
        ValueError: If data, masks or settings do not fit together.
    """
    began, limit = time.monotonic(), plan.options.max_minutes
    expect_same_kind(plan)
    evaluation_code(plan.row.paper)  # read now: a file that is edited in the meantime is not what runs
    for training in plan.row.training.chain:
        # each run takes a step at least, so that a command that is repeated comes to an end
        left = None if limit is None else max(0.0, limit - (time.monotonic() - began) / 60)
        logger.info("%s: run %s", plan.row.name, plan.folder_of(training))
        outcome = train(plan, training, left)
        if outcome is not Outcome.FINISHED:
            return Reproduced(outcome)
    (measured,) = measure([search_of(plan)])
    content = row_content(plan, measured, _controls(plan))
    write_row(plan.out, content, measured)
    logger.info("%s: written to %s", plan.row.name, plan.out)
    return Reproduced(Outcome.FINISHED, plan.out, content)


def _controls(plan: RowPlan) -> dict[str, Measured]:
    """Rank the controls whose runs are finished, of these data and settings."""
    found = {}
    for name in plan.row.controls:
        control = replace(plan, row=ROWS[name])
        training = control.row.training
        if finished(control.folder_of(training), training) is None:
            logger.info("%s is not made yet, so the gain over it is left out", name)
            continue
        try:
            train(control, training, 0.0)  # finished: it only looks whether data and settings are these
        except ValueError as error:
            logger.warning("the gain over %s is left out: %s", name, error)
            continue
        (found[name],) = measure([search_of(control)])
    return found
