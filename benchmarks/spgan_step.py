"""SPGAN's iteration against a literal one, in one run, a process each, started in turns.

    python -m benchmarks.spgan_step [--rounds 3] [--tiny] [--out F.json]

The reference is what one would write from the losses with torch's own parts, image set by image set:
channels_last and bf16 autocast too, but a pass of a generator for each loss that wants one, the translations
made anew for the discriminators, real and translated images through them one after the other, and every
update leaves gradients in all networks that it passes. Both have the sizes of `compact` and begin with the
same weights; how far the loss terms of the first iteration lie apart is part of the result. About 2 minutes.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.dgnet_step import largest_difference
from benchmarks.measure import (
    Figures,
    Sheet,
    Target,
    add_options,
    column,
    processes_in_turns,
    ratios,
    seconds_text,
    spread,
)
from genreid.models.devices import PrecisionName
from genreid.models.layers import instance_norm
from genreid.models.precision import choose_compute
from genreid.models.spgan import (
    PatchConfig,
    PatchDiscriminator,
    SiameseConfig,
    SiameseNetwork,
    Translator,
    TranslatorConfig,
)
from genreid.recipes.crgan import compact
from genreid.training.image_pool import ImagePool
from genreid.training.optimizers import make_adam
from genreid.training.spgan_config import SpganConfig
from genreid.training.spgan_step import SpganBatch, SpganNetworks, SpganOptimizers, SpganSetup, spgan_step


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        config: Networks and training; SiaNet drops nothing, so that the loss terms can be compared.
        size: Height and width.
        steps: Timed iterations.
        warm_up: Iterations before, that are not counted; 1 or more.
        precision: Of both sides.
    """

    config: SpganConfig
    size: tuple[int, int]
    steps: int = 20
    warm_up: int = 3
    precision: PrecisionName = "auto"


def case(*, tiny: bool) -> Case:
    """Return the recipe `compact`; or all of it tiny."""
    base = compact()
    config = replace(base.spgan, siamese=replace(base.spgan.siamese, dropout=0.0))
    if not tiny:
        return Case(config, base.image.size)
    config = replace(
        config,
        generator=TranslatorConfig(width=2, blocks=1),
        discriminator=PatchConfig(width=2),
        siamese=SiameseConfig(width=2, hidden=4, embedding=4, dropout=0.0),
        pool=1,
    )
    return Case(config, (32, 16), steps=1, warm_up=1)


def build_networks(given: Case) -> SpganNetworks:
    """Build the package's networks; the same weights in every process."""
    torch.manual_seed(0)
    config, size = given.config, given.size
    return SpganNetworks(
        Translator(config.generator, *size),
        Translator(config.generator, *size),
        PatchDiscriminator(config.discriminator),
        PatchDiscriminator(config.discriminator),
        SiameseNetwork(config.siamese, *size),
        ImagePool(config.pool, *size),
        ImagePool(config.pool, *size),
    )


def draw_batch(given: Case) -> SpganBatch:
    """Return random images: what they show does not change the time."""
    generator = torch.Generator().manual_seed(1)
    shape = (given.config.batch, 3, *given.size)
    images = [torch.rand(shape, generator=generator) * 2 - 1 for _ in range(2)]
    return SpganBatch(*(image.contiguous(memory_format=torch.channels_last) for image in images))


Step = Callable[[int], Mapping[str, Tensor]]


def ours(given: Case) -> Step:
    """Return genreid's iteration on the CPU."""
    networks, config = build_networks(given), given.config
    compute, batch = choose_compute("cpu", given.precision), draw_batch(given)
    for network in networks:
        compute.place(network)
    betas = (config.beta1, config.beta2)
    optimizers = SpganOptimizers(*(make_adam(net, config.learning_rate, betas) for net in networks[:5]))
    setup = SpganSetup(networks, optimizers, config, compute)
    return lambda step: spgan_step(setup, batch, step)


class _Norm(nn.Module):
    """Instance norm, kept from the fault of torch's own with a single image."""

    def forward(self, maps: Tensor) -> Tensor:
        return instance_norm(maps)


