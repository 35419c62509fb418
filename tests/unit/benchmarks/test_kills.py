"""A run that is killed loses nothing: a sample; all lines with `python -m benchmarks.kills`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import ROOT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_runs_that_are_killed_go_on_to_the_same_weights(tmp_path: Path) -> None:
    words = ["--lines", "8", "--random", "3", "--minutes", "0.15", "--out", str(tmp_path / "found.json")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", *words],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["moments"] > 300
    assert found["lines"]["bit-equal"] >= 1, found
