"""CR-GAN's stage II step at full size against its own convolutions, run alone.

    python -m benchmarks.crgan_arithmetic [--repeats 4] [--precision auto] [--tiny] [--out F.json]

Batch 8, 224x112, all widths as in the paper, ResNet-50 as D_id, one update of G. Every convolution of a step
is recorded as it runs (benchmarks/convolutions.py) and timed alone in both layouts, turn about with the step;
of each the faster layout counts. Their sum over the step's time is the share that is arithmetic; the rest is
norms, activations, losses, optimisers and moving memory. Goal: 0.6. About 3 minutes.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from benchmarks.convolutions import LAYOUTS, Convolution, record, times_alone
from benchmarks.crgan_step import Case, ours
from benchmarks.crgan_step import case as compact_case
from benchmarks.measure import Figures, Sheet, Target, add_options, seconds_of, seconds_text, spread
from genreid.models.backbone import BackboneConfig
from genreid.models.precision import choose_compute
from genreid.recipes.crgan import paper

GOAL = 0.6


def case(precision: str, *, tiny: bool) -> Case:
    """Return the paper's sizes with 8 pairs, or all of it tiny."""
    assert precision in {"auto", "fp32", "bf16"}
    chosen = choose_compute(
        "cpu", "fp32" if precision == "fp32" else "bf16" if precision == "bf16" else "auto"
    )
    if tiny:
        return replace(compact_case(tiny=True), precision="bf16" if chosen.bf16 else "fp32")
    config = replace(paper(), backbone=BackboneConfig(weights="none"))
    return Case(config, batch=8, precision="bf16" if chosen.bf16 else "fp32")


def fastest(turns: Sequence[dict[Convolution, dict[str, float]]], conv: Convolution) -> dict[str, float]:
    """Return the median seconds of one call in each layout."""
    return {layout: median(turn[conv][layout] for turn in turns) for layout in LAYOUTS}


def sums(turns: Sequence[dict[Convolution, dict[str, float]]], calls: Counter[Convolution]) -> list[float]:
    """Return for each turn the seconds of all calls, each in the layout whose median is smaller."""
    best = {conv: min(LAYOUTS, key=fastest(turns, conv).__getitem__) for conv in calls}
    return [sum(count * turn[conv][best[conv]] for conv, count in calls.items()) for turn in turns]


def kind_of(conv: Convolution) -> str:
    """Say which part of a step a call belongs to."""
    if not any(conv.wanted):
        return "forward"
    of_input, of_weight, _ = conv.wanted
    if of_input and of_weight:
        return "backward to input and weight"
    return "backward to the input alone" if of_input else "backward to the weight alone"


def by_kind(
    turns: Sequence[dict[Convolution, dict[str, float]]], calls: Counter[Convolution]
) -> dict[str, float]:
    """Return the seconds of each kind."""
    found: dict[str, float] = {}
    for conv, count in calls.items():
        kind = kind_of(conv)
        found[kind] = found.get(kind, 0.0) + count * min(fastest(turns, conv).values())
    return found


def describe(
    turns: Sequence[dict[Convolution, dict[str, float]]], calls: Counter[Convolution], most: int = 12
) -> list[Figures]:
    """Return the convolutions that take the most time."""
    cost = {conv: count * min(fastest(turns, conv).values()) for conv, count in calls.items()}
    dearest = sorted(calls, key=cost.__getitem__, reverse=True)[:most]
    return [
        {
            **{key: value for key, value in conv._asdict().items() if key not in {"dilation", "groups"}},
            "calls": calls[conv],
            "seconds_of_one": fastest(turns, conv),
            "gigaflop_of_one": conv.flops / 1e9,
            "gigaflops": conv.flops / 1e9 / min(fastest(turns, conv).values()),
        }
        for conv in dearest
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Time the step and its convolutions in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crgan_arithmetic")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    options = add_options(parser).parse_args(argv)
    sheet = Sheet(
        "crgan_arithmetic", "stage II step, batch 8, 224x112, full size, against its convolutions alone"
    )
    given = case(options.precision, tiny=options.tiny)
    step = ours(given)
    calls = record(lambda: step(0))
    turns, steps = [], []
    for _ in range(1 if options.tiny else options.repeats):
        steps.append(seconds_of(lambda: step(0)))
        turns.append(times_alone(calls))
    summed = sums(turns, calls)
    shares = [alone / whole for alone, whole in zip(summed, steps, strict=True)]
    flops = sum(count * conv.flops for conv, count in calls.items())
    sheet.figures = {
        "precision": given.precision,
        "seconds_of_a_step": spread(steps),
        "seconds_of_its_convolutions": spread(summed),
        "seconds_of_its_convolutions_by_kind": by_kind(turns, calls),
        "calls": sum(calls.values()),
        "distinct_calls": len(calls),
        "gigaflop": flops / 1e9,
        "gigaflops_of_the_step": flops / 1e9 / median(steps),
        "gigaflops_of_the_convolutions": flops / 1e9 / median(summed),
        "dearest": describe(turns, calls),
    }
    sheet.targets.append(
        Target(
            what=f"CR-GAN stage II step, batch 8, 224x112, full size, {given.precision}: share of arithmetic",
            ours=f"step {seconds_text(spread(steps))}",
            reference=f"its {sum(calls.values())} convolutions alone: {seconds_text(spread(summed))}",
            ratio=spread(shares)["median"],
            bound=GOAL,
            unit="of the step",
        )
    )
    return sheet.finish(options)


if __name__ == "__main__":
    sys.exit(main())
