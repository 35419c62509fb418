"""Learning rates and update counts of CR-GAN by step."""

import pytest

from genreid.training.schedules import (
    generator_updates,
    hold_then_fall,
    linear_after_half,
    step_decay,
    warm_up,
)
from tests.oracles import taudl_oracle


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 2e-4),
        (1, 2e-4),
        (29_999, 2e-4),
        (30_000, 2e-4),
        (45_000, 1e-4),
        (59_999, 2e-4 / 30_000),
        (60_000, 0.0),
    ],
)
def test_linear_after_half_of_the_paper(step: int, rate: float) -> None:
    """2e-4 in the first 30k iterations, then a straight line to 0 (spec E16, J1)."""
    assert linear_after_half(step, 60_000, 2e-4) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize("total", [1, 2, 5, 8])
def test_linear_after_half_of_short_stages(total: int) -> None:
    rates = [linear_after_half(step, total, 1.0) for step in range(total + 1)]
    assert rates[0] == 1
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0
    for step, rate in enumerate(rates):
        assert rate == pytest.approx(min(1, 2 * (1 - step / total)))


@pytest.mark.parametrize(("step", "updates"), [(0, 1), (29_999, 1), (30_000, 2), (59_999, 2)])
def test_generator_updates_of_the_paper(step: int, updates: int) -> None:
    assert generator_updates(step, 60_000) == updates


def test_the_paper_updates_the_generator_90_000_times() -> None:
    assert sum(generator_updates(step, 60_000) for step in range(60_000)) == 90_000
    assert [generator_updates(step, 5) for step in range(5)] == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 1), (14_999, 1), (15_000, 0.1), (22_499, 0.1), (22_500, 0.01), (29_999, 0.01)]
)
def test_step_decay(step: int, factor: float) -> None:
    assert step_decay(step, 30_000, 0.5, (0.5, 0.75)) == pytest.approx(0.5 * factor, rel=1e-12)
    assert step_decay(step, 30_000, 0.5, ()) == 0.5


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (1, 0.19), (5, 0.55), (9, 0.91), (10, 1), (59, 1)])
def test_warm_up(step: int, factor: float) -> None:
    assert warm_up(step, 60, 10 / 60) == pytest.approx(factor, rel=1e-12)
    assert warm_up(step, 60, 0.0) == 1


@pytest.mark.parametrize("step", [0, 1, 1499, 1500, 1501, 2250, 2999])
def test_hold_then_fall(step: int) -> None:
    assert hold_then_fall(step, 3000, 0.5, 0.5) == pytest.approx(
        taudl_oracle.rate(step, 3000, 0.5), rel=1e-10
    )


def test_hold_then_fall_without_holding() -> None:
    assert hold_then_fall(0, 10, 0.5, 0.0) == 0.5
    assert hold_then_fall(5, 10, 0.5, 0.0) == pytest.approx(0.5e-3)
