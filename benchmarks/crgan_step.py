"""CR-GAN's stage II step against a literal one, in one run, a process each, started in turns.

    python -m benchmarks.crgan_step [--rounds 3] [--tiny] [--out F.json]

The reference is what one would write from tables 8-10 and algorithm 1 with torch's own parts: channels_last
and bf16 autocast too, but `padding="same"` convolutions after an up-sampling, `nn.InstanceNorm2d`, G run anew
for every update, and frozen networks whose parameters still ask for gradients. Both have the sizes of the
plain prototype of spec/cr-gan.md K (a quarter of every width) and begin with the same weights; how far the
loss terms of the first step lie apart is part of the result. Goal: twice as fast. About 3 minutes.
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
from genreid.data.image_config import ImageConfig
from genreid.losses.adversarial import discriminator_loss, generator_loss
from genreid.losses.context import ContextTargets, context_loss
from genreid.models.backbone import ReidNetwork, build_reid_network
from genreid.models.crgan import (
    CameraDiscriminator,
    CameraDiscriminatorConfig,
    ConditionPair,
    DomainDiscriminator,
    DomainDiscriminatorConfig,
    Generator,
    GeneratorConfig,
    encoder_levels,
)
from genreid.models.devices import PrecisionName
from genreid.models.folding import fold_batch_norm
from genreid.models.precision import Compute, choose_compute
from genreid.models.strided import mend_strides
from genreid.recipes.crgan import compact
from genreid.training.adapt_config import AdaptConfig
from genreid.training.crgan_step import (
    RenderingBatch,
    RenderingNetworks,
    RenderingOptimizers,
    RenderingSetup,
    rendering_step,
)
from genreid.training.optimizers import make_adam
from genreid.training.schedules import linear_after_half

PEOPLE, CAMERAS = 1467, 6


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        config: Networks and training.
        batch: Pairs.
        steps: Timed steps with one update of G, and with two.
        warm_up: Steps before, that are not counted; 1 or more.
        precision: Of both sides.
        noise: False: D_d without noise, so that the loss terms of both sides can be compared.
    """

    config: AdaptConfig
    batch: int = 32
    steps: int = 6
    warm_up: int = 2
    precision: PrecisionName = "auto"
    noise: bool = True

    @property
    def domain(self) -> DomainDiscriminatorConfig:
        """Settings of D_d."""
        return self.config.domain if self.noise else replace(self.config.domain, noise_std=0.0)


def case(*, tiny: bool) -> Case:
    """Return the recipe `compact` with the prototype's discriminator; or all of it tiny."""
    base = compact()
    backbone = replace(base.backbone, weights="none")
    if not tiny:
        return Case(replace(base, backbone=backbone, domain=DomainDiscriminatorConfig(width=32)))
    config = replace(
        base,
        image=ImageConfig(height=32, width=16),
        backbone=replace(backbone, name="test_resnet"),
        generator=GeneratorConfig(width=2),
        domain=DomainDiscriminatorConfig(width=4),
        camera=CameraDiscriminatorConfig(width=4),
    )
    return Case(config, batch=3, steps=1, warm_up=1)


class _LiteralBlock(nn.Module):
    """A residual block of the U-Net, as one would write it first."""

    def __init__(self, inputs: int, outputs: int, *, down: bool) -> None:
        super().__init__()
        self.down = down
        stride = 2 if down else 1
        self.first = nn.Conv2d(inputs, outputs, 4, stride, bias=down)
        self.second = nn.Conv2d(outputs, outputs, 4, padding="same", bias=down)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)
        self.norms = nn.ModuleList(nn.InstanceNorm2d(outputs, affine=True) for _ in range(0 if down else 2))

    def forward(self, maps: Tensor) -> Tensor:
        if self.down:
            main = self.second(F.leaky_relu(self.first(_same_stride_two(maps)), 0.2))
            return F.leaky_relu(main + self.shortcut(maps), 0.2)
        main = F.relu(self.norms[0](self.first(F.pad(maps, (1, 2, 1, 2)))))
        return F.relu(self.norms[1](self.second(main)) + self.shortcut(maps))


