"""How a training command ends: what it says of its run, and its exit status."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.main import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from genreid.runs.loop import Outcome


def end(outcome: "Outcome", out: Path, *, as_json: bool) -> int:
    """Return the exit status of a training command: 0, also when time is up; 130 after a signal.

    Args:
        outcome: How the work ended.
        out: The run folder.
        as_json: Print `finished`, `outcome`, `out`, and `steps`: how many each stage has done.
    """
    from genreid.runs.checkpoint import checkpoint_folders, stage_folders  # noqa: PLC0415 - quick --help
    from genreid.runs.loop import Outcome  # noqa: PLC0415

    if as_json:
        steps = {stage.name: int(checkpoint_folders(stage)[0].name) for stage in stage_folders(out)}
        finished = outcome is Outcome.FINISHED
        answer = {"finished": finished, "outcome": outcome.value, "out": str(out), "steps": steps}
        sys.stdout.write(json.dumps(answer) + "\n")
    return EXIT_INTERRUPTED if outcome is Outcome.INTERRUPTED else 0
