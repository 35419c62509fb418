"""One iteration of DG-Net, slow and obvious, from spec/dg-net.md F5-F9 and J3; nothing is from the package.

Networks are given ready; what is written out here is everything that happens between them. Both directions
have names of their own: x_ba has the appearance of a and the structure of b. The numbers are the published
ones, with their iterations of 100,000.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

Gradients = dict[str, Tensor]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Reading(NamedTuple):
    """What E_a says of images: code f [B,4C], logits of the primary and of the fine head [B,K]."""

    code: Tensor
    primary: Tensor
    fine: Tensor


class LiteralBatch(NamedTuple):
    """Images a and b, for each another image of the person, both erased, and who is on them."""

    x_a: Tensor
    x_b: Tensor
    xp_a: Tensor
    xp_b: Tensor
    erased_a: Tensor
    erased_b: Tensor
    erased_xp_a: Tensor
    erased_xp_b: Tensor
    y_a: Tensor
    y_b: Tensor


@dataclass(frozen=True)
class LiteralSettings:
    """Spec F6-F9; the defaults are published."""

    image: float = 5.0
    identity: float = 1.0
    positive_identity: float = 1.0
    generated_identity: float = 0.5
    adversarial: float = 1.0
    penalty: float = 0.01
    code_end: float = 1.0
    cycle_end: float = 2.0
    teacher_end: float = 2.0
    real_fine: float = 0.2
    alpha: float = 0.2
    ramp: float = 5e-4
    start: int = 30_000
    code_from_the_start: bool = False
    late: bool = False
    order: str = "swapped last"
    drops: tuple[int, ...] = (60_000, 90_000, 105_000)
    log: bool = False
    detach: bool = True
    live_appearance_code: bool = False
    labels: str = "soft"
    teacher_statistics: str = "batch"
    feeding: bool = True
    together: bool = False
    penalty_every: int = 1
    backbone_rate: float = 0.002
    head_rate: float = 0.02
    momentum: float = 0.9
    sgd_decay: float = 5e-4
    adam_rate: float = 1e-4
    betas: tuple[float, float] = (0.0, 0.999)
    adam_decay: float = 5e-4


@dataclass
class LiteralDgnet:
    """DG-Net's networks and what their optimisers remember.

    `read` runs E_a (or a copy of it) on normalised images, `label` the teacher on images in [-1, 1].
    """

    appearance: nn.Module
    structure: nn.Module
    decoder: nn.Module
    discriminator: nn.Module
    teacher: nn.Module
    read: Callable[[nn.Module, Tensor], Reading]
    label: Callable[[nn.Module, Tensor], Tensor]
    settings: LiteralSettings = field(default_factory=LiteralSettings)
    gradients: Gradients = field(default_factory=dict)
    total: float = 0.0
    memory: dict[str, Tensor] = field(default_factory=dict)
    times: int = 0

    def iteration(self, batch: LiteralBatch, step: int, *, tune_encoder: bool) -> dict[str, float]:
        """Run one iteration, in which E_s may learn on fixed images, and return every term, unweighted."""
        given, lambdas = self.settings, weights(self.settings, step)
        rate = 0.1 ** sum(step >= drop for drop in given.drops)
        self.times += 1
        x_a, x_b, y_a, y_b = batch.x_a, batch.x_b, batch.y_a, batch.y_b

        # D's step of June 2019 comes first and encodes for itself
        if given.order == "real last":
            with torch.no_grad():
                self.see(self.appearance, [x_a, x_b])

        # codes
        clean = self.see(self.appearance, [x_a, x_b, batch.xp_a, batch.xp_b])
        f_a, f_b, fp_a, fp_b = (seen.code.detach() if given.detach else seen.code for seen in clean)
        s_a, s_b = self.structure(x_a), self.structure(x_b)

        # six images
        x_a_recon, x_b_recon = self.decoder(s_a, f_a), self.decoder(s_b, f_b)
        x_a_same, x_b_same = self.decoder(s_a, fp_a), self.decoder(s_b, fp_b)
        x_ba, x_ab = self.decoder(s_b, f_a), self.decoder(s_a, f_b)

        # D
        terms = {
            "discriminator": judge(self.discriminator, x_a, x_ba.detach(), log=given.log)
            + judge(self.discriminator, x_b, x_ab.detach(), log=given.log)
        }
        loss = terms["discriminator"]
        if step % given.penalty_every == 0:
            terms["gradient_penalty"] = r1(self.discriminator, x_a) + r1(self.discriminator, x_b)
            loss = loss + given.penalty * given.penalty_every * terms["gradient_penalty"]
        self.descend(loss, {"discriminator": self.discriminator}, rate)

        # G, E_s: images
        terms["itself"] = l1(x_a_recon, x_a) + l1(x_b_recon, x_b)
        terms["same_person"] = l1(x_a_same, x_a) + l1(x_b_same, x_b)
        terms["adversarial"] = deceive(self.discriminator, x_ba, log=given.log) + deceive(
            self.discriminator, x_ab, log=given.log
        )

        # G, E_s: what a copy of E_a sees in the swapped images
        again_ba, again_ab = self.see(frozen_copy(self.appearance), [x_ba, x_ab])
        terms["generated_identity"] = cross_entropy(again_ba.primary, y_a) + cross_entropy(
            again_ab.primary, y_b
        )
        if given.live_appearance_code:
            terms["appearance_code"] = l1(again_ba.code, f_a.detach()) + l1(again_ab.code, f_b.detach())

        # structure, and the way back
        if lambdas["structure_code"] > 0 or lambdas["cycle"] > 0:
            if tune_encoder:
                s_b_again, s_a_again = self.structure(x_ba.detach()), self.structure(x_ab.detach())
            else:
                copied = frozen_copy(self.structure)
                s_b_again, s_a_again = copied(x_ba), copied(x_ab)
            terms["structure_code"] = l1(s_b_again, s_b.detach()) + l1(s_a_again, s_a.detach())
            x_aba = self.decoder(s_a_again, again_ba.code.detach())
            x_bab = self.decoder(s_b_again, again_ab.code.detach())
            terms["cycle"] = l1(x_aba, x_a) + l1(x_bab, x_b)

        # E_a: real images, erased, and swapped images; before August 2019 the other way round
        if given.order == "swapped last":
            terms |= self.real_images(batch, lambdas)
        if lambdas["primary"] > 0:
            terms |= self.swapped_images(x_ba.detach(), x_ab.detach(), y_a, y_b)
        if given.order == "real last":
            terms |= self.real_images(batch, lambdas)

        summed = torch.stack([lambdas[name] * term for name, term in terms.items() if name in lambdas]).sum()
        self.total = summed.item()
        networks = {"appearance": self.appearance, "structure": self.structure, "decoder": self.decoder}
        self.descend(summed, networks, rate)
        return {name: term.item() for name, term in terms.items()}

    def real_images(self, batch: LiteralBatch, lambdas: Mapping[str, float]) -> dict[str, Tensor]:
        """Classification of erased x and erased positives."""
        images = [batch.erased_a, batch.erased_b]
        if lambdas["positive_identity"] > 0:
            images += [batch.erased_xp_a, batch.erased_xp_b]
        seen = self.see(self.appearance, images)
        y_a, y_b = batch.y_a, batch.y_b
        terms = {"identity": cross_entropy(seen[0].primary, y_a) + cross_entropy(seen[1].primary, y_b)}
        if lambdas["positive_identity"] > 0:
            terms["positive_identity"] = cross_entropy(seen[2].primary, y_a) + cross_entropy(
                seen[3].primary, y_b
            )
        if lambdas["fine_identity"] > 0:
            terms["fine_identity"] = cross_entropy(seen[0].fine, y_a) + cross_entropy(seen[1].fine, y_b)
        return terms

    def swapped_images(self, x_ba: Tensor, x_ab: Tensor, y_a: Tensor, y_b: Tensor) -> dict[str, Tensor]:
        """The teacher's labels for the primary head; who gave the structure for the fine head."""
        seen_ba, seen_ab = self.see(self.appearance, [x_ba, x_ab])
        q_ba, q_ab = self.ask_the_teacher(x_ba, x_ab)
        style = self.settings.labels
        return {
            "primary": kl(seen_ba.primary, relabel(q_ba, y_a, y_b, style))
            + kl(seen_ab.primary, relabel(q_ab, y_b, y_a, style)),
            "fine": cross_entropy(seen_ba.fine, y_b) + cross_entropy(seen_ab.fine, y_a),
        }

    def ask_the_teacher(self, x_ba: Tensor, x_ab: Tensor) -> list[Tensor]:
        """q = softmax(image) + softmax(mirror image), made a distribution again."""
        teacher = frozen_copy(self.teacher)
        if self.settings.teacher_statistics == "stored":
            teacher.eval()
        shown = [in_package_range(x) for x in (x_ba, x_ab, mirror(x_ba), mirror(x_ab))]
        with torch.no_grad():
            if self.settings.together:
                logits = list(self.label(teacher, torch.cat(shown)).chunk(4))
            else:
                logits = [self.label(teacher, images) for images in shown]
        distributions = []
        for image, mirrored in ((0, 2), (1, 3)):
            added = softmax(logits[image]) + softmax(logits[mirrored])
            distributions.append(added / added.sum(dim=1, keepdim=True))
        return distributions

    def see(self, network: nn.Module, images: Sequence[Tensor]) -> list[Reading]:
        """Read each batch by itself; or, where asked for, all at once."""
        if not self.settings.together:
            return [self.read(network, batch) for batch in images]
        whole = self.read(network, torch.cat(list(images)))
        parts = [value.chunk(len(images)) for value in whole]
        return [Reading(parts[0][n], parts[1][n], parts[2][n]) for n in range(len(images))]

    def descend(self, loss: Tensor, networks: Mapping[str, nn.Module], rate: float) -> None:
        """Nesterov SGD for E_a, Adam for all else; the L2 penalty is part of the gradient of every weight."""
        weights_of = {
            f"{label}.{name}": parameter
            for label, network in networks.items()
            for name, parameter in network.named_parameters()
        }
        found = torch.autograd.grad(loss, list(weights_of.values()), allow_unused=True)
        for (name, weight), gradient in zip(weights_of.items(), found, strict=True):
            self.gradients[name] = torch.zeros_like(weight) if gradient is None else gradient
            with torch.no_grad():
                change = self.sgd(name, weight) if name.startswith("appearance.") else self.adam(name, weight)
                weight.sub_(rate * change)

    def sgd(self, name: str, weight: Tensor) -> Tensor:
        """v <- mu v + g;  w <- w - rate (g + mu v)."""
        given = self.settings
        slope = self.gradients[name] + given.sgd_decay * weight
        self.memory[name] = given.momentum * self.memory.get(name, torch.zeros_like(weight)) + slope
        rate = given.backbone_rate if name.startswith("appearance.backbone.") else given.head_rate
        return rate * (slope + given.momentum * self.memory[name])

    def adam(self, name: str, weight: Tensor) -> Tensor:
        """m, v: running means of g and g^2, corrected for their start at 0;  m / (sqrt(v) + 1e-8)."""
        given = self.settings
        slope = self.gradients[name] + given.adam_decay * weight
        zero = torch.zeros_like(weight)
        first, second = given.betas
        m = first * self.memory.get(f"m {name}", zero) + (1 - first) * slope
        v = second * self.memory.get(f"v {name}", zero) + (1 - second) * slope**2
        self.memory[f"m {name}"], self.memory[f"v {name}"] = m, v
        m, v = m / (1 - first**self.times), v / (1 - second**self.times)
        return given.adam_rate * m / (v.sqrt() + 1e-8)


