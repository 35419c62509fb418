"""Data sets of the papers' rows: names, pairs, sizes, formats; and the form of a paper's figures."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

DataName = Literal["market1501", "dukemtmc", "msmt17", "cuhk03"]
DATA: tuple[DataName, ...] = get_args(DataName)
"""Every data set that a row may need; `cuhk03` is the detected version, raw or as CUHK03-NP."""
PAPERS_AP = "mAP_trapezoid"
"""The form of average precision that the papers' mAP is compared with (spec G2: both papers' code lines
compute the trapezoid)."""


class Published(NamedTuple):
    """Figures of a paper, as fractions; None: it does not say.

    Attributes:
        rank1: Rank-1.
        rank5: Rank-5.
        rank10: Rank-10.
        mAP: Mean average precision, in the form of `PAPERS_AP`.
    """

    rank1: float | None = None
    rank5: float | None = None
    rank10: float | None = None
    mAP: float | None = None  # noqa: N815 (its name everywhere)


Pair = tuple[DataName, DataName]
"""Source and target."""
CRGAN_PAIRS: tuple[Pair, ...] = (
    ("market1501", "dukemtmc"),
    ("dukemtmc", "market1501"),
    ("cuhk03", "market1501"),
    ("cuhk03", "dukemtmc"),
    ("market1501", "cuhk03"),
)
"""Of CR-GAN's rows; the last one is not the paper's: both data sets are to be had."""
TRANSFER_PAIRS: tuple[Pair, ...] = (
    ("market1501", "dukemtmc"),
    ("dukemtmc", "market1501"),
    ("market1501", "msmt17"),
    ("msmt17", "market1501"),
    ("dukemtmc", "msmt17"),
    ("msmt17", "dukemtmc"),
)
"""Of DG-Net's table 9, direct transfer."""


class PublishedSize(NamedTuple):
    """Images of a data set, as the papers count them.

    Attributes:
        train: Training images.
        query: Queries.
        gallery: Gallery images, those labelled junk left out.
    """

    train: int
    query: int
    gallery: int


PUBLISHED_SIZES: Mapping[DataName, PublishedSize] = {
    "market1501": PublishedSize(12_936, 3_368, 15_913),
    "dukemtmc": PublishedSize(16_522, 2_228, 17_661),
    "msmt17": PublishedSize(32_621, 11_659, 82_161),
    "cuhk03": PublishedSize(7_365, 1_400, 5_332),
}
"""Spec G1; CUHK03 by the new protocol, detected (all three together are the paper's 14,097 images)."""
FORMATS: Mapping[DataName, tuple[str, ...]] = {
    "market1501": ("market1501",),
    "dukemtmc": ("dukemtmc",),
    "msmt17": ("msmt17",),
    "cuhk03": ("cuhk03", "cuhk03-np"),
}
"""Formats that a data set may come in."""
