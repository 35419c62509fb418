"""How far a long job is: a bar with rate and time left on a terminal, plain log lines elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

logger = logging.getLogger(__name__)

LINE_SECONDS = 10.0
"""Elsewhere than on a terminal: seconds between two lines."""

Advance = Callable[[int], None]
"""Says that so many more things are done."""


class RateColumn(ProgressColumn):
    """Things done in a second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text.

        Args:
            task: The job that the bar shows.
        """
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def progress_of(label: str, total: int, *, shown: bool = True) -> Iterator[Advance]:
    """Show a long job while the block runs; yields the function that moves it on.

    Args:
        label: What is done, such as `decoding images`.
        total: Number of things to do.
        shown: False shows nothing at all.
    """
    if not shown:
        yield lambda _done: None
    elif sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.advance(task, done)
    else:
        yield _lines(label, total)


def _bar() -> Progress:
    """Make the bar; it goes to stderr, so that stdout stays clean for answers."""
    from rich.console import Console  # noqa: PLC0415 - 30 ms that only a terminal needs

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


def _lines(label: str, total: int) -> Advance:
    """Return a function that logs a line every few seconds and one at the end."""
    start = last = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, last
        done += more
        now = time.monotonic()
        if done < total and now - last < LINE_SECONDS:
            return
        last = now
        rate = done / max(now - start, 1e-6)
        left = (total - done) / rate if rate else 0.0
        logger.info("%s: %d of %d, %.0f/s, %.0f s left", label, done, total, rate, left)

    return advance
