"""Recipes of `genreid adapt`: the paper's numbers, and shorter ones that go through every phase."""

import pytest

from genreid.data.image_config import ImageConfig
from genreid.models.crgan import Generator, encoder_levels
from genreid.recipes import baseline, crgan, demo
from genreid.runs.config_file import config_from_dict, config_to_dict
from genreid.training.adapt_config import AdaptConfig, FinetuningConfig
from genreid.training.baseline_config import BaselineConfig
from genreid.training.schedules import generator_updates


def test_the_papers_numbers() -> None:
    """Sections 3.2, 4.1, 6.1 of the paper and spec E15-E19; each default is checked where it is used, too."""
    paper = crgan.paper()
    assert paper.image.size == (224, 112)
    assert (paper.backbone.name, paper.backbone.weights) == ("resnet50.tv_in1k", "hub")
    assert paper.backbone.last_stride == 2
    stages = (paper.stage1_identity, paper.stage1_camera, paper.stage2, paper.stage3)
    assert [stage.iterations for stage in stages] == [30_000, 30_000, 60_000, 30_000]
    assert [stage.batch for stage in stages] == [32] * 4
    assert (paper.stage2.learning_rate, paper.stage1_camera.learning_rate) == (2e-4, 2e-4)
    weights = paper.stage2.weights
    assert (weights.adversarial, weights.identity, weights.camera, weights.context) == (2, 1, 1, 5)
    assert paper.stage1_identity.sgd.backbone_rate == paper.stage1_identity.sgd.classifier_rate == 0.01
    assert paper.stage3.sgd.backbone_rate == paper.stage3.sgd.classifier_rate == 0.001
    for stage in (paper.stage1_identity, paper.stage3):
        assert (stage.sgd.momentum, stage.sgd.weight_decay, stage.sgd.drop_at) == (0.9, 5e-4, (0.5,))
        assert (stage.label_smoothing, stage.crop_padding, stage.batch_norm) == (0, 0, "train")
    assert (paper.stage3.source_share, paper.stage3.erase_target) == (0, False)
    assert sum(generator_updates(t, paper.stage2.iterations) for t in range(60_000)) == 90_000


@pytest.mark.parametrize("name", crgan.RECIPES)
def test_recipes_are_complete_and_survive_a_file(name: str) -> None:
    config = crgan.RECIPES[name]()
    assert config_from_dict(AdaptConfig, config_to_dict(config)) == config
    assert encoder_levels(*config.image.size) >= 5


@pytest.mark.parametrize("name", baseline.RECIPES)
def test_baselines_are_complete_and_survive_a_file(name: str) -> None:
    config = baseline.RECIPES[name]()
    assert config_from_dict(BaselineConfig, config_to_dict(config)) == config


@pytest.mark.parametrize("name", crgan.RECIPES)
def test_the_baseline_of_a_recipe_is_its_stage_one(name: str) -> None:
    config = crgan.RECIPES[name]()
    assert config.baseline == BaselineConfig(
        image=config.image, backbone=config.backbone, identity=config.stage1_identity
    )


def test_single_gpu_is_the_paper_but_shorter() -> None:
    paper, short = crgan.paper(), crgan.single_gpu()
    assert (short.image, short.backbone) == (paper.image, paper.backbone)
    assert (short.generator, short.domain, short.camera) == (paper.generator, paper.domain, paper.camera)
    assert short.stage2.weights == paper.stage2.weights


def test_compact_is_small() -> None:
    config = crgan.compact()
    network = Generator(config.generator, *config.image.size)
    assert sum(parameter.numel() for parameter in network.parameters()) < 6e6


def test_short_recipes_weigh_what_carries_the_target_more() -> None:
    """`compact` keeps the paper's proportion of adversarial to context loss; the demo goes beyond."""
    paper, compact, drawn = (recipe().stage2.weights for recipe in (crgan.paper, crgan.compact, demo.crgan))
    assert (paper.adversarial, paper.identity, paper.camera, paper.context) == (2, 1, 1, 5)
    assert (compact.adversarial, compact.context) == (6 * paper.adversarial, 6 * paper.context)
    assert (drawn.adversarial, drawn.context) == (10, 15)
    for short in (compact, drawn):
        assert (short.identity, short.camera) == (paper.identity, paper.camera)


def test_the_frozen_baseline_differs_in_its_batch_norms_only() -> None:
    plain, frozen = baseline.crgan_paper(), baseline.crgan_frozen_bn()
    assert (plain.identity.batch_norm, frozen.identity.batch_norm) == ("train", "frozen")
    assert (plain.image, plain.backbone) == (frozen.image, frozen.backbone)


@pytest.mark.parametrize(("height", "width"), [(15, 8), (16, 7), (0, 0)])
def test_images_too_small_are_refused(height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"at least 16x8 pixels .*, got {height}x{width}"):
        ImageConfig(height=height, width=width)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_leaves_no_rendering_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="stage3: source_share must be in"):
        FinetuningConfig(source_share=share)


def test_the_checks_of_identity_training_hold_for_stage_three() -> None:
    with pytest.raises(ValueError, match="identity training"):
        FinetuningConfig(batch=0)
