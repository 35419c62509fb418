"""What a row of a paper's table is made of: data sets, settings, run folders, and their training.

Run folders lie in RUNS/RECIPE-seedN/PAPER/DATA/NAME, where DATA names what the run depends on: stage I of all
pairs with one source is one run, and so rows share whatever they can.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from genreid.data.load import load_dataset
from genreid.data.mask_paths import mask_path
from genreid.data.sample import ReidDataset
from genreid.data.training_people import training_people
from genreid.data.whole_file import sha256_of
from genreid.masks.blazepose import load_blazepose
from genreid.masks.make import make_masks
from genreid.pipelines.adapt import AdaptJob, adapt
from genreid.pipelines.train_baseline import BaselineJob, train_baseline
from genreid.pipelines.train_dgnet import DgnetJob, train_dgnet
from genreid.pipelines.train_taudl import TaudlJob, train_taudl
from genreid.reproduce.code import mark_run
from genreid.reproduce.rows import DATA, FORMATS, Changes, DataName, Row, Times, Training, recipes_of
from genreid.training.checkpoint import checkpoint_folders
from genreid.training.config_file import ConfigT, config_from_dict, config_to_dict, merge_mappings
from genreid.training.configs import AdaptConfig, TaudlConfig
from genreid.training.crgan_stages import RENDERERS
from genreid.training.dgnet_config import DgnetConfig
from genreid.training.loop import Outcome, Session
from genreid.training.precision import choose_compute
from genreid.training.run_folder import flatten
from genreid.training.run_options import RunOptions
from genreid.training.trained_networks import APPEARANCE_STAGES

logger = logging.getLogger(__name__)


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
    json: bool = False
    """Print the result file instead of a table."""

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
        config: All settings, without the row's own changes.
        data: The data sets that it needs, read.
    """

    row: Row
    job: ReproduceJob
    options: RunOptions
    config: AdaptConfig | DgnetConfig
    data: Mapping[DataName, ReidDataset]

    @property
    def label(self) -> str:
        """The recipe, and a few digits of the settings where some were changed."""
        made = recipes_of(self.row)[self.options.recipe]()
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


def plan_row(row: Row, job: ReproduceJob, options: RunOptions, config: AdaptConfig | DgnetConfig) -> RowPlan:
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


def train(plan: RowPlan, training: Training, max_minutes: float | None) -> Outcome:
    """Train one run of a row, from where its folder stands.

    A finished run is only looked at: whether it is of these data and settings.

    Args:
        plan: The row.
        training: Which of its runs; those that it starts from are finished.
        max_minutes: Stop after so long; None: never.

    Raises:
        ValueError: If data, masks or settings do not fit together, or are others than when the run began, or
            what it started from has been made anew since.
    """
    out = plan.folder_of(training)
    session = Session(out, max_minutes=max_minutes)
    if not _make_masks(plan, training, session):
        return session.end(finished=False)
    left = None if max_minutes is None else max(0.0, max_minutes - (time.monotonic() - session.started) / 60)
    if training.start is not None:
        _expect_the_same_start(out, plan.folder_of(training.start), training.start)
    if finished(out, training) is None:
        mark_run(out, training, plan.row.paper, plan.device)
    try:
        return _train(plan, training, out, replace(plan.options, max_minutes=left))
    except ValueError as error:  # what other commands call --out lies below --runs here
        raise ValueError(str(error).replace("give another --out", "give another --runs")) from error


def _expect_the_same_start(run: Path, other: Path, start: Training) -> None:
    """Refuse to go on with a run whose copy of an earlier run's stage is not what that run holds now."""
    there = finished(other, start)
    if there is None:
        return
    for folder in checkpoint_folders(run / "checkpoints" / there.stage):
        state = _whole(folder)
        if state is not None and state["sha256"]["networks.safetensors"] != there.sha256:
            msg = (
                f"{run} began with another network than {other} holds now: that run was made anew since. "
                f"Delete {run} to make it from the new one, or give another --runs"
            )
            raise ValueError(msg)


