"""CR-GAN's stage II step against a literal one, in one run, a process each, started in turns.

    python -m benchmarks.crgan_step [--rounds 3] [--out benchmarks/results/crgan_step.json]

The reference is what one would write from tables 8-10 and algorithm 1 with torch's own parts: channels_last
and bf16 autocast too, but `padding="same"` convolutions after an up-sampling, `nn.InstanceNorm2d`, G run anew
for every update, and frozen networks whose parameters still ask for gradients. Both have the sizes of the
plain prototype of spec/cr-gan.md K (a quarter of every width) and as many parameters, which is checked.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.losses.adversarial import discriminator_loss, generator_loss
from genreid.losses.context import ContextTargets, context_loss
from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.models.crgan import (
    CameraDiscriminator,
    ConditionPair,
    DomainDiscriminator,
    DomainDiscriminatorConfig,
    Generator,
    encoder_levels,
)
from genreid.models.folding import fold_batch_norm
from genreid.recipes.crgan import compact
from genreid.training.configs import AdaptConfig
from genreid.training.crgan_step import (
    RenderingBatch,
    RenderingNetworks,
    RenderingOptimizers,
    RenderingSetup,
    rendering_step,
)
from genreid.training.optimizers import make_adam
from genreid.training.precision import choose_compute

SIZE, BATCH, PEOPLE, CAMERAS = (128, 64), 32, 1467, 6
STEPS, WARM_UP = 8, 3


def sizes() -> AdaptConfig:
    """Return the recipe `compact` with the prototype's discriminator."""
    return replace(compact(), domain=DomainDiscriminatorConfig(width=32))


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

    def __init__(self, base: int) -> None:
        super().__init__()
        widths = [base * factor for factor in (2, 4, 8, 8, 8, 8)][: encoder_levels(*SIZE)]
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
        scores: Tensor = self.score(maps)
        return scores


def _batch() -> RenderingBatch:
    """Return random images, masks and labels: what they show does not change the time."""
    images = [
        (torch.rand(BATCH, 3, *SIZE) * 2 - 1).contiguous(memory_format=torch.channels_last) for _ in range(2)
    ]
    masks = [(torch.rand(BATCH, 1, *SIZE) > 0.5).float() for _ in range(2)]
    labels = torch.randint(0, PEOPLE, (BATCH,))
    return RenderingBatch(ConditionPair(*images, *masks), labels, torch.randint(0, CAMERAS, (BATCH,)))


def _frozen_networks() -> tuple[ReidNetwork, CameraDiscriminator]:
    """Return D_id and D_cam, in evaluation mode."""
    config = sizes()
    identity = build_reid_network(BackboneConfig(name=config.backbone.name, weights="none"), PEOPLE)
    return identity.eval(), CameraDiscriminator(config.camera, CAMERAS).eval()


def _ours() -> Callable[[int], object]:
    """Return genreid's step."""
    config, compute = sizes(), choose_compute("cpu")
    identity, camera = _frozen_networks()
    networks = RenderingNetworks(
        Generator(config.generator, *SIZE),
        DomainDiscriminator(config.domain),
        fold_batch_norm(identity),
        camera,
    )
    for network in (networks.generator, networks.domain, networks.identity, camera):
        compute.place(network)
    camera.requires_grad_(requires_grad=False)
    betas = (config.stage2.beta1, config.stage2.beta2)
    optimizers = RenderingOptimizers(
        make_adam(networks.generator, 2e-4, betas), make_adam(networks.domain, 2e-4, betas)
    )
    setup, batch = RenderingSetup(networks, optimizers, config.stage2, compute), _batch()
    return lambda step: rendering_step(setup, batch, step)


