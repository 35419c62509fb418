"""One iteration of CR-GAN's stage II (algorithm 1, equations 4-8): update D_d once, then G k times."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from genreid.losses.adversarial import discriminator_loss, generator_loss
from genreid.losses.camera import camera_loss
from genreid.losses.context import ContextTargets, context_loss
from genreid.losses.identity import identity_loss
from genreid.models.backbone import ReidNetwork
from genreid.models.crgan import CameraDiscriminator, ConditionPair, DomainDiscriminator, Generator, Rendering
from genreid.models.precision import Compute
from genreid.training.schedules import generator_updates, linear_after_half, ramp
from genreid.training.update import Update, set_learning_rate
from genreid.training.views import draw_views, look_at


@dataclass(frozen=True, kw_only=True)
class RenderingWeights:
    """Weights of the four losses (equation 8); 0 leaves a loss out and spends no time on it."""

    adversarial: float = 2.0
    """lambda_adv."""
    identity: float = 1.0
    """lambda_id."""
    camera: float = 1.0
    """lambda_cam."""
    context: float = 5.0
    """lambda_con."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        values = (self.adversarial, self.identity, self.camera, self.context)
        if min(values) < 0 or max(values) == 0:
            msg = f"stage2.weights: each must be >= 0 and one > 0, got {values}"
            raise ValueError(msg)

    @property
    def by_term(self) -> dict[str, float]:
        """The four lambdas by the names of their terms (equation 8)."""
        return {
            "adversarial": self.adversarial,
            "identity": self.identity,
            "camera": self.camera,
            "context": self.context,
        }


