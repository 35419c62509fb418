"""How much of a training step goes into its data: drawing, gathering and augmenting the batch.

    python -m benchmarks.waiting [--repeats 8] [--tiny] [--out F.json]

The recipes `compact` of CR-GAN (stages I to III) and DG-Net, from decoded images in memory, as `ImageBank`
has them. In turns: the data of a step alone, and the stage's own step, which draws them, too. On a CPU
nothing overlaps, so the share of the first in the second is what is waited for. Goal: less than 2 %. About a
minute.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch

from benchmarks.crgan_finetuning import CAMERAS, PEOPLE, compact_config
from benchmarks.drawn import drawn_domains
from benchmarks.measure import Sheet, Target, add_options, ratios, seconds_of, seconds_text, spread
from genreid.data.augment import Erasing, random_erasing
from genreid.data.batch import BatchPlan, ImageSet
from genreid.data.sampling import step_generator
from genreid.data.swaps import SwapSource
from genreid.models.backbone import build_reid_network
from genreid.models.crgan import CameraDiscriminator
from genreid.models.dgnet import to_normalised
from genreid.recipes import dgnet as dgnet_recipes
from genreid.training.adapt_config import AdaptConfig
from genreid.training.crgan_stages import (
    Domains,
    PairPlan,
    Workbench,
    camera_stage,
    draw_pairs,
    finetuning_stage,
    make_renderer,
    rendering_stage,
)
from genreid.training.dgnet_config import DgnetConfig
from genreid.training.dgnet_stage import DgnetBench, dgnet_stage
from genreid.training.identity_stage import identity_stage
from genreid.training.precision import Compute, choose_compute

GOAL, WARM_UP, FAR = 2.0, 2, 1000


class Pair(NamedTuple):
    """A step, and its data alone."""

    draw: Callable[[int], object]
    step: Callable[[int], object]


def crgan_pairs(config: AdaptConfig, domains: Domains, compute: Compute) -> dict[str, Callable[[], Pair]]:
    """Return how each of CR-GAN's stages is made ready."""
    bench, device = Workbench(config, 0, compute), compute.device

    def identity() -> Pair:
        given = config.stage1_identity
        plan = BatchPlan(given.batch, 0, "identity", given.crop_padding, given.crop_fill)
        stage = identity_stage(config.baseline, domains.source, 0, compute)
        return Pair(lambda step: domains.source.batch(plan, step, device), stage.step)

    def camera() -> Pair:
        plan = BatchPlan(config.stage1_camera.batch, 0, "camera")
        stage = camera_stage(bench, domains.target)
        return Pair(lambda step: domains.target.batch(plan, step, device), stage.step)

    def rendering() -> Pair:
        plan = PairPlan(config.stage2.batch, 0, "rendering")
        network = build_reid_network(config.backbone, PEOPLE)
        stage = rendering_stage(bench, domains, network, CameraDiscriminator(config.camera, CAMERAS))
        return Pair(lambda step: draw_pairs(domains, plan, step, device), stage.step)

    def finetuning() -> Pair:
        given = config.stage3
        plan = PairPlan(given.batch, 0, "finetuning", given.crop_padding, given.crop_fill)
        network = build_reid_network(config.backbone, PEOPLE)
        stage = finetuning_stage(bench, domains, network, make_renderer("crgan", config))
        return Pair(lambda step: draw_pairs(domains, plan, step, device), stage.step)

    return {
        "CR-GAN stage I, people": identity,
        "CR-GAN stage I, cameras": camera,
        "CR-GAN stage II": rendering,
        "CR-GAN stage III": finetuning,
    }


def dgnet_config(config: AdaptConfig, *, tiny: bool) -> DgnetConfig:
    """Return DG-Net's recipe `compact` without trained weights and feeding, or all of it tiny."""
    base = dgnet_recipes.compact()
    appearance = replace(base.appearance, backbone=replace(config.backbone, last_stride=1))
    training = replace(base.training, feeding="none", batch=2 if tiny else base.training.batch)
    teacher = replace(base.teacher, image=config.image)
    return replace(base, image=config.image, appearance=appearance, training=training, teacher=teacher)


def dgnet_pair(config: DgnetConfig, source: ImageSet, compute: Compute) -> Pair:
    """Return DG-Net's step and its data."""
    training = config.training
    plan = BatchPlan(training.batch, 0, "dgnet", training.crop_padding, "edge")
    swaps, erasing = SwapSource(source, training.different_people), Erasing(training.erasing)

    def draw(step: int) -> object:
        pairs = swaps.pairs(plan, step, compute.device)
        images = [to_normalised(pairs.images), to_normalised(pairs.positives)]
        generator = step_generator(step, 0, "dgnet/erasing")
        return images, [random_erasing(real, erasing, generator) for real in images]

    return Pair(draw, dgnet_stage(DgnetBench(config, source, None, 0, compute)).step)


def measure(pair: Pair, repeats: int) -> dict[str, list[float]]:
    """Time data and step in turns; the data alone are those of another step, so that nothing is warm."""
    seconds: dict[str, list[float]] = {"draw": [], "step": []}
    for number in range(WARM_UP + repeats):
        drawn, stepped = (
            seconds_of(partial(work, first + number)) for work, first in ((pair.draw, FAR), (pair.step, 0))
        )
        if number >= WARM_UP:
            seconds["draw"].append(drawn)
            seconds["step"].append(stepped)
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Time every stage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting")
    parser.add_argument("--repeats", type=int, default=8)
    options = add_options(parser).parse_args(argv)
    sheet = Sheet("waiting", "the share of a training step that goes into its data, recipes `compact`")
    torch.manual_seed(0)
    config, compute = compact_config(tiny=options.tiny), choose_compute("cpu")
    domains = drawn_domains(config.image.size, PEOPLE, CAMERAS)
    dgnet = dgnet_config(config, tiny=options.tiny)
    makers = crgan_pairs(config, domains, compute)
    makers["DG-Net"] = lambda: dgnet_pair(dgnet, replace(domains.source, masks=None), compute)
    for name, make in makers.items():
        seconds = measure(make(), 1 if options.tiny else options.repeats)
        share = ratios(seconds["draw"], seconds["step"])
        sheet.figures[name] = {key: spread(found) for key, found in seconds.items()} | {"share": share}
        sheet.targets.append(
            Target(
                what=f"waiting for data, {name}",
                ours=seconds_text(spread(seconds["draw"])),
                reference=f"the step: {seconds_text(spread(seconds['step']))}",
                ratio=100 * share["median"],
                bound=GOAL,
                unit="%",
                at_least=False,
            )
        )
    return sheet.finish(options)


if __name__ == "__main__":
    sys.exit(main())
