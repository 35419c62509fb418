"""P x Z batches: pure, balanced, from other cameras where there are some."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genreid.data.group_sampling import GroupPlan, Groups

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, -1, 0, 3, 1, 2, 0, -1, 0])
CAMERAS = torch.tensor([0, 0, 1, 0, 0, 2, 1, 0, 1, 0, 1, 1, 2, 2])


def groups() -> Groups:
    return Groups.of(LABELS, CAMERAS)


def test_groups_of_one_and_outliers_are_left_out() -> None:
    found = groups()
    assert found.labels == (0, 1, 2)
    assert [rows.tolist() for rows in found.members] == [[0, 2, 5, 7, 11, 13], [1, 4, 9], [3, 10]]
    assert len(found) == 3


@settings(deadline=None, max_examples=50)
@given(
    p=st.integers(1, 5),
    z=st.integers(2, 7),
    step=st.integers(0, 1000),
    seed=st.integers(0, 99),
    other=st.booleans(),
)
def test_a_batch_is_p_groups_of_z_images(p: int, z: int, step: int, seed: int, other: bool) -> None:
    plan = GroupPlan(p, z, seed, "test", other)
    batch = groups().draw(plan, step)
    assert batch.rows.shape == batch.labels.shape == (p * z,)
    assert torch.equal(LABELS[batch.rows], batch.labels)
    assert all(len(set(part.tolist())) == 1 for part in torch.split(batch.labels, z))
    torch.manual_seed(step)
    again = Groups.of(LABELS, CAMERAS).draw(plan, step)
    assert torch.equal(batch.rows, again.rows)


@pytest.mark.parametrize("other", [False, True])
def test_images_are_not_repeated_where_they_are_enough(other: bool) -> None:
    for step in range(30):
        batch = groups().draw(GroupPlan(3, 3, 0, "test", other), step)
        for part, label in zip(torch.split(batch.rows, 3), torch.split(batch.labels, 3), strict=True):
            if label[0] != 2:  # cluster 2 has two images
                assert len(set(part.tolist())) == 3


def test_the_others_are_of_other_cameras_than_the_first() -> None:
    for step in range(30):
        batch = groups().draw(GroupPlan(3, 4, 0, "test", other_cameras=True), step)
        for rows, label in zip(torch.split(batch.rows, 4), torch.split(batch.labels, 4), strict=True):
            cameras = CAMERAS[rows]
            if label[0] == 1:  # all of one camera
                assert rows[0] not in rows[1:]
            else:
                assert (cameras[1:] != cameras[0]).all()


def test_without_cameras_every_image_can_follow_every_other() -> None:
    seen = {
        (int(part[0]), int(row))
        for step in range(400)
        for part in torch.split(groups().draw(GroupPlan(1, 3, 0, "test", other_cameras=False), step).rows, 3)
        for row in part[1:]
    }
    assert {pair for pair in seen if LABELS[pair[0]] == 0} == {
        (one, two) for one in [0, 2, 5, 7, 11, 13] for two in [0, 2, 5, 7, 11, 13] if one != two
    }


def test_every_group_comes_once_before_any_comes_again() -> None:
    plan = GroupPlan(1, 2, 5, "test")
    walk = [int(groups().draw(plan, step).labels[0]) for step in range(30)]
    assert all(sorted(walk[first : first + 3]) == [0, 1, 2] for first in range(0, 30, 3))


def test_seeds_streams_and_steps_differ() -> None:
    def rows(seed: int, stream: str, step: int) -> list[int]:
        return groups().draw(GroupPlan(3, 6, seed, stream), step).rows.tolist()

    drawn = [rows(0, "a", 0), rows(1, "a", 0), rows(0, "b", 0), rows(0, "a", 1)]
    assert len({tuple(item) for item in drawn}) == 4
