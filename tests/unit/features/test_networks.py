"""DG-Net's embedding against its definition, and which options fit which network."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genreid.data.bank import ImageBank
from genreid.features.bn_statistics import reestimate_bn_statistics
from genreid.features.extract import Extractor
from genreid.features.networks import DualNetwork, PooledNetwork, expect_fitting, make_ready
from genreid.features.options import FeatureOptions
from genreid.models.appearance import AppearanceConfig, AppearanceEncoder, IdentityHead
from genreid.models.backbone import BackboneConfig, input_statistics
from genreid.models.precision import Compute
from tests.oracles.dgnet_features_oracle import TwoHalves, head, of_image_and_mirror, published_score
from tests.tiny_dgnet_run import APPEARANCE, SIZE, appearance_encoder, teacher

WIDTH = APPEARANCE.head_width
LITE = AppearanceConfig(backbone=BackboneConfig("tf_efficientnet_lite0", weights="none"), head_width=5)


def drawn_images(count: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, 3, *SIZE), np.uint8))


def used_to(network: AppearanceEncoder, images: Tensor) -> AppearanceEncoder:
    """Give the network these images' batch-norm statistics: their embeddings then point everywhere."""
    bank = ImageBank(tuple(Path(str(row)) for row in range(len(images))), images.numpy(), {})
    fp32 = Compute(torch.device("cpu"), bf16=False)
    reestimate_bn_statistics(network, bank, torch.arange(len(images)), fp32)
    return network


def weights_of(part: IdentityHead) -> dict[str, NDArray[np.float64]]:
    return {name: value.double().numpy() for name, value in part.bottleneck.state_dict().items()}


def by_definition(network: AppearanceEncoder, pixels: Tensor) -> list[TwoHalves]:
    """One image and its mirror image after the other; only the backbone itself is taken as it is."""
    statistics = input_statistics(network.config.backbone.name)
    mean, std = (torch.tensor(each).double().view(1, 3, 1, 1) for each in statistics)
    backbone = network.double().backbone
    found = []
    for image in pixels:
        maps = []
        for view in (image, image.flip(2)):
            with torch.no_grad():
                maps.append(backbone.forward_features((view[None] / 255.0 - mean) / std)[0].numpy())  # type: ignore[operator]
        halves = [
            of_image_and_mirror(*(head(each, weights_of(part)) for each in maps))
            for part in (network.primary, network.fine)
        ]
        found.append(TwoHalves(*halves))
    network.float()
    return found


def embedded(network: AppearanceEncoder, images: Tensor, fine_weight: float | None = None) -> Tensor:
    options = FeatureOptions(device="cpu", precision="fp32", fine_weight=fine_weight)
    return Extractor.of_network(network, SIZE, options, {}).embed_images(images)


@pytest.mark.parametrize("config", [APPEARANCE, LITE], ids=["resnet", "lite"])
def test_halves_are_those_of_the_definition(config: AppearanceConfig) -> None:
    images = drawn_images(4)
    network = used_to(appearance_encoder(1, config), images)
    expected = by_definition(network, images)
    rows = torch.tensor([[*each.primary, *(0.5**0.5 * value for value in each.fine)] for each in expected])
    torch.testing.assert_close(embedded(network, images), rows / 1.5**0.5, atol=2e-4, rtol=0)


@pytest.mark.parametrize("weight", [None, 0.0, 0.2, 1.0, 3.0])
def test_the_cosine_ranks_as_the_published_score(weight: float | None) -> None:
    images = drawn_images(24)
    network = used_to(appearance_encoder(2), images)
    used = 0.5 if weight is None else weight
    halves = by_definition(network, images)
    query, gallery = halves[:6], halves[6:]
    scores = np.array([[published_score(left, right, used) for right in gallery] for left in query])
    embeddings = embedded(network, images, weight).numpy()
    assert embeddings.shape == (24, 2 * WIDTH if used else WIDTH)
    cosines = embeddings[:6] @ embeddings[6:].T
    np.testing.assert_allclose((1 + used) * cosines, scores, atol=1e-4)
    assert scores.min() < -0.3, "the images differ"
    clear = np.diff(np.sort(scores, axis=1), axis=1).min(axis=1) > 4e-4  # else rounding may decide
    assert clear.any()
    np.testing.assert_array_equal(np.argsort(-cosines)[clear], np.argsort(-scores)[clear])


def test_a_mirror_image_has_the_same_embedding() -> None:
    network, images = appearance_encoder(), drawn_images(3)
    both = embedded(network, torch.cat((images, images.flip(3))))
    torch.testing.assert_close(both[:3], both[3:], atol=1e-5, rtol=0)
    torch.testing.assert_close(both.norm(dim=1), torch.ones(6))


def test_dropout_and_training_mode_are_off() -> None:
    network, images = appearance_encoder(), drawn_images(3)
    expected = embedded(network, images)
    torch.testing.assert_close(embedded(network.train(), images), expected)
    assert network.training, "left as it was"


def test_bf16_is_near() -> None:
    network, images = appearance_encoder(), drawn_images(5)
    rough = Extractor.of_network(network, SIZE, FeatureOptions(device="cpu", precision="bf16"), {})
    found = rough.embed_images(images)
    assert found.dtype == torch.float32
    assert (found * embedded(network, images)).sum(1).min() > 0.99


def test_batch_norms_are_folded_away() -> None:
    ready = make_ready(appearance_encoder(), FeatureOptions())
    assert isinstance(ready, DualNetwork)
    assert not [module for module in ready.network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [module for module in ready.network.modules() if isinstance(module, nn.BatchNorm1d)]


def test_what_is_remembered_of_each_network() -> None:
    halves = f"primary:{WIDTH},fine:{WIDTH}"
    dual = make_ready(appearance_encoder(), FeatureOptions())
    assert dual.describe() == {"halves": halves, "fine_weight": "0.5", "mirror": "on"}
    alone = make_ready(appearance_encoder(), FeatureOptions(fine_weight=0, mirror="off"))
    assert alone.describe() == {"fine_weight": "0", "mirror": "off"}
    pooled = make_ready(teacher(), FeatureOptions(pooling="lmp", parts=2))
    assert isinstance(pooled, PooledNetwork)
    assert pooled.describe() == {"pooling": "lmp", "parts": "2", "mirror": "off"}
    mirrored = make_ready(teacher(), FeatureOptions(mirror="on"))
    assert mirrored.describe() == {"pooling": "average", "mirror": "on"}


def test_options_of_another_network_are_refused() -> None:
    message = r"--pooling lmp: .*no stripes; leave out --pooling, or add --stage pretrained"
    for refuse in (expect_fitting, make_ready):
        with pytest.raises(ValueError, match=message):
            refuse(appearance_encoder(), FeatureOptions(pooling="lmp"))
        with pytest.raises(ValueError, match=re.escape("--fine-weight 0.5 weights the fine half of DG-Net")):
            refuse(teacher(), FeatureOptions(fine_weight=0.5))
