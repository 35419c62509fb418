"""Recipes of `genreid train cluster`: the published numbers (spec baselines H1), and the prototype's (H5)."""

import pytest

from genreid.recipes import cluster, crgan
from genreid.runs.config_file import config_from_dict, config_to_dict
from genreid.training.cluster_config import ClusterConfig


def test_the_published_numbers() -> None:
    paper = cluster.paper()
    assert paper.image.size == (256, 128)
    assert (paper.backbone.name, paper.backbone.last_stride) == ("resnet50.tv_in1k", 1)
    training = paper.cluster
    assert (training.rounds, training.iterations, training.clusters, training.images) == (50, 200, 16, 16)
    assert (training.batch, training.batch_norm_group, training.total) == (256, 64, 10_000)
    assert (training.temperature, training.momentum, training.update) == (0.05, 0.1, "momentum")
    assert (training.learning_rate, training.weight_decay, training.drop_at) == (3.5e-4, 5e-4, (0.4, 0.8))
    assert (training.crop_padding, training.crop_fill, training.erasing) == (10, -1, 0.5)
    assert (training.neck.pooling, training.neck.kind, training.statistics) == ("gem", "norm", "stored")
    found = training.clustering
    assert (found.k1, found.k2, found.eps, found.min_samples) == (30, 6, 0.6, 4)
    assert training.other_cameras


def test_the_compact_prototype() -> None:
    compact = cluster.compact()
    assert compact.image.size == (128, 64)
    assert compact.backbone.name == "tf_efficientnet_lite0"
    training = compact.cluster
    assert (training.rounds, training.iterations, training.clusters, training.images) == (7, 100, 16, 4)
    assert training.batch == training.batch_norm_group
    assert (training.momentum, training.drop_at, training.statistics) == (0.2, (0.7,), "target")
    assert (training.neck.pooling, training.clustering.eps, training.other_cameras) == ("average", 0.5, False)


@pytest.mark.parametrize("name", cluster.RECIPES)
def test_recipes_are_complete_and_survive_a_file(name: str) -> None:
    config = cluster.RECIPES[name]()
    assert config_from_dict(ClusterConfig, config_to_dict(config)) == config


def test_adapt_goes_on_with_the_same_settings() -> None:
    assert crgan.compact().cluster == cluster.compact().cluster
    assert crgan.compact().image == cluster.compact().image
    assert crgan.compact().backbone == cluster.compact().backbone
    assert crgan.paper().cluster == cluster.paper().cluster
