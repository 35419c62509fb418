"""Tracklets and batches of them: as many of every camera, within each camera its own numbers."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genreid.data.tracklet_sampling import TrackletPlan, Tracklets

PIDS = torch.tensor([5, 5, 7, 7, 7, -1, 9, 5, 0, 7, 9, 9, 5, 5, 5])
CAMERAS = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 0, 2, 2, 2, 0, 0, 0])
USABLE = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14])


def tracklets() -> Tracklets:
    return Tracklets.of(PIDS, CAMERAS, USABLE)


def test_a_tracklet_is_a_person_in_a_camera() -> None:
    found = tracklets()
    assert found.counts == (2, 3, 2)
    assert [[rows.tolist() for rows in camera] for camera in found.cameras] == [
        [[0, 1, 12, 13, 14], [2]],
        [[7], [3, 4], [6]],
        [[9], [10]],
    ], "junk, distractors and unreadable images are in none"


@settings(deadline=None, max_examples=40)
@given(k=st.integers(1, 5), n=st.integers(1, 6), step=st.integers(0, 500), seed=st.integers(0, 99))
def test_a_batch_has_k_tracklets_of_every_camera(k: int, n: int, step: int, seed: int) -> None:
    plan = TrackletPlan(k, n, seed, "test")
    batch = tracklets().draw(plan, step)
    assert batch.rows.shape == batch.labels.shape == (3 * k * n,)
    assert CAMERAS[batch.rows].tolist() == [camera for camera in range(3) for _ in range(k * n)]
    for rows, labels in zip(torch.split(batch.rows, n), torch.split(batch.labels, n), strict=True):
        camera = int(CAMERAS[rows[0]])
        assert len(set(labels.tolist())) == 1
        wanted = tracklets().cameras[camera][int(labels[0])].tolist()
        assert set(rows.tolist()) <= set(wanted)
        assert len(set(rows.tolist())) == n or len(wanted) < n
    assert torch.equal(tracklets().draw(plan, step).rows, batch.rows)


def test_all_tracklets_of_a_camera_come_before_any_comes_again() -> None:
    walk = [int(tracklets().draw(TrackletPlan(1, 1, 3, "test"), step).labels[1]) for step in range(12)]
    assert all(sorted(walk[first : first + 3]) == [0, 1, 2] for first in range(0, 12, 3))