def weights(given: LiteralSettings, step: int) -> dict[str, float]:
    """Spec F6: what each term counts; the late ones rise by 0.0005 an iteration after iteration 30,000."""
    found, risen = (given.ramp * max(0, by - given.start) for by in (step - 1, step))
    if given.late and found == 0:  # what has no weight when the iteration begins is not computed
        risen = 0.0
    code = given.code_end if given.code_from_the_start else min(given.code_end, risen)
    teacher_w = min(given.teacher_end, risen)
    on_real = min(given.teacher_end, found) if given.late else teacher_w
    return {
        "itself": given.image,
        "same_person": given.image,
        "identity": given.identity,
        "positive_identity": given.positive_identity,
        "fine_identity": given.real_fine * on_real,
        "generated_identity": given.generated_identity,
        "adversarial": given.adversarial,
        "appearance_code": code,
        "structure_code": code,
        "cycle": min(given.cycle_end, risen),
        "primary": teacher_w if given.feeding else 0.0,
        "fine": given.alpha * teacher_w if given.feeding else 0.0,
    }


def frozen_copy(network: nn.Module) -> nn.Module:
    """A deep copy that learns nothing: no dropout; batch norms in training mode, forgotten with the copy."""
    copied = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    for module in copied.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.train()
    return copied


