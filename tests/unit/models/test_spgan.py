"""SPGAN's networks against the literal ones; sizes of table B1."""

import pytest
import torch
from torch import nn

from genreid.models.spgan import (
    PatchConfig,
    PatchDiscriminator,
    SiameseConfig,
    SiameseNetwork,
    Translator,
    TranslatorConfig,
    siamese_blocks,
)
from tests.drawn_tensors import fill, normal, weights_of
from tests.oracles import spgan_oracle as oracle

SIZES = [(16, 8), (24, 16), (28, 20)]


def lively(network: nn.Module) -> nn.Module:
    return fill(network.double(), "spgan")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("blocks", [0, 2])
def test_the_generator_is_the_literal_one(size: tuple[int, int], blocks: int) -> None:
    network = Translator(TranslatorConfig(width=2, blocks=blocks), *size)
    lively(network)
    images = torch.tanh(normal("images", 2, 3, *size))
    made = network.translate(images)
    torch.testing.assert_close(made, oracle.translate(weights_of(network), images), rtol=1e-8, atol=1e-10)
    assert made.shape == images.shape
    assert made.abs().max() <= 1


@pytest.mark.parametrize("size", SIZES)
def test_the_discriminator_is_the_literal_one(size: tuple[int, int]) -> None:
    network = lively(PatchDiscriminator(PatchConfig(width=2)))
    images = torch.tanh(normal("images", 2, 3, *size))
    scores = network(images)
    torch.testing.assert_close(scores, oracle.judge(weights_of(network), images), rtol=1e-8, atol=1e-10)
    assert scores.shape == (2, 1, -(-size[0] // 8), -(-size[1] // 8))


@pytest.mark.parametrize("size", [*SIZES, (64, 64)])
def test_the_siamese_network_is_the_literal_one(size: tuple[int, int]) -> None:
    network = lively(SiameseNetwork(SiameseConfig(width=2, hidden=5, embedding=4), *size)).eval()
    images = torch.tanh(normal("images", 2, 3, *size))
    found = network(images)
    torch.testing.assert_close(found, oracle.embed(weights_of(network), images), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, dtype=torch.float64))


def test_half_of_the_numbers_are_dropped_in_training_mode() -> None:
    network = SiameseNetwork(SiameseConfig(width=2, hidden=2000, embedding=4), 16, 8)
    seen: list[torch.Tensor] = []
    network.embed.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    images = torch.rand(1, 3, 16, 8)
    for training in (True, False):
        network.train(training)(images)
    dropped, whole = seen
    assert 0.4 < (dropped == 0).double().mean().item() < 0.6
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * whole[kept])


def test_sizes_of_the_releases() -> None:
    """4 blocks at 256x256, 3 at 256x128, whose map of 4x2 has 2,048 numbers; the map of D is 32x32."""
    assert siamese_blocks(256, 256) == 4
    assert siamese_blocks(256, 128) == 3
    assert siamese_blocks(224, 112) == 3
    with torch.device("meta"):
        whole = SiameseNetwork(SiameseConfig(), 256, 128)
        assert whole.hidden.in_features == 2048
        square = SiameseNetwork(SiameseConfig(), 256, 256)
        assert (len(square.convs), square.hidden.in_features) == (4, 512)
        assert [conv.out_channels for conv in square.convs] == [64, 128, 256, 512]
    scores = PatchDiscriminator(PatchConfig(width=1))(torch.zeros(1, 3, 256, 256))
    assert scores.shape == (1, 1, 32, 32)
    widths = [conv.out_channels for conv in PatchDiscriminator(PatchConfig()).hidden]
    assert widths == [64, 128, 256, 512]
    with torch.device("meta"):
        generator = Translator(TranslatorConfig(), 256, 128)
    assert sum(p.numel() for p in generator.parameters()) == pytest.approx(11.4e6, rel=0.01)  # CycleGAN's


def test_weights_begin_small() -> None:
    torch.manual_seed(0)
    for network in (
        Translator(TranslatorConfig(width=16), 16, 8),
        PatchDiscriminator(PatchConfig(width=16)),
        SiameseNetwork(SiameseConfig(width=16), 32, 16),
    ):
        for name, value in network.named_parameters():
            if value.dim() > 1:
                assert value.std().item() == pytest.approx(0.02, rel=0.15), name
            else:
                assert not value.any(), name


@pytest.mark.parametrize("size", [(30, 16), (32, 18), (16, 4), (12, 12)])
def test_sizes_that_do_not_fit_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"multiples of 4, got {size[0]}x{size[1]}; set --image.height"):
        Translator(TranslatorConfig(width=2), *size)


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"spgan\.generator: width >= 1"):
        TranslatorConfig(blocks=-1)
    with pytest.raises(ValueError, match=r"spgan\.discriminator: width >= 1"):
        PatchConfig(width=0)
    with pytest.raises(ValueError, match=r"dropout in \[0, 1\)"):
        SiameseConfig(dropout=1.0)
