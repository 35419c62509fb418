"""How a training command ends: exit status and JSON."""

import json
from pathlib import Path

import pytest

from genreid.cli.outcome import end
from genreid.runs.loop import Outcome

ENDS = [(Outcome.FINISHED, 0, True), (Outcome.OUT_OF_TIME, 0, False), (Outcome.INTERRUPTED, 130, False)]


@pytest.mark.parametrize(("outcome", "code", "finished"), ENDS)
def test_scripts_can_tell_a_finished_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], outcome: Outcome, code: int, finished: bool
) -> None:
    for stage, step in (("identity", 30), ("rendering", 4), ("rendering", 12)):
        (tmp_path / "checkpoints" / stage / f"{step:08d}").mkdir(parents=True)
    assert end(outcome, tmp_path, as_json=False) == code
    assert capsys.readouterr().out == ""
    assert end(outcome, tmp_path, as_json=True) == code
    answer = json.loads(capsys.readouterr().out)
    assert answer["finished"] is finished
    assert (answer["outcome"], answer["out"]) == (outcome.value, str(tmp_path))
    assert answer["steps"] == {"identity": 30, "rendering": 12}
