"""DG-Net's figure 8: what alpha in training and beta in testing do, on people kept out of training.

alpha is lambda_fine / lambda_prim (`training.weights.alpha`), one training for each; beta weights the fine
half beside the primary one, on the run of the recipe's own alpha (`--fine-weight`). The paper keeps the last
100 of Market-1501's 751 people for it (section 4.3). The test set is not looked at.
"""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from genreid import __version__
from genreid.data.fingerprint import dataset_fingerprint
from genreid.data.load import load_dataset
from genreid.data.whole_file import write_whole
from genreid.evaluation.provenance import source_commit
from genreid.evaluation.ranking import rank
from genreid.features.halves import weight_fine_half
from genreid.features.options import FeatureOptions
from genreid.models.precision import choose_compute
from genreid.pipelines.evaluate import EvaluateJob, embed_sides
from genreid.pipelines.two_sides import TwoSides
from genreid.report.charts import Axes, Curve, line_chart, stroke_classes
from genreid.report.curves import round_ticks
from genreid.report.loss_log import Point
from genreid.reproduce.file import hardware
from genreid.reproduce.paper import Row, Training
from genreid.reproduce.plan import ReproduceJob, RowPlan
from genreid.reproduce.published import PAPERS_AP
from genreid.reproduce.rows import ROWS
from genreid.reproduce.training import train
from genreid.runs.config_file import config_to_dict
from genreid.runs.loop import Outcome
from genreid.runs.run_options import RunOptions
from genreid.training.dgnet_config import DgnetConfig

logger = logging.getLogger(__name__)

ROW: Row = ROWS["dgnet/market1501/both"]
"""The row whose runs are varied."""
HELD_OUT = 100
"""People on whom the paper chose alpha and beta."""
_SHOWN = {"rank1": "rank-1", PAPERS_AP: "mAP trapezoid"}
"""Figure -> its curve."""


