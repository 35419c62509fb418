"""Queries and a gallery, and their ranking, whole and by halves; needs no torch."""

import logging
from pathlib import Path
from typing import NamedTuple

from genreid.evaluation.ranking import Ranking, rank
from genreid.features.feature_set import FeatureSet
from genreid.features.halves import Half, halves_in, take_half, weight_fine_half
from genreid.features.options import mirror_in

logger = logging.getLogger(__name__)

WHOLE = "both"
"""Name of the ranking by whole embeddings, beside those of DG-Net's halves."""
_SAME = ("model", "pooling", "parts")
"""Metadata that tell whether two feature files are of one network, made ready in one way."""


class TwoSides(NamedTuple):
    """What is ranked.

    Attributes:
        query: The queries.
        gallery: What is searched.
    """

    query: FeatureSet
    gallery: FeatureSet

    def half(self, name: Half | None) -> "TwoSides":
        """Return both sides' primary or fine half, or all of them.

        Args:
            name: Which half; None: all.
        """
        return self if name is None else TwoSides(take_half(self.query, name), take_half(self.gallery, name))


def load_sides(query: Path, gallery: Path, fine_weight: float | None) -> TwoSides:
    """Load feature files that `genreid extract` has written.

    Args:
        query: File of the queries.
        gallery: File of the gallery.
        fine_weight: Weight of DG-Net's fine half; None: as in the files.

    Raises:
        ValueError: If a file is damaged, or they are of different networks, or number people differently.
    """
    sides = TwoSides(FeatureSet.load(query), FeatureSet.load(gallery))
    for name in (*_SAME, "mirror", *(("fine_weight",) if fine_weight is None else ())):
        asked, ranked = (
            mirror_in(side.metadata) if name == "mirror" else side.metadata.get(name) for side in sides
        )
        if None not in (asked, ranked) and asked != ranked:
            msg = (
                f"{query} and {gallery} were not made by the same network in the same way: {name} is {asked} "
                f"there and {ranked} here; extract both with one RUN and the same FEATURE OPTIONS"
            )
            raise ValueError(msg)
    _expect_one_numbering(query, gallery, sides)
    return sides if fine_weight is None else TwoSides(*(weight_fine_half(one, fine_weight) for one in sides))


def _expect_one_numbering(query: Path, gallery: Path, sides: TwoSides) -> None:
    """Refuse files whose people were numbered apart: the same pid would be another person."""
    asked, ranked = (side.metadata.get("numbering") for side in sides)
    if asked == ranked:
        return
    if None not in (asked, ranked):
        msg = (
            f"{query} and {gallery} are of data sets whose people or cameras were numbered apart, so a "
            "number means somebody else in each; put the images into query/ and gallery/ of one folder (or "
            "into one table), and extract both --split query and --split gallery from it"
        )
        raise ValueError(msg)
    logger.warning(
        "people of one of %s and %s were numbered by genreid; be sure that the numbers mean the same",
        *(query, gallery),
    )


def rank_sides(sides: TwoSides, *, rerank: bool = False) -> dict[str, Ranking]:
    """Rank by whole embeddings (`both`) and, where both sides have the same two halves, by each of them.

    Args:
        sides: Queries and gallery.
        rerank: By k-reciprocal neighbours.
    """
    score = rank
    if rerank:
        from genreid.evaluation.reranking import rerank as score  # noqa: PLC0415 - faiss, if asked for
    halves = halves_in(sides.query) if halves_in(sides.query) == halves_in(sides.gallery) else {}
    return {WHOLE: score(*sides)} | {half: score(*sides.half(half)) for half in halves}
