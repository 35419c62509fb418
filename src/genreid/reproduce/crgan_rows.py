"""CR-GAN's rows: from a source's people to a target's, with every ablation, and their controls."""

from dataclasses import replace
from pathlib import Path

from genreid.methods import TAUDL_USES
from genreid.models.backbone import BackboneConfig
from genreid.pipelines.adapt import AdaptJob
from genreid.pipelines.train_baseline import BaselineJob
from genreid.pipelines.train_taudl import TaudlJob
from genreid.recipes import crgan
from genreid.reproduce.paper import Changes, Data, Paper, Request, Row, Times, Training, Variant
from genreid.reproduce.plan import RowPlan, with_changes
from genreid.reproduce.published import CRGAN_PAIRS, Pair
from genreid.runs.trained_renderer import RENDERERS, RendererName
from genreid.training.adapt_config import AdaptConfig
from genreid.training.taudl_config import TaudlConfig

_RECIPES = {name: make for name, make in crgan.RECIPES.items() if name not in crgan.RENDERER_OF_RECIPE}
"""A row says its renderer itself."""
_NETWORK = ("image.", "backbone.")
_STAGE_ONE = (*_NETWORK, "stage1_identity.")
_TRAINED_WITH = {
    "": (),
    "rendering": ("generator.", "domain.", "camera.", "stage1_camera.", "stage2."),
    "spgan": ("spgan.",),
}
"""Stage that trains a renderer -> sections of the settings that it depends on."""


def _adapted(name: str, renderer: RendererName, changes: Changes | None = None) -> Training:
    """Return a training that goes through CR-GAN's stages from a shared stage I."""
    choice = RENDERERS[renderer]
    sections = (*_NETWORK, *_TRAINED_WITH[choice.stage], "stage3.")
    return Training(
        name=name,
        method="adapt",
        renderer=renderer,
        changes=changes or {},
        start=_DIRECT,
        sections=sections,
        needs_masks=choice.kind.needs_masks,
        reads=(True, True),
    )


_DIRECT = Training(name="direct", method="baseline", sections=_STAGE_ONE)
_CRGAN = _adapted("crgan", "crgan")
_SPGAN = _adapted("spgan", "spgan")
_SOURCE = _adapted("source_control", "none")
_SOURCE_LONG = _adapted("source_long", "none", {"stage3.iterations": Times(10)})
_CUT_PASTE = _adapted("cut_paste", "cut_paste")
_COLOUR = _adapted("colour", "colour")
_COMPOSITE = _adapted("composite", "composite")
_WITHOUT_DUAL = _adapted("without_dual", "crgan_single", {"generator.dual_condition": False})
_WITHOUT = {
    loss: _adapted(f"without_{loss}", "crgan", {f"stage2.weights.{loss}": 0.0})
    for loss in ("identity", "camera", "context")
}
_TAUDL, _DIRECT_TAUDL, _CRGAN_TAUDL, _SPGAN_TAUDL = (
    Training(name=name, method="taudl", start=start, sections=(*_NETWORK, "taudl."), reads=(False, True))
    for name, start in (
        ("taudl", None),
        ("direct_taudl", _DIRECT),
        ("crgan_taudl", _CRGAN),
        ("spgan_taudl", _SPGAN),
    )
)
_LABELS_WITHIN_CAMERAS = "given which target images of one camera show one person"
_PLAIN = ("direct", "source_control", "source_long", "colour", "composite")
_AVERAGED = ("bn_control", "source_bn_control", "source_long_bn", "colour_bn", "composite_bn")
_VARIANTS = {
    "direct": Variant("direct transfer: trained on the source alone", _DIRECT),
    "direct_lmp": Variant("direct, local max pooling", _DIRECT, ("direct",), pooling="lmp"),
    "bn_control": Variant("direct, batch norms averaged on the target", _DIRECT, ("direct",), averaged=True),
    "source_control": Variant("direct, trained on with real source images", _SOURCE, ("direct",)),
    "source_bn_control": Variant(
        "source_control, batch norms averaged on the target", _SOURCE, ("bn_control",), averaged=True
    ),
    "source_control_lmp": Variant(
        "source_control, local max pooling", _SOURCE, ("direct_lmp",), pooling="lmp"
    ),
    "source_long": Variant(
        "source_control for as many minutes as CR-GAN's stages II and III took", _SOURCE_LONG, ("direct",)
    ),
    "source_long_bn": Variant(
        "source_long, batch norms averaged on the target", _SOURCE_LONG, ("bn_control",), averaged=True
    ),
    "colour": Variant(
        "source images in the colours of target images: mean and deviation of each channel",
        _COLOUR,
        ("direct", "source_control"),
    ),
    "colour_bn": Variant(
        "colour, batch norms averaged on the target",
        _COLOUR,
        ("bn_control", "source_bn_control"),
        averaged=True,
    ),
    "composite": Variant(
        "source people in the target's colours, pasted on target images whose person is painted over",
        _COMPOSITE,
        ("direct", "source_control", "colour"),
    ),
    "composite_bn": Variant(
        "composite, batch norms averaged on the target",
        _COMPOSITE,
        ("bn_control", "source_bn_control", "colour_bn"),
        averaged=True,
    ),
    "cut_paste": Variant("source people pasted on target images", _CUT_PASTE, ("direct", "source_control")),
    "cut_paste_bn": Variant(
        "cut_paste, batch norms averaged on the target",
        _CUT_PASTE,
        ("bn_control", "source_bn_control"),
        averaged=True,
    ),
    "without_dual": Variant("CR-GAN without dual condition", _WITHOUT_DUAL, (*_PLAIN, "crgan")),
    "without_dual_lmp": Variant(
        "CR-GAN without dual condition, local max pooling",
        _WITHOUT_DUAL,
        ("direct_lmp", "crgan_lmp"),
        pooling="lmp",
    ),
    **{
        f"without_{loss}": Variant(f"CR-GAN without {loss} loss", training, (*_PLAIN, "crgan"))
        for loss, training in _WITHOUT.items()
    },
    "without_identity_bn": Variant(
        "CR-GAN without identity loss, batch norms averaged on the target",
        _WITHOUT["identity"],
        (*_AVERAGED, "crgan_bn"),
        averaged=True,
    ),
    "crgan": Variant("CR-GAN", _CRGAN, (*_PLAIN, "cut_paste")),
    "crgan_lmp": Variant(
        "CR-GAN, local max pooling", _CRGAN, ("direct", "direct_lmp", "source_control_lmp"), pooling="lmp"
    ),
    "crgan_bn": Variant(
        "CR-GAN, batch norms averaged on the target", _CRGAN, (*_AVERAGED, "cut_paste_bn"), averaged=True
    ),
    "spgan": Variant("SPGAN, with CR-GAN's stage III", _SPGAN, _PLAIN),
    "spgan_lmp": Variant(
        "SPGAN, local max pooling", _SPGAN, ("direct", "direct_lmp", "source_control_lmp"), pooling="lmp"
    ),
    "spgan_bn": Variant("SPGAN, batch norms averaged on the target", _SPGAN, _AVERAGED, averaged=True),
    "taudl": Variant(f"TAUDL alone, {_LABELS_WITHIN_CAMERAS}", _TAUDL),
    "direct_taudl": Variant(f"direct, then TAUDL, {_LABELS_WITHIN_CAMERAS}", _DIRECT_TAUDL, ("taudl",)),
    "crgan_taudl": Variant(
        f"CR-GAN, then TAUDL, {_LABELS_WITHIN_CAMERAS}", _CRGAN_TAUDL, ("taudl", "direct_taudl")
    ),
    "spgan_taudl": Variant(
        f"SPGAN, then TAUDL, {_LABELS_WITHIN_CAMERAS}", _SPGAN_TAUDL, ("taudl", "direct_taudl")
    ),
}


