"""What a run tells while it trains: metrics.jsonl, TensorBoard events, and the terminal."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard.writer import SummaryWriter

from genreid.runs.run import Run


class RunLog:
    """Writes the loss terms of a run; use it in a `with` block.

    Args:
        run: The run folder.

    Attributes:
        path: RUN/metrics.jsonl: one JSON object a line, with `stage`, `step`, `seconds` and the terms.
    """

    def __init__(self, run: Path) -> None:
        self.path = Run(run).metrics
        self._file = self.path.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(run / "tensorboard"))
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._events.close()

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Write the values of one step.

        Args:
            stage: Name of the stage.
            step: Iterations that are done.
            values: Terms by name.
        """
        seconds = round(time.monotonic() - self._start, 2)
        rounded = {name: float(f"{value:.6g}") for name, value in values.items()}
        self._file.write(json.dumps({"stage": stage, "step": step, "seconds": seconds, **rounded}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._events.add_scalar(f"{stage}/{name}", value, step)
