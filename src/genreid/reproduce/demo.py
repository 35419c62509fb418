"""`genreid demo`: both methods and their controls on two networks of cameras full of drawn people.

Every part is an ordinary run folder, made as `genreid train` and `genreid adapt` make it: a demo that was
stopped goes on where it was, and each of its runs can be evaluated and reported with the other verbs.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from genreid.data.load import load_dataset
from genreid.data.sample import ReidDataset
from genreid.drawn.plan import Domain, Synthesis
from genreid.drawn.write import synthesize
from genreid.features.halves import Half
from genreid.features.options import FeatureOptions, Mirror, Pooling, Stage
from genreid.pipelines.adapt import AdaptJob, adapt
from genreid.pipelines.train_baseline import BaselineJob, train_baseline
from genreid.pipelines.train_dgnet import DgnetJob, train_dgnet
from genreid.recipes.demo import DemoConfig
from genreid.report.page import write_report
from genreid.reproduce.demo_time import expected_minutes
from genreid.reproduce.ranking import Measured, Search, measure
from genreid.reproduce.training import finished_stage
from genreid.runs.loop import Outcome
from genreid.runs.run_options import RunOptions
from genreid.runs.trained_renderer import RendererName

logger = logging.getLogger(__name__)

RunName = Literal[
    "direct",
    "source_long",
    "cut_paste",
    "colour",
    "composite",
    "spgan",
    "crgan",
    "dgnet",
    "dgnet_without_generation",
]
RUNS: tuple[RunName, ...] = get_args(RunName)
"""Run folders under the demo's, in the order in which they are trained."""
_DGNET_RUNS = ("dgnet", "dgnet_without_generation")
_DOMAINS: tuple[Domain, ...] = ("A", "B")


@dataclass(frozen=True, slots=True)
class DemoRow:
    """One row of the demo's table.

    Attributes:
        name: Name of the row, and of its record in the run folder.
        what: What it is, for a reader who knows neither method.
        run: The run whose network is evaluated.
        domain: Whose people are searched for.
        stage: Which network of the run; None: the last one.
        pooling: As in `FeatureOptions`.
        averaged: Whether batch norms take their statistics from B's training images.
        half: DG-Net: half of the embedding that is used; None: all of it.
    """

    name: str
    what: str
    run: RunName
    domain: Domain
    stage: Stage | None = None
    pooling: Pooling = "average"
    averaged: bool = False
    half: Half | None = None

    @property
    def mirror(self) -> Mirror:
        """Whether mirror images count: of all rows of DG-Net, as its authors rank; of no other row."""
        return "on" if self.run in _DGNET_RUNS else "off"


ROWS = (
    DemoRow("on_source", "trained on A, used on A: what is lost on B", "direct", "A"),
    DemoRow("direct", "trained on A, used on B as it is", "direct", "B"),
    DemoRow("direct_lmp", "direct, local max pooling", "direct", "B", pooling="lmp"),
    DemoRow("bn_control", "direct, batch norms averaged on B", "direct", "B", averaged=True),
    DemoRow("source_long", "direct, trained on with A for as long as CR-GAN takes", "source_long", "B"),
    DemoRow(
        "source_long_bn",
        "source_long, batch norms averaged on B",
        "source_long",
        "B",
        averaged=True,
    ),
    DemoRow("colour", "pictures of A in the colours of pictures of B", "colour", "B"),
    DemoRow("colour_bn", "colour, batch norms averaged on B", "colour", "B", averaged=True),
    DemoRow("composite", "people of A in B's colours on B's backgrounds", "composite", "B"),
    DemoRow("composite_bn", "composite, batch norms averaged on B", "composite", "B", averaged=True),
    DemoRow("cut_paste", "people of A pasted on pictures of B", "cut_paste", "B"),
    DemoRow("cut_paste_bn", "cut_paste, batch norms averaged on B", "cut_paste", "B", averaged=True),
    DemoRow("spgan", "SPGAN: pictures of A translated into B's look", "spgan", "B"),
    DemoRow("spgan_bn", "spgan, batch norms averaged on B", "spgan", "B", averaged=True),
    DemoRow("crgan", "CR-GAN: people of A rendered into B", "crgan", "B"),
    DemoRow("crgan_lmp", "crgan, local max pooling", "crgan", "B", pooling="lmp"),
    DemoRow("crgan_bn", "crgan, batch norms averaged on B", "crgan", "B", averaged=True),
    DemoRow("teacher", "DG-Net's teacher: direct, trained further on A", "dgnet", "A", stage="pretrained"),
    DemoRow(
        "longer_teacher", "DG-Net's re-id part, as long, without generation", "dgnet_without_generation", "A"
    ),
    DemoRow("primary", "DG-Net (begins as direct, too): primary features", "dgnet", "A", half="primary"),
    DemoRow("fine", "DG-Net: fine features", "dgnet", "A", half="fine"),
    DemoRow("both", "DG-Net: primary and fine features", "dgnet", "A"),
)
"""The rows, in order."""
COMPARED = {
    "CR-GAN": ("crgan", ("direct", "source_long", "cut_paste", "colour", "composite")),
    "with B's batch-norm statistics CR-GAN": (
        "crgan_bn",
        ("bn_control", "source_long_bn", "cut_paste_bn", "colour_bn", "composite_bn"),
    ),
    "on A, DG-Net": ("both", ("teacher", "longer_teacher")),
}
"""Words -> a method's row, and the rows that it has to be ahead of."""