@dataclass(frozen=True, kw_only=True)
class RenderingConfig:
    """Stage II: training of the generator G and the domain discriminator D_d."""

    iterations: int = 60_000
    """Iterations of algorithm 1's stage II; G is updated once in each of the first half, then twice."""
    batch: int = 32
    """Pairs of source and target images in a batch."""
    learning_rate: float = 2e-4
    """Adam's rate in the first half; then a straight line to 0."""
    beta1: float = 0.5
    """Adam's first decay (not stated in the paper)."""
    beta2: float = 0.999
    """Adam's second decay (not stated in the paper)."""
    weights: RenderingWeights = field(default_factory=RenderingWeights)
    """Weights of the four losses."""
    context_norm: Literal["mse", "l2norm"] = "mse"
    """The norm of equation 6: mean of squares, or each image's root of it (not stated in the paper)."""
    con_exclude_target_person: bool = False
    """True: the context loss does not ask for pixels of the target's person (weight M_B * (1 - M_T))."""
    identity_from: float = 0.0
    """Share of the stage from which the identity loss's weight rises, in a line, to its full value at the
    end; 0: full from the first iteration, as in the paper."""
    identity_views: bool = False
    """True: the identity loss sees a random view of each rendering: scaled, shifted, turned over, a piece cut
    out (spec D4); the paper: the rendering itself."""
    average: float = 0.0
    """Decay of an exponential average of G's weights, which then renders in G's place; 0: G renders."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.identity_from < 1 or not 0 <= self.average < 1:
            msg = f"stage2: identity_from and average in [0, 1), got {self.identity_from}, {self.average}"
            raise ValueError(msg)
        if self.iterations < 1 or self.batch < 1 or self.learning_rate <= 0:
            msg = (
                "stage2: iterations and batch must be >= 1 and learning_rate > 0, got "
                f"{self.iterations}, {self.batch}, {self.learning_rate}"
            )
            raise ValueError(msg)


class RenderingBatch(NamedTuple):
    """One mini-batch of stage II.

    Attributes:
        pair: Source and target images with their masks.
        source_labels: y_j, [B] int64 class of each source person.
        target_cameras: y_c, [B] int64 class of each target image's camera.
    """

    pair: ConditionPair
    source_labels: Tensor
    target_cameras: Tensor


class RenderingNetworks(NamedTuple):
    """The networks of stage II; D_id and D_cam are frozen, in evaluation mode.

    Attributes:
        generator: G (or its ablation without dual condition).
        domain: D_d.
        identity: D_id.
        camera: D_cam; None where the target's cameras are unknown.
        average: Average of G's weights over the iterations; None: not wanted.
    """

    generator: Generator
    domain: DomainDiscriminator
    identity: ReidNetwork
    camera: CameraDiscriminator | None
    average: Generator | None = None


class RenderingOptimizers(NamedTuple):
    """The two optimisers of stage II.

    Attributes:
        generator: Adam of G.
        domain: Adam of D_d.
    """

    generator: torch.optim.Optimizer
    domain: torch.optim.Optimizer


@dataclass(frozen=True)
class RenderingSetup:
    """All that stays the same from one iteration of stage II to the next.

    Attributes:
        networks: G, D_d and the frozen D_id and D_cam.
        optimizers: Adam of G and of D_d.
        config: Settings.
        compute: Device and arithmetic.
    """

    networks: RenderingNetworks
    optimizers: RenderingOptimizers
    config: RenderingConfig
    compute: Compute


def rendering_step(setup: RenderingSetup, batch: RenderingBatch, step: int) -> Mapping[str, Tensor]:
    """Run one iteration of algorithm 1's stage II.

    Args:
        setup: Networks, optimisers and settings.
        batch: The mini-batch of this step.
        step: t, from 0: it sets the learning rate and the number k of generator updates.

    Returns:
        The loss terms as scalars on the device, unweighted.
    """
    networks, optimizers, config = setup.networks, setup.optimizers, setup.config
    rate = linear_after_half(step, config.iterations, config.learning_rate)
    set_learning_rate(optimizers.generator, rate)
    set_learning_rate(optimizers.domain, rate)
    weights = weights_at(config, step)
    terms: dict[str, Tensor] = {}

    # Feedforward the mini-batch of pairs to G. Its first update reuses this pass: G does not change before.
    with setup.compute.autocast():
        rendering: Rendering = networks.generator(batch.pair)

    # Update D_d (equation 4), with fresh noise on real and rendered images.
    if weights.adversarial > 0:
        with Update(optimizers.domain) as judging:
            with setup.compute.autocast():
                scores = networks.domain(torch.cat((batch.pair.target, rendering.image.detach())))
            real, fake = scores.chunk(2)
            judging.learn({"domain": discriminator_loss(real, fake)})
        terms |= judging.terms

    # Update G k times (equation 8).
    for update in range(generator_updates(step, config.iterations)):
        with Update(optimizers.generator) as learning:
            with setup.compute.autocast():
                if update > 0:
                    rendering = networks.generator(batch.pair)
                losses = generator_losses(setup, batch, rendering, weights)
            learning.learn(losses, weights.by_term)
        if networks.average is not None:
            follow(networks.average, networks.generator, config.average)
        terms |= learning.terms
    return terms | {"context_mask": rendering.context_mask.detach().mean()}


def weights_at(config: RenderingConfig, step: int) -> RenderingWeights:
    """Return the weights of equation 8 at an iteration: a pure function of the step.

    Args:
        config: Settings.
        step: t, from 0.
    """
    if config.identity_from == 0:
        return config.weights
    share = ramp(step, config.iterations, config.identity_from, 1.0)
    return replace(config.weights, identity=share * config.weights.identity)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move an average of a network's weights towards it: average = decay average + (1 - decay) network.

    Args:
        average: The average, changed in place.
        network: The network as it is now.
        decay: In [0, 1).
    """
    for mean, now in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)


def generator_losses(
    setup: RenderingSetup, batch: RenderingBatch, rendering: Rendering, weights: RenderingWeights
) -> dict[str, Tensor]:
    """Return the terms of equation 8 that have a weight, unweighted, as scalars.

    Args:
        setup: Networks and settings.
        batch: The mini-batch that was rendered.
        rendering: What G made of it.
        weights: The four lambdas of this iteration.
    """
    networks, config, pair = setup.networks, setup.config, batch.pair
    losses: dict[str, Tensor] = {}
    if weights.adversarial > 0:
        losses["adversarial"] = generator_loss(networks.domain(rendering.image))
    if weights.identity > 0:
        seen = rendering.image
        if config.identity_views:
            seen = look_at(seen, draw_views(len(seen), seen.device))
        losses["identity"] = identity_loss(networks.identity(seen).logits, batch.source_labels)
    if weights.camera > 0 and networks.camera is not None:
        losses["camera"] = camera_loss(networks.camera(rendering.image), batch.target_cameras)
    if weights.context > 0:
        background = 1 - pair.source_mask
        if config.con_exclude_target_person:
            background = background * (1 - pair.target_mask)
        wanted = networks.generator.conditions(pair)
        targets = ContextTargets(wanted.source, wanted.target, pair.source_mask, background)
        losses["context"] = context_loss(rendering.image, targets, config.context_norm)
    return losses
