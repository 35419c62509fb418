"""CR-GAN's stages on images in memory: who is trained on what, what is frozen, what a checkpoint knows."""

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig, ReidNetwork
from genreid.models.crgan import (
    CameraDiscriminator,
    CameraDiscriminatorConfig,
    ConditionPair,
    DomainDiscriminatorConfig,
    Generator,
    GeneratorConfig,
    PairRenderer,
    Rendering,
)
from genreid.models.renderers import ColourTransfer, Composite, CutAndPaste, Untouched
from genreid.runs.loop import Stage
from genreid.training.adapt_config import AdaptConfig, FinetuningConfig
from genreid.training.camera_step import CameraConfig
from genreid.training.crgan_stages import (
    Domains,
    PairPlan,
    Workbench,
    camera_stage,
    draw_pairs,
    finetuning_stage,
    make_renderer,
    render,
    rendering_stage,
)
from genreid.training.crgan_step import RenderingConfig, RenderingWeights
from genreid.training.identity_stage import identity_stage
from genreid.training.identity_step import IdentityConfig
from tests.tiny_domains import domains, image_set
from tests.tiny_stage_two import CPU

CONFIG = AdaptConfig(
    image=ImageConfig(height=32, width=16),
    backbone=BackboneConfig("test_resnet", weights="none"),
    generator=GeneratorConfig(width=2),
    domain=DomainDiscriminatorConfig(width=2),
    camera=CameraDiscriminatorConfig(width=2),
    stage1_identity=IdentityConfig(iterations=2, batch=4),
    stage1_camera=CameraConfig(iterations=2, batch=4),
    stage2=RenderingConfig(iterations=2, batch=4),
    stage3=FinetuningConfig(iterations=2, batch=4),
)
BENCH = Workbench(CONFIG, 3, CPU)


def reid(seed: int = 3) -> ReidNetwork:
    stage = identity_stage(CONFIG.baseline, domains().source, seed, CPU)
    network = stage.networks["identity"]
    assert isinstance(network, ReidNetwork)
    return network