class _LiteralBlock(nn.Module):
    """A residual block, as one would write it first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = []
        for last in (False, True):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=False)]
            layers += [_Norm(), *([] if last else [nn.ReLU()])]
        self.layers = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        inner: Tensor = self.layers(maps)
        return maps + inner


def _literal_generator(base: int, blocks: int) -> nn.Sequential:
    """G or F."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, base, 7, bias=False)]
    layers += [_Norm(), nn.ReLU()]
    for width in (base, 2 * base):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), _Norm(), nn.ReLU()]
    layers += [_LiteralBlock(4 * base) for _ in range(blocks)]
    for width in (4 * base, 2 * base):
        layers.append(nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1, bias=False))
        layers += [_Norm(), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(base, 3, 7), nn.Tanh())


def _literal_discriminator(base: int) -> nn.Sequential:
    """D_T or D_S; sizes are even down to an eighth."""
    layers: list[nn.Module] = [nn.Conv2d(3, base, 4, 2, 1), nn.LeakyReLU(0.2)]
    for width, stride in ((base, 2), (2 * base, 2), (4 * base, 1)):
        layers += [nn.Conv2d(width, 2 * width, 4, stride, 1 if stride == 2 else "same", bias=False)]
        layers += [_Norm(), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * base, 1, 4, padding="same"))


class LiteralNetworks(NamedTuple):
    """What the literal iteration runs."""

    g: nn.Sequential
    f: nn.Sequential
    d_t: nn.Sequential
    d_s: nn.Sequential
    siamese: SiameseNetwork


def literal_networks(given: Case) -> LiteralNetworks:
    """Return plain networks with the weights of ours."""
    built, config = build_networks(given), given.config
    widths, blocks = (config.generator.width, config.discriminator.width), config.generator.blocks
    networks = LiteralNetworks(
        _literal_generator(widths[0], blocks),
        _literal_generator(widths[0], blocks),
        _literal_discriminator(widths[1]),
        _literal_discriminator(widths[1]),
        built.siamese,
    )
    for plain, own in zip(networks[:4], built[:4], strict=True):  # the same layers in the same order
        for parameter, value in zip(plain.parameters(), own.parameters(), strict=True):
            parameter.data.copy_(value)
    for network in networks:
        network.to(memory_format=torch.channels_last)
    return networks


