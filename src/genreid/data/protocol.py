"""The evaluation protocol (spec G1): what a query is ranked against, what is correct, why a query is lost.

Junk (pid -1) is removed for every query. Gallery images of the query's own person are correct; those of the
query's own camera are removed, and an unknown camera (-1) is nobody's own. Distractors (pid 0) are always
wrong. A query without a correct gallery image is lost: it is left out of every mean.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genreid.data.sample import DISTRACTOR_PID, JUNK_PID, UNKNOWN_CAMID

Reason = Literal["not_a_person", "not_in_gallery", "own_camera_only"]
"""Why a query is lost: its pid is junk or distractor; the gallery does not show its person; or only through
the query's own camera."""


def is_junk(gallery_pid: ArrayLike) -> NDArray[np.bool_]:
    """Whether gallery images are removed for every query.

    Args:
        gallery_pid: Identities, of any shape.
    """
    return np.equal(gallery_pid, JUNK_PID)


def is_person(query_pid: ArrayLike) -> NDArray[np.bool_]:
    """Whether queries show somebody who can be found: neither junk nor a distractor.

    Args:
        query_pid: Identities, of any shape.
    """
    return np.greater(query_pid, max(JUNK_PID, DISTRACTOR_PID))


def is_own_camera(query_camid: ArrayLike, gallery_camid: ArrayLike) -> NDArray[np.bool_]:
    """Whether images of the query's person are removed for it, since its own camera took them.

    Args:
        query_camid: Cameras of queries, of any shape.
        gallery_camid: Cameras of gallery images of their people, of a shape that goes with it.
    """
    return np.equal(query_camid, gallery_camid) & np.not_equal(query_camid, UNKNOWN_CAMID)


def why_lost(query_pid: int, own: int, correct: int) -> Reason | None:
    """Say why a query has no correct gallery image; None if it has one.

    Args:
        query_pid: Whom it shows.
        own: Number of gallery images of that person.
        correct: Number of those that are not of the query's own camera.
    """
    if not is_person(query_pid):
        return "not_a_person"
    if own == 0:
        return "not_in_gallery"
    return None if correct else "own_camera_only"


def describe_reasons(reasons: tuple[Reason, ...]) -> str:
    """Say in words, with counts, why queries have no correct gallery image.

    Args:
        reasons: One reason for each such query.
    """
    texts: dict[Reason, str] = {
        "not_a_person": "have a pid of -1 (junk) or 0 (distractor)",
        "not_in_gallery": "show people whom the gallery does not show",
        "own_camera_only": "show people whom the gallery shows only through the query's own camera",
    }
    counts = {reason: reasons.count(reason) for reason in get_args(Reason)}
    return ", ".join(f"{counts[reason]} {text}" for reason, text in texts.items() if counts[reason])
