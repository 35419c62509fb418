"""Recipes of `genreid train taudl`: the published numbers (spec baselines C3 to C7)."""

import pytest

from genreid.recipes import crgan, taudl
from genreid.runs.config_file import config_from_dict, config_to_dict
from genreid.training.taudl_config import TaudlConfig


def test_the_published_numbers() -> None:
    paper = taudl.paper()
    assert paper.image.size == (256, 128)
    assert (paper.backbone.name, paper.backbone.last_stride) == ("resnet50.tv_in1k", 2)
    training = paper.taudl
    assert (training.iterations, training.batch, training.images) == (3_000, 384, 4)
    assert (training.association, training.discrimination, training.ccta.spread) == (0.7, "sum", 8)
    assert not training.ccta.detach_numerator
    assert not training.ccta.interleaved_cameras
    assert (training.learning_rate, training.weight_decay, training.hold) == (3.5e-4, 5e-4, 0.5)
    assert training.crop_area == 0.64
    assert (training.neck.pooling, training.neck.kind, training.neck.width) == ("average", "linear", 2048)


def test_compact_has_as_many_tracklets_in_an_iteration_as_the_paper() -> None:
    """With fewer its classifiers learn nothing in so short a time (docs/lab-notes.md)."""
    paper, compact = taudl.paper().taudl, taudl.compact().taudl
    assert compact.batch / compact.images == paper.batch / paper.images == 96
    assert (compact.iterations, compact.neck.width) == (700, paper.neck.width)


@pytest.mark.parametrize("name", taudl.RECIPES)
def test_recipes_are_complete_and_survive_a_file(name: str) -> None:
    config = taudl.RECIPES[name]()
    assert config_from_dict(TaudlConfig, config_to_dict(config)) == config


def test_adapt_goes_on_with_the_same_settings() -> None:
    assert crgan.compact().taudl == taudl.compact().taudl
    assert crgan.compact().backbone == taudl.compact().backbone
    assert crgan.paper().taudl == taudl.paper().taudl