@dataclass(frozen=True, slots=True)
class DemoJob:
    """What `genreid demo` makes.

    Attributes:
        out: Folder of the demo; one that is there is gone on with.
        options: Seed (of the drawn people, too), device, precision.
    """

    out: Path
    options: RunOptions


class DemoFigures(NamedTuple):
    """A row and its figures.

    Attributes:
        row: Which row.
        figures: `Ranking.to_json`: shares as fractions, and counts.
    """

    row: DemoRow
    figures: Mapping[str, float]


class DemoResult(NamedTuple):
    """What a demo came to.

    Attributes:
        outcome: Whether it is finished, or a signal stopped it; then there are no rows.
        rows: The rows, in the order of `ROWS`.
        report: The page; None if it is not finished.
    """

    outcome: Outcome
    rows: tuple[DemoFigures, ...] = ()
    report: Path | None = None


def run_demo(job: DemoJob, config: DemoConfig) -> DemoResult:
    """Draw both domains, train everything, evaluate every row and write the report.

    Args:
        job: Where to, seed, device.
        config: All settings.

    Returns:
        The table's rows and the report's path.

    Raises:
        ValueError: If the folder holds a demo with other settings.
    """
    draw_domains(job, config)
    if not (job.out / RUNS[0]).exists():
        minutes = expected_minutes(data_of(job.out, "A"), job.options, config)
        logger.info("all of it will take about %.1f minutes on this machine as busy as it is now", minutes)
    for number, name in enumerate(RUNS, start=1):
        logger.info("run %d of %d: %s", number, len(RUNS), name)
        outcome = _TRAINERS[name](job, config)
        if outcome is not Outcome.FINISHED:
            return DemoResult(outcome)
    measured = measure_rows(job.out)
    rows = tuple(DemoFigures(row, _rounded(measured[row.name].figures)) for row in ROWS)
    drawn = [data_of(job.out, "A"), data_of(job.out, "B")]
    report = write_report([job.out / name for name in RUNS], job.out / "report.html", data=drawn)
    return DemoResult(Outcome.FINISHED, rows, report)


def _rounded(figures: Mapping[str, float]) -> Mapping[str, float]:
    """Return figures as the records of runs hold them."""
    return {name: round(float(value), 6) for name, value in figures.items()}


def draw_domains(job: DemoJob, config: DemoConfig) -> None:
    """Draw the people of both domains and their masks; pictures that are there are kept.

    Args:
        job: Where to, and the seed.
        config: How many people, at which size.

    Raises:
        ValueError: If there are pictures of another demo.
    """
    height, width = config.adapt.image.size
    for domain in _DOMAINS:
        plan = Synthesis(domain, config.people, job.options.seed, height, width, config.images_per_camera)
        synthesize(data_of(job.out, domain), masks_of(job.out, domain), plan)


def data_of(out: Path, domain: Domain) -> Path:
    """Return where the pictures of a `domain` lie in the demo's folder `out`."""
    return out / "data" / domain


def masks_of(out: Path, domain: Domain) -> Path:
    """Return where the masks of a `domain` lie in the demo's folder `out`."""
    return data_of(out, domain) / "masks"


def measure_rows(out: Path) -> Mapping[str, Measured]:
    """Rank for every row that has not been ranked yet, and record it in its run folder.

    Args:
        out: The demo's folder, all of its runs trained.

    Returns:
        By the rows' names.
    """
    datasets = {domain: load_dataset(data_of(out, domain)) for domain in _DOMAINS}
    measured = measure([_search(out, row, datasets) for row in ROWS])
    return {row.name: found for row, found in zip(ROWS, measured, strict=True)}


