"""CR-GAN from its tables (8-10) and equations (1-8), slow and obvious; nothing is taken from the package.

Weights come by name, as in a state dict. Every choice where the paper is silent is spec/cr-gan.md E2-E18's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]
Array = NDArray[np.float64]


# Layers


def tensorflow_same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after, by the formula of TensorFlow's documentation of `SAME`."""
    total = max(kernel - stride, 0) if size % stride == 0 else max(kernel - size % stride, 0)
    return total // 2, total - total // 2


def conv_by_loops(images: Array, kernel: Array, stride: int, pads: tuple[int, int, int, int]) -> Array:
    """Convolve [B,C,H,W] with [O,C,h,w], one output at a time; pads: top, bottom, left, right."""
    top, bottom, left, right = pads
    padded = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)))
    height = (padded.shape[2] - kernel.shape[2]) // stride + 1
    width = (padded.shape[3] - kernel.shape[3]) // stride + 1
    output = np.zeros((images.shape[0], kernel.shape[0], height, width))
    for image in range(images.shape[0]):
        for channel in range(kernel.shape[0]):
            for i in range(height):
                for j in range(width):
                    window = padded[image, :, i * stride :, j * stride :]
                    window = window[:, : kernel.shape[2], : kernel.shape[3]]
                    output[image, channel, i, j] = float((window * kernel[channel]).sum())
    return output


def conv_same(maps: Tensor, weights: Weights, name: str, stride: int = 1) -> Tensor:
    """A convolution with padding as TensorFlow's SAME."""
    kernel, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    top, bottom = tensorflow_same(maps.shape[2], kernel.shape[2], stride)
    left, right = tensorflow_same(maps.shape[3], kernel.shape[3], stride)
    return F.conv2d(F.pad(maps, (left, right, top, bottom)), kernel, bias, stride)


