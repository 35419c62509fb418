"""`genreid demo`: both methods and their controls on two networks of cameras full of drawn people.

Every part is an ordinary run folder, made as `genreid train` and `genreid adapt` make it: a demo that was
stopped goes on where it was, and each of its runs can be evaluated and reported with the other verbs.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from genreid.drawn.plan import Domain, Synthesis
from genreid.drawn.write import synthesize
from genreid.evaluation.ranking import rank
from genreid.features.halves import Half
from genreid.features.options import FeatureOptions, Pooling, Stage
from genreid.pipelines.adapt import AdaptJob, adapt
from genreid.pipelines.demo_time import expected_minutes
from genreid.pipelines.evaluate import EvaluateJob, embed_sides
from genreid.pipelines.train_baseline import BaselineJob, train_baseline
from genreid.pipelines.train_dgnet import DgnetJob, train_dgnet
from genreid.recipes.demo import DemoConfig
from genreid.report.page import write_report
from genreid.report.records import FOLDER, EvaluatedImages, read_record, record_evaluation
from genreid.training.configs import RendererName
from genreid.training.loop import Outcome
from genreid.training.run_options import RunOptions

logger = logging.getLogger(__name__)

RunName = Literal["direct", "cut_paste", "crgan", "dgnet", "dgnet_without_generation"]
RUNS: tuple[RunName, ...] = ("direct", "cut_paste", "crgan", "dgnet", "dgnet_without_generation")
"""Run folders under the demo's, in the order in which they are trained."""


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
        statistics_of_target: Whether batch norms take their statistics from B's training images.
        half: DG-Net: half of the embedding that is used; None: all of it.
    """

    name: str
    what: str
    run: RunName
    domain: Domain
    stage: Stage | None = None
    pooling: Pooling = "average"
    statistics_of_target: bool = False
    half: Half | None = None


ROWS = (
    DemoRow("on_source", "trained on A, used on A: what is lost on B", "direct", "A"),
    DemoRow("direct", "trained on A, used on B as it is", "direct", "B"),
    DemoRow("direct_lmp", "the same with local max pooling", "direct", "B", pooling="lmp"),
    DemoRow("bn_control", "direct, batch norms averaged on B", "direct", "B", statistics_of_target=True),
    DemoRow("cut_paste", "people of A pasted on pictures of B", "cut_paste", "B"),
    DemoRow(
        "cut_paste_bn", "the same, batch norms averaged on B", "cut_paste", "B", statistics_of_target=True
    ),
    DemoRow("crgan", "CR-GAN: people of A rendered into B", "crgan", "B"),
    DemoRow("crgan_lmp", "the same with local max pooling", "crgan", "B", pooling="lmp"),
    DemoRow("crgan_bn", "crgan, batch norms averaged on B", "crgan", "B", statistics_of_target=True),
    DemoRow("teacher", "DG-Net's teacher: direct, trained further on A", "dgnet", "A", stage="pretrained"),
    DemoRow(
        "longer_teacher", "DG-Net's re-id part, as long, without generation", "dgnet_without_generation", "A"
    ),
    DemoRow("primary", "DG-Net (begins as direct, too): primary features", "dgnet", "A", half="primary"),
    DemoRow("fine", "the same, fine features", "dgnet", "A", half="fine"),
    DemoRow("both", "the same, primary and fine features", "dgnet", "A"),
)
"""The rows, in order."""
COMPARED = {
    "CR-GAN": ("crgan", ("direct", "bn_control", "cut_paste")),
    "with B's batch-norm statistics CR-GAN": ("crgan_bn", ("bn_control", "cut_paste_bn")),
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


class Measured(NamedTuple):
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
    rows: tuple[Measured, ...] = ()
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
    rows = measure_rows(job.out)
    drawn = [data_of(job.out, "A"), data_of(job.out, "B")]
    report = write_report([job.out / name for name in RUNS], job.out / "report.html", data=drawn)
    return DemoResult(Outcome.FINISHED, rows, report)


def draw_domains(job: DemoJob, config: DemoConfig) -> None:
    """Draw the people of both domains and their masks; pictures that are there are kept.

    Args:
        job: Where to, and the seed.
        config: How many people, at which size.

    Raises:
        ValueError: If there are pictures of another demo.
    """
    height, width = config.adapt.image.size
    domains: tuple[Domain, ...] = ("A", "B")
    for domain in domains:
        plan = Synthesis(domain, config.people, job.options.seed, height, width, config.images_per_camera)
        synthesize(data_of(job.out, domain), masks_of(job.out, domain), plan)


def data_of(out: Path, domain: Domain) -> Path:
    """Return where the pictures of a `domain` lie in the demo's folder `out`."""
    return out / "data" / domain


def masks_of(out: Path, domain: Domain) -> Path:
    """Return where the masks of a `domain` lie in the demo's folder `out`."""
    return data_of(out, domain) / "masks"


def measure_rows(out: Path) -> tuple[Measured, ...]:
    """Evaluate every row that has not been evaluated yet, and record it in its run folder.

    Args:
        out: The demo's folder, all of its runs trained.
    """
    missing = [row for row in ROWS if not _record_path(out, row).is_file()]
    for asked in dict.fromkeys((row.run, row.domain, _options(out, row)) for row in missing):
        run, domain, options = asked
        wanted = [row for row in missing if (row.run, row.domain, _options(out, row)) == asked]
        _measure(out / run, data_of(out, domain), options, wanted)
    return tuple(Measured(row, read_record(_record_path(out, row)).figures) for row in ROWS)


def verdict(rows: Sequence[Measured]) -> str:
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


def _train_adapted(job: DemoJob, config: DemoConfig, name: RendererName) -> Outcome:
    """Stages II and III of CR-GAN, or stage III of a control; stage I is that of direct transfer."""
    wanted = AdaptJob(
        source=data_of(job.out, "A"),
        target=data_of(job.out, "B"),
        out=job.out / name,
        source_masks=masks_of(job.out, "A"),
        target_masks=masks_of(job.out, "B"),
        renderer=name,
        pretrained=job.out / "direct",
    )
    return adapt(wanted, job.options, config.adapt)


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
    "cut_paste": lambda job, config: _train_adapted(job, config, "cut_paste"),
    "crgan": lambda job, config: _train_adapted(job, config, "crgan"),
    "dgnet": _train_dgnet,
    "dgnet_without_generation": _train_longer,
}


def _options(out: Path, row: DemoRow) -> FeatureOptions:
    """Return how a row's embeddings are made; rows that differ by a half share them."""
    if row.statistics_of_target:
        return FeatureOptions(row.stage, row.pooling, bn_statistics=str(data_of(out, "B")))
    return FeatureOptions(row.stage, row.pooling)


def _record_path(out: Path, row: DemoRow) -> Path:
    """Return the file of a row's record."""
    return out / row.run / FOLDER / f"{row.name}.json"


def _measure(run: Path, data: Path, options: FeatureOptions, rows: Sequence[DemoRow]) -> None:
    """Embed a test set once, rank it for each row, and record the figures."""
    sides = embed_sides(EvaluateJob(run, data), options)
    for row in rows:
        asked = sides.half(row.half)
        record_evaluation(run, row.name, rank(*asked), *asked, EvaluatedImages(folder=str(data)))
