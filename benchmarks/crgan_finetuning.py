"""CR-GAN's stage III step against its two parts alone: rendering, and training on ready pixels.

    python -m benchmarks.crgan_finetuning [--repeats 12] [--tiny] [--out F.json]

Recipe `compact` (128x64, batch 32, EfficientNet-Lite0, bf16 where the hardware has it). In each turn: drawing
and rendering a batch alone; a step on these very pixels alone, with a network of its own; and the stage's own
step, which draws, renders and trains. Both networks begin with the same weights, so the losses must agree.
Goal: the step takes at most 1.05 times as long as its parts together. About half a minute.
"""

import argparse
import copy
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from benchmarks.crgan_step import case
from benchmarks.drawn import drawn_domains
from benchmarks.measure import Sheet, Target, add_options, ratios, seconds_text, spread
from genreid.models.backbone import build_reid_network
from genreid.models.precision import choose_compute
from genreid.runs.loop import seed_everything
from genreid.training.adapt_config import AdaptConfig
from genreid.training.crgan_stages import (
    PairPlan,
    Workbench,
    draw_pairs,
    finetuning_stage,
    make_renderer,
    render,
)
from genreid.training.identity_step import IdentitySetup, identity_step
from genreid.training.optimizers import make_sgd

PEOPLE, CAMERAS, WARM_UP = 700, 6, 2


def compact_config(*, tiny: bool) -> AdaptConfig:
    """Return the recipe `compact` without trained weights, or all of it tiny."""
    config = case(tiny=tiny).config
    return replace(config, stage3=replace(config.stage3, batch=4)) if tiny else config


def main(argv: Sequence[str] | None = None) -> int:
    """Time the step and its parts in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crgan_finetuning")
    parser.add_argument("--repeats", type=int, default=12)
    options = add_options(parser).parse_args(argv)
    sheet = Sheet("crgan_finetuning", "stage III step, compact, against rendering and training alone")
    repeats = 1 if options.tiny else options.repeats
    seconds, gap = measure(compact_config(tiny=options.tiny), repeats)
    parts = [a + b for a, b in zip(seconds["rendering"], seconds["training"], strict=True)]
    sheet.figures = {
        "seconds": {name: spread(found) for name, found in seconds.items()},
        "parts_together": spread(parts),
        "largest_difference_of_the_loss": gap,
    }
    sheet.targets.append(
        Target(
            what="CR-GAN stage III step, compact sizes",
            ours=seconds_text(spread(seconds["step"])),
            reference=f"rendering alone + training alone: {seconds_text(spread(parts))}",
            ratio=ratios(seconds["step"], parts)["median"],
            bound=1.05,
            at_least=False,
            note=f"the losses of both differ by at most {gap:.2g}",
        )
    )
    return sheet.finish(options)


def measure(config: AdaptConfig, repeats: int) -> tuple[dict[str, list[float]], float]:
    """Return the seconds of each turn, and how far the losses of both networks lie apart at most."""
    torch.manual_seed(0)
    compute = choose_compute("cpu")
    domains = drawn_domains(config.image.size, PEOPLE, CAMERAS)
    network = compute.place(build_reid_network(config.backbone, PEOPLE))
    twin = copy.deepcopy(network)
    renderer = compute.place(make_renderer("crgan", config))
    stage = finetuning_stage(Workbench(config, 0, compute), domains, network, renderer)
    given = config.stage3
    setup = IdentitySetup(twin, make_sgd(twin, given.sgd), given, compute)
    plan = PairPlan(given.batch, 0, "finetuning", given.crop_padding, given.crop_fill)
    seconds: dict[str, list[float]] = {"rendering": [], "training": [], "step": []}
    gap = 0.0
    for number in range(WARM_UP + repeats):
        times = [time.perf_counter()]
        batch = draw_pairs(domains, plan, number, compute.device)
        images = render(renderer, batch.pair, compute).image
        times.append(time.perf_counter())
        seed_everything(0, "dropout", number)
        alone = identity_step(setup, images, batch.source_labels, number)
        times.append(time.perf_counter())
        seed_everything(0, "dropout", number)
        whole = stage.learn(stage.draw(number), number)
        times.append(time.perf_counter())
        gap = max(gap, abs(float(alone["identity"]) - float(whole["identity"])))
        if number >= WARM_UP:
            for name, begin, end in zip(seconds, times, times[1:], strict=False):
                seconds[name].append(end - begin)
    return seconds, gap


if __name__ == "__main__":
    sys.exit(main())