def _same_stride_two(maps: Tensor) -> Tensor:
    """Pad as TensorFlow does for a 4x4 convolution with stride 2."""
    height, width = (max((-(-n // 2) - 1) * 2 + 4 - n, 0) for n in maps.shape[2:])
    return F.pad(maps, (width // 2, width - width // 2, height // 2, height - height // 2))


class _LiteralGenerator(nn.Module):
    """G from table 8."""

    def __init__(self, base: int, size: tuple[int, int]) -> None:
        super().__init__()
        widths = [base * factor for factor in (2, 4, 8, 8, 8, 8)][: encoder_levels(*size)]
        self.paths = nn.ModuleList(nn.Conv2d(3, base, 4, 2, padding=1) for _ in range(2))
        pairs = zip([2 * base, *widths[:-1]], widths, strict=True)
        self.encoder = nn.ModuleList(_LiteralBlock(i, o, down=True) for i, o in pairs)
        self.bottom = nn.Conv2d(widths[-1], widths[-1], 4, 2)
        pairs = zip([widths[-1], *(2 * c for c in reversed(widths[1:]))], reversed(widths), strict=True)
        self.decoder = nn.ModuleList(_LiteralBlock(i, o, down=False) for i, o in pairs)
        self.last = nn.Conv2d(2 * widths[0], 2 * base, 4, padding="same", bias=False)
        self.last_norm = nn.InstanceNorm2d(2 * base, affine=True)
        self.residual = nn.Conv2d(2 * base, 3, 4, padding="same")
        self.context = nn.Conv2d(2 * base, 1, 4, padding="same")

    def forward(self, pair: ConditionPair) -> Tensor:
        background = pair.target * (1 - pair.target_mask)
        maps = F.leaky_relu(torch.cat((self.paths[0](pair.source), self.paths[1](background)), 1), 0.2)
        skips = []
        for down in self.encoder:
            maps = down(maps)
            skips.append(maps)
        maps = self.bottom(_same_stride_two(maps))
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            maps = torch.cat((up(F.interpolate(maps, size=skip.shape[2:])), skip), 1)
        maps = F.relu(self.last_norm(self.last(F.interpolate(maps, scale_factor=2.0))))
        maps = F.interpolate(maps, scale_factor=2.0)
        residual, mask = torch.tanh(self.residual(maps)), torch.sigmoid(self.context(maps))
        return residual * mask + pair.source * (1 - mask)


class _LiteralDiscriminator(nn.Module):
    """D_d from table 9."""

    def __init__(self, base: int, std: float) -> None:
        super().__init__()
        widths, strides = [base, 2 * base, 4 * base, 4 * base], [2, 2, 1, 1]
        layers = zip([3, *widths[:-1]], widths, strides, strict=True)
        self.hidden = nn.ModuleList(nn.Conv2d(i, o, 4, s, padding=2) for i, o, s in layers)
        self.norms = nn.ModuleList(nn.InstanceNorm2d(w, affine=True) for w in widths[1:])
        self.score = nn.Conv2d(widths[-1], 1, 4, padding=2)
        self.std = std

    def forward(self, images: Tensor) -> Tensor:
        maps = F.leaky_relu(self.hidden[0](images + self.std * torch.randn_like(images)), 0.2)
        for conv, norm in zip(self.hidden[1:], self.norms, strict=True):
            maps = F.leaky_relu(norm(conv(maps)), 0.2)
        return torch.sigmoid(self.score(maps).float())


def draw_batch(given: Case) -> RenderingBatch:
    """Return random images, masks and labels: what they show does not change the time."""
    generator = torch.Generator().manual_seed(1)
    size = given.config.image.size
    images = [torch.rand(given.batch, 3, *size, generator=generator) * 2 - 1 for _ in range(2)]
    source, target = (image.contiguous(memory_format=torch.channels_last) for image in images)
    masks = [(torch.rand(given.batch, 1, *size, generator=generator) > 0.5).float() for _ in range(2)]
    people, cameras = (
        torch.randint(0, count, (given.batch,), generator=generator) for count in (PEOPLE, CAMERAS)
    )
    return RenderingBatch(ConditionPair(source, target, *masks), people, cameras)


def build_networks(given: Case) -> RenderingNetworks:
    """Build the package's networks; the same weights in every process."""
    torch.manual_seed(0)
    config = given.config
    return RenderingNetworks(
        Generator(config.generator, *config.image.size),
        DomainDiscriminator(given.domain),
        build_reid_network(config.backbone, PEOPLE).eval(),
        CameraDiscriminator(config.camera, CAMERAS).eval(),
    )


Step = Callable[[int], Mapping[str, Tensor]]


def ours(given: Case) -> Step:
    """Return genreid's step on the CPU."""
    setup, batch = our_setup(given, choose_compute("cpu", given.precision)), draw_batch(given)
    return lambda step: rendering_step(setup, batch, step)


def our_setup(given: Case, compute: Compute) -> RenderingSetup:
    """Return genreid's networks and optimisers on a device."""
    config, built = given.config, build_networks(given)
    assert built.camera is not None
    networks = built._replace(identity=fold_batch_norm(built.identity))
    for network in (networks.generator, networks.domain, networks.identity, built.camera):
        compute.place(network)
    built.camera.requires_grad_(requires_grad=False)
    betas = (config.stage2.beta1, config.stage2.beta2)
    rate = config.stage2.learning_rate
    optimizers = RenderingOptimizers(
        make_adam(networks.generator, rate, betas), make_adam(networks.domain, rate, betas)
    )
    return RenderingSetup(networks, optimizers, config.stage2, compute)


class LiteralNetworks(NamedTuple):
    """What the literal step runs."""

    generator: _LiteralGenerator
    domain: _LiteralDiscriminator
    identity: ReidNetwork
    camera: CameraDiscriminator


def literal_networks(given: Case) -> LiteralNetworks:
    """Return plain networks with the weights of ours."""
    config, built = given.config, build_networks(given)
    assert built.camera is not None
    generator = _LiteralGenerator(config.generator.width, config.image.size)
    generator.load_state_dict(_literal_weights(built.generator.state_dict()))
    domain = _LiteralDiscriminator(given.domain.width, given.domain.noise_std)
    domain.load_state_dict(built.domain.state_dict())
    networks = LiteralNetworks(generator, domain, _plain(built.identity, config.backbone.name), built.camera)
    for network in networks:
        mend_strides(network)  # the backend's faults would end the process or give garbage here, too
        network.to(memory_format=torch.channels_last)
    return networks


def _literal_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the generator's weights as the literal one does; its two heads are one convolution in ours."""
    found = {}
    for name, value in weights.items():
        if name.startswith("heads."):
            kind = name.removeprefix("heads.")
            found[f"residual.{kind}"], found[f"context.{kind}"] = value[:3], value[3:]
            continue
        plain = name.replace("identity_path.", "paths.0.").replace("context_path.", "paths.1.")
        found[plain.replace(".first_norm.", ".norms.0.").replace(".second_norm.", ".norms.1.")] = value
    return found


def literal(given: Case) -> Step:
    """Return the literal step."""
    config, batch = given.config.stage2, draw_batch(given)
    generator, domain, identity, camera = literal_networks(given)
    betas = (config.beta1, config.beta2)
    adam_g = torch.optim.Adam(generator.parameters(), config.learning_rate, betas)
    adam_d = torch.optim.Adam(domain.parameters(), config.learning_rate, betas)
    weights, autocast = config.weights, choose_compute("cpu", given.precision).autocast
    pair = batch.pair
    targets = ContextTargets(pair.source, pair.target, pair.source_mask, 1 - pair.source_mask)

    def step(number: int) -> dict[str, Tensor]:
        for adam in (adam_g, adam_d):
            adam.param_groups[0]["lr"] = linear_after_half(number, config.iterations, config.learning_rate)
        with autocast():
            fake = generator(pair).detach()
            real_scores, fake_scores = domain(pair.target), domain(fake)
        terms = {"domain": discriminator_loss(real_scores, fake_scores)}
        adam_d.zero_grad()
        torch.autograd.backward(terms["domain"])
        adam_d.step()
        for _ in range(1 if number < config.iterations / 2 else 2):
            with autocast():
                image = generator(pair)
                scores, logits, cameras = domain(image), identity(image).logits, camera(image)
            terms["adversarial"] = generator_loss(scores)
            terms["identity"] = F.cross_entropy(logits.float(), batch.source_labels)
            terms["camera"] = F.cross_entropy(cameras.float(), batch.target_cameras)
            terms["context"] = context_loss(image.float(), targets)
            loss = weights.adversarial * terms["adversarial"] + weights.identity * terms["identity"]
            loss = loss + weights.camera * terms["camera"] + weights.context * terms["context"]
            adam_g.zero_grad()
            torch.autograd.backward(loss)
            adam_g.step()
        return {name: term.detach() for name, term in terms.items()}

    return step


def _plain(identity: ReidNetwork, name: str) -> ReidNetwork:
    """Give the backbone timm's own depthwise convolutions back."""
    import timm  # noqa: PLC0415

    backbone = timm.create_model(name, pretrained=False, num_classes=0).eval()
    backbone.load_state_dict(identity.backbone.state_dict())
    identity.backbone = backbone
    return identity


VARIANTS = {"genreid": ours, "literal": literal}


def measure(variant: str, *, tiny: bool) -> Figures:
    """Return the median seconds of a step with one and with two updates of G, and the first step's terms."""
    given = case(tiny=tiny)
    quiet = replace(given, noise=False)
    terms = {
        name: term.item() for name, term in VARIANTS[variant](quiet)(0).items() if name != "context_mask"
    }
    step = VARIANTS[variant](given)
    medians = {}
    for label, first in (("k1", 0), ("k2", given.config.stage2.iterations // 2)):
        times = []
        for number in range(given.warm_up + given.steps):
            begin = time.perf_counter()
            step(first + number)
            times.append(time.perf_counter() - begin)
        medians[label] = statistics.median(times[given.warm_up :])
    return {**medians, "terms": terms}


def main(argv: Sequence[str] | None = None) -> int:
    """Time both variants in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crgan_step")
    parser.add_argument("--rounds", type=int, default=3)
    options = add_options(parser).parse_args(argv)
    sheet = Sheet(
        "crgan_step", "stage II step, compact: 128x64, batch 32, bf16; k1: one update of G, k2: two"
    )
    variants = {name: {"variant": name, "tiny": options.tiny} for name in VARIANTS}
    rounds = 1 if options.tiny else options.rounds
    summarise(sheet, processes_in_turns("benchmarks.crgan_step", "measure", variants, rounds))
    return sheet.finish(options)


def summarise(sheet: Sheet, found: dict[str, list[Figures]]) -> None:
    """Turn what the processes found into figures and targets."""
    differ = largest_difference(found["genreid"][0]["terms"], found["literal"][0]["terms"])
    sheet.figures = {
        "seconds": {
            name: {key: spread(column(rounds, key)) for key in ("k1", "k2")} for name, rounds in found.items()
        },
        "largest_relative_difference_of_a_term": differ,
        "terms": {name: rounds[0]["terms"] for name, rounds in found.items()},
    }
    for key, what in (("k1", "one update of G"), ("k2", "two updates of G")):
        seconds = {name: column(rounds, key) for name, rounds in found.items()}
        sheet.targets.append(
            Target(
                what=f"CR-GAN stage II step, compact sizes, {what}",
                ours=seconds_text(spread(seconds["genreid"])),
                reference=f"literal step: {seconds_text(spread(seconds['literal']))}",
                ratio=ratios(seconds["literal"], seconds["genreid"])["median"],
                bound=2.0,
                note=f"loss terms of the first step differ by at most {100 * differ:.2g} %",
            )
        )


if __name__ == "__main__":
    sys.exit(main())