def verdict(rows: Sequence[DemoFigures]) -> str:
    """Say in one sentence what the figures say, also where a method loses.

    Args:
        rows: All rows.
    """
    share = {item.row.name: 100 * item.figures["mAP"] for item in rows}
    return f"By mAP on B, {'; '.join(_compared(words, *pair, share) for words, pair in COMPARED.items())}."


def _compared(words: str, ours: str, others: Sequence[str], share: Mapping[str, float]) -> str:
    """Say which of the others a row is ahead of and which not."""
    named = {name: f"{name} ({share[name]:.1f})" for name in others}
    ahead = [named[name] for name in others if share[ours] > share[name]]
    behind = [named[name] for name in others if share[ours] <= share[name]]
    sides = [
        f"{side} {_listed(names)}" for side, names in (("ahead of", ahead), ("not ahead of", behind)) if names
    ]
    return f"{words} ({share[ours]:.1f}) is {' but '.join(sides)}"


def _listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _train_direct(job: DemoJob, config: DemoConfig) -> Outcome:
    """Stage I on A: direct transfer, and what both adaptations start from."""
    baseline = BaselineJob(data=data_of(job.out, "A"), out=job.out / "direct")
    return train_baseline(baseline, job.options, config.adapt.baseline)


def _train_adapted(
    job: DemoJob, config: DemoConfig, name: RunName, renderer: RendererName, longer: int = 1
) -> Outcome:
    """Stages II and III of CR-GAN or SPGAN, or stage III of a control; stage I is that of direct transfer."""
    adapted = config.adapt
    stage3 = replace(adapted.stage3, iterations=longer * adapted.stage3.iterations)
    wanted = AdaptJob(
        source=data_of(job.out, "A"),
        target=data_of(job.out, "B"),
        out=job.out / name,
        source_masks=masks_of(job.out, "A"),
        target_masks=masks_of(job.out, "B"),
        renderer=renderer,
        pretrained=job.out / "direct",
    )
    return adapt(wanted, job.options, replace(adapted, stage3=stage3))


def _train_dgnet(job: DemoJob, config: DemoConfig) -> Outcome:
    """The teacher and DG-Net on A; both start from stage I's backbone, as from ImageNet's in the paper."""
    wanted = DgnetJob(data=data_of(job.out, "A"), out=job.out / "dgnet", init=job.out / "direct")
    return train_dgnet(wanted, job.options, config.dgnet)


def _train_longer(job: DemoJob, config: DemoConfig) -> Outcome:
    """DG-Net's control: its re-id part from the same start and exactly as long, on real images alone."""
    training = replace(config.dgnet.training, generation=False)
    out = job.out / "dgnet_without_generation"
    wanted = DgnetJob(data=data_of(job.out, "A"), out=out, init=job.out / "direct")
    return train_dgnet(wanted, job.options, replace(config.dgnet, training=training))


_TRAINERS: Mapping[RunName, Callable[[DemoJob, DemoConfig], Outcome]] = {
    "direct": _train_direct,
    "source_long": lambda job, config: _train_adapted(job, config, "source_long", "none", config.source_long),
    "cut_paste": lambda job, config: _train_adapted(job, config, "cut_paste", "cut_paste"),
    "colour": lambda job, config: _train_adapted(job, config, "colour", "colour"),
    "composite": lambda job, config: _train_adapted(job, config, "composite", "composite"),
    "spgan": lambda job, config: _train_adapted(job, config, "spgan", "spgan"),
    "crgan": lambda job, config: _train_adapted(job, config, "crgan", "crgan"),
    "dgnet": _train_dgnet,
    "dgnet_without_generation": _train_longer,
}


def _search(out: Path, row: DemoRow, datasets: Mapping[Domain, ReidDataset]) -> Search:
    """Return what the network of a row is asked."""
    run = out / row.run
    statistics: Domain | None = "B" if row.averaged else None
    last = "dgnet" if row.run in _DGNET_RUNS else "identity" if row.run == "direct" else "finetuning"
    stage = "identity" if row.stage == "pretrained" else last
    checkpoint = finished_stage(run, (stage,))
    assert checkpoint is not None, f"{run} is not finished"
    place = "stored" if statistics is None else str(data_of(out, statistics))
    return Search(
        run=run,
        name=row.name,
        paper="dgnet" if row.run in _DGNET_RUNS else "crgan",
        weights=checkpoint.as_text(),
        data=data_of(out, row.domain),
        dataset=datasets[row.domain],
        options=FeatureOptions(row.stage, row.pooling, bn_statistics=place, mirror=row.mirror),
        statistics=None if statistics is None else datasets[statistics],
        half=row.half,
    )