def nearest(maps: Tensor, height: int, width: int) -> Tensor:
    """Nearest up-sampling: output row i shows input row floor(i * h / H)."""
    rows = [i * maps.shape[2] // height for i in range(height)]
    columns = [j * maps.shape[3] // width for j in range(width)]
    return maps[:, :, rows][:, :, :, columns]


def instance_norm(maps: Tensor, weights: Weights, name: str) -> Tensor:
    """Each map of each image to mean 0 and variance 1, then scale and shift."""
    mean = maps.mean((2, 3), keepdim=True)
    variance = ((maps - mean) ** 2).mean((2, 3), keepdim=True)
    scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return (maps - mean) / (variance + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


def leaky(maps: Tensor, slope: float = 0.2) -> Tensor:
    """Leaky ReLU."""
    return torch.where(maps > 0, maps, slope * maps)


def relu(maps: Tensor) -> Tensor:
    """ReLU."""
    return torch.where(maps > 0, maps, torch.zeros_like(maps))


# Table 8


class OracleRendering(NamedTuple):
    """X_G, X_R, X_C."""

    image: Tensor
    residual: Tensor
    context_mask: Tensor


def down_block(maps: Tensor, weights: Weights, name: str, slope: float = 0.2) -> Tensor:
    """Figure 8, left: conv s2, LReLU, conv s1; plus conv1x1 s2; LReLU."""
    main = conv_same(maps, weights, f"{name}.first", stride=2)
    if f"{name}.second.weight" in weights:
        main = conv_same(leaky(main, slope), weights, f"{name}.second")
    return leaky(main + conv_same(maps, weights, f"{name}.shortcut", stride=2), slope)


def up_block(maps: Tensor, weights: Weights, name: str, size: Sequence[int]) -> Tensor:
    """Figure 8, right: U; conv, IN, ReLU, conv, IN; plus conv1x1; ReLU."""
    large = nearest(maps, size[0], size[1])
    main = instance_norm(conv_same(large, weights, f"{name}.first"), weights, f"{name}.first_norm")
    if f"{name}.second.weight" in weights:
        main = conv_same(relu(main), weights, f"{name}.second")
        main = instance_norm(main, weights, f"{name}.second_norm")
    return relu(main + conv_same(large, weights, f"{name}.shortcut"))


def generator(
    weights: Weights, source: Tensor, target: Tensor, target_mask: Tensor, slope: float = 0.2
) -> OracleRendering:
    """Table 8, row by row; without `context_path` it is the ablation without dual condition."""
    paths = [leaky(conv_same(source, weights, "identity_path", stride=2), slope)]
    if "context_path.weight" in weights:
        background = target * (1 - target_mask)  # equation 2
        paths.append(leaky(conv_same(background, weights, "context_path", stride=2), slope))
    dual = torch.cat(paths, dim=1)
    skips: list[Tensor] = []
    maps = dual
    while f"encoder.{len(skips)}.first.weight" in weights:
        maps = down_block(maps, weights, f"encoder.{len(skips)}", slope)
        skips.append(maps)
    maps = conv_same(maps, weights, "bottom", stride=2)
    for number, skip in enumerate(reversed(skips)):
        maps = up_block(maps, weights, f"decoder.{number}", skip.shape[2:])
        maps = torch.cat([maps, skip], dim=1)
    maps = conv_same(nearest(maps, *dual.shape[2:]), weights, "last")
    maps = relu(instance_norm(maps, weights, "last_norm"))
    maps = nearest(maps, *source.shape[2:])
    residual = torch.tanh(
        conv_same(maps, {"r.weight": weights["heads.weight"][:3], "r.bias": weights["heads.bias"][:3]}, "r")
    )
    mask = torch.sigmoid(
        conv_same(maps, {"m.weight": weights["heads.weight"][3:], "m.bias": weights["heads.bias"][3:]}, "m")
    )
    return OracleRendering(residual * mask + source * (1 - mask), residual, mask)  # equation 3


# Tables 9 and 10


def domain_discriminator(
    weights: Weights, noisy: Tensor, output: str = "sigmoid", slope: float = 0.2
) -> Tensor:
    """Table 9 after its noise layer: five convolutions with padding 2, then no more (VALID)."""
    maps = noisy
    for number, stride in enumerate((2, 2, 1, 1)):
        kernel, bias = weights[f"hidden.{number}.weight"], weights[f"hidden.{number}.bias"]
        maps = F.conv2d(F.pad(maps, (2, 2, 2, 2)), kernel, bias, stride)
        if number > 0:
            maps = instance_norm(maps, weights, f"norms.{number - 1}")
        maps = leaky(maps, slope)
    scores = F.conv2d(F.pad(maps, (2, 2, 2, 2)), weights["score.weight"], weights["score.bias"])
    return 1 / (1 + torch.exp(-scores)) if output == "sigmoid" else scores


def camera_discriminator(
    weights: Weights, images: Tensor, slope: float = 0.2, *, batch_statistics: bool = False
) -> Tensor:
    """Table 10: four convolutions with stride 2 and padding 1, average, conv1x1; dropout is off."""
    maps = images
    for number in range(4):
        kernel, bias = weights[f"hidden.{number}.weight"], weights.get(f"hidden.{number}.bias")
        maps = F.conv2d(F.pad(maps, (1, 1, 1, 1)), kernel, bias, 2)
        if number > 0:
            norm = f"norms.{number - 1}"
            mean, variance = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
            if batch_statistics:
                mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), correction=0)
            maps = (maps - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
            maps = maps * weights[f"{norm}.weight"][:, None, None] + weights[f"{norm}.bias"][:, None, None]
        maps = leaky(maps, slope)
    pooled = maps.mean((2, 3))
    return pooled @ weights["classify.weight"].flatten(1).T + weights["classify.bias"]


# Equations 4-8, number by number


def adversarial_discriminator(real: Array, fake: Array) -> float:
    """Equation 4 with least squares, for D: real scores shall be 1, fake scores 0."""
    first = sum((score - 1.0) ** 2 for score in real.ravel().tolist()) / real.size
    return first + sum(score**2 for score in fake.ravel().tolist()) / fake.size


def adversarial_generator(fake: Array) -> float:
    """Equation 4 with least squares, for G: fake scores shall be 1."""
    return float(sum((score - 1.0) ** 2 for score in fake.ravel().tolist()) / fake.size)


def cross_entropy(logits: Array, classes: Sequence[int], smoothing: float = 0.0) -> float:
    """Equations 5 and 7: mean of -log p(class); with smoothing, the target has its share of every class."""
    total = 0.0
    for row, right in zip(logits.tolist(), classes, strict=True):
        normaliser = math.log(sum(math.exp(value) for value in row))
        for number, value in enumerate(row):
            wanted = smoothing / len(row) + (1 - smoothing if number == right else 0.0)
            total -= wanted * (value - normaliser)
    return total / len(classes)


def context(images: Sequence[Array], foreground: Array, background: Array, norm: str = "mse") -> float:
    """Equation 6, pixel by pixel; images: X_G, X_S, X_T."""
    rendering, source, target = images
    per_image = []
    for b in range(rendering.shape[0]):
        kept = taken = 0.0
        for c in range(rendering.shape[1]):
            for i in range(rendering.shape[2]):
                for j in range(rendering.shape[3]):
                    x = float(rendering[b, c, i, j])
                    kept += ((x - float(source[b, c, i, j])) * float(foreground[b, 0, i, j])) ** 2
                    taken += ((x - float(target[b, c, i, j])) * float(background[b, 0, i, j])) ** 2
        kept, taken = kept / rendering[b].size, taken / rendering[b].size
        per_image.append(kept + taken if norm == "mse" else math.sqrt(kept) + math.sqrt(taken))
    return sum(per_image) / len(per_image)


# Algorithm 1, stage II


class LiteralAdam:
    """Adam as its paper's algorithm 1 has it, for a mapping of weights."""

    def __init__(self, weights: dict[str, Tensor], betas: tuple[float, float]) -> None:
        self.weights, self.betas, self.step_number = weights, betas, 0
        self.first = {name: torch.zeros_like(value) for name, value in weights.items()}
        self.second = {name: torch.zeros_like(value) for name, value in weights.items()}

    def step(self, rate: float) -> None:
        self.step_number += 1
        beta1, beta2 = self.betas
        for name, value in self.weights.items():
            gradient = value.grad
            assert gradient is not None, name
            self.first[name] = beta1 * self.first[name] + (1 - beta1) * gradient
            self.second[name] = beta2 * self.second[name] + (1 - beta2) * gradient**2
            mean = self.first[name] / (1 - beta1**self.step_number)
            square = self.second[name] / (1 - beta2**self.step_number)
            value.data -= rate * mean / (square.sqrt() + 1e-8)


@dataclass
class LiteralStageTwo:
    """Everything that one iteration of stage II needs, all of it as the paper has it.

    Attributes:
        generator: Weights of G; leaves that get gradients.
        domain: Weights of D_d; leaves that get gradients.
        identify: Frozen D_id: images -> logits.
        recognise: Frozen D_cam: images -> logits.
        noise: Images -> the noise that D_d's first layer adds to them; a new draw at each call.
        lambdas: adv, id, cam, con.
        iterations: max_gan_iter.
        rate: Learning rate of the first half.
        betas: Of both Adams.
    """

    generator: dict[str, Tensor]
    domain: dict[str, Tensor]
    identify: Callable[[Tensor], Tensor]
    recognise: Callable[[Tensor], Tensor]
    noise: Callable[[Tensor], Tensor]
    lambdas: tuple[float, float, float, float]
    iterations: int
    rate: float
    betas: tuple[float, float] = (0.5, 0.999)

    def __post_init__(self) -> None:
        self.generator_adam = LiteralAdam(self.generator, self.betas)
        self.domain_adam = LiteralAdam(self.domain, self.betas)

    def iteration(self, batch: Any, t: int) -> dict[str, float]:
        """Checklist J1: D_d once, then G k times."""
        x_s, x_t, m_s, m_t = batch.pair
        half = self.iterations / 2
        rate = self.rate if t < half else self.rate * (self.iterations - t) / half
        terms: dict[str, float] = {}

        # Update D_d.
        self._train(domain=True)
        x_g = generator(self.generator, x_s, x_t, m_t).image.detach()
        real = domain_discriminator(self.domain, x_t + self.noise(x_t))
        fake = domain_discriminator(self.domain, x_g + self.noise(x_g))
        loss = torch.mean((real - 1) ** 2) + torch.mean(fake**2)
        loss.backward()  # type: ignore[no-untyped-call]
        self.domain_adam.step(rate)
        terms["domain"] = loss.item()

        # Update G, k times.
        for _ in range(1 if t < half else 2):
            self._train(domain=False)
            rendering = generator(self.generator, x_s, x_t, m_t)
            x_g = rendering.image
            adversarial = torch.mean((domain_discriminator(self.domain, x_g + self.noise(x_g)) - 1) ** 2)
            identity = -torch.log_softmax(self.identify(x_g), 1)[range(len(x_g)), batch.source_labels].mean()
            camera = -torch.log_softmax(self.recognise(x_g), 1)[range(len(x_g)), batch.target_cameras].mean()
            kept, taken = ((x_g - x_s) * m_s) ** 2, ((x_g - x_t) * (1 - m_s)) ** 2
            con = torch.mean(kept) + torch.mean(taken)
            l_adv, l_id, l_cam, l_con = self.lambdas
            total = l_adv * adversarial + l_id * identity + l_cam * camera + l_con * con
            total.backward()  # type: ignore[no-untyped-call]
            self.generator_adam.step(rate)
            terms |= {"adversarial": adversarial.item(), "identity": identity.item()}
            terms |= {"camera": camera.item(), "context": con.item()}
            terms["context_mask"] = rendering.context_mask.mean().item()
        return terms

    def _train(self, *, domain: bool) -> None:
        """Let either D_d or G learn, and clear all gradients."""
        for weights, wanted in ((self.domain, domain), (self.generator, not domain)):
            for value in weights.values():
                value.requires_grad_(wanted)
                value.grad = None


# Stages I and III


class LiteralNesterov:
    """Stochastic gradient descent with Nesterov momentum and L2 penalty, as torch's documentation has it."""

    def __init__(self, weights: dict[str, Tensor], momentum: float, decay: float) -> None:
        self.weights, self.momentum, self.decay = weights, momentum, decay
        self.velocity: dict[str, Tensor] = {}

    def step(self, rates: Mapping[str, float]) -> None:
        for name, value in self.weights.items():
            assert value.grad is not None, name
            gradient = value.grad + self.decay * value.data
            before = self.velocity.get(name)
            now = gradient.clone() if before is None else self.momentum * before + gradient
            self.velocity[name] = now
            value.data -= rates[name] * (gradient + self.momentum * now)
