"""One iteration of DG-Net (paper 003, section 3; spec dg-net F6, F7).

A batch is 2B images: image i is swapped with image B + i. All is in ImageNet-normalised space. Every network
reads all images at once; E_a's batch norms, which see what images come together, take B at a time in the
published order (`separate_forwards`). A mean over the 2B images is half of what the paper adds up over both
directions: `_both` doubles it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor

from genreid.losses.gradient_penalty import gradient_penalty
from genreid.losses.identity import identity_loss
from genreid.losses.multiscale import discriminator_loss, generator_loss
from genreid.losses.reconstruction import reconstruction_loss
from genreid.losses.teacher import Parents, primary_loss, soft_labels
from genreid.models.backbone import ReidNetwork
from genreid.models.dgnet import (
    Appearance,
    AppearanceEncoder,
    Decoder,
    DgnetNetworks,
    ScaleDiscriminator,
    StructureEncoder,
    from_normalised,
)
from genreid.models.frozen import frozen_call
from genreid.models.layers import at_least_float32
from genreid.models.precision import Compute
from genreid.training.dgnet_config import DgnetTraining, DgnetWeights
from genreid.training.schedules import step_decay
from genreid.training.update import Update, scale_learning_rate


class SwapBatch(NamedTuple):
    """2B images in ImageNet-normalised space; image i is swapped with image B + i.

    Attributes:
        images: x, [2B, 3, H, W].
        positives: Another image of the person of each, [2B, 3, H, W].
        erased: x with rectangles erased, for classification only.
        erased_positives: The positives with rectangles erased.
        labels: y, [2B] int64.
    """

    images: Tensor
    positives: Tensor
    erased: Tensor
    erased_positives: Tensor
    labels: Tensor


class TrainedNetworks(NamedTuple):
    """The networks of DG-Net.

    Attributes:
        appearance: E_a.
        structure: E_s.
        decoder: G.
        discriminator: D.
        teacher: The frozen teacher; None where nothing is labelled.
    """

    appearance: AppearanceEncoder
    structure: StructureEncoder
    decoder: Decoder
    discriminator: ScaleDiscriminator
    teacher: ReidNetwork | None


class DgnetOptimizers(NamedTuple):
    """The optimisers of DG-Net.

    Attributes:
        appearance: SGD of E_a.
        generator: Adam of E_s and G.
        discriminator: Adam of D.
    """

    appearance: torch.optim.Optimizer
    generator: torch.optim.Optimizer
    discriminator: torch.optim.Optimizer


@dataclass(frozen=True)
class DgnetSetup:
    """All that stays the same from one iteration to the next.

    Attributes:
        networks: E_a, E_s, G, D and the teacher.
        optimizers: Their optimisers.
        config: Settings.
        compute: Device and arithmetic.
    """

    networks: TrainedNetworks
    optimizers: DgnetOptimizers
    config: DgnetTraining
    compute: Compute


class Swap(NamedTuple):
    """What the generator made of a batch.

    Attributes:
        code: a, appearance codes [2B, 4C].
        structure: s, structure codes [2B, S, H/4, W/4].
        itself: G(a_i, s_i), [2B, 3, H, W].
        same_person: G(a_t, s_i), t another image of the same person.
        swapped: G(a_i, s_j), j the partner of i.
    """

    code: Tensor
    structure: Tensor
    itself: Tensor
    same_person: Tensor
    swapped: Tensor


def dgnet_step(setup: DgnetSetup, batch: SwapBatch, step: int) -> Mapping[str, Tensor]:
    """Run one iteration: generate, update D, then update E_a, E_s and G by one sum of losses.

    Args:
        setup: Networks, optimisers, settings.
        batch: The mini-batch of this step.
        step: Number of the iteration, from 0: it sets learning rates and weights.

    Returns:
        The loss terms as scalars on the device, unweighted; terms of weight 0 are not computed.
    """
    config, optimizers, autocast = setup.config, setup.optimizers, setup.compute.autocast
    weights = config.weights_at(step)
    factor = step_decay(step, config.iterations, 1.0, config.sgd.drop_at)
    for optimizer in optimizers:
        scale_learning_rate(optimizer, factor)

    # Without generation, E_a learns from real images alone (a control, no part of the paper).
    if not config.generation:
        with Update(optimizers.appearance) as learning:
            with autocast():
                losses = real_identity_losses(setup, batch, weights)
            learning.learn(losses, weights.by_term)
        return learning.terms

    # In the older published loop D's step comes first and reads x for itself; only batch norms notice.
    if config.reading_order == "real_last":
        with autocast(), torch.no_grad():
            _read(setup, batch.images)

    # Self-identity and cross-identity generation (section 3.1).
    with autocast():
        swap = generate(setup, batch)
    fake = swap.swapped.detach()

    # Update D on real and on swapped images (equation 7).
    with Update(optimizers.discriminator) as judging:
        with autocast():
            losses = discriminator_losses(setup, batch.images, fake, weights)
        judging.learn(losses, weights.by_term)

    # Update E_a, E_s and G by one sum of losses (equation 10), with the updated D.
    with Update(optimizers.appearance, optimizers.generator) as learning:
        with autocast():
            losses = generation_losses(setup, batch, swap, weights)
        learning.learn(losses, weights.by_term)
        _teach(setup, learning, batch, fake, weights)
    return judging.terms | learning.terms


def offline_feeding_step(
    setup: DgnetSetup, generators: DgnetNetworks, batch: SwapBatch, step: int
) -> Mapping[str, Tensor]:
    """Teach E_a with real images and with those of a generator that no longer changes (section 4.3).

    Args:
        setup: Networks, of which E_a is trained and the teacher is asked; settings.
        generators: The frozen E_a, E_s and G that make the images, in evaluation mode.
        batch: The mini-batch of this step.
        step: Number of the iteration, from 0.

    Returns:
        The loss terms as scalars on the device, unweighted.
    """
    config, autocast, optimizer = setup.config, setup.compute.autocast, setup.optimizers.appearance
    weights = config.weights_at(step)
    scale_learning_rate(optimizer, step_decay(step, config.iterations, 1.0, config.sgd.drop_at))
    with autocast(), torch.no_grad():
        code = generators.appearance(batch.images).code
        swapped = generators.decoder(partner(generators.structure(batch.images)), code)
    with Update(optimizer) as learning:
        _teach(setup, learning, batch, swapped, weights)
    return learning.terms


def _teach(
    setup: DgnetSetup, learning: Update, batch: SwapBatch, generated: Tensor, weights: DgnetWeights
) -> None:
    """Let E_a learn from real, erased images and from generated ones, in the order in which it reads them."""
    parts: list[Callable[[], dict[str, Tensor]]] = [lambda: real_identity_losses(setup, batch, weights)]
    if weights.primary > 0:
        parts.append(lambda: feeding_losses(setup, generated, batch.labels))
    for part in parts if setup.config.reading_order == "swapped_last" else reversed(parts):
        with setup.compute.autocast():
            losses = part()
        learning.learn(losses, weights.by_term)


def generate(setup: DgnetSetup, batch: SwapBatch) -> Swap:
    """Encode the batch and decode every image from itself, from its person's other image and swapped.

    Args:
        setup: Networks and settings; E_a's batch norms take notice of clean images and positives.
        batch: The mini-batch.
    """
    networks = setup.networks
    with torch.set_grad_enabled(not setup.config.detach_code):
        codes = _read(setup, torch.cat((batch.images, batch.positives))).code
    code, positive_code = codes.chunk(2)
    structure = networks.structure(batch.images)
    structures = torch.cat((structure, structure, partner(structure)))
    images = networks.decoder(structures, torch.cat((code, positive_code, code)))
    itself, same_person, swapped = images.chunk(3)
    return Swap(code, structure, itself, same_person, swapped)


def discriminator_losses(
    setup: DgnetSetup, real: Tensor, fake: Tensor, weights: DgnetWeights
) -> dict[str, Tensor]:
    """Return D's loss and, if it has a weight, R1, over both directions.

    Args:
        setup: Networks and settings.
        real: x, [2B, 3, H, W].
        fake: Swapped images without their graph.
        weights: Of this iteration.
    """
    penalised = weights.gradient_penalty > 0
    real = real.detach().requires_grad_(penalised)
    scores, faked = setup.networks.discriminator(real), setup.networks.discriminator(fake)
    losses = {"discriminator": _both(discriminator_loss(scores, faked, setup.config.adversarial_form))}
    if penalised:
        losses["gradient_penalty"] = _both(gradient_penalty(scores, real))
    return losses


def generation_losses(
    setup: DgnetSetup, batch: SwapBatch, swap: Swap, weights: DgnetWeights
) -> dict[str, Tensor]:
    """Return the terms of equation 10 that judge what was generated, for those that have a weight.

    They reach G and E_s; E_a reads generated images as a frozen copy of itself, so that they do not reach it
    (unless `detach_code` is off: then through the codes).

    Args:
        setup: Networks and settings.
        batch: The mini-batch.
        swap: What was generated of it.
        weights: Of this iteration.
    """
    networks, config = setup.networks, setup.config
    losses = {
        "itself": _both(reconstruction_loss(swap.itself, batch.images)),  # equation 1
        "same_person": _both(reconstruction_loss(swap.same_person, batch.images)),  # equation 2
    }
    scores = networks.discriminator(swap.swapped)
    losses["adversarial"] = _both(generator_loss(scores, config.adversarial_form))  # equation 7

    again = _read(setup, swap.swapped, frozen=True)
    logits = at_least_float32(again.primary.logits)
    losses["generated_identity"] = _both(identity_loss(logits, batch.labels))  # equation 6
    if weights.appearance_code > 0:
        losses["appearance_code"] = _both(reconstruction_loss(again.code, swap.code.detach()))  # equation 4

    if weights.structure_code > 0 or weights.cycle > 0:
        structure_again = _encode_structure_again(setup, swap.swapped)
        losses["structure_code"] = _both(  # equation 5
            reconstruction_loss(structure_again, partner(swap.structure).detach())
        )
        back = networks.decoder(partner(structure_again), again.code.detach())
        losses["cycle"] = _both(reconstruction_loss(back, batch.images))
    return losses


def real_identity_losses(setup: DgnetSetup, batch: SwapBatch, weights: DgnetWeights) -> dict[str, Tensor]:
    """Return the classification of real, erased images (equation 3), for the terms that have a weight.

    Args:
        setup: Networks; the terms reach E_a.
        batch: The mini-batch.
        weights: Of this iteration.
    """
    labels = batch.labels
    with_positives = weights.positive_identity > 0
    seen = _read(setup, torch.cat((batch.erased, batch.erased_positives)) if with_positives else batch.erased)
    primary = at_least_float32(seen.primary.logits)
    losses = {"identity": _both(identity_loss(primary[: len(labels)], labels))}
    if with_positives:
        losses["positive_identity"] = _both(identity_loss(primary[len(labels) :], labels))
    if weights.fine_identity > 0:
        fine = at_least_float32(seen.fine.logits[: len(labels)])
        losses["fine_identity"] = _both(identity_loss(fine, labels))
    return losses


def feeding_losses(setup: DgnetSetup, generated: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return what generated images teach E_a: primary feature learning and fine-grained mining (3.2).

    Args:
        setup: Networks and settings; the terms reach E_a alone.
        generated: Swapped images without their graph.
        labels: [2B] who gave the appearance.
    """
    student = _read(setup, generated)
    parents = Parents(labels, partner(labels))
    target = soft_labels(teacher_probabilities(setup, generated), parents, setup.config.teaching.style)
    return {
        "primary": _both(primary_loss(at_least_float32(student.primary.logits), target)),  # equation 8
        "fine": _both(identity_loss(at_least_float32(student.fine.logits), parents.structure)),  # equation 9
    }


