"""DG-Net's iteration as one would write it first, from spec dg-net F3-F9: the reference of `dgnet_step`.

NCHW, float32, the graph kept in every forward pass, a deep copy of the encoders in each step, one forward
pass for each batch of B images, gradients for whatever asks for them. The networks are the package's, with
the same weights, but their layers are torch's own: nearest up-sampling before a 5x5 convolution,
`F.instance_norm`, a layer norm of three lines, four 1x1 convolutions in the pyramid.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.models.backbone import ReidNetwork
from genreid.models.dgnet import (
    Appearance,
    AppearanceEncoder,
    ScaleDiscriminator,
    StructureEncoder,
    from_normalised,
)
from genreid.models.dgnet_layers import (
    AdaptiveResBlock,
    DilatedPyramid,
    ImageLayerNorm,
    InstanceResBlock,
    ReflectConv2d,
)
from genreid.models.doubling import DoublingConv2d
from genreid.training.dgnet_config import DgnetTraining
from genreid.training.dgnet_step import SwapBatch, TrainedNetworks

SLOPE = 0.2


class _Doubling(DoublingConv2d):
    """Nearest up-sampling, then a 5x5 convolution of the large map."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name of torch)
        return ReflectConv2d.forward(self, F.interpolate(input, scale_factor=2, mode="nearest"))


class _LayerNorm(ImageLayerNorm):
    """Over C, H and W, with the unbiased standard deviation."""

    def forward(self, maps: Tensor) -> Tensor:
        flat = maps.flatten(1)
        mean, deviation = flat.mean(1)[:, None, None, None], flat.std(1)[:, None, None, None]
        return (maps - mean) / (deviation + 1e-5) * self.gamma[:, None, None] + self.beta[:, None, None]


class _InstanceBlock(InstanceResBlock):
    """The residual block of E_s."""

    def forward(self, maps: Tensor) -> Tensor:
        inner = F.leaky_relu(F.instance_norm(self.first(maps)), SLOPE)
        return maps + F.instance_norm(self.second(inner))


