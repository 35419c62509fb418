"""How long a demo will take: steps of stage I, timed, times what the recipe asks for."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from genreid.drawn.plan import Synthesis
from genreid.drawn.write import synthesize
from genreid.recipes.demo import demo, tiny
from genreid.reproduce.demo_time import BESIDES, RENDERING, expected_minutes, steps_of_stage_one
from genreid.runs.run_options import RunOptions


def test_longer_stages_take_longer() -> None:
    config = demo()
    longer = replace(config.adapt.stage2, iterations=config.adapt.stage2.iterations + 100)
    more = steps_of_stage_one(replace(config, adapt=replace(config.adapt, stage2=longer)))
    assert more - steps_of_stage_one(config) == pytest.approx(100 * RENDERING)
    assert steps_of_stage_one(tiny()) == pytest.approx(BESIDES, rel=0.12)


def test_a_step_of_half_a_second_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthesize(tmp_path, tmp_path / "masks", Synthesis(pids=4, height=64, width=32), shown=False)
    clock = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock) / 2)
    minutes = expected_minutes(tmp_path, RunOptions(recipe="tiny", device="cpu"), tiny())
    assert minutes == pytest.approx(0.5 * steps_of_stage_one(tiny()) / 60)