@torch.no_grad()
def teacher_probabilities(setup: DgnetSetup, generated: Tensor) -> Tensor:
    """Return q, the mean of the teacher's probabilities for each image and its mirror image (spec F8).

    Args:
        setup: Networks and settings.
        generated: [2B, 3, H, W].

    Returns:
        [2B, K], each row of sum 1.
    """
    teacher = setup.networks.teacher
    assert teacher is not None, "feeding without a teacher"
    shown = from_normalised(torch.cat((generated, generated.flip(3))), clip=False)
    logits = frozen_call(teacher, shown).logits
    image, mirrored = at_least_float32(logits).softmax(dim=1).chunk(2)
    return (image + mirrored) / 2


def partner(values: Tensor) -> Tensor:
    """Return for each of 2B rows that of its partner: the two halves change places.

    Args:
        values: [2B, ...].
    """
    return values.roll(len(values) // 2, 0)


def _read(setup: DgnetSetup, images: Tensor, *, frozen: bool = False) -> Appearance:
    """Let E_a, or a frozen copy of it without dropout, read images."""
    network = setup.networks.appearance
    reading = frozen_call(network, images, {"dropout": False}) if frozen else network(images)
    return cast(Appearance, reading)


def _encode_structure_again(setup: DgnetSetup, swapped: Tensor) -> Tensor:
    """Encode swapped images: E_s learns and the image is fixed, or the image learns and E_s is fixed (F7)."""
    structure = setup.networks.structure
    if torch.rand(()).item() < setup.config.encode_again:  # the host's own generator: no device waits
        return cast(Tensor, structure(swapped.detach()))
    return cast(Tensor, frozen_call(structure, swapped))


def _both(mean: Tensor) -> Tensor:
    """Turn the mean over both directions into their sum (spec dg-net F6: summed, never averaged)."""
    return 2 * mean