def _literal() -> Callable[[int], object]:
    """Return the literal step."""
    config, batch = sizes(), _batch()
    identity, camera = _plain(_frozen_networks())
    generator = _LiteralGenerator(config.generator.width)
    domain = _LiteralDiscriminator(config.domain.width, config.domain.noise_std)
    _check_sizes(generator, domain)
    for network in (generator, domain, identity, camera):
        network.to(memory_format=torch.channels_last)
    betas = (config.stage2.beta1, config.stage2.beta2)
    adam_g = torch.optim.Adam(generator.parameters(), 2e-4, betas)
    adam_d = torch.optim.Adam(domain.parameters(), 2e-4, betas)
    total, weights = config.stage2.iterations, config.stage2.weights

    def step(number: int) -> None:
        pair = batch.pair
        with torch.autocast("cpu", torch.bfloat16):
            fake = generator(pair).detach()
            real_scores, fake_scores = domain(pair.target), domain(fake)
        adam_d.zero_grad()
        torch.autograd.backward(discriminator_loss(real_scores.float(), fake_scores.float()))
        adam_d.step()
        for _ in range(1 if number < total / 2 else 2):
            with torch.autocast("cpu", torch.bfloat16):
                image = generator(pair)
                scores, logits, cameras = domain(image), identity(image).logits, camera(image)
            loss = weights.adversarial * generator_loss(scores.float())
            loss = loss + weights.identity * F.cross_entropy(logits.float(), batch.source_labels)
            loss = loss + weights.camera * F.cross_entropy(cameras.float(), batch.target_cameras)
            targets = ContextTargets(pair.source, pair.target, pair.source_mask, 1 - pair.source_mask)
            loss = loss + weights.context * context_loss(image.float(), targets)
            adam_g.zero_grad()
            torch.autograd.backward(loss)
            adam_g.step()

    return step


def _plain(networks: tuple[ReidNetwork, CameraDiscriminator]) -> tuple[ReidNetwork, CameraDiscriminator]:
    """Give the backbone timm's own depthwise convolutions back."""
    identity, camera = networks
    import timm  # noqa: PLC0415

    backbone = timm.create_model(compact().backbone.name, pretrained=False, num_classes=0).eval()
    backbone.load_state_dict(identity.backbone.state_dict())
    identity.backbone = backbone
    return identity, camera


def _check_sizes(generator: nn.Module, domain: nn.Module) -> None:
    """Make sure that both sides do the same work."""
    config = sizes()
    pairs = (
        (generator, Generator(config.generator, *SIZE)),
        (domain, DomainDiscriminator(config.domain)),
    )
    for literal, ours in pairs:
        counts = [sum(p.numel() for p in network.parameters()) for network in (literal, ours)]
        assert counts[0] == counts[1], f"different networks: {counts}"


VARIANTS = {"genreid": _ours, "literal": _literal}


def _time(name: str) -> dict[str, float]:
    """Return the median seconds of a step with one and with two updates of G."""
    torch.manual_seed(0)
    step = VARIANTS[name]()
    total = compact().stage2.iterations
    medians = {}
    for label, first in (("k1", 0), ("k2", total // 2)):
        times = []
        for number in range(STEPS + WARM_UP):
            begin = time.perf_counter()
            step(first + number)
            times.append(time.perf_counter() - begin)
        medians[label] = statistics.median(times[WARM_UP:])
    return medians


def main(argv: Sequence[str] | None = None) -> int:
    """Time both variants in turns and write the ratios.

    Args:
        argv: Words of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crgan_step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/crgan_step.json"))
    parser.add_argument("--variant", choices=tuple(VARIANTS), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.variant:
        sys.stdout.write(json.dumps(_time(options.variant)) + "\n")
        return 0
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, results in rounds.items():
            words = [sys.executable, "-m", "benchmarks.crgan_step", "--variant", name]
            answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            results.append(json.loads(answer.splitlines()[-1]))
    record = summarise(rounds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))
    return 0


def summarise(rounds: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    """Return medians, spread and ratios.

    Args:
        rounds: Seconds by variant, one entry a round.
    """
    seconds = {
        name: {key: statistics.median(result[key] for result in results) for key in ("k1", "k2")}
        for name, results in rounds.items()
    }
    ratios = {key: seconds["literal"][key] / seconds["genreid"][key] for key in ("k1", "k2")}
    return {
        "what": "stage II step, compact: 128x64, batch 32, bf16; k1: one update of G, k2: two",
        "seconds": seconds,
        "ratio": ratios,
        "rounds": rounds,
        "machine": {
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
    }


if __name__ == "__main__":
    raise SystemExit(main())
