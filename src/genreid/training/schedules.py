"""Learning rates and update counts as pure functions of the step, in fractions of a stage's length."""

import math


def linear_after_half(step: int, total: int, rate: float) -> float:
    """Return `rate` in the first half, then a straight line to 0 at `total` (CR-GAN, section 4.1; spec E16).

    Args:
        step: Number of the iteration, from 0.
        total: Length of the stage in iterations.
        rate: Learning rate of the first half.
    """
    half = total / 2
    return rate if step < half else rate * (total - step) / (total - half)


def step_decay(step: int, total: int, rate: float, drop_at: tuple[float, ...]) -> float:
    """Return `rate`, divided by ten at each of the given fractions of the stage.

    Args:
        step: Number of the iteration, from 0.
        total: Length of the stage in iterations.
        rate: Learning rate at the start.
        drop_at: Fractions of `total`, such as (0.5,).
    """
    return rate * 0.1 ** sum(step >= fraction * total for fraction in drop_at)


def warm_up(step: int, total: int, fraction: float) -> float:
    """Return a factor for the loss that rises in a straight line from 0.1 to 1 (spec dg-net F8).

    Args:
        step: Number of the iteration, from 0.
        total: Length of the stage in iterations.
        fraction: Share of the stage that the rise takes; 0 = none, the factor is always 1.
    """
    rise = fraction * total
    return 1.0 if step >= rise else 0.1 + 0.9 * step / rise


def generator_updates(step: int, total: int) -> int:
    """Return k of algorithm 1: 1 update of the generator in the first half, 2 in the second (spec E15).

    Args:
        step: Number of the iteration, from 0.
        total: Length of the stage in iterations.
    """
    return 1 if step < total / 2 else 2


def ramp(step: int, total: int, start: float, full: float) -> float:
    """Return 0 up to a fraction of the stage, 1 from another on, a line between them (spec dg-net F9).

    Args:
        step: Number of the iteration, from 0.
        total: Length of the stage in iterations.
        start: Fraction at which the rise begins.
        full: Fraction at which it ends; equal to `start`: a jump.
    """
    if step < start * total:
        return 0.0
    rise = (full - start) * total
    return 1.0 if rise <= 0 else min(1.0, (step - start * total) / rise)


def hold_then_fall(step: int, total: int, rate: float, hold: float) -> float:
    """Return `rate` up to a fraction of the stage; from there it falls exponentially to a millionth.

    TAUDL: rate * 0.001^((e - 100) / 50) after epoch 100 of 200 (spec baselines C7).

    Args:
        step: Number of the iteration, from 0.
        total: Length of the stage in iterations.
        rate: Learning rate at the start.
        hold: Fraction of `total` in which the rate stays, 0 to below 1.
    """
    fallen = max(0.0, step / total - hold) / (1 - hold)
    return rate * math.pow(1e-6, fallen)
