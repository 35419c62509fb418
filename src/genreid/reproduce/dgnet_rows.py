"""DG-Net's rows: learned and searched in one data set, or searched in another as it is (table 9)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from genreid.features.options import Mirror
from genreid.models.backbone import BackboneConfig
from genreid.pipelines.train_baseline import BaselineJob
from genreid.pipelines.train_dgnet import DgnetJob
from genreid.recipes import dgnet
from genreid.reproduce.paper import Data, Paper, Request, Row, Training, Variant
from genreid.reproduce.plan import RowPlan, with_changes
from genreid.reproduce.published import DATA, PUBLISHED_SIZES, TRANSFER_PAIRS, DataName, Pair
from genreid.training.dgnet_config import DgnetConfig

_TEACHER = Training(name="teacher", method="baseline", sections=("teacher.",))
_DGNET = Training(name="dgnet", method="dgnet", start=_TEACHER, sections=("",))
_LONGER = Training(
    name="longer_teacher", method="dgnet", changes={"training.generation": False}, sections=("",)
)
_OFFLINE = Training(
    name="offline",
    method="dgnet",
    evaluated=("offline",),
    changes={"training.feeding": "offline"},
    start=_TEACHER,
    sections=("",),
)
_WITHOUT_FEEDING = Training(
    name="without_feeding", method="dgnet", changes={"training.feeding": "none"}, sections=("",)
)
_WITHOUT_BOTH = Training(
    name="without_feeding_and_identity",
    method="dgnet",
    changes={
        "training.feeding": "none",
        **{
            f"training.weights.{term}": 0.0
            for term in ("identity", "positive_identity", "fine_identity", "generated_identity")
        },
    },
    sections=("",),
)
_TWO_HEADS = ("teacher", "longer_teacher")
_VARIANTS = {
    "teacher": Variant("the baseline, which is DG-Net's teacher", _TEACHER),
    "primary": Variant("DG-Net, primary features", _DGNET, _TWO_HEADS, half="primary"),
    "fine": Variant("DG-Net, fine features", _DGNET, _TWO_HEADS, half="fine"),
    "both": Variant("DG-Net, primary and fine features", _DGNET, _TWO_HEADS),
    "longer_teacher": Variant("DG-Net's re-id part, as long, without generation", _LONGER, ("teacher",)),
    "teacher_bn": Variant("teacher, batch norms averaged on its training images", _TEACHER, averaged=True),
    "offline": Variant(
        "DG-Net's re-id part, fed with images of a generator that is finished", _OFFLINE, ("both", "teacher")
    ),
    "without_feeding": Variant("DG-Net without feeding (figure 4)", _WITHOUT_FEEDING, ("both", "teacher")),
    "without_feeding_and_identity": Variant(
        "DG-Net without feeding and identity losses (figure 4): E_a learns nothing, its pictures count",
        _WITHOUT_BOTH,
        ("without_feeding",),
    ),
    "both_bn": Variant("both, batch norms averaged likewise", _DGNET, ("teacher_bn",), averaged=True),
}
_MIRROR: Mirror = "on"
"""The authors rank DG-Net by image and mirror image, and so does the program that trains their teacher."""
_TRANSFERRED = ("teacher", "both")
"""Variants of DG-Net in table 9."""


def _row(data: DataName, name: str) -> Row:
    """Put a row together whose people are searched for where they were learned."""
    return _VARIANTS[name].row(
        f"dgnet/{data}/{name}",
        Data(
            source=data,
            target=data,
            at_hand=data,
            recipes=_recipes_on(data),
            mirror=_MIRROR,
        ),
    )


def _transferred(pair: Pair, name: str) -> Row:
    """Put a row together whose people are searched for in another data set."""
    variant = _VARIANTS[name]
    as_it_is = replace(
        variant,
        what=f"{variant.what}, on another data set as it is",
        controls=tuple(control for control in variant.controls if control in _TRANSFERRED),
    )
    return as_it_is.row(
        f"dgnet/{'-'.join(pair)}/{name}",
        Data(
            source=pair[0],
            target=pair[1],
            at_hand=pair[0],
            recipes=_recipes_on(pair[0]),
            mirror=_MIRROR,
        ),
    )


def _recipes_on(data: DataName) -> dict[str, Callable[[], DgnetConfig]]:
    """Return the recipes for people of a data set."""
    return {"paper": _published_on(data), **dgnet.RECIPES}


def _published_on(data: DataName) -> Callable[[], DgnetConfig]:
    """Return DG-Net's recipe for a data set."""

    def paper() -> DgnetConfig:
        """As published; the teacher, too, sees the images of the data set for 60 epochs (spec F8)."""
        config = dgnet.published_msmt17() if data == "msmt17" else dgnet.published()
        identity = config.teacher.identity
        iterations = round(60 * PUBLISHED_SIZES[data].train / identity.batch, -2)
        return replace(
            config, teacher=replace(config.teacher, identity=replace(identity, iterations=int(iterations)))
        )

    return paper


def _request(plan: RowPlan, training: Training, start: Path | None) -> Request:
    """Return what a run is: the teacher, or DG-Net with that teacher."""
    config = with_changes(plan.config, training.changes)
    assert isinstance(config, DgnetConfig)
    data, out = plan.path_of(plan.row.source), plan.folder_of(training)
    if training.method == "baseline":
        return Request(BaselineJob(data=data, out=out), config.teacher)
    return Request(DgnetJob(data=data, out=out, teacher_run=start), config)


def _backbone(config: DgnetConfig, training: Training) -> BackboneConfig:
    """Return the backbone of the teacher, or of E_a."""
    return (config.teacher if training.method == "baseline" else config.appearance).backbone


PAPER = Paper(
    title="DG-Net",
    rows=(
        *(_row(data, name) for data in DATA for name in _VARIANTS),
        *(_transferred(pair, name) for pair in TRANSFER_PAIRS for name in _TRANSFERRED),
    ),
    request=_request,
    backbone=_backbone,
)
"""DG-Net (Zheng et al., CVPR 2019)."""
