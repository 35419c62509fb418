"""Before a row is made: data sets, settings and run folders.

Run folders lie in RUNS/RECIPE-seedN/PAPER/DATA/NAME, where DATA names what the run depends on: stage I of all
pairs with one source is one run, and so rows share whatever they can.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from genreid.data.load import load_dataset
from genreid.data.sample import ReidDataset
from genreid.models.precision import choose_compute
from genreid.reproduce.paper import Changes, Row, Times, Training
from genreid.reproduce.published import DATA, FORMATS, DataName
from genreid.runs.config_file import ConfigT, config_from_dict, config_to_dict, flatten, merge_mappings
from genreid.runs.run_options import RunOptions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True)
class ReproduceJob:
    """Make one row of a paper's table: train what it needs, rank, and set ours beside the paper's figures."""

    market1501: Path | None = field(default=None, metadata={"metavar": "DIR"})
    """Market-1501."""
    dukemtmc: Path | None = field(default=None, metadata={"metavar": "DIR"})
    """DukeMTMC-reID."""
    msmt17: Path | None = field(default=None, metadata={"metavar": "DIR"})
    """MSMT17, either version."""
    cuhk03: Path | None = field(default=None, metadata={"metavar": "DIR"})
    """CUHK03: the raw release, or CUHK03-NP's detected images."""
    masks: Path | None = field(default=None, metadata={"metavar": "DIR"})
    """Folder of person masks, in DIR/market1501 and so on (default: RUNS/masks, where they are made)."""
    runs: Path = field(default=Path("runs/reproduce"), metadata={"metavar": "RUNS"})
    """Folder of all run folders; rows share what they can, and a row that was stopped goes on there."""
    out: Path | None = field(default=None, metadata={"metavar": "F.json"})
    """Result file (default: results/NAME.RECIPE.seedN.json)."""
    parser_model: Path | None = field(default=None, metadata={"metavar": "FILE"})
    """File of the person-mask network, where it cannot be fetched; see `genreid mask --help`."""

    def folder(self, name: DataName) -> Path | None:
        """Return where a data set lies.

        Args:
            name: Which one.
        """
        place: Path | None = getattr(self, name)
        return place


@dataclass(frozen=True)
class RowPlan:
    """A row, with all that decides how it is made.

    Attributes:
        row: Which row.
        job: Where data and runs are.
        options: Seed, device, precision, time limit.
        config: All settings, of the paper's method, without the row's own changes.
        data: The data sets that it needs, read.
    """

    row: Row
    job: ReproduceJob
    options: RunOptions
    config: Any
    data: Mapping[DataName, ReidDataset]

    @property
    def label(self) -> str:
        """The recipe, and a few digits of the settings where some were changed."""
        made = self.row.recipes[self.options.recipe]()
        if made == self.config:
            return self.options.recipe
        text = json.dumps(flatten(config_to_dict(self.config)), sort_keys=True)
        return f"{self.options.recipe}+{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    @property
    def device(self) -> str:
        """What computes: the GPU's name, or `cpu`."""
        device = choose_compute(self.options.device, self.options.precision).device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"

    @property
    def out(self) -> Path:
        """The result file."""
        name = f"{self.row.name}.{self.label}.seed{self.options.seed}.json"
        return self.job.out or Path("results") / name

    def path_of(self, name: DataName) -> Path:
        """Return the folder of a data set that the row needs.

        Args:
            name: Which one.
        """
        place = self.job.folder(name)
        assert place is not None, name
        return place

    def masks_of(self, name: DataName) -> Path:
        """Return the folder of a data set's masks.

        Args:
            name: Which one.
        """
        return (self.job.masks or self.job.runs / "masks") / name

    def folder_of(self, training: Training) -> Path:
        """Return a run folder of the row.

        Args:
            training: Which one.
        """
        pair = zip((self.row.source, self.row.target), training.depends_on, strict=True)
        data = "-".join(dict.fromkeys(name for name, needed in pair if needed))
        return self.job.runs / f"{self.label}-seed{self.options.seed}" / self.row.paper / data / training.name


def plan_row(row: Row, job: ReproduceJob, options: RunOptions, config: "DataclassInstance") -> RowPlan:
    """Read the data sets that a row needs, and refuse what cannot give it.

    Args:
        row: Which row.
        job: Where data and runs are.
        options: Seed, device, precision, time limit.
        config: All settings, of the row's paper.

    Raises:
        ValueError: If a data set is missing or another one, or people are to be held out.
    """
    if options.holdout:
        msg = (
            "genreid reproduce: a row is the final figure on a test set; choose settings with "
            f"`genreid adapt|train --holdout {options.holdout}` and `genreid evaluate --holdout "
            f"{options.holdout}`, then give them here"
        )
        raise ValueError(msg)
    missing = [name for name in row.needs if job.folder(name) is None]
    if missing:
        wanted = " and ".join(f"--{name} DIR" for name in missing)
        msg = f"genreid reproduce: {row.name} needs {wanted}: {row.what}"
        raise ValueError(msg)
    data = {}
    for name in row.needs:
        place = job.folder(name)
        assert place is not None, name
        data[name] = load_dataset(place)
        if data[name].format not in FORMATS[name]:
            msg = f"--{name} {place}: expected {' or '.join(FORMATS[name])}, found {data[name].format}"
            raise ValueError(msg)
    return RowPlan(row, job, options, config, data)


def with_changes(config: ConfigT, changes: Changes) -> ConfigT:
    """Return settings with some of them changed.

    Args:
        config: A config.
        changes: Values by dotted name, or by what the value there is multiplied.

    Raises:
        ValueError: If there is no such setting, or a value does not fit.
    """
    tree: dict[str, object] = {}
    present = flatten(config_to_dict(config))
    for name, change in changes.items():
        value = _multiplied(present[name], change) if isinstance(change, Times) else change
        *sections, leaf = name.split(".")
        place = tree
        for section in sections:
            below = place.setdefault(section, {})
            assert isinstance(below, dict)
            place = below
        place[leaf] = value
    return config_from_dict(type(config), merge_mappings(config_to_dict(config), tree), source="row")


def _multiplied(value: object, change: Times) -> float:
    """Return a number of a config times a factor; a whole number stays one."""
    assert isinstance(value, int | float)
    return round(value * change.factor) if isinstance(value, int) else value * change.factor


assert set(DATA) <= set(ReproduceJob.__dataclass_fields__), "every data set has its option"