class _LiteralPool:
    """A list of images."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.kept = capacity, list[Tensor]()

    def query(self, images: Tensor) -> Tensor:
        coins = torch.rand(len(images))
        places = torch.randint(self.capacity, (len(images),))
        out = []
        for image, coin, place in zip(images.detach(), coins, places, strict=True):
            if len(self.kept) < self.capacity:
                self.kept.append(image.clone())
                out.append(image)
            elif coin < 0.5:
                out.append(self.kept[place])
                self.kept[place] = image.clone()
            else:
                out.append(image)
        return torch.stack(out)


def literal(given: Case) -> Step:
    """Return the literal iteration."""
    config, (a, b) = given.config, draw_batch(given)
    g, f, d_t, d_s, siamese = networks = literal_networks(given)
    betas, rate = (config.beta1, config.beta2), config.learning_rate
    both = [*g.parameters(), *f.parameters()]
    adams = [torch.optim.Adam(p, rate, betas) for p in (both, *(net.parameters() for net in networks[2:]))]
    pools = (_LiteralPool(config.pool), _LiteralPool(config.pool))
    autocast, weights = choose_compute("cpu", given.precision).autocast, config.weights

    def update(adam: torch.optim.Adam, loss: Tensor) -> None:
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()

    def apart(one: Tensor, other: Tensor) -> Tensor:
        distance = ((one - other).square().sum(1) + 1e-6).sqrt()
        return (config.margin - distance).clamp(min=0).square().mean()

    def together(one: Tensor, other: Tensor) -> Tensor:
        return (one - other).square().sum(1).mean()

    def step(_number: int) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        with torch.no_grad(), autocast():
            shown_b, shown_a = g(a).float(), f(b).float()
        with autocast():
            fake_b, fake_a = g(a), f(b)
            back_a, back_b, same_b, same_a = f(fake_b), g(fake_a), g(b), f(a)
            scores_b, scores_a = d_t(fake_b).float(), d_s(fake_a).float()
            e_a, e_b, e_fake_b, e_fake_a = siamese(a), siamese(b), siamese(fake_b), siamese(fake_a)
        terms["identity_mapping"] = F.l1_loss(same_b.float(), b) + F.l1_loss(same_a.float(), a)
        terms["adversarial"] = (scores_b - 1).square().mean() + (scores_a - 1).square().mean()
        terms["cycle"] = F.l1_loss(back_a.float(), a) + F.l1_loss(back_b.float(), b)
        pulled = together(e_a, e_fake_b) + together(e_b, e_fake_a)
        terms["contrast"] = (pulled + 0.5 * (apart(e_fake_b, e_b) + apart(e_fake_a, e_a))) / 4
        update(adams[0], sum((weights.by_term[k] * v for k, v in terms.items()), torch.zeros(())))
        judged = (("target_domain", d_t, b, shown_b), ("source_domain", d_s, a, shown_a))
        for (name, judge, real, fake), pool, adam in zip(judged, pools, adams[1:3], strict=True):
            older = pool.query(fake)
            with autocast():
                on_real, on_fake = judge(real).float(), judge(older).float()
            terms[name] = 0.5 * ((on_real - 1).square().mean() + on_fake.square().mean())
            update(adam, terms[name])
        with autocast():
            e_a, e_b, e_fake_b, e_fake_a = (siamese(x) for x in (a, b, shown_b, shown_a))
        pulled = together(e_a, e_fake_b) + together(e_b, e_fake_a)
        terms["siamese"] = (pulled + 2 * apart(e_a, e_b)) / 3
        update(adams[3], terms["siamese"])
        return {name: term.detach() for name, term in terms.items()}

    return step


VARIANTS = {"genreid": ours, "literal": literal}


def measure(variant: str, *, tiny: bool) -> Figures:
    """Return the median seconds of an iteration, and the first one's terms."""
    given = case(tiny=tiny)
    terms = {name: term.item() for name, term in VARIANTS[variant](given)(0).items()}
    step, times = VARIANTS[variant](given), []
    for number in range(given.warm_up + given.steps):
        begin = time.perf_counter()
        step(number)
        times.append(time.perf_counter() - begin)
    return {"seconds": statistics.median(times[given.warm_up :]), "terms": terms}


def main(argv: Sequence[str] | None = None) -> int:
    """Time both variants in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spgan_step")
    parser.add_argument("--rounds", type=int, default=3)
    options = add_options(parser).parse_args(argv)
    sheet = Sheet("spgan_step", "SPGAN's iteration, compact: 128x64, batch 1, bf16 where it is fast")
    variants = {name: {"variant": name, "tiny": options.tiny} for name in VARIANTS}
    rounds = 1 if options.tiny else options.rounds
    summarise(sheet, processes_in_turns("benchmarks.spgan_step", "measure", variants, rounds))
    return sheet.finish(options)


def summarise(sheet: Sheet, found: dict[str, list[Figures]]) -> None:
    """Turn what the processes found into figures and the target."""
    differ = largest_difference(found["genreid"][0]["terms"], found["literal"][0]["terms"])
    seconds = {name: column(rounds, "seconds") for name, rounds in found.items()}
    sheet.figures = {
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "largest_relative_difference_of_a_term": differ,
        "terms": {name: rounds[0]["terms"] for name, rounds in found.items()},
    }
    sheet.targets.append(
        Target(
            what="SPGAN's iteration, compact sizes",
            ours=seconds_text(spread(seconds["genreid"])),
            reference=f"literal: {seconds_text(spread(seconds['literal']))}",
            ratio=ratios(seconds["literal"], seconds["genreid"])["median"],
            bound=1.0,
            note=f"loss terms of the first iteration differ by at most {100 * differ:.2g} %",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