def _row(pair: Pair, name: str) -> Row:
    """Put a row together."""
    variant = _VARIANTS[name]
    return variant.row(
        f"crgan/{'-'.join(pair)}/{name}",
        Data(
            source=pair[0],
            target=pair[1],
            at_hand=pair[1],
            recipes=_RECIPES,
            source_split="all" if pair[0] == "cuhk03" else "train",  # all 1,467 people (spec E21)
        ),
    )


def _request(plan: RowPlan, training: Training, start: Path | None) -> Request:
    """Return what a run is: direct transfer, TAUDL on the target, or CR-GAN from a shared stage I."""
    config = with_changes(plan.config, training.changes)
    assert isinstance(config, AdaptConfig)
    row, out = plan.row, plan.folder_of(training)
    if training.method == "baseline":
        job = BaselineJob(data=plan.path_of(row.source), out=out, split=row.source_split)
        return Request(job, config.baseline)
    if training.method == "taudl":
        backbone = replace(config.backbone, dropout=0.0, bottleneck=0)
        settings = TaudlConfig(image=config.image, backbone=backbone, taudl=config.taudl)
        return Request(TaudlJob(data=plan.path_of(row.target), out=out, init=start), settings)
    source_masks, target_masks = (
        plan.masks_of(name) if training.needs_masks else None for name in (row.source, row.target)
    )
    adapting = AdaptJob(
        source=plan.path_of(row.source),
        target=plan.path_of(row.target),
        out=out,
        source_split=row.source_split,
        source_masks=source_masks,
        target_masks=target_masks,
        renderer=training.renderer,
        pretrained=start,
    )
    return Request(adapting, config)


def _backbone(config: AdaptConfig, _training: Training) -> BackboneConfig:
    """Return D_id's backbone."""
    return config.backbone


def _words(plan: RowPlan) -> list[str]:
    """Say what TAUDL is given."""
    if all(training.method != "taudl" for training in plan.row.training.chain):
        return []
    size = f"{plan.config.image.height}x{plan.config.image.width}"
    return [f"TAUDL at stage I's image size, {size}; its own is 256x128. It uses {TAUDL_USES}."]


PAPER = Paper(
    title="CR-GAN",
    rows=tuple(_row(pair, name) for pair in CRGAN_PAIRS for name in _VARIANTS),
    request=_request,
    backbone=_backbone,
    words=_words,
)
"""CR-GAN (Chen, Zhu and Gong, ICCV 2019)."""
