"""Recipes of `genreid train dgnet`: the published numbers, the paper's own text, and shorter ones."""

from dataclasses import replace
from typing import Any

import pytest

from genreid.models.dgnet import AppearanceConfig, DecoderConfig, ScaleDiscriminatorConfig, StructureConfig
from genreid.recipes import baseline, dgnet
from genreid.runs.config_file import config_from_dict, config_to_dict, flatten
from genreid.training.dgnet_config import AdamConfig, DgnetConfig, DgnetTraining, Ramp, TeachingConfig
from genreid.training.optimizers import SgdConfig


@pytest.mark.parametrize("name", dgnet.RECIPES)
def test_recipes_are_complete_and_survive_a_file(name: str) -> None:
    config = dgnet.RECIPES[name]()
    assert config_from_dict(DgnetConfig, config_to_dict(config)) == config


def test_the_published_numbers() -> None:
    """Spec F1-F9; weights and ramps are in tests/unit/training/test_dgnet_config.py."""
    config = dgnet.published()
    assert config == DgnetConfig(training=replace(DgnetTraining(), late_ramps=True))
    assert config.image.size == (256, 128)
    backbone = config.appearance.backbone
    assert (backbone.name, backbone.weights, backbone.last_stride) == ("resnet50.tv_in1k", "hub", 1)
    heads = config.appearance
    assert (heads.head_width, heads.primary_dropout, heads.fine_dropout) == (512, 0.5, 0.75)
    assert (heads.code_order, heads.head_input) == ("channels", "global_max")
    assert config.structure == StructureConfig(width=16, aspp=True)
    assert config.decoder == DecoderConfig(mlp_width=512)
    assert config.discriminator == ScaleDiscriminatorConfig(width=32, scales=3)
    assert config.training == DgnetTraining(
        iterations=100_000,
        batch=8,
        sgd=SgdConfig(
            backbone_rate=0.002, classifier_rate=0.02, momentum=0.9, weight_decay=5e-4, drop_at=(0.6, 0.9)
        ),
        adam=AdamConfig(learning_rate=1e-4, beta1=0.0, beta2=0.999, weight_decay=5e-4),
        code_ramp=Ramp(start=0.3, full=0.32),
        cycle_ramp=Ramp(start=0.3, full=0.34),
        feeding_ramp=Ramp(start=0.3, full=0.34),
        late_ramps=True,
        reading_order="swapped_last",
        feeding="online",
        generation=True,
        teaching=TeachingConfig(style="soft", batch_norm="batch", dropout=False),
        adversarial_form="lsgan",
        detach_code=True,
        live_appearance_code=False,
        penalty_every=1,
        separate_forwards=True,
        encode_again=0.5,
        different_people=False,
        erasing=0.5,
        crop_padding=10,
    )


def test_the_published_teacher() -> None:
    """Spec F8: stride 1, batch 8, rates 0.02 and 0.002, 5 of 60 epochs of warm-up, no erasing."""
    teacher = dgnet.published().teacher
    assert teacher.image == dgnet.published().image
    assert (teacher.backbone.name, teacher.backbone.last_stride) == ("resnet50.tv_in1k", 1)
    assert (teacher.backbone.dropout, teacher.backbone.bottleneck) == (0.5, 512)
    training = teacher.identity
    assert (training.iterations, training.batch) == (97_000, 8)  # 60 epochs of 12,936 images
    assert training.iterations / (12_936 / 8) == pytest.approx(60, abs=0.1)
    assert (training.sgd.backbone_rate, training.sgd.classifier_rate) == (0.002, 0.02)
    assert (training.sgd.momentum, training.sgd.weight_decay, training.sgd.drop_at) == (0.9, 5e-4, (2 / 3,))
    assert (training.crop_padding, training.crop_fill, training.warm_up) == (10, -1.0, 5 / 60)
    assert (training.label_smoothing, training.batch_norm) == (0.0, "train")


def differences(one: DgnetConfig, other: DgnetConfig) -> dict[str, tuple[Any, Any]]:
    """Settings that two recipes disagree on."""
    first, second = (flatten(config_to_dict(config)) for config in (one, other))
    return {name: (value, second[name]) for name, value in first.items() if value != second[name]}


def test_the_papers_text_differs_in_these_points_only() -> None:
    """docs/methods/dgnet.md lists them."""
    assert differences(dgnet.published(), dgnet.paper_text()) == {
        "appearance.code_order": ("channels", "stripes"),
        "appearance.head_input": ("global_max", "code"),
        "training.weights.positive_identity": (1.0, 0.0),
        "training.weights.fine_identity": (0.4, 0.0),
        "training.weights.cycle": (2.0, 0.0),
        "training.code_ramp.start": (0.3, 0.0),
        "training.code_ramp.full": (0.32, 0.0),
        "training.late_ramps": (True, False),
        "training.adversarial_form": ("lsgan", "log"),
        "training.detach_code": (True, False),
        "training.live_appearance_code": (False, True),
        "training.different_people": (False, True),
        "training.erasing": (0.5, 0.0),
    }


def test_msmt17_is_published_but_longer() -> None:
    names = {name.split(".")[1] for name in differences(dgnet.published(), dgnet.published_msmt17())}
    assert names == {"iterations", "sgd", "code_ramp", "cycle_ramp", "feeding_ramp"}


def test_single_gpu_is_published_but_shorter() -> None:
    """Networks, weights and every flag are the published ones; ramps are fractions of the stage."""
    published, short = dgnet.published(), dgnet.single_gpu()
    pace = {"iterations", "batch", "sgd", "adam"}
    for name, values in differences(published, short).items():
        part, *rest = name.split(".")
        allowed = pace if part == "training" else {"identity"} if part == "teacher" else set()
        assert rest, (name, values)
        assert rest[0] in allowed, (name, values)
    weights = short.training.weights_at(short.training.iterations - 1)
    assert weights == published.training.weights_at(99_999)


def test_compact_goes_through_every_phase() -> None:
    config = dgnet.compact()
    training = config.training
    assert training.weights == dgnet.published().training.weights
    risen = [training.weights_at(int(training.iterations * share)).primary for share in (0.29, 0.32, 0.35)]
    assert risen == [0, pytest.approx(1), 2]
    assert config.teacher.image == config.image
    assert config.teacher.backbone == replace(config.appearance.backbone, dropout=0.5, bottleneck=512)
    assert config.appearance == AppearanceConfig(backbone=config.appearance.backbone)


def test_the_compact_teacher_fits_the_compact_recipe() -> None:
    assert baseline.dgnet_compact_teacher() == dgnet.compact().teacher
