"""Keeping some training people out, to choose settings without looking at a test set."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from genreid.data.protocol import is_junk
from genreid.data.sample import DISTRACTOR_PID, JUNK_PID, UNKNOWN_CAMID, ReidDataset, Sample


class Holdout(NamedTuple):
    """Training people that stay, and those that are kept out.

    Attributes:
        training: Images to train on.
        held_out: Images of the people that are kept out.
    """

    training: tuple[Sample, ...]
    held_out: tuple[Sample, ...]


class Trial(NamedTuple):
    """What is ranked: a test set, or one made of training people.

    Attributes:
        query: Queries.
        gallery: What is ranked for them.
    """

    query: tuple[Sample, ...]
    gallery: tuple[Sample, ...]


def holdout(samples: Sequence[Sample], people: int) -> Holdout:
    """Keep the last identities in sorted order out (DG-Net kept 100 of Market-1501's 751 out).

    Junk and distractors are no identities; they stay in the training part.

    Args:
        samples: Training images.
        people: How many identities are kept out, 0 or more.

    Raises:
        ValueError: If fewer than two identities would be left to train on.
    """
    pids = sorted({sample.pid for sample in samples} - {JUNK_PID, DISTRACTOR_PID})
    if people < 0 or (people > 0 and len(pids) - people < 2):
        message = f"--holdout {people} of {len(pids)} training identities leaves fewer than two to train on"
        raise ValueError(message)
    out = set(pids[len(pids) - people :])
    return Holdout(
        tuple(sample for sample in samples if sample.pid not in out),
        tuple(sample for sample in samples if sample.pid in out),
    )


def test_set_of(dataset: ReidDataset) -> Trial:
    """Return a data set's own queries and gallery, without junk, which is not ranked.

    Args:
        dataset: The data set.

    Raises:
        ValueError: If one of both is empty.
    """
    ranked = tuple(sample for sample in dataset.gallery if not is_junk(sample.pid))
    if not dataset.query or not ranked:
        msg = (
            f"{dataset.root} has {len(dataset.query)} query and {len(ranked)} gallery images; expected "
            f"some of both. `genreid data check {dataset.root}` shows what it holds"
        )
        raise ValueError(msg)
    return Trial(dataset.query, ranked)


def trial_of(held_out: Iterable[Sample]) -> Trial:
    """Make queries and a gallery of held-out people.

    Queries: of every (identity, camera) whose identity another camera sees, too, the first image by path.
    Gallery: all images, for a query's own image is of its own camera and so is not ranked. Images of an
    unknown camera are never left out of a ranking for their camera; so an identity with such images has one
    query, its first image, which is taken out of the gallery if its camera is unknown.

    Args:
        held_out: `Holdout.held_out`, or any labelled images.
    """
    of_person: dict[int, list[Sample]] = defaultdict(list)
    for sample in sorted(held_out, key=lambda sample: sample.path):
        of_person[sample.pid].append(sample)
    query: list[Sample] = []
    gallery: list[Sample] = []
    for pid in sorted(of_person):
        chosen = _queries_of(of_person[pid])
        query += chosen
        gallery += [s for s in of_person[pid] if s.camid != UNKNOWN_CAMID or s not in chosen]
    return Trial(tuple(query), tuple(gallery))


def _queries_of(images: Sequence[Sample]) -> list[Sample]:
    """Return one person's queries: for each camera the first image, if an image elsewhere can be found."""
    if len(images) < 2:
        return []
    first_of_camera: dict[int, Sample] = {}
    for sample in images:
        first_of_camera.setdefault(sample.camid, sample)
    if UNKNOWN_CAMID in first_of_camera:
        return [images[0]]
    return list(first_of_camera.values()) if len(first_of_camera) > 1 else []
