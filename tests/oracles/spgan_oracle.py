"""SPGAN from spec/baselines.md B1-B3, slow and obvious; nothing is taken from the package.

Weights come by name, as in a state dict. Images go through the networks one by one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.oracles.crgan_oracle import LiteralAdam, conv_same, leaky, relu

Weights = Mapping[str, Tensor]


# Networks, of B1


def mirrored(maps: Tensor, pixels: int) -> Tensor:
    """Enlarge by reflection: row -1 shows row 1, row H shows row H - 2."""

    def places(length: int) -> list[int]:
        found = []
        for place in range(-pixels, length + pixels):
            inside = abs(place)
            found.append(inside if inside < length else 2 * (length - 1) - inside)
        return found

    return maps[:, :, places(maps.shape[2])][:, :, :, places(maps.shape[3])]


def normed(maps: Tensor) -> Tensor:
    """Each map of each image to mean 0 and variance 1; no scale, no shift."""
    mean = maps.mean((2, 3), keepdim=True)
    variance = ((maps - mean) ** 2).mean((2, 3), keepdim=True)
    return (maps - mean) / (variance + 1e-5).sqrt()


def doubled(maps: Tensor, kernel: Tensor) -> Tensor:
    """A transposed 3x3 convolution with stride 2: tap (k, l) of pixel (i, j) falls on (2i + k, 2j + l).

    Of the 2H + 1 rows that it falls on the first is cut off.
    """
    batch, _, height, width = maps.shape
    canvas = maps.new_zeros(batch, kernel.shape[1], 2 * height + 1, 2 * width + 1)
    for k in range(3):
        for m in range(3):
            stamps = torch.einsum("bcij,co->boij", maps, kernel[:, :, k, m])
            spread = torch.zeros_like(canvas)
            spread[:, :, k : k + 2 * height : 2, m : m + 2 * width : 2] = stamps
            canvas = canvas + spread
    return canvas[:, :, 1:, 1:]


def translate(weights: Weights, images: Tensor) -> Tensor:
    """The generator: c7, d, d, residual blocks, u, u, c7, tanh."""
    made = []
    for image in torch.split(images, 1):
        maps = relu(normed(F.conv2d(mirrored(image, 3), weights["first.weight"])))
        for number in range(2):
            padded = F.pad(maps, (1, 1, 1, 1))
            maps = relu(normed(F.conv2d(padded, weights[f"down.{number}.weight"], stride=2)))
        number = 0
        while f"blocks.{number}.first.weight" in weights:
            inner = relu(normed(F.conv2d(mirrored(maps, 1), weights[f"blocks.{number}.first.weight"])))
            maps = maps + normed(F.conv2d(mirrored(inner, 1), weights[f"blocks.{number}.second.weight"]))
            number += 1
        for number in range(2):
            maps = relu(normed(doubled(maps, weights[f"up.{number}.weight"])))
        made.append(torch.tanh(F.conv2d(mirrored(maps, 3), weights["last.weight"], weights["last.bias"])))
    return torch.cat(made)


def judge(weights: Weights, images: Tensor) -> Tensor:
    """The patch discriminator: the first layer without norm, the last alone and linear; SAME padding."""
    scores = []
    for image in torch.split(images, 1):
        maps = leaky(conv_same(image, weights, "hidden.0", stride=2))
        for number, stride in ((1, 2), (2, 2), (3, 1)):
            maps = leaky(normed(conv_same(maps, weights, f"hidden.{number}", stride=stride)))
        scores.append(conv_same(maps, weights, "score"))
    return torch.cat(scores)


def embed(weights: Weights, images: Tensor) -> Tensor:
    """SiaNet: blocks of conv4x4 s2, LReLU, max over 2x2; two full layers; length 1. Nothing is dropped."""
    made = []
    for image in torch.split(images, 1):
        maps, number = image, 0
        while f"convs.{number}.weight" in weights:
            maps = leaky(conv_same(maps, weights, f"convs.{number}", stride=2))
            rows, columns = maps.shape[2] // 2, maps.shape[3] // 2
            maps = torch.stack(
                [maps[:, :, i : 2 * rows : 2, j : 2 * columns : 2] for i in (0, 1) for j in (0, 1)]
            ).amax(0)
            number += 1
        hidden = leaky(weights["hidden.weight"] @ maps.flatten())
        vector = weights["embed.weight"] @ hidden + weights["embed.bias"]
        made.append(vector / (vector**2).sum().sqrt())
    return torch.stack(made)


# Losses of B2, pair by pair


def attraction(first: Tensor, second: Tensor) -> Tensor:
    """Mean of d2."""
    squares = [((one - other) ** 2).sum() for one, other in zip(first, second, strict=True)]
    return torch.stack(squares).sum() / len(squares)


def repulsion(first: Tensor, second: Tensor, margin: float) -> Tensor:
    """Mean of max(0, m - sqrt(d2 + 1e-6))^2."""
    found = []
    for one, other in zip(first, second, strict=True):
        distance = (((one - other) ** 2).sum() + 1e-6).sqrt()
        missing = margin - distance
        found.append(missing**2 if missing > 0 else 0 * missing)
    return torch.stack(found).sum() / len(found)


def absolute(first: Tensor, second: Tensor) -> Tensor:
    """L1: mean absolute difference."""
    return (first - second).abs().mean()


# The history of fakes


@dataclass
class Pool:
    """Fifty images in a list; coin and place are drawn for every image, whether or not they are used."""

    capacity: int
    kept: list[Tensor] = field(default_factory=list)

    def query(self, images: Tensor, coins: Sequence[float], places: Sequence[int]) -> Tensor:
        """Hand out as many images."""
        if self.capacity == 0:
            return images
        out = []
        for image, coin, place in zip(images.detach().clone(), coins, places, strict=True):
            if len(self.kept) < self.capacity:
                self.kept.append(image)
                out.append(image)
            elif coin < 0.5:
                out.append(self.kept[place])
                self.kept[place] = image
            else:
                out.append(image)
        return torch.stack(out)


# One iteration, as in B3


@dataclass
class LiteralSpgan:
    """Everything that an iteration needs.

    Attributes:
        g, f, d_t, d_s, sia: Weights of G, F, D_T, D_S and SiaNet; leaves that get gradients.
        draw: Number of images -> a coin and a place in the pool for each.
        lambdas: adversarial, cycle, identity mapping, contrast.
        negatives: `translated` or `real`.
        margin: m.
        pool: Images that each pool holds.
        every: G and F learn in every so many iterations.
        siamese_from, contrast_from: First iteration in which SiaNet learns, and in which L_con counts.
        rate: Adam's.
    """

    g: dict[str, Tensor]
    f: dict[str, Tensor]
    d_t: dict[str, Tensor]
    d_s: dict[str, Tensor]
    sia: dict[str, Tensor]
    draw: Callable[[int], tuple[list[float], list[int]]]
    lambdas: tuple[float, float, float, float]
    negatives: str
    margin: float
    pool: int
    every: int
    siamese_from: int
    contrast_from: int
    rate: float
    betas: tuple[float, float] = (0.5, 0.999)

    def __post_init__(self) -> None:
        self.adam = {
            name: LiteralAdam(weights, self.betas)
            for name, weights in (
                ("g", self.g),
                ("f", self.f),
                ("d_t", self.d_t),
                ("d_s", self.d_s),
                ("sia", self.sia),
            )
        }
        self.pools = {"t": Pool(self.pool), "s": Pool(self.pool)}

    def iteration(self, a: Tensor, b: Tensor, t: int) -> dict[str, float]:
        """G and F, D_T, D_S, SiaNet."""
        terms: dict[str, float] = {}
        l_adv, l_cyc, l_idt, l_con = self.lambdas
        self._train()
        fake_b, fake_a = translate(self.g, a), translate(self.f, b)
        if t % self.every == 0:
            self._train("g", "f")
            fake_b, fake_a = translate(self.g, a), translate(self.f, b)
            adversarial = ((judge(self.d_t, fake_b) - 1) ** 2).mean()
            adversarial = adversarial + ((judge(self.d_s, fake_a) - 1) ** 2).mean()
            cycle = absolute(translate(self.f, fake_b), a) + absolute(translate(self.g, fake_a), b)
            same = absolute(translate(self.g, b), b) + absolute(translate(self.f, a), a)
            total = l_adv * adversarial + l_cyc * cycle + l_idt * same
            terms |= {"adversarial": adversarial.item(), "cycle": cycle.item()}
            terms["identity_mapping"] = same.item()
            if t >= self.contrast_from:
                contrast = self._contrast_of_generators(a, b, fake_b, fake_a)
                total = total + l_con * contrast
                terms["contrast"] = contrast.item()
            total.backward()  # type: ignore[no-untyped-call]
            for name in ("g", "f"):
                self.adam[name].step(self.rate)
        fake_b, fake_a = fake_b.detach(), fake_a.detach()
        for name, weights, pool, real, fake in (
            ("d_t", self.d_t, "t", b, fake_b),
            ("d_s", self.d_s, "s", a, fake_a),
        ):
            shown = self.pools[pool].query(fake, *(self.draw(len(fake)) if self.pool else ([], [])))
            self._train(name)
            loss = 0.5 * (((judge(weights, real) - 1) ** 2).mean() + (judge(weights, shown) ** 2).mean())
            loss.backward()  # type: ignore[no-untyped-call]
            self.adam[name].step(self.rate)
            terms["target_domain" if name == "d_t" else "source_domain"] = loss.item()
        if t >= self.siamese_from:
            self._train("sia")
            loss = self._contrast_of_siamese(a, b, fake_b, fake_a)
            loss.backward()  # type: ignore[no-untyped-call]
            self.adam["sia"].step(self.rate)
            terms["siamese"] = loss.item()
        return terms

    def _contrast_of_siamese(self, a: Tensor, b: Tensor, fake_b: Tensor, fake_a: Tensor) -> Tensor:
        e_a, e_b, e_fake_b, e_fake_a = (embed(self.sia, images) for images in (a, b, fake_b, fake_a))
        pulled = attraction(e_a, e_fake_b) + attraction(e_b, e_fake_a)
        return (pulled + 2 * repulsion(e_a, e_b, self.margin)) / 3

    def _contrast_of_generators(self, a: Tensor, b: Tensor, fake_b: Tensor, fake_a: Tensor) -> Tensor:
        if self.negatives == "real":
            return self._contrast_of_siamese(a, b, fake_b, fake_a)
        e_a, e_b, e_fake_b, e_fake_a = (embed(self.sia, images) for images in (a, b, fake_b, fake_a))
        pulled = attraction(e_a, e_fake_b) + attraction(e_b, e_fake_a)
        pushed = repulsion(e_fake_b, e_b, self.margin) + repulsion(e_fake_a, e_a, self.margin)
        return (pulled + 0.5 * pushed) / 4

    def _train(self, *learning: str) -> None:
        """Let some networks learn, and clear all gradients."""
        for name, adam in self.adam.items():
            for value in adam.weights.values():
                value.requires_grad_(name in learning)
                value.grad = None


def window(image: Tensor, zoom: float, top: int, left: int) -> Tensor:
    """Enlarge one image [C,H,W] bilinearly, centre on centre, and cut its old size out at a place."""
    _, height, width = image.shape
    tall, wide = round(zoom * height), round(zoom * width)
    out = torch.empty_like(image)
    for i in range(height):
        for j in range(width):
            y = min(max((top + i + 0.5) * height / tall - 0.5, 0.0), height - 1.0)
            x = min(max((left + j + 0.5) * width / wide - 0.5, 0.0), width - 1.0)
            y0, x0 = math.floor(y), math.floor(x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            above = (1 - (x - x0)) * image[:, y0, x0] + (x - x0) * image[:, y0, x1]
            below = (1 - (x - x0)) * image[:, y1, x0] + (x - x0) * image[:, y1, x1]
            out[:, i, j] = (1 - (y - y0)) * above + (y - y0) * below
    return out
