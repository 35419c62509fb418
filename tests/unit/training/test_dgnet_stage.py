"""DG-Net's stages on images in memory: what is drawn, what is trained, what a checkpoint knows."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genreid.data.image_config import ImageConfig
from genreid.models.backbone import BackboneConfig, ReidNetwork
from genreid.models.dgnet import (
    AppearanceConfig,
    AppearanceEncoder,
    Decoder,
    DecoderConfig,
    DgnetNetworks,
    ScaleDiscriminatorConfig,
    StructureConfig,
    StructureEncoder,
    from_normalised,
)
from genreid.runs.loop import Stage, seed_everything
from genreid.training.baseline_config import BaselineConfig
from genreid.training.dgnet_config import AdamConfig, DgnetConfig, DgnetTraining, Ramp, TeachingConfig
from genreid.training.dgnet_stage import DgnetBench, dgnet_facts, dgnet_stage, offline_stage
from genreid.training.dgnet_stage import _drawing as drawing
from genreid.training.identity_stage import identity_stage
from genreid.training.identity_step import IdentityConfig
from genreid.training.optimizers import SgdConfig
from tests.drawn_tensors import weights_of
from tests.tiny_dgnet import CPU
from tests.tiny_domains import image_set

IMAGE = ImageConfig(height=32, width=16)
BACKBONE = BackboneConfig("test_resnet", weights="none")
CONFIG = DgnetConfig(
    image=IMAGE,
    appearance=AppearanceConfig(backbone=BACKBONE, head_width=6),
    structure=StructureConfig(width=2),
    decoder=DecoderConfig(mlp_width=6),
    discriminator=ScaleDiscriminatorConfig(width=2, scales=2),
    training=DgnetTraining(
        iterations=4,
        batch=2,
        code_ramp=Ramp(start=0.0, full=0.5),
        cycle_ramp=Ramp(start=0.0, full=0.5),
        feeding_ramp=Ramp(start=0.0, full=0.5),
        crop_padding=2,
    ),
    teacher=BaselineConfig(
        image=IMAGE,
        backbone=replace(BACKBONE, dropout=0.5, bottleneck=5),
        identity=IdentityConfig(iterations=2, batch=4),
    ),
)
SOURCE = image_set("source", 11, 5, masks=False)


def bench_of(teacher: ReidNetwork | None = None, seed: int = 3, **changes: Any) -> DgnetBench:
    config = replace(CONFIG, training=replace(CONFIG.training, **changes))
    return DgnetBench(config, SOURCE, teacher, seed, CPU)


def a_teacher() -> ReidNetwork:
    stage = identity_stage(CONFIG.teacher, SOURCE, 3, CPU)
    return stage.network("identity", ReidNetwork)


def run(stage: Stage[Any], steps: range) -> list[dict[str, Tensor]]:
    lines = []
    for step in steps:
        seed_everything(3, stage.name, step)
        lines.append(dict(stage.learn(stage.draw(step), step)))
    return lines


def same(one: nn.Module, other: nn.Module) -> bool:
    twin = other.state_dict()
    return all(torch.equal(value, twin[name]) for name, value in one.state_dict().items())


def generators_of(stage: Stage[Any]) -> DgnetNetworks:
    return DgnetNetworks(
        stage.network("appearance", AppearanceEncoder),
        stage.network("structure", StructureEncoder),
        stage.network("decoder", Decoder),
    )


def test_the_stage_holds_four_networks_and_not_the_teacher() -> None:
    stage = dgnet_stage(bench_of(a_teacher()))
    assert (stage.name, stage.iterations) == ("dgnet", 4)
    assert list(stage.networks) == ["appearance", "structure", "decoder", "discriminator"]
    assert list(stage.optimizers) == ["appearance", "generator", "discriminator"]
    owned = {id(p) for network in stage.networks.values() for p in network.parameters()}
    learning = [p for o in stage.optimizers.values() for group in o.param_groups for p in group["params"]]
    assert len(learning) == len({id(p) for p in learning})
    assert {id(p) for p in learning} == owned
    assert all(network.training for network in stage.networks.values())


def test_a_stage_runs_and_everything_learns() -> None:
    stage = dgnet_stage(bench_of(a_teacher()))
    before = {name: weights_of(network) for name, network in stage.networks.items()}
    lines = run(stage, range(3))
    assert {"cycle", "primary", "fine", "structure_code"} <= set(lines[1])
    assert all(term.isfinite() for line in lines for term in line.values())
    for name, network in stage.networks.items():
        for own, parameter in network.named_parameters():
            assert not torch.equal(parameter, before[name][own]), f"{name}.{own} stayed"


def test_a_stage_is_a_function_of_seed_and_step() -> None:
    stages = [dgnet_stage(bench_of(a_teacher(), seed)) for seed in (3, 3, 4)]
    for stage in stages:
        run(stage, range(2))
    for name in stages[0].networks:
        assert same(stages[0].networks[name], stages[1].networks[name]), name
        assert not same(stages[0].networks[name], stages[2].networks[name]), name


def test_first_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = dgnet_stage(bench_of())
    torch.manual_seed(2)
    second = dgnet_stage(bench_of(feeding="none", batch=3))
    other = dgnet_stage(bench_of(seed=4))
    for name in first.networks:
        assert same(first.networks[name], second.networks[name])
        assert not same(first.networks[name], other.networks[name])


def test_facts_rebuild_the_networks_and_survive_json() -> None:
    facts = json.loads(json.dumps(dgnet_facts(bench_of())))
    assert facts["num_classes"] == 5
    assert facts["size"] == [32, 16]
    assert facts["source"] == SOURCE.fingerprint
    assert facts["structure"] == {"width": 2, "aspp": True}
    assert facts["settings"]["batch"] == 2
    assert set(facts) == {
        "appearance",
        "structure",
        "decoder",
        "discriminator",
        "num_classes",
        "size",
        "kind",
        "source",
        "settings",
    }


def test_optimisers_are_those_of_the_settings() -> None:
    sgd = SgdConfig(backbone_rate=0.5, classifier_rate=0.25, momentum=0.8, weight_decay=0.125)
    adam = AdamConfig(learning_rate=0.0625, beta1=0.25, beta2=0.75, weight_decay=0.5)
    stage = dgnet_stage(bench_of(sgd=sgd, adam=adam))
    backbone, heads = stage.optimizers["appearance"].param_groups
    assert (backbone["base_lr"], heads["base_lr"]) == (0.5, 0.25)
    for group in (backbone, heads):
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.8, 0.125, True)
    for name in ("generator", "discriminator"):
        (group,) = stage.optimizers[name].param_groups
        assert (group["base_lr"], group["betas"], group["weight_decay"]) == (0.0625, (0.25, 0.75), 0.5)


# Batches


def test_batches_are_normalised_and_a_function_of_the_step() -> None:
    draw = drawing(bench_of(), "dgnet")
    batch, again, other = draw(5), drawing(bench_of(), "dgnet")(5), draw(6)
    assert all(torch.equal(one, two) for one, two in zip(batch, again, strict=True))
    assert not torch.equal(batch.images, other.images)
    assert not torch.equal(batch.images, drawing(bench_of(), "offline")(5).images)
    assert batch.images.shape == batch.erased_positives.shape == (4, 3, 32, 16)
    assert batch.labels.shape == (4,)
    for images in (batch.images, batch.positives):
        shown = from_normalised(images, clip=False)
        assert shown.abs().max() <= 1 + 1e-5, "images of 0..255 come out of it again"
        pixels = 127.5 * (shown + 1)
        torch.testing.assert_close(pixels, pixels.round(), rtol=0, atol=1e-3)


def test_only_what_is_classified_is_erased() -> None:
    """Erased pixels are 0, the mean, in normalised space; the images that are generated from stay whole."""
    draw = drawing(bench_of(erasing=1.0, batch=4), "dgnet")
    rectangles = []
    for step in range(3):
        batch = draw(step)
        for clean, erased in ((batch.images, batch.erased), (batch.positives, batch.erased_positives)):
            gone = (erased != clean).any(1)
            assert gone.flatten(1).any(1).all()
            assert (erased.masked_select(erased != clean) == 0).all()
            rectangles += [tuple(place.nonzero().flatten().tolist()) for place in gone.flatten(1)]
    assert len(set(rectangles)) > 20, "each image has its own luck"
    plain = drawing(bench_of(erasing=0.0), "dgnet")(0)
    assert torch.equal(plain.images, plain.erased)
    assert torch.equal(plain.positives, plain.erased_positives)


def test_people_may_be_kept_different() -> None:
    draw = drawing(bench_of(different_people=True, batch=8), "dgnet")
    for step in range(20):
        first, second = draw(step).labels.chunk(2)
        assert bool((first != second).all())


def test_shifted_images_repeat_their_edge() -> None:
    """No grey and no black comes in: the padding of the package's other methods."""
    draw = drawing(bench_of(crop_padding=8, batch=8), "dgnet")
    known = set(SOURCE.bank.array.flatten().tolist())
    pixels = (127.5 * (from_normalised(draw(0).images) + 1)).round().int()
    assert set(pixels.flatten().tolist()) <= known


