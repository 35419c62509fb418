"""A DG-Net run folder with small, untrained networks, as `genreid train dgnet` writes it."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network
from genreid.models.dgnet import (
    AppearanceConfig,
    AppearanceEncoder,
    Decoder,
    DecoderConfig,
    DgnetNetworks,
    StructureConfig,
    StructureEncoder,
    build_appearance_encoder,
)
from genreid.runs.checkpoint import CheckpointState, save_checkpoint
from genreid.runs.config_file import config_to_dict

SIZE = (64, 32)
PEOPLE = 4
APPEARANCE = AppearanceConfig(backbone=BackboneConfig("test_resnet", weights="none"), head_width=6)
STRUCTURE = StructureConfig(width=2)
DECODER = DecoderConfig(mlp_width=8)
TEACHER = BackboneConfig("test_resnet", weights="none", bottleneck=5)


def enliven(network: nn.Module, seed: int) -> None:
    """Make the batch norms something else than the identity."""
    generator = torch.Generator().manual_seed(seed)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            nn.init.normal_(norm.running_mean, std=0.1, generator=generator)
            nn.init.uniform_(norm.running_var, 0.5, 2.0, generator=generator)


def appearance_encoder(seed: int = 0, config: AppearanceConfig = APPEARANCE) -> AppearanceEncoder:
    """Return a small E_a, in evaluation mode."""
    torch.manual_seed(seed)
    network = build_appearance_encoder(config, PEOPLE)
    enliven(network, seed)
    return network.eval()


def teacher(seed: int = 7) -> ReidNetwork:
    """Return a small teacher, in evaluation mode."""
    torch.manual_seed(seed)
    network = build_reid_network(TEACHER, PEOPLE)
    enliven(network, seed)
    return network.eval()


def dgnet_networks(seed: int = 0) -> DgnetNetworks:
    """Return small networks that fit together, in evaluation mode."""
    appearance = appearance_encoder(seed)
    structure = StructureEncoder(STRUCTURE)
    decoder = Decoder(DECODER, structure.out_channels, appearance.feature_channels)
    return DgnetNetworks(appearance, structure.eval(), decoder.eval())


def save_teacher(run: Path) -> None:
    """Write the stage `identity` of a run folder."""
    _save(run, "identity", {"backbone": config_to_dict(TEACHER)}, {"identity": teacher()})


def save_dgnet(run: Path, seed: int = 0, *, step: int = 9) -> DgnetNetworks:
    """Write the stage `dgnet` of a run folder, 9 iterations long.

    Args:
        run: The run folder.
        seed: Of the weights.
        step: Iterations that are done.

    Returns:
        The networks that were written.
    """
    networks = dgnet_networks(seed)
    facts = {
        "appearance": config_to_dict(APPEARANCE),
        "structure": config_to_dict(STRUCTURE),
        "decoder": config_to_dict(DECODER),
    }
    _save(run, "dgnet", facts, networks._asdict(), step)
    return networks


def save_offline(run: Path, seed: int) -> AppearanceEncoder:
    """Write the stage `offline` of a run folder and return its E_a."""
    network = appearance_encoder(seed)
    _save(run, "offline", {"appearance": config_to_dict(APPEARANCE)}, {"appearance": network})
    return network


def _save(
    run: Path, stage: str, facts: dict[str, Any], networks: dict[str, nn.Module], step: int = 9
) -> None:
    """Write one checkpoint."""
    facts = {**facts, "num_classes": PEOPLE, "size": list(SIZE)}
    save_checkpoint(run / "checkpoints" / stage, CheckpointState(stage, step, 9, facts), networks, {})
