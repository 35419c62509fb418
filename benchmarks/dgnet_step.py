"""DG-Net's iteration at full size against a literal one: seconds and peak memory.

    python -m benchmarks.dgnet_step [--rounds 3] [--steps 2] [--tiny] [--out F.json]

2 pairs, ResNet-50 with last stride 1, 256x128, all widths and weights as published, in the middle of the
training (every term has its weight). Three variants, a process each, started in turns: `literal` (NCHW,
float32; see benchmarks/literal_dgnet.py), `fp32` and `bf16` (ours). The structure code's loss trains E_s in
one step and the images in the next. All begin with the same weights and images: how far the loss terms of the
first step lie apart is part of the result. Dropout is off, since its random numbers come in another order.
Goals: twice as fast and half the memory in float32, four times as fast in bf16. About 6 minutes.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from benchmarks.literal_dgnet import LiteralStep
from benchmarks.measure import (
    Figures,
    Sheet,
    Target,
    add_options,
    bytes_text,
    column,
    forget_peak,
    processes_in_turns,
    ratios,
    resident_bytes,
    seconds_text,
    spread,
)
from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.models.dgnet import (
    AppearanceConfig,
    Decoder,
    DecoderConfig,
    ScaleDiscriminator,
    ScaleDiscriminatorConfig,
    StructureConfig,
    StructureEncoder,
    build_appearance_encoder,
)
from genreid.models.precision import Compute, choose_compute
from genreid.recipes.dgnet import published
from genreid.training.baseline_config import BaselineConfig
from genreid.training.dgnet_config import DgnetConfig
from genreid.training.dgnet_stage import prepare_networks
from genreid.training.dgnet_step import (
    DgnetOptimizers,
    DgnetSetup,
    SwapBatch,
    TrainedNetworks,
    dgnet_step,
)
from genreid.training.optimizers import make_adam, make_sgd

Variant = Literal["literal", "fp32", "bf16"]
VARIANTS: tuple[Variant, ...] = ("literal", "fp32", "bf16")
PEOPLE = 751
PAIRS = 2
SMALL = 0.01
"""A term below is compared as if it were so large: a distance near 0 has no relative error."""


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        config: Networks and training.
        people: K.
    """

    config: DgnetConfig
    people: int


def case(*, tiny: bool, pairs: int = PAIRS) -> Case:
    """Return the published settings for some pairs, without dropout; or all of it tiny."""
    base = published()
    training = replace(base.training, batch=pairs)
    if tiny:
        image = ImageConfig(height=32, width=16)
        backbone = BackboneConfig("test_resnet", weights="none")
        config = DgnetConfig(
            image=image,
            appearance=AppearanceConfig(backbone=backbone, head_width=8, primary_dropout=0, fine_dropout=0),
            structure=StructureConfig(width=2),
            decoder=DecoderConfig(mlp_width=8),
            discriminator=ScaleDiscriminatorConfig(width=4),
            training=training,
            teacher=BaselineConfig(image=image, backbone=replace(backbone, bottleneck=8)),
        )
        return Case(config, 5)
    backbone = replace(base.appearance.backbone, weights="none")
    appearance = replace(base.appearance, backbone=backbone, primary_dropout=0, fine_dropout=0)
    teacher = replace(base.teacher, backbone=replace(base.teacher.backbone, weights="none", dropout=0.0))
    return Case(replace(base, appearance=appearance, training=training, teacher=teacher), PEOPLE)


def build_networks(given: Case, dtype: torch.dtype = torch.float32) -> TrainedNetworks:
    """Build all networks, the teacher frozen; the same weights in every process."""
    torch.manual_seed(0)
    config = given.config
    appearance = build_appearance_encoder(config.appearance, given.people)
    structure = StructureEncoder(config.structure)
    decoder = Decoder(config.decoder, structure.out_channels, appearance.feature_channels)
    discriminator = ScaleDiscriminator(config.discriminator)
    teacher = build_reid_network(config.teacher.backbone, given.people)
    for network in (appearance, structure, decoder, discriminator, teacher):
        network.to(dtype).train()
    networks = TrainedNetworks(appearance, structure, decoder, discriminator, teacher)
    prepare_networks(networks, config.training)
    return networks


