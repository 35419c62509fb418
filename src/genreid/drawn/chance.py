"""Chance that can be repeated: a generator for every key, and choices with weights."""

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

ChoiceT = TypeVar("ChoiceT")


def chance(seed: int, *key: int | str) -> np.random.Generator:
    """Return the generator of a seed and a key: independent of every other key's.

    Args:
        seed: 0 or more.
        key: Words and numbers of 0 or more that say what is decided.
    """
    numbers = (zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key)
    return np.random.default_rng([seed, *numbers])


def one_of(random: np.random.Generator, choices: Sequence[ChoiceT]) -> ChoiceT:
    """Return one of several things, each as likely.

    Args:
        random: Decides.
        choices: The things.
    """
    return choices[int(random.integers(len(choices)))]


def weighted(random: np.random.Generator, choices: Sequence[tuple[ChoiceT, float]]) -> ChoiceT:
    """Return one of several things.

    Args:
        random: Decides.
        choices: The things and their weights, which need not sum to 1.
    """
    left = random.random() * sum(weight for _, weight in choices)
    for choice, weight in choices:
        left -= weight
        if left < 0:
            return choice
    return choices[-1][0]
