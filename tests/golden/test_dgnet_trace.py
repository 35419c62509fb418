"""Twenty iterations of DG-Net, number by number, as they were when the method was last changed on purpose.

The numbers lie in dgnet.json. After a change that is meant to change results, write them anew with

    python -m tests.golden.test_dgnet_trace

and say in the commit why they changed.
"""

import json
from pathlib import Path

import pytest
import torch

from genreid.runs.loop import seed_everything
from genreid.training.dgnet_config import AdamConfig, DgnetTraining, Ramp
from genreid.training.dgnet_step import DgnetSetup, dgnet_step
from tests.tiny_dgnet import PAIRS, Tiny, make_batch, make_setup

TRACE = Path(__file__).with_name("dgnet.json")
STEPS = 20
TOLERANCE = 1e-6
"""Relative; on one machine the numbers are equal, on another sums are rounded otherwise."""
TRAINING = DgnetTraining(
    iterations=STEPS,
    batch=PAIRS,
    adam=AdamConfig(learning_rate=1e-3),
    code_ramp=Ramp(start=0.3, full=0.5),
    cycle_ramp=Ramp(start=0.3, full=0.7),
    feeding_ramp=Ramp(start=0.3, full=0.7),
)
"""The published settings; ramps are longer than three steps, and weights move visibly in twenty."""


def trace(steps: int = STEPS, setup: DgnetSetup | None = None) -> list[dict[str, float]]:
    """Run the first iterations of twenty: before, within and after the ramps, and both drops of the rates."""
    setup = setup or make_setup(Tiny(TRAINING))
    lines = []
    for step in range(steps):
        seed_everything(0, "dgnet", step)
        terms = {name: term.item() for name, term in dgnet_step(setup, make_batch(step), step).items()}
        for name in ("appearance", "structure", "decoder", "discriminator"):
            values = getattr(setup.networks, name).state_dict().values()
            terms[f"state_{name}"] = sum(value.double().abs().sum().item() for value in values)
        lines.append(terms)
    return lines


def test_dgnet_goes_as_it_went() -> None:
    golden = json.loads(TRACE.read_text(encoding="utf-8"))
    lines = trace()
    assert len(golden) == STEPS
    for step, (line, expected) in enumerate(zip(lines, golden, strict=True)):
        assert line == pytest.approx(expected, rel=TOLERANCE), f"step {step}"


def test_a_rounding_is_not_amplified() -> None:
    """Another machine rounds otherwise: weights changed in the twelfth digit end in the same numbers."""
    setup = make_setup(Tiny(TRAINING))
    with torch.no_grad():
        for network in setup.networks[:4]:
            assert network is not None
            for number, parameter in enumerate(network.parameters()):
                parameter.mul_(1 + 1e-12 * (-1) ** number)
    golden = json.loads(TRACE.read_text(encoding="utf-8"))
    assert trace(setup=setup)[-1] == pytest.approx(golden[-1], rel=TOLERANCE / 10)


def test_the_trace_is_reproducible() -> None:
    torch.manual_seed(12345)
    first = trace(2)
    torch.manual_seed(54321)
    assert trace(2) == first


def test_the_trace_goes_through_every_phase() -> None:
    golden = json.loads(TRACE.read_text(encoding="utf-8"))
    late = {"structure_code", "cycle", "fine_identity", "primary", "fine"}
    for step, line in enumerate(golden):
        assert late & set(line) == (late if step > 6 else set()), step
    weights = [TRAINING.weights_at(step) for step in range(STEPS)]
    assert len({each.primary for each in weights}) == 9
    assert len({each.structure_code for each in weights}) == 5


def test_losses_move_as_they_should() -> None:
    """The trace is of a training that works."""
    golden = json.loads(TRACE.read_text(encoding="utf-8"))
    for term in ("itself", "same_person", "discriminator"):
        assert golden[-1][term] < golden[0][term], term


if __name__ == "__main__":
    TRACE.write_text(json.dumps(trace(), indent=1) + "\n", encoding="utf-8")
