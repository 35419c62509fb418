"""Which images make up the batch of step t: a pure function of (seed, t), so sampling needs no state.

A run that is killed at any moment and resumed asks for the same batches again, and ends in the same weights.
"""

import hashlib
from functools import lru_cache

import torch
from torch import Tensor


def epoch_indices(count: int, batch_size: int, step: int, seed: int, stream: str = "") -> Tensor:
    """Return the rows of the batch of one step: a walk through shuffled epochs.

    Step t takes the places t * batch_size and following of an endless row of permutations of 0..count-1, so
    that every image is seen once before any is seen again; a batch may cross the border between two epochs.
    With several processes, ask for the batch of all of them and take a slice of it by rank.

    Args:
        count: Number of images to draw from.
        batch_size: Number of rows wanted; may be larger than `count`.
        step: Step of the training run, from 0.
        seed: Seed of the run.
        stream: Name of what is drawn, such as `source` or `target`: different streams are independent.

    Returns:
        int64 [batch_size] on the CPU, values 0 to count - 1.

    Raises:
        ValueError: If `count` or `batch_size` is not positive, or `step` is negative.
    """
    if count < 1 or batch_size < 1 or step < 0:
        message = (
            f"no batch of {batch_size} images at step {step} out of {count}: "
            "the batch size and the number of images must be positive, the step 0 or more"
        )
        raise ValueError(message)
    first = step * batch_size
    last = first + batch_size
    pieces = []
    for epoch in range(first // count, (last - 1) // count + 1):
        start = epoch * count
        pieces.append(_permutation(count, seed, stream, epoch)[max(first - start, 0) : last - start])
    return torch.cat(pieces)


def step_generator(
    step: int, seed: int, stream: str = "", device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return the random numbers of one step (flips, crops, noise): a pure function of (seed, step, stream).

    Args:
        step: Step of the training run.
        seed: Seed of the run.
        stream: Name of what is drawn: different streams are independent.
        device: Where the numbers are drawn. The CPU's and an accelerator's differ.
    """
    return torch.Generator(device).manual_seed(_mixed_seed(seed, stream, step))


@lru_cache(maxsize=16)
def _permutation(count: int, seed: int, stream: str, epoch: int) -> Tensor:
    """Return the order of one epoch; kept, since a call wants a few rows of it only. Never written to."""
    generator = torch.Generator().manual_seed(_mixed_seed(seed, f"epoch/{stream}", epoch))
    return torch.randperm(count, generator=generator)


def _mixed_seed(seed: int, stream: str, number: int) -> int:
    """Mix a seed, a name and a number into 63 bits, so that neighbouring seeds share nothing."""
    digest = hashlib.sha256(f"{seed}/{stream}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
