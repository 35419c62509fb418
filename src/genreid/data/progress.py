"""How far a long job is: a bar with rate and time left on a terminal, plain log lines elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

logger = logging.getLogger(__name__)

LINE_SECONDS = 30.0
"""Elsewhere than on a terminal: seconds between two lines."""


class Advance(Protocol):
    """Moves a job on."""

    def __call__(self, more: int, note: str = "", /) -> None:
        """Advance by `more` items; `note` is shown behind the time left."""


@contextmanager
def progress_of(label: str, total: int, *, done: int = 0, shown: bool = True) -> Iterator[Advance]:
    """Show a long job while the block runs; yields the function that moves it on.

    Args:
        label: What is done, such as `decoding images`.
        total: Number of things to do.
        done: How many of them an earlier process has done.
        shown: False shows nothing at all.
    """
    start = last = time.monotonic()
    before = done
    bar = _bar() if shown and sys.stderr.isatty() else None
    task = None if bar is None else bar.add_task(label, total=total, completed=done, rate="", note="")

    def advance(more: int, note: str = "", /) -> None:
        nonlocal done, last
        done += more
        now = time.monotonic()
        rate = (done - before) / max(now - start, 1e-6)
        per_second = f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.2f}/s"
        if bar is not None and task is not None:
            bar.update(task, completed=done, rate=per_second, note=note)
        elif shown and (done >= total or now - last >= LINE_SECONDS):
            last = now
            left = (total - done) / rate if rate else 0.0
            time_left = f"{left / 60:.1f} min" if left >= 60 else f"{left:.0f} s"
            tail = f"; {note}" if note else ""
            logger.info("%s: %d of %d, %s, %s left%s", label, done, total, per_second, time_left, tail)

    try:
        yield advance
    finally:
        if bar is not None:
            with contextlib.suppress(OSError):  # the terminal may be gone
                bar.stop()


def _bar() -> "Progress":
    """Start a bar; it goes to stderr, so that stdout stays clean for answers."""
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        console=Console(stderr=True),
    )
    bar.start()
    return bar
