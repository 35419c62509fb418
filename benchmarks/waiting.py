"""How much of a training step goes into its data: drawing, gathering and augmenting the batch.

    python -m benchmarks.waiting [--repeats 8] [--tiny] [--out F.json]

The recipes `compact` of CR-GAN (stages I to III) and DG-Net, from decoded images in memory, as `ImageBank`
has them. In each step the stage draws its batch and learns from it, as in the training loop; on a CPU nothing
overlaps, so the share of the first in both is what is waited for. Goal: less than 2 %. About a minute.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.crgan_finetuning import CAMERAS, PEOPLE, compact_config
from benchmarks.drawn import drawn_domains
from benchmarks.measure import Sheet, Target, add_options, ratios, seconds_text, spread
from genreid.models.backbone import build_reid_network
from genreid.models.crgan import CameraDiscriminator
from genreid.models.precision import Compute, choose_compute
from genreid.recipes import dgnet as dgnet_recipes
from genreid.runs.loop import Stage
from genreid.training.adapt_config import AdaptConfig
from genreid.training.crgan_stages import (
    Domains,
    Workbench,
    camera_stage,
    finetuning_stage,
    make_renderer,
    rendering_stage,
)
from genreid.training.crgan_step import RenderingBatch
from genreid.training.dgnet_config import DgnetConfig
from genreid.training.dgnet_stage import DgnetBench, dgnet_stage
from genreid.training.identity_stage import identity_stage

GOAL, WARM_UP = 2.0, 2


Maker = Callable[[], Stage[Any]]


def crgan_stages(config: AdaptConfig, domains: Domains, compute: Compute) -> dict[str, Maker]:
    """Return how each of CR-GAN's stages is made ready."""
    bench = Workbench(config, 0, compute)

    def rendering() -> Stage[RenderingBatch]:
        network = build_reid_network(config.backbone, PEOPLE)
        return rendering_stage(bench, domains, network, CameraDiscriminator(config.camera, CAMERAS))

    def finetuning() -> Stage[RenderingBatch]:
        network = compute.place(build_reid_network(config.backbone, PEOPLE))
        renderer = compute.place(make_renderer("crgan", config))
        return finetuning_stage(bench, domains, network, renderer)

    return {
        "CR-GAN stage I, people": lambda: identity_stage(config.baseline, domains.source, 0, compute),
        "CR-GAN stage I, cameras": lambda: camera_stage(bench, domains.target),
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


def measure(stage: Stage[Any], repeats: int) -> dict[str, list[float]]:
    """Time the drawing of batches and the whole steps, as the training loop runs them."""
    seconds: dict[str, list[float]] = {"draw": [], "step": []}
    for number in range(WARM_UP + repeats):
        begin = time.perf_counter()
        batch = stage.draw(number)
        drawn = time.perf_counter()
        stage.learn(batch, number)
        if number >= WARM_UP:
            seconds["draw"].append(drawn - begin)
            seconds["step"].append(time.perf_counter() - begin)
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
    makers = crgan_stages(config, domains, compute)
    plain = replace(domains.source, masks=None)
    makers["DG-Net"] = lambda: dgnet_stage(DgnetBench(dgnet, plain, None, 0, compute))
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
