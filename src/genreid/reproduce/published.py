"""What the papers' tables say: CR-GAN's and DG-Net's figures, and the sizes of their data sets."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

DataName = Literal["market1501", "dukemtmc", "msmt17", "cuhk03"]
DATA: tuple[DataName, ...] = get_args(DataName)
"""Every data set that a row may need; `cuhk03` is the detected version, raw or as CUHK03-NP."""
PAPERS_AP = "mAP_trapezoid"
"""The form of average precision that the papers' mAP is compared with (spec G2: both papers' code lines
compute the trapezoid)."""


class Published(NamedTuple):
    """Figures of a paper, as fractions.

    Attributes:
        rank1: Rank-1.
        mAP: Mean average precision, in the form of `PAPERS_AP`.
    """

    rank1: float
    mAP: float  # noqa: N815 (its name everywhere)


Figures = Mapping[str, tuple[float, float]]
"""Variant -> rank-1 and mAP in percent."""
Pair = tuple[DataName, DataName]
"""Source and target."""

CRGAN_FIGURES: Mapping[Pair, Figures] = {
    ("market1501", "dukemtmc"): {
        "direct": (36.9, 20.5),
        "without_dual": (43.3, 24.8),
        "crgan": (52.2, 30.0),
        "without_dual_lmp": (48.7, 27.6),
        "crgan_lmp": (56.0, 33.3),
        "without_identity": (31.9, 15.4),
        "without_camera": (48.8, 28.6),
        "without_context": (48.5, 28.8),
        "cut_paste": (21.6, 9.0),
        "taudl": (61.7, 43.5),
        "crgan_taudl": (68.9, 48.6),
    },
    ("dukemtmc", "market1501"): {
        "direct": (47.5, 20.0),
        "without_dual": (55.5, 27.0),
        "crgan": (59.6, 29.6),
        "without_dual_lmp": (59.2, 28.5),
        "crgan_lmp": (64.5, 33.2),
        "without_identity": (32.8, 11.8),
        "without_camera": (53.6, 26.0),
        "without_context": (57.4, 28.7),
        "cut_paste": (26.5, 11.3),
        "taudl": (63.7, 41.2),
        "crgan_taudl": (77.7, 54.0),
    },
    ("cuhk03", "market1501"): {"crgan": (58.5, 30.4), "taudl": (63.7, 41.2), "crgan_taudl": (78.3, 56.0)},
    ("cuhk03", "dukemtmc"): {"crgan": (46.5, 26.9), "taudl": (61.7, 43.5), "crgan_taudl": (67.7, 47.7)},
    ("market1501", "cuhk03"): {},
}
"""CR-GAN's tables 2 and 3 (ablations), 6 and 7 (TAUDL; CUHK03 as source), 11 (cut and paste): rank-1 and mAP
in percent. The last pair is not the paper's: both data sets are to be had."""
CRGAN_TABLES: Mapping[str, tuple[int, ...]] = {
    "direct": (2, 11),
    "without_dual": (2,),
    "without_dual_lmp": (2,),
    "without_identity": (3,),
    "without_camera": (3,),
    "without_context": (3,),
    "crgan": (2, 3, 5, 11),
    "crgan_lmp": (2, 5, 6, 11),
    "cut_paste": (11,),
    "taudl": (6,),
    "crgan_taudl": (6,),
}
"""Where they stand between Market-1501 and DukeMTMC-reID; from CUHK03 all stand in table 7."""
DGNET_FIGURES: Mapping[DataName, Figures] = {
    "market1501": {
        "teacher": (89.6, 74.5),
        "primary": (94.0, 84.4),
        "fine": (91.6, 75.3),
        "both": (94.8, 86.0),
    },
    "dukemtmc": {
        "teacher": (82.0, 65.3),
        "primary": (85.6, 72.7),
        "fine": (78.7, 61.2),
        "both": (86.6, 74.8),
    },
    "msmt17": {"teacher": (68.8, 36.2), "primary": (76.0, 49.7), "fine": (71.5, 43.5), "both": (77.2, 52.3)},
    "cuhk03": {"both": (65.6, 61.1)},
}
"""DG-Net's table 3, whose last line is in tables 4 and 5, too, and table 10 (CUHK03-NP; its version is not
named: those compared there are published for detected boxes)."""
DGNET_TABLES: Mapping[DataName, tuple[int, ...]] = {
    "market1501": (3, 4),
    "dukemtmc": (3, 4),
    "msmt17": (3, 5),
    "cuhk03": (10,),
}
TRANSFER_FIGURES: Mapping[Pair, tuple[float, float]] = {
    ("market1501", "dukemtmc"): (42.62, 24.25),
    ("dukemtmc", "market1501"): (56.12, 26.83),
    ("market1501", "msmt17"): (17.11, 5.41),
    ("msmt17", "market1501"): (61.76, 33.62),
    ("dukemtmc", "msmt17"): (20.59, 6.35),
    ("msmt17", "dukemtmc"): (61.89, 40.69),
}
"""DG-Net's table 9, direct transfer."""


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