@dataclass(frozen=True, slots=True)
class Figure8Job:
    """Draw DG-Net's figure 8: train with several alpha, test with several beta, on people held out."""

    market1501: Path = field(metadata={"metavar": "DIR"})
    """Market-1501, or any data set laid out like it."""
    alphas: tuple[float, ...] = field(default=(0.0, 0.1, 0.2, 0.5, 1.0), metadata={"metavar": "[A,...]"})
    """Values of alpha; each is a training of its own."""
    betas: tuple[float, ...] = field(
        default=(0.0, 0.25, 0.5, 0.75, 1.0, 2.0), metadata={"metavar": "[B,...]"}
    )
    """Values of beta."""
    runs: Path = field(default=Path("runs/figure8"), metadata={"metavar": "RUNS"})
    """Folder of the run folders; what was stopped goes on there."""
    out: Path | None = field(default=None, metadata={"metavar": "F.json"})
    """Result file; the chart lies beside it as .html (default: results/dgnet/figure8/RECIPE.seedN.json)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("alphas", "betas"):
            values = getattr(self, name)
            if not values or min(values) < 0:
                msg = f"--{name}: expected one number or more, each from 0, got {list(values)}"
                raise ValueError(msg)


class Drawn(NamedTuple):
    """What became of the figure.

    Attributes:
        outcome: Whether it is finished, or the time limit or a signal stopped it.
        content: What the result file holds; empty if it is not finished.
        path: The result file; None if it is not finished.
        chart: The page with both curves; None if it is not finished.
    """

    outcome: Outcome
    content: Mapping[str, Any] = {}
    path: Path | None = None
    chart: Path | None = None


def draw_figure8(job: Figure8Job, options: RunOptions, config: DgnetConfig) -> Drawn:
    """Train what is missing, rank the people held out, write figures and chart.

    Args:
        job: Data, alpha, beta, where to.
        options: Seed, device, precision, time limit; `holdout` 0 stands for the paper's 100 people.
        config: All settings of DG-Net; its own alpha is that of the beta curve.

    Raises:
        ValueError: If the data set does not fit, or a run there is of other data or settings.
    """
    began = time.monotonic()
    options = replace(options, holdout=options.holdout or HELD_OUT)
    dataset = load_dataset(job.market1501)
    place = ReproduceJob(market1501=job.market1501, runs=job.runs)
    plan = RowPlan(ROW, place, options, config, {"market1501": dataset})
    own = config.training.weights.alpha
    for alpha in dict.fromkeys((*job.alphas, own)):
        for training in training_of(alpha).chain:
            passed = (time.monotonic() - began) / 60
            left = None if options.max_minutes is None else max(0.0, options.max_minutes - passed)
            outcome = train(plan, training, left)
            if outcome is not Outcome.FINISHED:
                return Drawn(outcome)
    sides = {alpha: _embedded(plan, alpha) for alpha in dict.fromkeys((*job.alphas, own))}
    content = {
        "figure": 8,
        "paper": "DG-Net",
        "recipe": plan.label,
        "seed": options.seed,
        "holdout": options.holdout,
        "alpha": [{"alpha": alpha, "beta": 0.5, **_figures(sides[alpha], 0.5)} for alpha in job.alphas],
        "beta": [{"alpha": own, "beta": beta, **_figures(sides[own], beta)} for beta in job.betas],
        "config": config_to_dict(config),
        "precision": choose_compute(options.device, options.precision).name,
        "data": {"train": len(dataset.train), "sha256": dataset_fingerprint(dataset)},
        "commit": source_commit() or None,
        "version": __version__,
        "hardware": hardware(plan.device),
    }
    path = job.out or Path(f"results/dgnet/figure8/{plan.label}.seed{options.seed}.json")
    write_whole(path, json.dumps(content, indent=1) + "\n")
    chart = path.with_suffix(".html")
    write_whole(chart, chart_page(content))
    return Drawn(Outcome.FINISHED, content, path, chart)


def training_of(alpha: float) -> Training:
    """Return the run that is trained with an alpha; the teacher is shared.

    Args:
        alpha: lambda_fine / lambda_prim.
    """
    return replace(ROW.training, name=f"alpha-{alpha:g}", changes={"training.weights.alpha": float(alpha)})


def _embedded(plan: RowPlan, alpha: float) -> TwoSides:
    """Return the people held out, embedded by the network of an alpha."""
    run, options = plan.folder_of(training_of(alpha)), plan.options
    features = FeatureOptions(device=options.device, precision=options.precision, mirror=ROW.mirror)
    return embed_sides(EvaluateJob(run, plan.path_of("market1501"), holdout=options.holdout), features)


def _figures(sides: TwoSides, beta: float) -> dict[str, float]:
    """Return the figures with a weight of the fine half."""
    found = rank(*(weight_fine_half(side, beta) for side in sides)).to_json()
    return {name: round(float(found[name]), 6) for name in ("rank1", "mAP", PAPERS_AP)}


def chart_page(content: Mapping[str, Any]) -> str:
    """Return both curves as one HTML page that needs nothing else.

    Args:
        content: What the result file holds.
    """
    style = resources.files("genreid.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    about = f"{content['recipe']}, seed {content['seed']}, {content['holdout']} people held out of training"
    parts = [Markup("<h1>DG-Net, figure 8</h1><p>{}</p>").format(about)]
    for name, role in (("alpha", "in training"), ("beta", "in testing")):
        parts.append(Markup("<h2>{} {}</h2>").format(name, role) + _chart(content[name], name))
    key = Markup('<svg class="key"><line class="line {}" x1="2" x2="34" y1="7" y2="7"/></svg>')
    legend = Markup("").join(
        Markup("<li>{}{}</li>").format(key.format(stroke_classes(stroke)), label)
        for stroke, label in enumerate(_SHOWN.values())
    )
    page = Markup(
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>DG-Net, figure 8</title>'
        '<style>{}</style><main>{}<ul class="legend">{}</ul></main></html>\n'
    )
    return str(page.format(Markup(style), Markup("").join(parts), legend))  # noqa: S704 - our own file


def _chart(lines: list[Mapping[str, float]], name: str) -> Markup:
    """Return one chart: percent of either figure over alpha or beta."""
    by_x = sorted(lines, key=lambda line: line[name])
    curves = [
        Curve(label, tuple(Point(line[name], 100 * line[figure]) for line in by_x), stroke)
        for stroke, (figure, label) in enumerate(_SHOWN.items())
    ]
    heights = [point.y for curve in curves for point in curve.points]
    x = tuple(round_ticks(by_x[0][name], by_x[-1][name]))
    axes = Axes(x, tuple(round_ticks(min(heights), max(heights))), name, " %")
    words = "; ".join(f"{name} {line[name]:g}: mAP trapezoid {100 * line[PAPERS_AP]:.1f}" for line in by_x)
    return line_chart(curves, axes, words)