def l1(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean of |made - wanted|."""
    return torch.where(made > wanted, made - wanted, wanted - made).sum() / made.numel()


def softmax(logits: Tensor) -> Tensor:
    """exp(z_k) / sum exp(z)."""
    powers = torch.exp(logits - logits.max())
    return powers / powers.sum(dim=1, keepdim=True)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of - log p(y)."""
    chances = softmax(logits)
    return sum((-torch.log(chances[n, labels[n]]) for n in range(len(labels))), torch.tensor(0.0)) / len(
        labels
    )


def kl(logits: Tensor, q: Tensor) -> Tensor:
    """Mean over images of sum_k q_k log(q_k / p_k)."""
    p, total = softmax(logits), torch.tensor(0.0)
    for n in range(len(q)):
        for k in range(q.shape[1]):
            if q[n, k] > 0:
                total = total + q[n, k] * torch.log(q[n, k] / p[n, k])
    return total / len(q)


def relabel(q: Tensor, appearance: Tensor, structure: Tensor, style: str) -> Tensor:
    """Spec F8: the teacher's word, or one of the other styles."""
    if style == "soft":
        return q
    labels = torch.zeros_like(q)
    for n in range(len(q)):
        i, j = int(appearance[n]), int(structure[n])
        if style == "pseudo":
            labels[n, int(q[n].argmax())] = 1
        elif style == "conditional":
            labels[n, i] = 1
        elif style == "lsro":
            labels[n] = 1 / q.shape[1]
        elif i == j:
            labels[n, i] = 1
        else:
            labels[n, i], labels[n, j] = q[n, i] / (q[n, i] + q[n, j]), q[n, j] / (q[n, i] + q[n, j])
    return labels


def judge(discriminator: nn.Module, real: Tensor, fake: Tensor, *, log: bool) -> Tensor:
    """D's loss of one direction: all scales are added."""
    total = torch.tensor(0.0)
    for on_real, on_fake in zip(discriminator(real), discriminator(fake), strict=True):
        if log:
            total = total - torch.log(torch.sigmoid(on_real)).mean()
            total = total - torch.log(1 - torch.sigmoid(on_fake)).mean()
        else:
            total = total + ((on_real - 1) ** 2).mean() + (on_fake**2).mean()
    return total


def deceive(discriminator: nn.Module, fake: Tensor, *, log: bool) -> Tensor:
    """G's loss of one direction: all scales are added, least squares twice."""
    total = torch.tensor(0.0)
    for scores in discriminator(fake):
        total = total + (-torch.log(torch.sigmoid(scores)).mean() if log else 2 * ((scores - 1) ** 2).mean())
    return total


def r1(discriminator: nn.Module, real: Tensor) -> Tensor:
    """Over scales: mean over images of the sum over pixels of (d sum(D_s(x)) / d x)^2."""
    total, watched = torch.tensor(0.0), real.clone().requires_grad_()
    for scores in discriminator(watched):
        (slope,) = torch.autograd.grad(scores.sum(), watched, create_graph=True)
        total = total + (slope**2).sum() / len(real)
    return total


def mirror(images: Tensor) -> Tensor:
    """Left for right."""
    return images[:, :, :, list(range(images.shape[3] - 1, -1, -1))]


def in_package_range(images: Tensor) -> Tensor:
    """From (x - mean) / std with x in [0, 1] to [-1, 1]; what lies outside stays outside."""
    channels = [2 * (images[:, c] * STD[c] + MEAN[c]) - 1 for c in range(3)]
    return torch.stack(channels, dim=1)
