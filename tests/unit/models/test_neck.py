"""Networks that learn from unlabelled images: pooling, neck, what they give."""

from typing import Any

import pytest
import torch
from torch import nn

from genreid.features.networks import PooledNetwork, make_ready
from genreid.features.options import FeatureOptions
from genreid.models.backbone import BackboneConfig
from genreid.models.folding import fold_batch_norm
from genreid.models.neck import GemPooling, NeckConfig, NeckNetwork, build_neck_network
from tests.drawn_tensors import fill, normal
from tests.oracles import cluster_oracle as oracle

BACKBONE = BackboneConfig("test_resnet", weights="none")


def network(**settings: Any) -> NeckNetwork:
    built = build_neck_network(BACKBONE, NeckConfig(**settings))
    fill(built, "neck")
    if built.gem is not None:
        built.gem.power.data.fill_(2.5)
    return built


def images(count: int = 4) -> torch.Tensor:
    return torch.tanh(normal("images", count, 3, 64, 32)).float()


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0, 6.5])
def test_gem_is_a_generalised_mean(power: float) -> None:
    maps = normal("maps", 2, 3, 4, 2)
    pooling = GemPooling(power).double()
    wanted = oracle.gem(maps.numpy(), power)
    torch.testing.assert_close(pooling(maps), torch.from_numpy(wanted), rtol=1e-10, atol=1e-12)


def test_gem_learns_its_power_from_three() -> None:
    pooling = GemPooling()
    assert pooling.power.tolist() == [3.0]
    torch.autograd.backward(pooling(normal("maps", 2, 3, 4, 2).float()).sum())
    assert pooling.power.grad is not None
    assert pooling.power.grad.abs().item() > 0


def test_gem_computes_in_float32_under_autocast() -> None:
    maps = normal("maps", 2, 3, 4, 2).abs().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = GemPooling()(maps)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, GemPooling()(maps.float()), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["norm", "linear", "none"])
@pytest.mark.parametrize("pooling", ["gem", "average"])
def test_the_embedding_is_pooled_then_necked(kind: str, pooling: str) -> None:
    built = network(kind=kind, pooling=pooling, width=10).double()
    batch = images().double()
    maps = built.feature_map(batch).detach().numpy()
    vectors = oracle.gem(maps, 2.5) if pooling == "gem" else maps.mean(axis=(2, 3))
    layers: dict[str, nn.Module] = dict(built.bottleneck.named_children()) if built.bottleneck else {}
    if kind == "linear":
        weight, bias = (getattr(layers["0"], name).detach().numpy() for name in ("weight", "bias"))
        vectors = vectors @ weight.T + bias
    if kind != "none":
        norm: nn.Module = layers["1" if kind == "linear" else "0"]
        scale, shift = (norm.get_parameter(name).detach().numpy() for name in ("weight", "bias"))
        vectors = oracle.batch_norm(vectors, scale, shift)
    if kind == "linear":
        vectors = vectors.clip(min=0)
    torch.testing.assert_close(built.embed(batch), torch.from_numpy(vectors), rtol=1e-8, atol=1e-9)
    assert vectors.shape[1] == built.width


def test_the_bias_of_the_norm_is_frozen() -> None:
    built = build_neck_network(BACKBONE, NeckConfig())
    frozen = [name for name, value in built.named_parameters() if not value.requires_grad]
    assert frozen == ["bottleneck.0.bias"]
    assert not any(name.startswith("classifier") for name in built.state_dict())


def test_there_is_no_classifier() -> None:
    built = network()
    output = built(images())
    assert output.logits.shape == (4, 0)
    torch.testing.assert_close(output.embedding, built.embed(images()))


@pytest.mark.parametrize("kind", ["norm", "linear", "none"])
@pytest.mark.parametrize("pooling", ["gem", "average"])
def test_it_is_ready_for_features(kind: str, pooling: str) -> None:
    """Evaluation uses the same pooling and neck as training."""
    built = network(kind=kind, pooling=pooling, width=10).eval()
    with torch.no_grad():
        wanted = torch.nn.functional.normalize(built.embed(images()), dim=1)
        folded = fold_batch_norm(built).embed(images())
        ready = make_ready(built, FeatureOptions())
        assert isinstance(ready, PooledNetwork)
        torch.testing.assert_close(ready(images()), wanted, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(torch.nn.functional.normalize(folded), wanted, rtol=1e-3, atol=1e-4)


def test_settings_that_cannot_be_meant() -> None:
    with pytest.raises(ValueError, match=r"pooling is gem or average.*'max'"):
        NeckConfig(pooling="max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="width must be 1 or more, got 0"):
        NeckConfig(width=0)
    with pytest.raises(ValueError, match=r"backbone.dropout 0.5 and backbone.bottleneck 0.*leave both at 0"):
        build_neck_network(BackboneConfig("test_resnet", weights="none", dropout=0.5), NeckConfig())
