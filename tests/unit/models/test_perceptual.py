"""LPIPS and VGG16 against torchmetrics and torchvision, with weights of chance."""

import torch
from torch import Tensor, nn
from torchmetrics.functional.image.lpips import _LPIPS
from torchvision.models.vgg import cfgs, make_layers

from genreid.models.perceptual import PerceptualDistance, VggFeatures


def weights_of(layers: nn.Module, heads: list[Tensor]) -> dict[str, Tensor]:
    """Name the weights of another implementation as ours."""
    convolutions = [layer for layer in layers.modules() if isinstance(layer, nn.Conv2d)]
    named = {f"head.{number}": head for number, head in enumerate(heads)}
    for number, layer in enumerate(convolutions):
        assert layer.bias is not None
        named |= {
            f"trunk.{number}.weight": layer.weight.detach(),
            f"trunk.{number}.bias": layer.bias.detach(),
        }
    return named


def pictures(seed: int, *size: int) -> Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_lpips_is_torchmetrics_lpips() -> None:
    torch.manual_seed(3)
    theirs = _LPIPS(pretrained=False, net="alex", pnet_rand=True).eval()
    layers = [lin.get_submodule("model.1") for lin in theirs.lins]
    heads = [layer.get_parameter("weight").detach().abs() for layer in layers]
    for layer, head in zip(layers, heads, strict=True):
        layer.load_state_dict({"weight": head})
    ours = PerceptualDistance.of_weights(weights_of(theirs.net, heads)).eval()
    for size in ((128, 64), (64, 32), (31, 47)):
        first, second = pictures(0, 3, 3, *size), pictures(1, 3, 3, *size)
        second[2] = first[2]
        with torch.inference_mode():
            found, expected = ours(first, second), theirs(first, second).flatten()
        assert torch.allclose(found, expected, rtol=1e-4)
        assert found[0] > 0.05
        assert found[2] == 0


def test_the_trunks_are_torchvisions() -> None:
    torch.manual_seed(0)
    layers = make_layers(cfgs["D"])
    images = pictures(2, 2, 3, 32, 48)
    scaled = (images - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)) / torch.tensor(
        [0.458, 0.448, 0.450]
    ).view(3, 1, 1)
    with torch.inference_mode():
        found = VggFeatures.of_weights(weights_of(layers, []))(images)["relu5_3"]
        expected = layers[:-1](scaled).mean((2, 3))  # without the last pool
    assert found.shape == (2, 512)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)
