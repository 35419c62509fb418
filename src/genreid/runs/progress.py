"""The progress of a training stage: a bar on a terminal, a plain line every half minute elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger(__name__)

LINE_SECONDS = 30.0
"""Seconds between two lines where there is no terminal."""


class StageProgress:
    """Shows how far a stage is, how fast it goes, how long it will take, and the loss terms.

    Args:
        stage: Name of the stage.
        iterations: Its length.
        done: Iterations that an earlier process has done.
    """

    def __init__(self, stage: str, iterations: int, done: int) -> None:
        self.stage, self.iterations, self.done, self.first = stage, iterations, done, done
        self.start = time.monotonic()
        self.last_line = self.start
        self.bar: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[terms]}", style="dim"),
            )
            self.bar = Progress(*columns, console=Console(stderr=True))
            self.bar.start()
            self.task = self.bar.add_task(
                self.stage, total=self.iterations, completed=self.done, rate="", terms=""
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            with contextlib.suppress(OSError):  # the terminal may be gone
                self.bar.stop()

    def advance(self, steps: int, terms: Mapping[str, float]) -> None:
        """Tell that so many more steps are done.

        Args:
            steps: Steps since the last call.
            terms: Their mean loss terms.
        """
        self.done += steps
        rate = (self.done - self.first) / max(time.monotonic() - self.start, 1e-9)
        text = "  ".join(f"{name} {value:.3g}" for name, value in terms.items())
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, rate=f"{rate:.2f} it/s", terms=text)
        elif time.monotonic() - self.last_line > LINE_SECONDS or self.done == self.iterations:
            self.last_line = time.monotonic()
            left = (self.iterations - self.done) / max(rate, 1e-9)
            logger.info(
                "%s: step %d of %d, %.2f it/s, %.1f min left; %s",
                self.stage, self.done, self.iterations, rate, left / 60, text,
            )  # fmt: skip
