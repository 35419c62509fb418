"""Batches are pure functions of seed and step."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genreid.data.sampling import epoch_indices, step_generator

COUNTS = st.integers(1, 50)
SEEDS = st.integers(-(2**40), 2**40)


@settings(deadline=None)
@given(
    count=COUNTS, batch=st.integers(1, 70), step=st.integers(0, 10**6), seed=SEEDS, stream=st.text(max_size=5)
)
def test_pure_and_in_range(count: int, batch: int, step: int, seed: int, stream: str) -> None:
    rows = epoch_indices(count, batch, step, seed, stream)
    assert rows.shape == (batch,)
    assert rows.dtype == torch.int64
    assert int(rows.min()) >= 0
    assert int(rows.max()) < count
    torch.manual_seed(step)  # neither asks nor moves the global random numbers
    state = torch.get_rng_state()
    rows_again = epoch_indices(count, batch, step, seed, stream)
    assert torch.equal(rows, rows_again)
    assert torch.equal(state, torch.get_rng_state())
    assert rows.data_ptr() != rows_again.data_ptr()


@settings(deadline=None)
@given(count=COUNTS, batch=st.integers(1, 30), seed=SEEDS)
def test_every_image_once_before_any_again(count: int, batch: int, seed: int) -> None:
    walk = torch.cat([epoch_indices(count, batch, step, seed) for step in range(3 * count // batch + 1)])
    for epoch in range(len(walk) // count):
        assert sorted(walk[epoch * count : (epoch + 1) * count].tolist()) == list(range(count))


@settings(deadline=None)
@given(count=COUNTS, batch=st.integers(1, 20), seed=SEEDS)
def test_batch_size_only_cuts_the_walk(count: int, batch: int, seed: int) -> None:
    long = epoch_indices(count, 6 * batch, 1, seed)
    short = torch.cat([epoch_indices(count, batch, step, seed) for step in range(6, 12)])
    assert torch.equal(long, short)


def test_epochs_seeds_and_streams_differ() -> None:
    first = epoch_indices(1000, 1000, 0, 1, "source")
    others = [(1, 1, "source"), (0, 2, "source"), (0, 1, "target"), (0, 1, "")]
    for step, seed, stream in others:
        other = epoch_indices(1000, 1000, step, seed, stream)
        assert (first == other).float().mean() < 0.02


def test_known_values_stay() -> None:
    """A change of these numbers would change every run that is resumed after an update."""
    assert epoch_indices(10, 6, 1, 0, "source").tolist() == [3, 4, 2, 6, 4, 6]


@pytest.mark.parametrize(("count", "batch", "step"), [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_what_cannot_be_drawn(count: int, batch: int, step: int) -> None:
    with pytest.raises(ValueError, match="no batch of"):
        epoch_indices(count, batch, step, 0)


def test_random_numbers_of_a_step() -> None:
    def draw(step: int, seed: int, stream: str) -> torch.Tensor:
        return torch.rand(100, generator=step_generator(step, seed, stream))

    assert torch.equal(draw(5, 1, "flip"), draw(5, 1, "flip"))
    for other in (draw(6, 1, "flip"), draw(5, 2, "flip"), draw(5, 1, "noise")):
        assert abs(float(torch.corrcoef(torch.stack([draw(5, 1, "flip"), other]))[0, 1])) < 0.4