def recogniser() -> CameraDiscriminator:
    network = camera_stage(BENCH, domains().target).networks["camera"]
    assert isinstance(network, CameraDiscriminator)
    return network


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def unchanged(network: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def run(stage: Stage[Any]) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = {}
    for step in range(stage.iterations):
        terms = dict(stage.learn(stage.draw(step), step))
    return terms


# Stage I


def test_the_identity_stage_learns_the_source_people() -> None:
    source = domains().source
    stage = identity_stage(CONFIG.baseline, source, 3, CPU)
    network = stage.networks["identity"]
    assert isinstance(network, ReidNetwork)
    assert (stage.name, stage.iterations) == ("identity", 2)
    assert network.num_classes == 5
    before = snapshot(network)
    assert set(run(stage)) == {"identity", "accuracy"}
    assert not unchanged(network, before)
    assert stage.facts["num_classes"] == 5
    assert stage.facts["size"] == [32, 16]
    assert stage.facts["backbone"]["name"] == "test_resnet"
    assert stage.facts["source"] == source.fingerprint


def test_the_camera_stage_learns_the_targets_cameras() -> None:
    target = domains().target
    stage = camera_stage(BENCH, target)
    network = stage.networks["camera"]
    assert isinstance(network, CameraDiscriminator)
    assert network.classify.out_channels == 3
    before = snapshot(network)
    assert set(run(stage)) == {"camera", "accuracy"}
    assert not unchanged(network, before)
    group = stage.optimizers["camera"].param_groups[0]
    assert group["betas"] == (0.9, 0.999)
    assert group["lr"] == CONFIG.stage1_camera.learning_rate
    assert group["weight_decay"] == 0


def test_initial_weights_follow_the_seed_alone() -> None:
    torch.manual_seed(1)
    one = snapshot(reid())
    torch.manual_seed(2)
    assert unchanged(reid(), one)
    assert not unchanged(reid(seed=4), one)


# Stage II


def stage_two(camera: CameraDiscriminator | None = None, config: AdaptConfig = CONFIG) -> Stage[Any]:
    return rendering_stage(Workbench(config, 3, CPU), domains(), reid(), camera)


def test_stage_two_trains_the_generator_and_the_domain_discriminator() -> None:
    identity, camera = reid(), recogniser()
    stage = rendering_stage(BENCH, domains(), identity, camera)
    assert set(stage.networks) == set(stage.optimizers) == {"generator", "domain"}
    frozen = {"identity": snapshot(identity), "camera": snapshot(camera)}
    before = {name: snapshot(network) for name, network in stage.networks.items()}
    terms = run(stage)
    assert set(terms) == {"domain", "adversarial", "identity", "camera", "context", "context_mask"}
    assert not any(unchanged(network, before[name]) for name, network in stage.networks.items())
    assert unchanged(identity, frozen["identity"])
    assert unchanged(camera, frozen["camera"])
    assert not camera.training
    assert identity.training, "stage III goes on with it"
    assert stage.facts["generator"]["width"] == 2
    assert stage.facts["target"] == domains().target.fingerprint
    for optimizer in stage.optimizers.values():
        group = optimizer.param_groups[0]
        assert (group["betas"], group["weight_decay"]) == ((0.5, 0.999), 0)


def test_stage_two_sees_the_identity_network_as_it_is_when_it_begins() -> None:
    """Stage I's network is restored before stage II is made: its statistics count, not those of a batch."""
    identity = reid()
    with torch.no_grad():
        identity.classifier.weight.mul_(1000)
    stage = rendering_stage(BENCH, domains(), identity, None)
    plain = rendering_stage(BENCH, domains(), reid(), None)
    changed, kept = (each.learn(each.draw(0), 0)["identity"] for each in (stage, plain))
    assert not torch.equal(changed, kept)


def test_without_cameras_stage_two_has_no_camera_loss() -> None:
    assert "camera" not in run(stage_two())


def test_a_step_is_a_function_of_its_number() -> None:
    one, other = stage_two(recogniser()), stage_two(recogniser())
    torch.manual_seed(0)
    first = one.learn(one.draw(1), 1)
    torch.manual_seed(0)
    second = other.learn(other.draw(1), 1)
    assert all(torch.equal(first[name], second[name]) for name in first)


# Pairs


def test_pairs_are_drawn_independently_and_reproducibly() -> None:
    both, plan = domains(), PairPlan(6, 3, "rendering")
    batch = draw_pairs(both, plan, 5, CPU.device)
    again = draw_pairs(domains(), plan, 5, CPU.device)
    assert all(torch.equal(a, b) for a, b in zip(batch.pair, again.pair, strict=True))
    assert torch.equal(batch.source_labels, again.source_labels)
    assert batch.source_labels.max() < 5
    assert batch.target_cameras.max() < 3
    assert [tuple(part.shape) for part in batch.pair] == [(6, 3, 32, 16)] * 2 + [(6, 1, 32, 16)] * 2
    same_images = replace(both, target=both.source)
    twice = draw_pairs(same_images, plan, 5, CPU.device)
    assert not torch.equal(twice.pair.source, twice.pair.target), "one domain's order follows the other's"


def test_stages_draw_different_pairs() -> None:
    one = draw_pairs(domains(), PairPlan(6, 3, "rendering"), 0, CPU.device).pair.source
    assert not torch.equal(
        one, draw_pairs(domains(), PairPlan(6, 3, "finetuning"), 0, CPU.device).pair.source
    )
    assert not torch.equal(one, draw_pairs(domains(), PairPlan(6, 4, "rendering"), 0, CPU.device).pair.source)


def test_without_masks_nothing_is_person() -> None:
    pair = draw_pairs(domains(masks=False), PairPlan(6, 3, "rendering"), 0, CPU.device).pair
    assert not pair.source_mask.any()
    assert not pair.target_mask.any()


# Stage III


class Marking(PairRenderer):
    """A renderer that notes what it was given and makes every image one colour."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[ConditionPair] = []
        self.modes: list[tuple[bool, bool]] = []
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, pair: ConditionPair) -> Rendering:
        self.given.append(pair)
        self.modes.append((self.training, torch.is_grad_enabled()))
        image = 0.25 * self.scale * torch.ones_like(pair.source)
        return Rendering(image, image, pair.source_mask)


def images_given_to(network: nn.Module) -> list[Tensor]:
    seen: list[Tensor] = []
    network.register_forward_pre_hook(lambda _module, given: seen.append(given[0].detach().clone()))
    return seen


def test_stage_three_trains_the_identity_network_on_renderings() -> None:
    identity, renderer = reid(), Marking()
    seen = images_given_to(identity)
    stage = finetuning_stage(BENCH, domains(), identity, renderer)
    before = snapshot(identity)
    terms = run(stage)
    assert set(terms) == {"identity", "accuracy"}
    assert (stage.name, set(stage.networks)) == ("finetuning", {"identity"})
    assert all((images == 0.25).all() for images in seen)
    assert renderer.modes == [(False, False)] * 2, "evaluation mode, no gradients"
    assert not renderer.scale.requires_grad
    assert not unchanged(identity, before)
    assert identity.training
    wanted = draw_pairs(domains(), PairPlan(4, 3, "finetuning"), 1, CPU.device).pair
    assert all(torch.equal(a, b) for a, b in zip(renderer.given[1], wanted, strict=True))


@pytest.mark.parametrize(("share", "real"), [(0.0, 0), (0.25, 1), (0.5, 2), (0.9, 4)])
def test_a_share_of_real_source_images(share: float, real: int) -> None:
    config = replace(CONFIG, stage3=replace(CONFIG.stage3, source_share=share))
    identity, renderer = reid(), Marking()
    seen = images_given_to(identity)
    stage = finetuning_stage(Workbench(config, 3, CPU), domains(), identity, renderer)
    stage.learn(stage.draw(0), 0)
    source = renderer.given[0].source
    assert torch.equal(seen[0][:real], source[:real])
    assert (seen[0][real:] == 0.25).all()
    assert len(seen[0]) == 4


def test_labels_of_stage_three_are_the_source_persons() -> None:
    """With the source images themselves as renderings, D_id is trained as on plain source images."""
    identity, twin = reid(), reid()
    stage = finetuning_stage(BENCH, domains(), identity, Untouched())
    stage.learn(stage.draw(0), 0)
    batch = draw_pairs(domains(), PairPlan(4, 3, "finetuning"), 0, CPU.device)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.001, momentum=0.9, nesterov=True, weight_decay=5e-4)
    twin.train()
    logits = twin(batch.pair.source).logits
    torch.autograd.backward(nn.functional.cross_entropy(logits, batch.source_labels))
    optimizer.step()
    for name, value in identity.named_parameters():
        torch.testing.assert_close(value, twin.get_parameter(name), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("crgan", Generator),
        ("crgan_single", Generator),
        ("cut_paste", CutAndPaste),
        ("colour", ColourTransfer),
        ("composite", Composite),
        ("none", Untouched),
    ],
)
def test_renderers(name: Any, kind: type[nn.Module]) -> None:
    config = replace(CONFIG, stage3=replace(CONFIG.stage3, erase_target=True))
    renderer = make_renderer(name, config)
    assert type(renderer) is kind
    if isinstance(renderer, CutAndPaste):
        assert renderer.erase_target
    made = render(renderer, draw_pairs(domains(), PairPlan(2, 0, "x"), 0, CPU.device).pair, CPU)
    assert made.image.shape == (2, 3, 32, 16)
    assert not made.image.requires_grad


def test_stages_of_another_class_count_differ() -> None:
    stage = camera_stage(BENCH, image_set("other", classes=7))
    assert stage.facts["num_cameras"] == 7


def test_a_generator_without_any_loss_is_refused() -> None:
    weights = RenderingWeights(adversarial=0, identity=0, camera=1, context=0)
    config = replace(AdaptConfig(), stage2=replace(AdaptConfig().stage2, weights=weights))
    bench = Workbench(config, 0, CPU)
    with pytest.raises(ValueError, match="only the camera loss has a weight"):
        rendering_stage(bench, cast(Domains, None), cast(ReidNetwork, None), None)
