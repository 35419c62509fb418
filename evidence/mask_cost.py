"""What masks cost: drawn people's exact masks against shrunken, grown and BlazePose's, in the demo's setting.

    python -m evidence.mask_cost --runs DIR [--seeds 0 1] [--renderers composite cut_paste] [--out F.json]

Draws the demo's people and trains stage I once a seed, then what a renderer trains with each kind of masks;
those of both domains are spoilt alike. Prints mAP on B, as trained and with B's batch-norm statistics, and
the intersection over union with the exact masks. Runs that are there go on.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from genreid.cli.main import main as genreid
from genreid.drawn.plan import Domain
from genreid.features.options import FeatureOptions
from genreid.masks.store import read_mask, write_mask
from genreid.pipelines.adapt import AdaptJob, adapt
from genreid.pipelines.evaluate import EvaluateJob, embed_sides
from genreid.pipelines.train_baseline import BaselineJob, train_baseline
from genreid.pipelines.two_sides import WHOLE, rank_sides
from genreid.recipes.demo import DemoConfig, demo
from genreid.reproduce.demo import DemoJob, data_of, draw_domains, masks_of
from genreid.runs.run_options import RunOptions
from genreid.runs.trained_renderer import RendererName

FILTERS = {
    "exact": None,
    "shrunk by 1": ImageFilter.MinFilter(3),
    "shrunk by 2": ImageFilter.MinFilter(5),
    "grown by 1": ImageFilter.MaxFilter(3),
    "grown by 2": ImageFilter.MaxFilter(5),
}
"""Kind of masks -> what is done to the exact ones; in pixels of a picture of 64x32."""
KINDS = (*FILTERS, "BlazePose")
DOMAINS: tuple[Domain, ...] = ("A", "B")


def main(argv: Sequence[str] | None = None) -> int:
    """Train and rank what is missing; write the table as Markdown, and the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m evidence.mask_cost")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--renderers", nargs="+", default=["composite", "cut_paste"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    figures = [
        {"seed": seed, "masks": kind, "agreement": agreement}
        | {name: _trained_with(options.runs, seed, kind, name) for name in options.renderers}
        for seed in options.seeds
        for kind, agreement in _masks_of_each_kind(options.runs, seed).items()
    ]
    sys.stdout.write(_table(figures, options.renderers))
    if options.out is not None:
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _demo_of(runs: Path, seed: int) -> tuple[DemoJob, DemoConfig]:
    """Return the demo whose people and settings are used."""
    return DemoJob(runs / f"seed{seed}", RunOptions(recipe="demo", seed=seed)), demo()


def _masks_of_each_kind(runs: Path, seed: int) -> dict[str, float]:
    """Draw people and masks; return by kind the mean intersection over union with the exact ones."""
    job, config = _demo_of(runs, seed)
    draw_domains(job, config)
    return {kind: statistics.fmean(_made(job, kind, domain) for domain in DOMAINS) for kind in KINDS}


def _made(job: DemoJob, kind: str, domain: Domain) -> float:
    """Make the masks of a kind; return their mean intersection over union with the exact ones."""
    exact, folder = masks_of(job.out, domain), _folder(job, kind, domain)
    if kind == "BlazePose":
        assert genreid(["mask", str(data_of(job.out, domain)), "--out", str(folder)]) == 0
    agreement = []
    for path in sorted(exact.rglob("*.png")):
        person, ours = read_mask(path) > 0, folder / path.relative_to(exact)
        if kind in FILTERS:
            spoilt, chosen = Image.fromarray(person.astype(np.uint8)), FILTERS[kind]
            write_mask(ours, np.asarray(spoilt if chosen is None else spoilt.filter(chosen)))
        found = read_mask(ours) > 0
        if person.any() or found.any():  # there are pictures without people
            agreement.append((person & found).sum() / (person | found).sum())
    return float(np.mean(agreement))


def _folder(job: DemoJob, kind: str, domain: Domain) -> Path:
    """Return where masks of a kind lie."""
    return job.out / "masks" / kind.replace(" ", "_") / domain


def _trained_with(runs: Path, seed: int, kind: str, renderer: RendererName) -> list[float]:
    """Train with masks of a kind; return mAP on B in per cent, as trained and with B's statistics."""
    job, config = _demo_of(runs, seed)
    data = {domain: data_of(job.out, domain) for domain in DOMAINS}
    train_baseline(BaselineJob(data=data["A"], out=job.out / "direct"), job.options, config.adapt.baseline)
    run = job.out / f"{renderer}-{kind.replace(' ', '_')}"
    wanted = AdaptJob(
        source=data["A"],
        target=data["B"],
        out=run,
        source_masks=_folder(job, kind, "A"),
        target_masks=_folder(job, kind, "B"),
        renderer=renderer,
        pretrained=job.out / "direct",
    )
    adapt(wanted, job.options, config.adapt)
    found = []
    for statistics_of in ("stored", str(data["B"])):
        sides = embed_sides(EvaluateJob(run, data["B"]), FeatureOptions(bn_statistics=statistics_of))
        found.append(round(100 * rank_sides(sides)[WHOLE].mAP, 1))
    return found


def _table(figures: Sequence[dict[str, object]], renderers: Sequence[str]) -> str:
    """Return the figures as a table in Markdown."""
    lines = [f"| seed | masks | agreement | {' | '.join(renderers)} |", "|---" * (3 + len(renderers)) + "|"]
    for found in figures:
        cells = " | ".join("{} / {}".format(*found[name]) for name in renderers)  # type: ignore[misc]
        lines.append(f"| {found['seed']} | {found['masks']} | {found['agreement']:.2f} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