# The teacher


@pytest.mark.parametrize(("dropout", "expected"), [(False, 0.0), (True, 0.5)])
def test_the_teachers_dropout_is_off_unless_asked_for(dropout: bool, expected: float) -> None:
    teacher = a_teacher()
    dgnet_stage(bench_of(teacher, teaching=TeachingConfig(dropout=dropout)))
    assert teacher.dropout == expected
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_the_teacher_stays_as_it_is() -> None:
    teacher = a_teacher()
    before = weights_of(teacher)
    run(dgnet_stage(bench_of(teacher)), range(3))
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


# Offline feeding


def test_offline_feeding_trains_a_new_network_on_a_generator_at_rest() -> None:
    teacher = a_teacher()
    bench = bench_of(teacher, feeding="offline")
    stage = dgnet_stage(bench)
    assert "primary" not in run(stage, range(3))[-1], "nothing is fed while the generator learns"
    generators = generators_of(stage)
    before = [weights_of(network) for network in generators]
    offline = offline_stage(bench, generators)
    assert (offline.name, offline.iterations) == ("offline", 4)
    assert list(offline.networks) == list(offline.optimizers) == ["appearance"]
    assert offline.facts == stage.facts
    student = offline.network("appearance", AppearanceEncoder)
    assert student is not generators.appearance
    assert same(student, dgnet_stage(bench).networks["appearance"]), "it starts anew, from the same weights"
    lines = run(offline, range(3))
    assert set(lines[-1]) == {"identity", "positive_identity", "fine_identity", "primary", "fine"}
    for network, kept in zip(generators, before, strict=True):
        assert not network.training
        assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert not same(student, dgnet_stage(bench).networks["appearance"])


def test_without_generation_the_generator_stays_as_it_is() -> None:
    stage = dgnet_stage(bench_of(generation=False))
    before = {name: weights_of(network) for name, network in stage.networks.items()}
    lines = run(stage, range(3))
    assert set(lines[-1]) == {"identity", "positive_identity", "fine_identity"}
    for name in ("structure", "decoder", "discriminator"):
        after = stage.networks[name].state_dict()
        assert all(torch.equal(value, after[own]) for own, value in before[name].items())
