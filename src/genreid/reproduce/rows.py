"""The rows of the papers' tables that `genreid reproduce` makes, with the papers' figures.

A row is named PAPER/DATA/VARIANT: `crgan/market1501-dukemtmc/crgan_lmp` learns from Market-1501's people and
searches among DukeMTMC-reID's; `dgnet/msmt17/both` learns and searches in MSMT17. It is made of pairs of data
sets and of variants, in the tables below. A row without a figure of the paper is a control of our own, or a
variant that the paper tried on other data only. Names of variants are those of the files in results/.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from genreid.features.halves import Half
from genreid.features.options import Pooling
from genreid.recipes import crgan, dgnet
from genreid.reproduce.published import (
    CRGAN_FIGURES,
    CRGAN_TABLES,
    DGNET_FIGURES,
    DGNET_TABLES,
    PUBLISHED_SIZES,
    TRANSFER_FIGURES,
    DataName,
    Figures,
    Pair,
    PaperName,
    Published,
)
from genreid.training.adapt_config import AdaptConfig, RendererName
from genreid.training.crgan_stages import RENDERERS
from genreid.training.dgnet_config import DgnetConfig


class Times(NamedTuple):
    """A setting that is a multiple of the recipe's.

    Attributes:
        factor: By what it is multiplied; a whole number stays one, rounded.
    """

    factor: float


Changes = Mapping[str, bool | float | Times]
"""Settings that make a variant, by dotted name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One run folder, which several rows may share."""

    name: str
    """Name of the folder."""
    method: Literal["baseline", "adapt", "taudl", "dgnet"]
    """Which pipeline trains it."""
    renderer: RendererName = "none"
    """`adapt`: what makes stage III's images."""
    changes: Changes = field(default_factory=dict)
    """Settings that make the variant, by dotted name."""
    start: "Training | None" = None
    """Whose network it takes: `adapt` stage I, `taudl` the last network, `dgnet` the teacher."""
    sections: tuple[str, ...]
    """Settings that matter, by the beginnings of their dotted names; empty text: all."""

    @property
    def chain(self) -> tuple["Training", ...]:
        """This training after those that it needs."""
        return (*(self.start.chain if self.start else ()), self)

    @property
    def reads_source(self) -> bool:
        """Whether its own iterations see source images."""
        return self.method != "taudl"

    @property
    def depends_on(self) -> tuple[bool, bool]:
        """Whether the outcome depends on the source, and whether on the target."""
        from_source = any(training.reads_source for training in self.chain)
        return from_source, any(training.method in {"adapt", "taudl"} for training in self.chain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table."""

    name: str
    """PAPER/DATA/VARIANT."""
    paper: PaperName
    """Whose table."""
    tables: tuple[int, ...]
    """Numbers of the tables where it stands; none: the paper has no such row."""
    what: str
    """What it is, in a line."""
    source: DataName
    """The data set whose labelled people are learned from."""
    target: DataName
    """The data set whose queries and gallery are ranked."""
    training: Training
    """The run that is evaluated."""
    pooling: Pooling = "average"
    """As in `FeatureOptions`."""
    statistics_of: DataName | None = None
    """Data set that batch-norm statistics are re-estimated on; None: they stay as stored."""
    half: Half | None = None
    """DG-Net: half of the embedding that is ranked; None: all of it."""
    published: Published | None = None
    """The paper's figures."""
    controls: tuple[str, ...] = ()
    """Names of the rows that it is set against; the first is the paper's own comparison."""

    @property
    def variant(self) -> str:
        """The last part of its name."""
        return self.name.rsplit("/", maxsplit=1)[-1]

    @property
    def needs(self) -> tuple[DataName, ...]:
        """The data sets without which it cannot be made."""
        from_source = self.training.depends_on[0]
        return tuple(dict.fromkeys((*((self.source,) if from_source else ()), self.target)))

    @property
    def sections(self) -> tuple[str, ...]:
        """Settings that matter for it, by the beginnings of their dotted names."""
        return tuple(dict.fromkeys(part for training in self.training.chain for part in training.sections))


_NETWORK = ("image.", "backbone.")
_STAGE_ONE = (*_NETWORK, "stage1_identity.")
_GENERATOR = ("generator.", "domain.", "camera.", "stage1_camera.", "stage2.")


def _adapted(name: str, renderer: RendererName, changes: Changes | None = None) -> Training:
    """Return a training that goes through CR-GAN's stages from a shared stage I."""
    generator = _GENERATOR if RENDERERS[renderer].kind.is_trained else ()
    sections = (*_NETWORK, *generator, "stage3.")
    return Training(
        name=name,
        method="adapt",
        renderer=renderer,
        changes=changes or {},
        start=_DIRECT,
        sections=sections,
    )


_DIRECT = Training(name="direct", method="baseline", sections=_STAGE_ONE)
_CRGAN = _adapted("crgan", "crgan")
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
_TAUDL, _DIRECT_TAUDL, _CRGAN_TAUDL = (
    Training(name=name, method="taudl", start=start, sections=(*_NETWORK, "taudl."))
    for name, start in (("taudl", None), ("direct_taudl", _DIRECT), ("crgan_taudl", _CRGAN))
)
_TEACHER = Training(name="teacher", method="baseline", sections=("teacher.",))
_DGNET = Training(name="dgnet", method="dgnet", start=_TEACHER, sections=("",))
_LONGER = Training(
    name="longer_teacher", method="dgnet", changes={"training.generation": False}, sections=("",)
)


@dataclass(frozen=True, slots=True)
class _Variant:
    """What a row of one name is on any data; `averaged`: batch-norm statistics of the images at hand."""

    what: str
    training: Training
    controls: tuple[str, ...] = ()
    pooling: Pooling = "average"
    averaged: bool = False
    half: Half | None = None


_LABELS_WITHIN_CAMERAS = "given which target images of one camera show one person"
_PLAIN = ("direct", "source_control", "source_long", "colour", "composite")
_AVERAGED = ("bn_control", "source_bn_control", "source_long_bn", "colour_bn", "composite_bn")
_CRGAN_VARIANTS = {
    "direct": _Variant("direct transfer: trained on the source alone", _DIRECT),
    "direct_lmp": _Variant("direct, local max pooling", _DIRECT, ("direct",), pooling="lmp"),
    "bn_control": _Variant("direct, batch norms averaged on the target", _DIRECT, ("direct",), averaged=True),
    "source_control": _Variant("direct, trained on with real source images", _SOURCE, ("direct",)),
    "source_bn_control": _Variant(
        "source_control, batch norms averaged on the target", _SOURCE, ("bn_control",), averaged=True
    ),
    "source_control_lmp": _Variant(
        "source_control, local max pooling", _SOURCE, ("direct_lmp",), pooling="lmp"
    ),
    "source_long": _Variant(
        "source_control for as many minutes as CR-GAN's stages II and III took", _SOURCE_LONG, ("direct",)
    ),
    "source_long_bn": _Variant(
        "source_long, batch norms averaged on the target", _SOURCE_LONG, ("bn_control",), averaged=True
    ),
    "colour": _Variant(
        "source images in the colours of target images: mean and deviation of each channel",
        _COLOUR,
        ("direct", "source_control"),
    ),
    "colour_bn": _Variant(
        "colour, batch norms averaged on the target",
        _COLOUR,
        ("bn_control", "source_bn_control"),
        averaged=True,
    ),
    "composite": _Variant(
        "source people in the target's colours, pasted on target images whose person is painted over",
        _COMPOSITE,
        ("direct", "source_control", "colour"),
    ),
    "composite_bn": _Variant(
        "composite, batch norms averaged on the target",
        _COMPOSITE,
        ("bn_control", "source_bn_control", "colour_bn"),
        averaged=True,
    ),
    "cut_paste": _Variant("source people pasted on target images", _CUT_PASTE, ("direct", "source_control")),
    "cut_paste_bn": _Variant(
        "cut_paste, batch norms averaged on the target",
        _CUT_PASTE,
        ("bn_control", "source_bn_control"),
        averaged=True,
    ),
    "without_dual": _Variant("CR-GAN without dual condition", _WITHOUT_DUAL, (*_PLAIN, "crgan")),
    "without_dual_lmp": _Variant(
        "CR-GAN without dual condition, local max pooling",
        _WITHOUT_DUAL,
        ("direct_lmp", "crgan_lmp"),
        pooling="lmp",
    ),
    **{
        f"without_{loss}": _Variant(f"CR-GAN without {loss} loss", training, (*_PLAIN, "crgan"))
        for loss, training in _WITHOUT.items()
    },
    "without_identity_bn": _Variant(
        "CR-GAN without identity loss, batch norms averaged on the target",
        _WITHOUT["identity"],
        (*_AVERAGED, "crgan_bn"),
        averaged=True,
    ),
    "crgan": _Variant("CR-GAN", _CRGAN, (*_PLAIN, "cut_paste")),
    "crgan_lmp": _Variant(
        "CR-GAN, local max pooling", _CRGAN, ("direct", "direct_lmp", "source_control_lmp"), pooling="lmp"
    ),
    "crgan_bn": _Variant(
        "CR-GAN, batch norms averaged on the target", _CRGAN, (*_AVERAGED, "cut_paste_bn"), averaged=True
    ),
    "taudl": _Variant(f"TAUDL alone, {_LABELS_WITHIN_CAMERAS}", _TAUDL),
    "direct_taudl": _Variant(f"direct, then TAUDL, {_LABELS_WITHIN_CAMERAS}", _DIRECT_TAUDL, ("taudl",)),
    "crgan_taudl": _Variant(
        f"CR-GAN, then TAUDL, {_LABELS_WITHIN_CAMERAS}", _CRGAN_TAUDL, ("taudl", "direct_taudl")
    ),
}
_TWO_HEADS = ("teacher", "longer_teacher")
_DGNET_VARIANTS = {
    "teacher": _Variant("the baseline, which is DG-Net's teacher", _TEACHER),
    "primary": _Variant("DG-Net, primary features", _DGNET, _TWO_HEADS, half="primary"),
    "fine": _Variant("DG-Net, fine features", _DGNET, _TWO_HEADS, half="fine"),
    "both": _Variant("DG-Net, primary and fine features", _DGNET, _TWO_HEADS),
    "longer_teacher": _Variant("DG-Net's re-id part, as long, without generation", _LONGER, ("teacher",)),
    "teacher_bn": _Variant("teacher, batch norms averaged on its training images", _TEACHER, averaged=True),
    "both_bn": _Variant("both, batch norms averaged likewise", _DGNET, ("teacher_bn",), averaged=True),
}
_TRANSFERRED = ("teacher", "both")
"""Variants of DG-Net in table 9."""


def _row(paper: PaperName, pair: Pair, variant: str, tables: tuple[int, ...], figures: Figures) -> Row:
    """Put a row together."""
    made = (_CRGAN_VARIANTS if paper == "crgan" else _DGNET_VARIANTS)[variant]
    data = "-".join(dict.fromkeys(pair))
    percent = figures.get(variant)
    at_hand = pair[1] if paper == "crgan" else pair[0]
    transferred = paper == "dgnet" and pair[0] != pair[1]
    known = _TRANSFERRED if transferred else _DGNET_VARIANTS if paper == "dgnet" else _CRGAN_VARIANTS
    return Row(
        name=f"{paper}/{data}/{variant}",
        paper=paper,
        tables=tables if percent else (),
        what=made.what + (", on another data set as it is" if transferred else ""),
        source=pair[0],
        target=pair[1],
        training=made.training,
        pooling=made.pooling,
        statistics_of=at_hand if made.averaged else None,
        half=made.half,
        published=Published(*(round(figure / 100, 6) for figure in percent)) if percent else None,
        controls=tuple(f"{paper}/{data}/{name}" for name in made.controls if name in known),
    )


def _all_rows() -> tuple[Row, ...]:
    """Return every row: pairs and variants multiplied out."""
    rows = [
        _row("crgan", pair, variant, (7,) if pair[0] == "cuhk03" else CRGAN_TABLES.get(variant, ()), figures)
        for pair, figures in CRGAN_FIGURES.items()
        for variant in _CRGAN_VARIANTS
    ]
    rows += [
        _row("dgnet", (data, data), variant, _dgnet_tables(data, variant), figures)
        for data, figures in DGNET_FIGURES.items()
        for variant in _DGNET_VARIANTS
    ]
    rows += [
        _row("dgnet", pair, variant, (9,), {"both": figures})
        for pair, figures in TRANSFER_FIGURES.items()
        for variant in _TRANSFERRED
    ]
    return tuple(rows)


def _dgnet_tables(data: DataName, variant: str) -> tuple[int, ...]:
    """Return where DG-Net's own rows stand: only the whole method is in the comparisons."""
    return DGNET_TABLES[data] if variant == "both" or data == "cuhk03" else (3,)


ROWS: Mapping[str, Row] = {row.name: row for row in _all_rows()}
"""Every row by name, in the order of the papers."""


def find_row(name: str) -> Row:
    """Return a row by its name.

    Args:
        name: PAPER/DATA/VARIANT.

    Raises:
        ValueError: If there is no such row; the nearest ones are named.
    """
    if name in ROWS:
        return ROWS[name]
    words = [word for word in name.replace("-", "/").split("/") if word]
    holding = [known for known in ROWS if words and all(word in known for word in words)]
    near = sorted(holding or ROWS, key=lambda known: -SequenceMatcher(None, name, known).ratio())[:3]
    msg = (
        f"genreid reproduce: no row is called {name!r}; did you mean {' or '.join(near)}? "
        "`genreid reproduce --list` shows all"
    )
    raise ValueError(msg)


def rows_with(words: tuple[str, ...]) -> tuple[Row, ...]:
    """Return the rows in whose name, or among whose tables, every word is found.

    Args:
        words: Such as `crgan`, `market1501`, `table3`; none: every row.
    """

    def fits(row: Row) -> bool:
        tables = {f"table{number}" for number in row.tables}
        return all(word in tables if word.startswith("table") else word in row.name for word in words)

    return tuple(row for row in ROWS.values() if fits(row))


def recipes_of(row: Row) -> Mapping[str, Callable[[], AdaptConfig] | Callable[[], DgnetConfig]]:
    """Return the recipes that a row can be made with, by name; `paper` is the one of its paper.

    Args:
        row: The row.
    """
    if row.paper == "crgan":
        return crgan.RECIPES
    return {"paper": _published_on(row.source), **dgnet.RECIPES}


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
