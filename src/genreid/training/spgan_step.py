"""One iteration of SPGAN: generators G and F, then D_T and D_S, then the Siamese network (spec B2, B3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from genreid.losses.adversarial import discriminator_loss, generator_loss
from genreid.losses.contrast import attraction_loss, repulsion_loss
from genreid.losses.reconstruction import reconstruction_loss
from genreid.models.precision import Compute
from genreid.models.spgan import PatchDiscriminator, SiameseNetwork, Translator
from genreid.training.image_pool import ImagePool
from genreid.training.spgan_config import SpganConfig
from genreid.training.update import Update


class SpganBatch(NamedTuple):
    """One mini-batch; the two images of a row have nothing to do with each other.

    Attributes:
        source: a, [B, 3, H, W] in [-1, 1].
        target: b, [B, 3, H, W] in [-1, 1].
    """

    source: Tensor
    target: Tensor


class SpganNetworks(NamedTuple):
    """Everything that is trained, and the two pools.

    Attributes:
        to_target: G, from source to target.
        to_source: F, from target to source.
        judge_target: D_T: is an image a real one of the target?
        judge_source: D_S: is an image a real one of the source?
        siamese: SiaNet.
        target_pool: Older G(a) for D_T.
        source_pool: Older F(b) for D_S.
    """

    to_target: Translator
    to_source: Translator
    judge_target: PatchDiscriminator
    judge_source: PatchDiscriminator
    siamese: SiameseNetwork
    target_pool: ImagePool
    source_pool: ImagePool


class SpganOptimizers(NamedTuple):
    """An Adam for each network.

    Attributes:
        to_target: Of G.
        to_source: Of F.
        judge_target: Of D_T.
        judge_source: Of D_S.
        siamese: Of SiaNet.
    """

    to_target: torch.optim.Optimizer
    to_source: torch.optim.Optimizer
    judge_target: torch.optim.Optimizer
    judge_source: torch.optim.Optimizer
    siamese: torch.optim.Optimizer


@dataclass(frozen=True)
class SpganSetup:
    """All that stays the same from one iteration to the next.

    Attributes:
        networks: Networks and pools.
        optimizers: Their Adams.
        config: Settings.
        compute: Device and arithmetic.
    """

    networks: SpganNetworks
    optimizers: SpganOptimizers
    config: SpganConfig
    compute: Compute


class Translations(NamedTuple):
    """What the generators make of a batch.

    Attributes:
        target: G(a), [B, 3, H, W] in [-1, 1]: people of the source as the target would show them.
        source: F(b), [B, 3, H, W] in [-1, 1].
    """

    target: Tensor
    source: Tensor


def spgan_step(setup: SpganSetup, batch: SpganBatch, step: int) -> Mapping[str, Tensor]:
    """Run one iteration.

    Args:
        setup: Networks, optimisers and settings.
        batch: The mini-batch of this step.
        step: t, from 0: what learns at t, and how full the pools are, follow from it.

    Returns:
        The loss terms as scalars on the device, unweighted.
    """
    networks, optimizers, config = setup.networks, setup.optimizers, setup.config
    terms: dict[str, Tensor] = {}

    # Generate G(a) and F(b); update G and F.
    if step % config.generator_every == 0:
        with Update(optimizers.to_target, optimizers.to_source) as translating:
            with setup.compute.autocast():
                made, losses = generator_losses(setup, batch, step)
            translating.learn(losses, config.weights.by_term)
        terms |= translating.terms
    else:
        with torch.no_grad(), setup.compute.autocast():
            made = Translations(
                networks.to_target.translate(batch.source), networks.to_source.translate(batch.target)
            )
    made = Translations(made.target.detach(), made.source.detach())

    # Update D_T and D_S, on real images and on those that the pools hand out.
    given = step * len(batch.source)
    shown = networks.target_pool.exchange(made.target, given)
    with Update(optimizers.judge_target) as judging:
        with setup.compute.autocast():
            real, fake = networks.judge_target(torch.cat((batch.target, shown))).chunk(2)
        judging.learn({"target_domain": 0.5 * discriminator_loss(real, fake)})
    terms |= judging.terms
    shown = networks.source_pool.exchange(made.source, given)
    with Update(optimizers.judge_source) as judging:
        with setup.compute.autocast():
            real, fake = networks.judge_source(torch.cat((batch.source, shown))).chunk(2)
        judging.learn({"source_domain": 0.5 * discriminator_loss(real, fake)})
    terms |= judging.terms

    # Update SiaNet.
    if config.weights.contrast > 0 and step >= config.siamese_from * config.iterations:
        with Update(optimizers.siamese) as comparing:
            with setup.compute.autocast():
                seen = embed(networks.siamese, batch, made)
            comparing.learn({"siamese": siamese_loss(seen, config.margin)})
        terms |= comparing.terms
    return terms


def generator_losses(
    setup: SpganSetup, batch: SpganBatch, step: int
) -> tuple[Translations, dict[str, Tensor]]:
    """Return G(a) and F(b), and the losses of G and F that have a weight, unweighted, as scalars.

    Images of one forward do not see each other (instance norm), so one serves several losses.

    Args:
        setup: Networks and settings.
        batch: The mini-batch.
        step: t, from 0.
    """
    networks, config, weights = setup.networks, setup.config, setup.config.weights
    a, b = batch
    losses: dict[str, Tensor] = {}
    if weights.identity_mapping > 0:
        fake_b, same_b = networks.to_target.translate(torch.cat((a, b))).chunk(2)
        fake_a, same_a = networks.to_source.translate(torch.cat((b, a))).chunk(2)
        losses["identity_mapping"] = reconstruction_loss(same_b, b) + reconstruction_loss(same_a, a)
    else:
        fake_b, fake_a = networks.to_target.translate(a), networks.to_source.translate(b)
    made = Translations(fake_b, fake_a)
    losses["adversarial"] = generator_loss(networks.judge_target(fake_b)) + generator_loss(
        networks.judge_source(fake_a)
    )
    if weights.cycle > 0:
        back_a, back_b = networks.to_source.translate(fake_b), networks.to_target.translate(fake_a)
        losses["cycle"] = reconstruction_loss(back_a, a) + reconstruction_loss(back_b, b)
    if weights.contrast > 0 and step >= config.contrast_from * config.iterations:
        seen = embed(networks.siamese, batch, made)
        losses["contrast"] = contrast_loss(seen, config)
    return made, losses


class Embeddings(NamedTuple):
    """What SiaNet sees, each [B, E] of length 1.

    Attributes:
        a: Of source images.
        b: Of target images.
        fake_b: Of G(a).
        fake_a: Of F(b).
    """

    a: Tensor
    b: Tensor
    fake_b: Tensor
    fake_a: Tensor


def embed(siamese: SiameseNetwork, batch: SpganBatch, made: Translations) -> Embeddings:
    """Embed real and translated images.

    Args:
        siamese: SiaNet.
        batch: Real images.
        made: Their translations.
    """
    return Embeddings(*siamese(torch.cat((*batch, *made))).chunk(4))


def siamese_loss(seen: Embeddings, margin: float) -> Tensor:
    """Return L_con of SiaNet: translations near their images, the two domains apart, a scalar >= 0.

    (d2(a, G(a)) + d2(b, F(b)) + 2 max(0, m - d(a, b))^2) / 3, in both readings.

    Args:
        seen: Embeddings of a batch.
        margin: m.
    """
    pulled = attraction_loss(seen.a, seen.fake_b) + attraction_loss(seen.b, seen.fake_a)
    return (pulled + 2 * repulsion_loss(seen.a, seen.b, margin)) / 3


def contrast_loss(seen: Embeddings, config: SpganConfig) -> Tensor:
    """Return L_con of G and F, a scalar >= 0.

    `translated`: (d2(a, G(a)) + d2(b, F(b)) + (max(0, m - d(G(a), b))^2 + max(0, m - d(F(b), a))^2) / 2) / 4.
    `real`: that of SiaNet, of which G and F feel the first two terms alone.

    Args:
        seen: Embeddings of a batch.
        config: Reading and margin.
    """
    if config.negatives == "real":
        return siamese_loss(seen, config.margin)
    pulled = attraction_loss(seen.a, seen.fake_b) + attraction_loss(seen.b, seen.fake_a)
    pushed = repulsion_loss(seen.fake_b, seen.b, config.margin) + repulsion_loss(
        seen.fake_a, seen.a, config.margin
    )
    return (pulled + 0.5 * pushed) / 4
