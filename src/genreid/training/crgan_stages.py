"""CR-GAN's three stages, each made ready to run: networks, optimisers, batches, step (algorithm 1)."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from genreid.data.batch import Batch, BatchPlan, ImageSet
from genreid.models.backbone import ReidNetwork
from genreid.models.crgan import (
    CameraDiscriminator,
    ConditionPair,
    DomainDiscriminator,
    Generator,
    PairRenderer,
    Rendering,
)
from genreid.models.folding import fold_batch_norm
from genreid.models.precision import Compute
from genreid.runs.config_file import config_to_dict
from genreid.runs.loop import Stage, seed_everything
from genreid.runs.trained_renderer import AVERAGE, RENDERERS, RendererName
from genreid.training.adapt_config import AdaptConfig
from genreid.training.camera_step import CameraSetup, camera_step
from genreid.training.crgan_step import (
    RenderingBatch,
    RenderingNetworks,
    RenderingOptimizers,
    RenderingSetup,
    rendering_step,
)
from genreid.training.identity_stage import identity_facts
from genreid.training.identity_step import IdentitySetup, identity_step
from genreid.training.optimizers import make_adam, make_sgd


@dataclass(frozen=True)
class Domains:
    """The labelled source and the unlabelled target.

    Attributes:
        source: Classified by person.
        target: Classified by camera; nothing is known of its people.
        cameras_known: False: every target camera is unknown, or there is but one: no camera loss.
    """

    source: ImageSet
    target: ImageSet
    cameras_known: bool


@dataclass(frozen=True)
class Workbench:
    """What every stage of a run shares.

    Attributes:
        config: All settings.
        seed: Seed of the run.
        compute: Device and arithmetic.
    """

    config: AdaptConfig
    seed: int
    compute: Compute


def camera_stage(bench: Workbench, target: ImageSet) -> Stage[Batch]:
    """Stage I: the camera discriminator D_cam learns the target's cameras.

    Args:
        bench: Settings, seed, device.
        target: Target images, classified by camera.
    """
    config, compute = bench.config.stage1_camera, bench.compute
    seed_everything(bench.seed, "initialise/camera", 0)
    network = CameraDiscriminator(bench.config.camera, len(target.classes))
    bench.compute.place(network)
    setup = CameraSetup(network, make_adam(network, config.learning_rate, (0.9, 0.999)), config, compute)
    plan = BatchPlan(config.batch, bench.seed, "camera")

    def draw(step: int) -> Batch:
        return target.batch(plan, step, compute.device)

    def learn(batch: Batch, _step: int) -> Mapping[str, Tensor]:
        return camera_step(setup, batch.images, batch.labels)

    facts = {
        "camera": config_to_dict(bench.config.camera),
        "num_cameras": len(target.classes),
        "target": target.fingerprint,
        "size": list(bench.config.image.size),
        "kind": bench.config.image.kind,
        "settings": config_to_dict(config),
    }
    return Stage(
        "camera", config.iterations, draw, learn, {"camera": network}, {"camera": setup.optimizer}, facts
    )


def rendering_stage(
    bench: Workbench, domains: Domains, identity: ReidNetwork, camera: CameraDiscriminator | None
) -> Stage[RenderingBatch]:
    """Stage II: the generator G and the domain discriminator D_d learn, with D_id and D_cam frozen.

    Args:
        bench: Settings, seed, device.
        domains: Source and target.
        identity: D_id as stage I left it.
        camera: D_cam as stage I left it; None: no camera loss.

    Raises:
        ValueError: If no loss is left for the generator.
    """
    weights = bench.config.stage2.weights
    if camera is None and not (weights.adversarial or weights.identity or weights.context):
        msg = "stage2.weights: only the camera loss has a weight, and the target's cameras are unknown"
        raise ValueError(msg)
    config, compute = bench.config.stage2, bench.compute
    seed_everything(bench.seed, "initialise/rendering", 0)
    generator = Generator(bench.config.generator, *bench.config.image.size)
    domain = DomainDiscriminator(bench.config.domain)
    bench.compute.place(generator)
    bench.compute.place(domain)
    average = copy.deepcopy(generator).requires_grad_(requires_grad=False) if config.average else None
    frozen = fold_batch_norm(identity)
    bench.compute.place(frozen)
    if camera is not None:
        bench.compute.place(camera).eval().requires_grad_(requires_grad=False)
    betas = (config.beta1, config.beta2)
    setup = RenderingSetup(
        RenderingNetworks(generator, domain, frozen, camera, average),
        RenderingOptimizers(
            make_adam(generator, config.learning_rate, betas), make_adam(domain, config.learning_rate, betas)
        ),
        config,
        compute,
    )
    plan = PairPlan(config.batch, bench.seed, "rendering")

    def draw(step: int) -> RenderingBatch:
        return draw_pairs(domains, plan, step, compute.device)

    def learn(batch: RenderingBatch, step: int) -> Mapping[str, Tensor]:
        return rendering_step(setup, batch, step)

    facts = identity_facts(bench.config.baseline, domains.source)
    facts |= {
        "generator": config_to_dict(bench.config.generator),
        "domain": config_to_dict(bench.config.domain),
        "target": domains.target.fingerprint,
        "settings": config_to_dict(config),
    }
    networks = {"generator": generator, "domain": domain}
    if average is not None:
        networks[AVERAGE] = average
    optimizers = {"generator": setup.optimizers.generator, "domain": setup.optimizers.domain}
    return Stage("rendering", config.iterations, draw, learn, networks, optimizers, facts)


def finetuning_stage(
    bench: Workbench, domains: Domains, identity: ReidNetwork, renderer: PairRenderer
) -> Stage[RenderingBatch]:
    """Stage III: D_id is fine-tuned on renderings made on the fly, with the source person's label.

    Args:
        bench: Settings, seed, device.
        domains: Source and target.
        identity: D_id as stage I left it, on the device; it is trained in place.
        renderer: Makes its images; on the device.
    """
    config, compute = bench.config.stage3, bench.compute
    renderer.eval().requires_grad_(requires_grad=False)
    setup = IdentitySetup(identity, make_sgd(identity, config.sgd), config, compute)
    plan = PairPlan(config.batch, bench.seed, "finetuning", config.crop_padding, config.crop_fill)
    real = round(config.source_share * config.batch)

    def draw(step: int) -> RenderingBatch:
        return draw_pairs(domains, plan, step, compute.device)

    def learn(batch: RenderingBatch, step: int) -> Mapping[str, Tensor]:
        rendering = render(renderer, batch.pair, compute)
        images = torch.cat((batch.pair.source[:real], rendering.image[real:])) if real else rendering.image
        return identity_step(setup, images, batch.source_labels, step)

    facts = identity_facts(bench.config.baseline, domains.source)
    facts |= {"target": domains.target.fingerprint, "settings": config_to_dict(config)}
    networks, optimizers = {"identity": identity}, {"identity": setup.optimizer}
    return Stage("finetuning", config.iterations, draw, learn, networks, optimizers, facts)


def make_renderer(name: RendererName, config: AdaptConfig) -> PairRenderer:
    """Make stage III's renderer; a generator comes without its weights.

    Args:
        name: One of `RENDERERS`.
        config: All settings.
    """
    return RENDERERS[name].make(config_to_dict(config), config.image.size)


@torch.no_grad()
def render(renderer: PairRenderer, pair: ConditionPair, compute: Compute) -> Rendering:
    """Render a batch without gradients.

    Args:
        renderer: The generator, or what stands in for it.
        pair: Images and masks, [B, ., H, W].
        compute: Device and arithmetic.
    """
    with compute.autocast():
        return renderer(pair)


@dataclass(frozen=True)
class PairPlan:
    """How pairs of source and target images are drawn: independently, both uniform (spec/cr-gan.md E17).

    Attributes:
        size: Pairs in a batch.
        seed: Seed of the run.
        stage: Name of the stage.
        crop_padding: Pixels by which a source image may be shifted; its mask is shifted with it.
        crop_fill: Value of the pixels that a shift brings in, in [-1, 1].
    """

    size: int
    seed: int
    stage: str
    crop_padding: int = 0
    crop_fill: float = 0.0


def draw_pairs(domains: Domains, plan: PairPlan, step: int, device: torch.device) -> RenderingBatch:
    """Return the pairs of one step: a pure function of the plan and the step.

    Args:
        domains: Source and target.
        plan: Size, seed, stage.
        step: Step of the stage, from 0.
        device: Where the batch is wanted.
    """
    source_plan = BatchPlan(plan.size, plan.seed, f"{plan.stage}/source", plan.crop_padding, plan.crop_fill)
    source = domains.source.batch(source_plan, step, device)
    target = domains.target.batch(BatchPlan(plan.size, plan.seed, f"{plan.stage}/target"), step, device)
    empty = torch.zeros_like(source.images[:, :1])
    pair = ConditionPair(
        source.images,
        target.images,
        empty if source.masks is None else source.masks,
        empty if target.masks is None else target.masks,
    )
    return RenderingBatch(pair, source.labels, target.labels)
