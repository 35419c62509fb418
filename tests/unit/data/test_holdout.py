"""People kept out of training, and the little test made of them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genreid.data.check import lost_queries
from genreid.data.holdout import holdout, trial_of
from genreid.data.sample import DISTRACTOR_PID, JUNK_PID, UNKNOWN_CAMID, Sample

SAMPLES = st.lists(
    st.builds(
        Sample,
        path=st.integers(0, 10**6).map(lambda number: Path(f"{number:07d}.jpg")),
        pid=st.integers(-1, 12),
        camid=st.sampled_from([UNKNOWN_CAMID, 1, 2, 3]),
    ),
    max_size=60,
    unique_by=lambda sample: sample.path,
)


def some(*pids: int) -> list[Sample]:
    """Return one image of each pid."""
    return [Sample(Path(f"{number}.jpg"), pid, 1) for number, pid in enumerate(pids)]


def test_the_last_people_in_sorted_order_are_kept_out() -> None:
    kept = holdout(some(10, 2, 33, 2, 10, 4, JUNK_PID, DISTRACTOR_PID), 2)
    assert [sample.pid for sample in kept.training] == [2, 2, 4, JUNK_PID, DISTRACTOR_PID]
    assert [sample.pid for sample in kept.held_out] == [10, 33, 10]


def test_nobody_is_kept_out() -> None:
    samples = some(1, 2, 3)
    assert holdout(samples, 0) == (tuple(samples), ())
    assert holdout(some(JUNK_PID), 0).training == tuple(some(JUNK_PID))


@pytest.mark.parametrize("people", [-1, 2, 3, 4])
def test_too_many_are_kept_out(people: int) -> None:
    with pytest.raises(ValueError, match=f"--holdout {people} of 3 training identities"):
        holdout(some(1, 2, 3), people)


def test_trial_of_known_cameras() -> None:
    held_out = [
        Sample(Path("a.jpg"), 1, 1),
        Sample(Path("b.jpg"), 1, 1),
        Sample(Path("c.jpg"), 1, 2),
        Sample(Path("d.jpg"), 2, 1),
        Sample(Path("e.jpg"), 2, 1),
    ]
    trial = trial_of(held_out[::-1])
    # Person 2 is seen by one camera only and asks nothing, but is in the way of others.
    assert [sample.path.name for sample in trial.query] == ["a.jpg", "c.jpg"]
    assert [sample.path.name for sample in trial.gallery] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]


def test_trial_of_unknown_cameras() -> None:
    held_out = [Sample(Path(f"{number}.jpg"), 1 + number // 3, UNKNOWN_CAMID) for number in range(4)]
    trial = trial_of(held_out)
    assert [sample.path.name for sample in trial.query] == ["0.jpg"]
    assert [sample.path.name for sample in trial.gallery] == ["1.jpg", "2.jpg", "3.jpg"]


@settings(deadline=None)
@given(SAMPLES)
def test_every_query_of_a_trial_can_be_answered(samples: list[Sample]) -> None:
    people = [sample for sample in samples if sample.pid > 0]
    trial = trial_of(people)
    assert not lost_queries(trial.query, trial.gallery)
    assert set(trial.gallery) | set(trial.query) == set(people)
    unknown = {sample for sample in trial.query if sample.camid == UNKNOWN_CAMID}
    assert not unknown & set(trial.gallery)
