"""The labelled people of a data set that a network learns from."""

from typing import Literal

from genreid.data.holdout import holdout
from genreid.data.sample import DISTRACTOR_PID, JUNK_PID, ReidDataset, Sample, count_pids


def training_people(
    dataset: ReidDataset, split: Literal["train", "all"] = "train", held_out: int = 0
) -> tuple[Sample, ...]:
    """Return the images of labelled people to train on; junk, distractors and unlabelled images are left out.

    Args:
        dataset: The data set.
        split: Its training images, or those of all splits together (CR-GAN takes all of CUHK03).
        held_out: How many identities, the last in sorted order, are kept out.

    Raises:
        ValueError: If fewer than two people are left: there is nothing to tell apart.
    """
    images = dataset.known_people if split == "all" else dataset.train
    people = tuple(sample for sample in images if sample.pid not in {JUNK_PID, DISTRACTOR_PID})
    if count_pids(people) < 2:
        msg = (
            f"{dataset.root}: the {split} images show {count_pids(people)} labelled people, two or more are "
            f"needed; `genreid data check {dataset.root}` says what is there"
        )
        raise ValueError(msg)
    return holdout(people, held_out).training if held_out else people
