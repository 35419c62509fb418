"""DG-Net so small that an iteration takes a fraction of a second: float64, weights out of numpy."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from genreid.models.backbone import BackboneConfig, InputStatistics, ReidNetwork
from genreid.models.dgnet import (
    AppearanceConfig,
    AppearanceEncoder,
    Decoder,
    DecoderConfig,
    ScaleDiscriminator,
    ScaleDiscriminatorConfig,
    StructureConfig,
    StructureEncoder,
)
from genreid.models.precision import Compute
from genreid.training.dgnet_config import DgnetTraining
from genreid.training.dgnet_stage import prepare_networks
from genreid.training.dgnet_step import DgnetOptimizers, DgnetSetup, SwapBatch, TrainedNetworks
from genreid.training.optimizers import make_adam, make_sgd
from tests.drawn_tensors import fill, normal

PEOPLE = 5
PAIRS = 3
"""B: batch norms of two numbers know only +1 and -1."""
SIZE = (32, 16)
CPU = Compute(torch.device("cpu"), bf16=False)
HALF = InputStatistics((0.5, 0.4, 0.6), (0.5, 0.6, 0.4))
"""What the tiny backbone expects, so that every conversion counts."""


class TinyBackbone(nn.Module):
    """Two convolutions with batch norms, in place of a timm network: [B,3,32,16] -> [B,8,4,2]."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, 4, 2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
        )

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the last map, as timm's networks call it."""
        maps: Tensor = self.layers(images)
        return maps


def tiny_appearance(**changes: Any) -> AppearanceConfig:
    """E_a without dropout, whose random numbers would lie in another order than the oracle's."""
    settings = {"head_width": 6, "primary_dropout": 0.0, "fine_dropout": 0.0, **changes}
    return AppearanceConfig(**settings)


@dataclass(frozen=True)
class Tiny:
    """What may differ from one test to another.

    Attributes:
        training: Settings; their batch is that of `make_batch`.
        appearance: E_a.
        teacher: False: nobody labels generated images.
        teacher_dropout: Of the teacher's network.
        size: Height and width.
    """

    training: DgnetTraining = field(default_factory=lambda: DgnetTraining(batch=PAIRS))
    appearance: AppearanceConfig = field(default_factory=tiny_appearance)
    teacher: bool = True
    teacher_dropout: float = 0.0
    size: tuple[int, int] = SIZE


def tiny(**changes: Any) -> Tiny:
    """The published settings but for some of the training's."""
    return Tiny(DgnetTraining(batch=PAIRS, **changes))


def make_setup(given: Tiny | None = None, dtype: torch.dtype = torch.float64) -> DgnetSetup:
    """Build small networks with lively weights, the teacher frozen, and their optimisers."""
    given = given or Tiny()
    training = given.training
    appearance = AppearanceEncoder(TinyBackbone(), PEOPLE, given.appearance, HALF)
    structure = StructureEncoder(StructureConfig(width=2))
    decoder = Decoder(DecoderConfig(mlp_width=6), structure.out_channels, appearance.feature_channels)
    discriminator = ScaleDiscriminator(ScaleDiscriminatorConfig(width=3))
    labelling = BackboneConfig(bottleneck=5, dropout=given.teacher_dropout)
    teacher = ReidNetwork(TinyBackbone(), PEOPLE, labelling, HALF)
    networks = TrainedNetworks(
        appearance, structure, decoder, discriminator, teacher if given.teacher else None
    )
    for name, network in (*networks._asdict().items(), ("teacher", teacher)):
        if network is not None:
            fill(network.to(dtype).train(), name)
    prepare_networks(networks, training)
    adam = training.adam
    betas = (adam.beta1, adam.beta2)
    generator = nn.ModuleDict({"structure": structure, "decoder": decoder})
    optimizers = DgnetOptimizers(
        make_sgd(appearance, training.sgd),
        make_adam(generator, adam.learning_rate, betas, adam.weight_decay),
        make_adam(discriminator, adam.learning_rate, betas, adam.weight_decay),
    )
    return DgnetSetup(networks, optimizers, training, CPU)


def make_batch(number: int = 0, size: tuple[int, int] = SIZE, pairs: int = PAIRS) -> SwapBatch:
    """Draw the mini-batch of one step; erased images have lost a rectangle each."""
    images, positives = (
        1.5 * torch.tanh(normal(f"batch {number}/{name}", 2 * pairs, 3, *size)) for name in ("x", "xp")
    )
    erased, erased_positives = images.clone(), positives.clone()
    erased[::2, :, 4:12, 2:9] = 0
    erased_positives[1::2, :, 10:20, 5:14] = 0
    labels = (3 * torch.arange(2 * pairs) + number) % PEOPLE
    return SwapBatch(images, positives, erased, erased_positives, labels)
