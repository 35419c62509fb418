"""Run folders with untrained networks, for what is exported."""

import json
from pathlib import Path

import torch
from torch import nn

from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.models.crgan import Generator, GeneratorConfig
from genreid.models.neck import NeckConfig, build_neck_network
from genreid.runs.checkpoint import CheckpointState, save_checkpoint
from genreid.runs.config_file import config_to_dict
from tests.tiny_dgnet_run import enliven

LITE_SIZE = (64, 32)


def lite_network() -> ReidNetwork:
    """EfficientNet-Lite0, whose activations are ReLU6, with batch norms that do something."""
    torch.manual_seed(0)
    network = build_reid_network(BackboneConfig("tf_efficientnet_lite0", weights="none"), 4)
    enliven(network, 0)
    return network.eval()


def save_lite(run: Path) -> ReidNetwork:
    """Write a run of EfficientNet-Lite0."""
    network = lite_network()
    config = config_to_dict(BackboneConfig("tf_efficientnet_lite0", weights="none"))
    _save(run, "identity", {"backbone": config, "num_classes": 4, "size": list(LITE_SIZE)}, network)
    return network


def save_neck(run: Path, size: tuple[int, int]) -> ReidNetwork:
    """Write a run of Cluster Contrast: GeM pooling and a batch norm behind it."""
    backbone, neck = BackboneConfig("test_resnet", weights="none"), NeckConfig()
    torch.manual_seed(1)
    network = build_neck_network(backbone, neck)
    enliven(network, 1)
    facts = {"backbone": config_to_dict(backbone), "neck": config_to_dict(neck), "num_classes": 0}
    _save(run, "cluster", {**facts, "size": list(size)}, network.eval())
    return network


def save_renderer(run: Path, size: tuple[int, int]) -> None:
    """Write a run of CR-GAN's stage II, whose generator does something."""
    config = GeneratorConfig(width=2)
    torch.manual_seed(2)
    generator = Generator(config, *size)
    nn.init.normal_(generator.heads.weight, std=0.2)
    _save(run, "rendering", {"generator": config_to_dict(config), "size": list(size)}, generator, "generator")
    (run / "job.json").write_text(json.dumps({"command": "adapt", "renderer": "crgan"}))


def _save(
    run: Path, stage: str, facts: dict[str, object], network: nn.Module, name: str = "identity"
) -> None:
    """Write a checkpoint."""
    save_checkpoint(run / "checkpoints" / stage, CheckpointState(stage, 9, 9, facts), {name: network}, {})