class _AdaptiveBlock(AdaptiveResBlock):
    """The residual block of G."""

    def forward(self, maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        (scale1, scale2), (shift1, shift2) = scale.chunk(2, dim=1), shift.chunk(2, dim=1)
        inner = F.leaky_relu(_adain(self.first(maps), scale1, shift1), SLOPE)
        return maps + _adain(self.second(inner), scale2, shift2)


def _adain(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale and shift each map of each image after instance normalisation."""
    return F.instance_norm(maps) * scale[:, :, None, None] + shift[:, :, None, None]


class _Pyramid(DilatedPyramid):
    """Four branches, each with a 1x1 convolution of its own."""

    def forward(self, maps: Tensor) -> Tensor:
        weights = self.reduce.weight.chunk(4)
        assert self.reduce.bias is not None
        reduced = [
            F.instance_norm(F.conv2d(maps, weight, bias))
            for weight, bias in zip(weights, self.reduce.bias.chunk(4), strict=True)
        ]
        branches = [reduced[0]]
        for conv, branch in zip(self.dilated, reduced[1:], strict=True):
            branches.append(F.instance_norm(conv(F.leaky_relu(branch, SLOPE))))
        return F.instance_norm(self.fuse(torch.cat(branches, dim=1)))


class _Structure(StructureEncoder):
    """E_s."""

    def forward(self, images: Tensor) -> Tensor:
        maps = images.mean(dim=1, keepdim=True)
        for conv in self.stem:
            maps = F.leaky_relu(F.instance_norm(conv(maps)), SLOPE)
        assert self.pyramid is not None
        pyramid: Tensor = self.pyramid(self.blocks(maps))
        return pyramid


PLAIN: dict[type[nn.Module], type[nn.Module]] = {
    DoublingConv2d: _Doubling,
    ImageLayerNorm: _LayerNorm,
    InstanceResBlock: _InstanceBlock,
    AdaptiveResBlock: _AdaptiveBlock,
    DilatedPyramid: _Pyramid,
    StructureEncoder: _Structure,
}
"""The package's layers, and what one would write first."""


def plain(network: nn.Module) -> None:
    """Give a network's layers their plain forward passes, in place; parameters stay what they are."""
    for module in network.modules():
        if type(module) in PLAIN:
            module.__class__ = PLAIN[type(module)]


class Images(NamedTuple):
    """The six generated images; x_ba has the appearance of a and the structure of b."""

    x_a: Tensor
    x_b: Tensor
    same_a: Tensor
    same_b: Tensor
    x_ba: Tensor
    x_ab: Tensor


class Codes(NamedTuple):
    """What the clean images are encoded to; the appearance codes are detached (spec F2)."""

    f_a: Tensor
    f_b: Tensor
    s_a: Tensor
    s_b: Tensor


@dataclass
class LiteralStep:
    """Networks, optimisers and the iteration.

    Attributes:
        networks: Of the package; `plain` is applied to them.
        training: Settings; published ones.
    """

    networks: TrainedNetworks
    training: DgnetTraining

    def __post_init__(self) -> None:
        """Make the layers plain, and the optimisers of spec F9."""
        for network in self.networks[:4]:
            plain(network)
        e_a, e_s, g, d = self.networks[:4]
        sgd, adam = self.training.sgd, self.training.adam
        backbone = list(e_a.backbone.parameters())
        heads = [*e_a.primary.parameters(), *e_a.fine.parameters()]
        self.optimizer_e = torch.optim.SGD(
            [{"params": backbone, "lr": sgd.backbone_rate}, {"params": heads, "lr": sgd.classifier_rate}],
            momentum=sgd.momentum,
            weight_decay=sgd.weight_decay,
            nesterov=True,
        )
        settings = (adam.learning_rate, (adam.beta1, adam.beta2), 1e-8, adam.weight_decay)
        self.optimizer_g = torch.optim.Adam([*e_s.parameters(), *g.parameters()], *settings)
        self.optimizer_d = torch.optim.Adam(d.parameters(), *settings)

    def __call__(self, batch: SwapBatch, step: int, *, tune_encoder: bool) -> dict[str, float]:
        """Run one iteration before the first drop of the rates, at which every term has a weight."""
        e_a, e_s, g, d, teacher = self.networks
        assert teacher is not None
        x_a, x_b = batch.images.chunk(2)
        y_a, y_b = batch.labels.chunk(2)
        codes, images = self._generate(batch)

        terms = {"discriminator": _judge(d, x_a, images.x_ba) + _judge(d, x_b, images.x_ab)}
        terms["gradient_penalty"] = _r1(d, x_a) + _r1(d, x_b)
        weight = self.training.weights_at(step).by_term
        self.optimizer_d.zero_grad()
        (terms["discriminator"] + weight["gradient_penalty"] * terms["gradient_penalty"]).backward()  # type: ignore[no-untyped-call]
        self.optimizer_d.step()

        losses = {
            "itself": F.l1_loss(images.x_a, x_a) + F.l1_loss(images.x_b, x_b),
            "same_person": F.l1_loss(images.same_a, x_a) + F.l1_loss(images.same_b, x_b),
            "adversarial": _deceive(d, images.x_ba) + _deceive(d, images.x_ab),
        }
        copied = _frozen_copy(e_a)
        again_ba, again_ab = copied(images.x_ba), copied(images.x_ab)
        losses["generated_identity"] = _cross_entropy(again_ba.primary.logits, y_a) + _cross_entropy(
            again_ab.primary.logits, y_b
        )
        if tune_encoder:
            s_b_again, s_a_again = e_s(images.x_ba.detach()), e_s(images.x_ab.detach())
        else:
            encoder = _frozen_copy(e_s)
            s_b_again, s_a_again = encoder(images.x_ba), encoder(images.x_ab)
        losses["structure_code"] = F.l1_loss(s_b_again, codes.s_b.detach()) + F.l1_loss(
            s_a_again, codes.s_a.detach()
        )
        back_a, back_b = g(s_a_again, again_ba.code.detach()), g(s_b_again, again_ab.code.detach())
        losses["cycle"] = F.l1_loss(back_a, x_a) + F.l1_loss(back_b, x_b)
        losses |= _real_images(e_a, batch)
        losses |= _fed_images(e_a, teacher, images, batch.labels)

        self.optimizer_e.zero_grad()
        self.optimizer_g.zero_grad()
        torch.stack([weight[name] * loss for name, loss in losses.items()]).sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer_e.step()
        self.optimizer_g.step()
        return {name: term.item() for name, term in (terms | losses).items()}

    def _generate(self, batch: SwapBatch) -> tuple[Codes, Images]:
        """Encode and decode, batch after batch."""
        e_a, e_s, g = self.networks[:3]
        x_a, x_b = batch.images.chunk(2)
        xp_a, xp_b = batch.positives.chunk(2)
        seen = [e_a(x) for x in (x_a, x_b, xp_a, xp_b)]
        f_a, f_b, fp_a, fp_b = (reading.code.detach() for reading in seen)
        s_a, s_b = e_s(x_a), e_s(x_b)
        pairs = ((s_a, f_a), (s_b, f_b), (s_a, fp_a), (s_b, fp_b), (s_b, f_a), (s_a, f_b))
        return Codes(f_a, f_b, s_a, s_b), Images(*(g(s, f) for s, f in pairs))


def _frozen_copy(network: nn.Module) -> nn.Module:
    """A deep copy without dropout, its batch norms in training mode; made in each step (spec F7)."""
    copied = copy.deepcopy(network).eval()
    for module in copied.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.train()
    return copied


def _judge(d: ScaleDiscriminator, real: Tensor, fake: Tensor) -> Tensor:
    """D's least squares of one direction."""
    scales = zip(d(real), d(fake.detach()), strict=True)
    return torch.stack([((x - 1) ** 2).mean() + (y**2).mean() for x, y in scales]).sum()


def _r1(d: ScaleDiscriminator, real: Tensor) -> Tensor:
    """R1 of one direction, in a forward pass of its own."""
    watched = real.detach().requires_grad_()
    penalties = []
    for scores in d(watched):
        (slope,) = torch.autograd.grad(scores.sum(), watched, create_graph=True)
        penalties.append((slope**2).sum((1, 2, 3)).mean())
    return torch.stack(penalties).sum()


def _deceive(d: ScaleDiscriminator, fake: Tensor) -> Tensor:
    """G's least squares of one direction."""
    return torch.stack([2 * ((scores - 1) ** 2).mean() for scores in d(fake)]).sum()


def _real_images(e_a: AppearanceEncoder, batch: SwapBatch) -> dict[str, Tensor]:
    """Classification of erased images and positives."""
    y_a, y_b = batch.labels.chunk(2)
    seen = [e_a(x) for x in (*batch.erased.chunk(2), *batch.erased_positives.chunk(2))]
    primary, fine = [x.primary.logits for x in seen], [x.fine.logits for x in seen]
    return {
        "identity": _cross_entropy(primary[0], y_a) + _cross_entropy(primary[1], y_b),
        "positive_identity": _cross_entropy(primary[2], y_a) + _cross_entropy(primary[3], y_b),
        "fine_identity": _cross_entropy(fine[0], y_a) + _cross_entropy(fine[1], y_b),
    }


def _fed_images(
    e_a: AppearanceEncoder, teacher: ReidNetwork, images: Images, labels: Tensor
) -> dict[str, Tensor]:
    """The teacher's labels on swapped images; who gave the structure."""
    y_a, y_b = labels.chunk(2)
    terms = []
    for fake, structure in ((images.x_ba.detach(), y_b), (images.x_ab.detach(), y_a)):
        student: Appearance = e_a(fake)
        with torch.no_grad():
            shown = from_normalised(fake, clip=False)
            target = (teacher(shown).logits.softmax(1) + teacher(shown.flip(3)).logits.softmax(1)) / 2
        kl = F.kl_div(student.primary.logits.log_softmax(1), target, reduction="batchmean")
        terms.append((kl, _cross_entropy(student.fine.logits, structure)))
    (kl_ba, fine_ba), (kl_ab, fine_ab) = terms
    return {"primary": kl_ba + kl_ab, "fine": fine_ba + fine_ab}


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of -log p(y)."""
    return F.cross_entropy(logits, labels)
