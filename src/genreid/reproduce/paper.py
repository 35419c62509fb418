"""What rows are made of: a paper's own file makes its rows of these, and says how their runs are trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from genreid.features.halves import Half
from genreid.features.options import Mirror, Pooling
from genreid.models.backbone import BackboneConfig
from genreid.reproduce.printed import in_paper
from genreid.reproduce.published import DataName, Published
from genreid.runs.trained_renderer import RendererName

if TYPE_CHECKING:
    from genreid.reproduce.plan import RowPlan

Recipes = Mapping[str, Callable[[], Any]]
"""Recipe name -> function that returns a config of the paper's method."""


class Times(NamedTuple):
    """A setting that is a multiple of the recipe's.

    Attributes:
        factor: By what it is multiplied; a whole number stays one, rounded.
    """

    factor: float


Changes = Mapping[str, bool | float | str | Times]
"""Settings that make a variant, by dotted name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One run folder, which several rows may share."""

    name: str
    """Name of the folder."""
    method: str
    """Name of the method that trains it, of `METHODS`."""
    evaluated: tuple[str, ...] = ()
    """Stages whose network is evaluated, the first that has a checkpoint; none: as the method's card says."""
    renderer: RendererName = "none"
    """`adapt`: what makes stage III's images."""
    needs_masks: bool = False
    """Whether it looks at person masks of source and target."""
    reads: tuple[bool, bool] = (True, False)
    """Whether its own iterations see source images, and whether target images."""
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
    def depends_on(self) -> tuple[bool, bool]:
        """Whether the outcome depends on the source, and whether on the target."""
        source, target = zip(*(training.reads for training in self.chain), strict=True)
        return any(source), any(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table."""

    name: str
    """PAPER/DATA/VARIANT."""
    paper: str
    """Whose table: name of a `Paper`."""
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
    recipes: Recipes
    """Recipes that it can be made with, by name; `paper` is the one of its paper."""
    source_split: Literal["train", "all"] = "train"
    """Which people of the source are learned from; `all`: those of the test set, too."""
    pooling: Pooling = "average"
    """As in `FeatureOptions`."""
    statistics_of: DataName | None = None
    """Data set that batch-norm statistics are re-estimated on; None: they stay as stored."""
    half: Half | None = None
    """DG-Net: half of the embedding that is ranked; None: all of it."""
    mirror: Mirror = "off"
    """As in `FeatureOptions`; the same for all rows of a paper, whatever their networks do by default."""
    published: Published | None = None
    """The paper's figures."""
    section: str = ""
    """Section of the paper where they stand, if in no table."""
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


@dataclass(frozen=True, slots=True)
class Variant:
    """What a row of one name is on any data."""

    what: str
    """What it is, in a line."""
    training: Training
    """The run that is evaluated."""
    controls: tuple[str, ...] = ()
    """Variants that it is set against, on the same data."""
    pooling: Pooling = "average"
    """As in `FeatureOptions`."""
    averaged: bool = False
    """Whether batch-norm statistics are those of the images at hand."""
    half: Half | None = None
    """DG-Net: half of the embedding that is ranked; None: all of it."""

    def row(self, name: str, on: "Data") -> Row:
        """Return the row of this variant on some data.

        Args:
            name: PAPER/DATA/VARIANT.
            on: The data, and what follows from them.
        """
        paper, data, _ = name.split("/")
        tables, section, published = in_paper(name)
        return Row(
            name=name,
            paper=paper,
            tables=tables,
            what=self.what,
            source=on.source,
            target=on.target,
            training=self.training,
            recipes=on.recipes,
            source_split=on.source_split,
            pooling=self.pooling,
            statistics_of=on.at_hand if self.averaged else None,
            half=self.half,
            mirror=on.mirror,
            published=published,
            section=section,
            controls=tuple(f"{paper}/{data}/{control}" for control in self.controls),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Data sets that a variant is made on."""

    source: DataName
    """Whose labelled people are learned from."""
    target: DataName
    """Whose queries and gallery are ranked."""
    at_hand: DataName
    """Whose training images may give batch-norm statistics."""
    recipes: Recipes
    """Recipes by name."""
    source_split: Literal["train", "all"] = "train"
    """As in `Row`."""
    mirror: Mirror = "off"
    """As in `Row`."""


class Request(NamedTuple):
    """What a method's card is asked to train.

    Attributes:
        job: The command's own options.
        config: All settings.
    """

    job: Any
    config: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A paper whose rows can be made."""

    title: str
    """Its method's name."""
    rows: tuple[Row, ...]
    """Every row, in the order of the paper."""
    request: Callable[["RowPlan", Training, Path | None], Request]
    """What a run of a row is: given that, and the folder of the run that it takes a network from, if any."""
    backbone: Callable[[Any, Training], BackboneConfig]
    """The backbone whose first weights a run begins with, of all settings."""
    words: Callable[["RowPlan"], list[str]] | None = None
    """In what a row differs from the paper beside its settings; what holds for rows of any paper is said."""
