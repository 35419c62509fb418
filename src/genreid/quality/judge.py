"""A judge that took no part in training: does it find who gave the appearance?

The judge is a re-id network of another backbone, trained on other people. Each generated image is a query;
the gallery is every real image of an appearance. Single query, cross-camera: the query has the camera of the
image that gave its appearance, so that neither that image nor another of the same moment counts. The papers
have no such figure. Real images in place of generated ones give what there is to reach.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from genreid.data.sample import UNKNOWN_CAMID, Sample
from genreid.evaluation.ranking import rank
from genreid.features.extract import Extractor
from genreid.quality.images import UnmeasurableError

logger = logging.getLogger(__name__)

MAKE_ONE = (
    "`genreid train baseline --data OTHER_PEOPLE --recipe compact --backbone.name tf_efficientnet_lite2 "
    "--out JUDGE`"
)
"""What makes a judge."""


def judge_rank1(judge: Extractor, generated: Sequence[Path], givers: Sequence[Sample]) -> float:
    """Return the share of generated images whose nearest real image shows who gave the appearance.

    Args:
        judge: The judge's network.
        generated: N generated images.
        givers: For each, the real image that gave its appearance.

    Raises:
        UnmeasurableError: If no person has images of two cameras (or, of unknown cameras, two images).
    """
    gallery = tuple(dict.fromkeys(givers))
    if any(giver.camid == UNKNOWN_CAMID for giver in gallery):  # nobody's own: each image its own camera
        own = {giver.path: number for number, giver in enumerate(gallery, 1)}
        givers = [replace(giver, camid=own[giver.path]) for giver in givers]
        gallery = tuple(dict.fromkeys(givers))
    queries = [Sample(path, giver.pid, giver.camid) for path, giver in zip(generated, givers, strict=True)]
    try:
        return rank(judge.extract(queries), judge.extract(gallery)).rank_at(1)
    except ValueError as error:
        msg = f"the judge cannot rank: {error}"
        raise UnmeasurableError(msg) from error


def expect_strangers(judge: Path, ranked: Sequence[Sample], judged: Sequence[Sample]) -> None:
    """Refuse a judge that was trained on people whom it shall rank.

    Args:
        judge: Its run folder.
        ranked: Images of the people who give the appearances.
        judged: The judge's training images.

    Raises:
        ValueError: If they share an image: a file of one name and size.
    """
    known = {_name_and_size(sample.path) for sample in judged}
    shared = {sample.pid for sample in ranked if _name_and_size(sample.path) in known}
    if shared:
        msg = (
            f"--judge {judge} was trained on {len(shared)} of the people whom it shall rank, so it is "
            f"no judge; make one of other people: {MAKE_ONE}"
        )
        raise ValueError(msg)


def _name_and_size(path: Path) -> tuple[str, int]:
    """Return what two copies of an image share."""
    return path.name, path.stat().st_size if path.is_file() else -1
