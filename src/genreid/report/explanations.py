"""What the figures of the page mean, in simple English."""

from typing import NamedTuple

from genreid.methods import ANY_STAGE, STAGES


class Explanation(NamedTuple):
    """Words to a figure.

    Attributes:
        title: Heading.
        text: One or two sentences: what it is and how to read it.
    """

    title: str
    text: str


_SHEETS = (
    (
        "renderings",
        Explanation(
            "Renderings",
            "One column is one pair. From top to bottom: X_S, the source person; X_T, a picture of the "
            "target; M_S, the person mask of X_S; 1-X_C, where the generator keeps X_S (white); X_G, the "
            "rendering. A good X_G shows the person of X_S in the light and surroundings of X_T.",
        ),
    ),
    (
        "grid",
        Explanation(
            "Appearance x structure",
            "Each column takes its structure (pose, build, background) from the picture at its top, each row "
            "its appearance (clothes, colours) from the picture at its left. A good grid changes only one of "
            "them at a time.",
        ),
    ),
    (
        "interpolat",
        Explanation(
            "Interpolation",
            "From the code of one picture to that of another, in equal steps. Changes should be smooth.",
        ),
    ),
)
_ANY_SHEET = Explanation("Picture", "A picture that the run keeps in its folder.")


def explain_stage(stage: str) -> Explanation:
    """Return what a stage of training is.

    Args:
        stage: Its name in metrics.jsonl.
    """
    card = STAGES.get(stage)
    return Explanation(stage, "") if card is None else Explanation(card.title, card.text)


def explain_term(stage: str, term: str) -> str:
    """Return what a loss term is; nothing for a term that is not known.

    Args:
        stage: Name of the stage.
        term: Name of the term.
    """
    own = STAGES[stage].terms if stage in STAGES else {}
    return own.get(term, ANY_STAGE.get(term, ""))


def explain_sheet(file_name: str) -> Explanation:
    """Return what a picture of images/ shows.

    Args:
        file_name: Such as `renderings.png`.
    """
    return next((text for word, text in _SHEETS if file_name.startswith(word)), _ANY_SHEET)
