"""What the figures of the page mean, in simple English."""

from typing import NamedTuple


class Explanation(NamedTuple):
    """Words to a figure.

    Attributes:
        title: Heading.
        text: One or two sentences: what it is and how to read it.
    """

    title: str
    text: str


STAGES = {
    "identity": Explanation("Identity network", "A re-id network learns to name the labelled people."),
    "camera": Explanation("Camera network", "D_cam learns which of the target's cameras took a picture."),
    "rendering": Explanation(
        "Generator", "G learns to render people into the target's contexts, against the discriminator D_d."
    ),
    "finetuning": Explanation("Fine-tuning", "The re-id network goes on learning, from rendered people."),
    "dgnet": Explanation(
        "DG-Net", "Two encoders, a decoder and a discriminator learn to recognise and to generate together."
    ),
    "cluster": Explanation(
        "Clustering", "The re-id network learns from groups that it finds among the target's own images."
    ),
    "cluster_rounds": Explanation("Rounds of clustering", "What was found at the begin of each round."),
    "taudl": Explanation(
        "TAUDL",
        "The re-id network learns from the target's tracklets. Not label-free: it uses which images of one "
        "camera show one person.",
    ),
    "offline": Explanation(
        "Offline feeding",
        "A new appearance encoder learns from real images and those of the finished generator.",
    ),
}
"""Stage of training -> what happens in it, in the order of training."""

TERMS = {
    "camera": {"camera": "Cross-entropy of the cameras; lower is better."},
    "rendering": {
        "domain": "What D_d pays for mistaking real and rendered (eq. 4). Neither side should win.",
        "identity": "Does the fixed re-id network still know the rendered person? Lower is better.",
        "camera": "Does the rendering look like the target's camera? Lower is better.",
        "context": "Distance to the person inside the mask, to the target outside (eq. 6).",
        "context_mask": "Mean of X_C: the share of the picture that is taken from the context.",
    },
    "cluster_rounds": {
        "clusters": "How many groups were found.",
        "outliers": "Share of the images that are in no group; it should fall.",
        "spanning": "Share of the groups with images of several cameras; it should rise.",
        "diagnosis_purity": "Share of grouped images that show their group's most frequent person. It takes "
        "labels: not to be used for choosing anything.",
        "diagnosis_pair_f1": "Pairs of images that are rightly together. It takes labels: not to be used for "
        "choosing anything.",
    },
    "taudl": {
        "discrimination": "Cross-entropy of the tracklets within each camera; lower is better.",
        "association": "Are tracklets of other cameras near that look alike? Lower is better.",
    },
    "dgnet": {"identity": "Cross-entropy of the primary head on real images (eq. 3)."},
    "": {
        "identity": "Cross-entropy of the people's names; lower is better.",
        "accuracy": "Share of the batch that is classified rightly; higher is better.",
        "contrast": "Does an image lie near its own group, and far from the others? Lower is better.",
        "adversarial": "What the generator pays when its pictures look made up.",
        "itself": "Reconstruction from the image's own codes (eq. 1).",
        "same_person": "Reconstruction with the appearance of another image of the person (eq. 2).",
        "generated_identity": "Do generated images show who gave the appearance? (eq. 6)",
        "positive_identity": "Cross-entropy on another image of each person.",
        "fine_identity": "Cross-entropy of the fine head on real images.",
        "discriminator": "What D pays for mistaking real and generated (eq. 7).",
        "gradient_penalty": "R1: how steep D is at real images.",
        "appearance_code": "Do appearance codes come back? (eq. 4)",
        "structure_code": "Do structure codes come back? (eq. 5)",
        "cycle": "Swapping twice should give the image back.",
        "primary": "Distance to the teacher's labels on generated images (eq. 8).",
        "fine": "Do generated images still show who gave the structure? (eq. 9)",
    },
}
"""Stage (nothing: any stage) -> loss term -> what it is."""

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
    return STAGES.get(stage, Explanation(stage, ""))


def explain_term(stage: str, term: str) -> str:
    """Return what a loss term is; nothing for a term that is not known.

    Args:
        stage: Name of the stage.
        term: Name of the term.
    """
    return TERMS.get(stage, {}).get(term, TERMS[""].get(term, ""))


def explain_sheet(file_name: str) -> Explanation:
    """Return what a picture of images/ shows.

    Args:
        file_name: Such as `renderings.png`.
    """
    return next((text for word, text in _SHEETS if file_name.startswith(word)), _ANY_SHEET)