def draw_batch(
    given: Case, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> SwapBatch:
    """Return random images and labels: what they show does not change the time."""
    generator = torch.Generator().manual_seed(1)
    count, size = 2 * given.config.training.batch, given.config.image.size
    images, positives, erased, erased_positives = (
        torch.randn(count, 3, *size, generator=generator, dtype=dtype).to(device) for _ in range(4)
    )
    labels = torch.randint(0, given.people, (count,), generator=generator).to(device)
    return SwapBatch(images, positives, erased, erased_positives, labels)


OurStep = Callable[[SwapBatch, int, float], Mapping[str, Tensor]]


def our_step(given: Case, networks: TrainedNetworks, compute: Compute) -> OurStep:
    """Return genreid's iteration, which also takes the probability that E_s is trained on fixed images."""
    for network in networks:
        if network is not None:
            compute.place(network)
    config = given.config.training
    generator = nn.ModuleDict({"structure": networks.structure, "decoder": networks.decoder})
    adam = (config.adam.learning_rate, (config.adam.beta1, config.adam.beta2), config.adam.weight_decay)
    optimizers = DgnetOptimizers(
        make_sgd(networks.appearance, config.sgd),
        make_adam(generator, *adam),
        make_adam(networks.discriminator, *adam),
    )
    setup = DgnetSetup(networks, optimizers, config, compute)

    def step(batch: SwapBatch, number: int, tune_encoder: float) -> Mapping[str, Tensor]:
        chosen = replace(setup, config=replace(config, encode_again=tune_encoder))
        return dgnet_step(chosen, batch, number)

    return step


def channels_last(batch: SwapBatch) -> SwapBatch:
    """Lay a batch out as the package's data do."""
    images, positives, erased, erased_positives = (
        x.contiguous(memory_format=torch.channels_last) for x in batch[:4]
    )
    return SwapBatch(images, positives, erased, erased_positives, batch.labels)


def measure(variant: Variant, steps: int, *, tiny: bool) -> Figures:
    """Time one variant in this process: the first step is not counted, and its loss terms are kept."""
    given = case(tiny=tiny)
    networks, batch = build_networks(given), draw_batch(given)
    if variant == "literal":
        literal = LiteralStep(networks, given.config.training)

        def step(number: int, tune_encoder: bool) -> dict[str, float]:  # noqa: FBT001
            return literal(batch, number, tune_encoder=tune_encoder)
    else:
        ours, laid_out = our_step(given, networks, choose_compute("cpu", variant)), channels_last(batch)

        def step(number: int, tune_encoder: bool) -> dict[str, float]:  # noqa: FBT001
            return {name: term.item() for name, term in ours(laid_out, number, float(tune_encoder)).items()}

    forget_peak()
    before, middle = resident_bytes(), given.config.training.iterations // 2
    terms = step(middle, tune_encoder=False)
    seconds = []
    for number in range(steps):
        begin = time.perf_counter()
        step(middle + 1 + number, tune_encoder=number % 2 == 0)
        seconds.append(time.perf_counter() - begin)
    return {
        "seconds": sum(seconds) / len(seconds),
        "each": seconds,
        "resident_bytes": before,
        "terms": terms,
        "threads": torch.get_num_threads(),
    }


def largest_difference(terms: dict[str, float], expected: dict[str, float]) -> float:
    """Return the largest difference of two sets of loss terms, relative, or for those below 0.01 to 0.01."""
    assert terms.keys() == expected.keys(), f"terms differ: {sorted(terms.keys() ^ expected.keys())}"
    return max(abs(terms[name] - value) / max(abs(value), SMALL) for name, value in expected.items())


def summarise(sheet: Sheet, found: dict[str, list[Figures]]) -> None:
    """Turn what the processes found into figures and targets."""
    seconds = {name: column(rounds, "seconds") for name, rounds in found.items()}
    peaks = {name: column(rounds, "process_peak_bytes") for name, rounds in found.items()}
    differ = {
        name: largest_difference(found[name][0]["terms"], found["literal"][0]["terms"])
        for name in ("fp32", "bf16")
    }
    sheet.figures = {
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "peak_bytes": {name: spread(values) for name, values in peaks.items()},
        "resident_bytes_before_the_steps": {
            name: spread(column(rounds, "resident_bytes")) for name, rounds in found.items()
        },
        "largest_relative_difference_of_a_term": differ,
        "terms": {name: rounds[0]["terms"] for name, rounds in found.items()},
        "rounds": {name: [entry["each"] for entry in rounds] for name, rounds in found.items()},
        "threads": found["fp32"][0]["threads"],
    }
    for name, bound in (("fp32", 2.0), ("bf16", 4.0)):
        sheet.targets.append(
            Target(
                what=f"DG-Net step, 2 pairs, ResNet-50, 256x128, {name}: time",
                ours=seconds_text(spread(seconds[name])),
                reference=f"literal step, fp32: {seconds_text(spread(seconds['literal']))}",
                ratio=ratios(seconds["literal"], seconds[name])["median"],
                bound=bound,
                note=f"loss terms of the first step differ by at most {100 * differ[name]:.2g} %",
            )
        )
    sheet.targets.insert(
        1,
        Target(
            what="DG-Net step, 2 pairs, ResNet-50, 256x128, fp32: peak memory of the process",
            ours=bytes_text(spread(peaks["fp32"])["median"]),
            reference=f"literal step: {bytes_text(spread(peaks['literal'])['median'])}",
            ratio=ratios(peaks["fp32"], peaks["literal"])["median"],
            bound=0.5,
            at_least=False,
            note="weights, optimisers and the interpreter are in both",
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Time all variants in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dgnet_step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="timed steps of a process, an even number")
    options = add_options(parser).parse_args(argv)
    sheet = Sheet("dgnet_step", "DG-Net's iteration, 2 pairs, ResNet-50, 256x128, against a literal one")
    rounds = 1 if options.tiny else options.rounds
    arguments = {"steps": 1 if options.tiny else options.steps, "tiny": options.tiny}
    variants: dict[str, Figures] = {name: {"variant": name, **arguments} for name in VARIANTS}
    summarise(sheet, processes_in_turns("benchmarks.dgnet_step", "measure", variants, rounds))
    return sheet.finish(options)


if __name__ == "__main__":
    sys.exit(main())