def _train(plan: RowPlan, training: Training, out: Path, options: RunOptions) -> Outcome:
    """Train a run in the folder `out`."""
    start = None if training.start is None else plan.folder_of(training.start)
    if isinstance(plan.config, DgnetConfig):
        whole = with_changes(plan.config, training.changes)
        source = plan.path_of(plan.row.source)
        if training.method == "baseline":
            return train_baseline(BaselineJob(data=source, out=out), options, whole.teacher)
        return train_dgnet(DgnetJob(data=source, out=out, teacher_run=start), options, whole)
    config = with_changes(plan.config, training.changes)
    if training.method == "baseline":
        source, split = plan.path_of(plan.row.source), source_split(plan.row)
        return train_baseline(BaselineJob(data=source, out=out, split=split), options, config.baseline)
    if training.method == "taudl":
        backbone = replace(config.backbone, dropout=0.0, bottleneck=0)
        settings = TaudlConfig(image=config.image, backbone=backbone, taudl=config.taudl)
        job = TaudlJob(data=plan.path_of(plan.row.target), out=out, init=start)
        return train_taudl(job, options, settings)
    return adapt(_adapt_job(plan, training, start), options, config)


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


class Finished(NamedTuple):
    """The checkpoint of a finished run whose network is evaluated.

    Attributes:
        stage: Its stage, such as `finetuning`.
        step: Iterations of that stage.
        sha256: Of the file of its networks.
    """

    stage: str
    step: int
    sha256: str


def finished(run: Path, training: Training) -> Finished | None:
    """Return what is evaluated of a run; None if the run is not finished.

    Args:
        run: The run folder.
        training: What was to be trained there.
    """
    stages = {"baseline": ("identity",), "adapt": ("finetuning",), "taudl": ("taudl",)}
    for stage in stages.get(training.method, APPEARANCE_STAGES):
        for folder in checkpoint_folders(run / "checkpoints" / stage):
            state = _whole(folder)
            if state is None:
                continue  # damaged; the one before counts, as in training
            if state["step"] < state["iterations"]:
                return None
            return Finished(stage, state["step"], state["sha256"]["networks.safetensors"])
    return None


def _whole(checkpoint: Path) -> Mapping[str, Any] | None:
    """Return what a checkpoint's `state.json` says; None if any of its files is damaged."""
    try:
        state: Mapping[str, Any] = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
        whole = all(sha256_of(checkpoint / name) == known for name, known in state["sha256"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return state if whole else None


def _adapt_job(plan: RowPlan, training: Training, start: Path | None) -> AdaptJob:
    """Return what `genreid adapt` is asked for; the masks are those of all rows."""
    source, target = plan.row.source, plan.row.target
    job = AdaptJob(
        source=plan.path_of(source),
        target=plan.path_of(target),
        out=plan.folder_of(training),
        source_split=source_split(plan.row),
        renderer=training.renderer,
        pretrained=start,
    )
    if not RENDERERS[training.renderer].needs_masks:
        return job
    return replace(job, source_masks=plan.masks_of(source), target_masks=plan.masks_of(target))


def _make_masks(plan: RowPlan, training: Training, session: Session) -> bool:
    """Make the masks that a run asks for and that are missing; False: stopped before all were there.

    Masks that were given are taken as they are.
    """
    needs_masks = training.method == "adapt" and RENDERERS[training.renderer].needs_masks
    if not needs_masks or plan.job.masks is not None:
        return True
    source, target = plan.row.source, plan.row.target
    people = training_people(plan.data[source], source_split(plan.row))
    for name, samples in ((source, people), (target, plan.data[target].train)):
        masks, root = plan.masks_of(name), plan.data[name].root
        if all(mask_path(masks, root, sample.path).is_file() for sample in samples):
            continue
        with session.catching_signals():
            parser = load_blazepose(plan.job.parser_model)
            made = make_masks(samples, root, masks, parser, must_stop=session.must_stop)
        if made.missing:
            return False
    return True


def source_split(row: Row) -> Literal["train", "all"]:
    """Return which people CR-GAN learns from: all 1,467 of CUHK03 (spec E21), else the training split's.

    Args:
        row: A row of CR-GAN.
    """
    return "all" if row.source == "cuhk03" else "train"


assert set(DATA) <= set(ReproduceJob.__dataclass_fields__), "every data set has its option"
