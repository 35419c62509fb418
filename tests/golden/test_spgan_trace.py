"""Twelve iterations of SPGAN, number by number, as they were when the method was last changed on purpose.

The numbers lie in spgan.json. After a change that is meant to change results, write them anew with

    python -m tests.golden.test_spgan_trace

and say in the commit why they changed.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genreid.runs.loop import seed_everything
from genreid.training.spgan_step import spgan_step
from tests.tiny_spgan import Tiny, make_batch, make_setup, tiny_config

TRACE = Path(__file__).with_name("spgan.json")
STEPS = 12
TOLERANCE = 1e-6
"""Relative; on one machine the numbers are equal, on another sums are rounded otherwise."""


def trace(steps: int = STEPS) -> list[dict[str, float]]:
    """Run the first iterations: dropping numbers, with pools that are full after two, then L_con comes in."""
    config = tiny_config()
    config = replace(
        config,
        iterations=STEPS,
        siamese=replace(config.siamese, dropout=0.5),
        siamese_from=1 / STEPS,
        contrast_from=2 / STEPS,
    )
    setup = make_setup(Tiny(config))
    lines = []
    for step in range(steps):
        seed_everything(0, "spgan", step)
        terms = {name: term.item() for name, term in spgan_step(setup, make_batch(step), step).items()}
        for name, network in list(setup.networks._asdict().items())[:5]:
            total = sum(parameter.detach().abs().sum().item() for parameter in network.parameters())
            terms[f"weights_{name}"] = total
        lines.append(terms)
    return lines


def test_spgan_goes_as_it_went() -> None:
    golden = json.loads(TRACE.read_text(encoding="utf-8"))
    lines = trace()
    assert len(golden) == STEPS
    for step, (line, expected) in enumerate(zip(lines, golden, strict=True)):
        assert line == pytest.approx(expected, rel=TOLERANCE), f"step {step}"


def test_the_trace_is_reproducible() -> None:
    torch.manual_seed(12345)
    first = trace(3)
    torch.manual_seed(54321)
    assert trace(3) == first


if __name__ == "__main__":
    TRACE.write_text(json.dumps(trace(), indent=1) + "\n", encoding="utf-8")
