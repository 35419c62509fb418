"""TensorFlow's Inception against torchvision's, its pools exchanged from outside."""

from itertools import count

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.inception import Inception3

from genreid.models.inception import CLASSES, InceptionFeatures, enlarged
from tests.oracles import quality_oracle as oracle


@pytest.fixture(scope="module")
def network() -> InceptionFeatures:
    torch.manual_seed(0)
    features = InceptionFeatures().eval()
    for module in features.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return features


def test_it_sees_what_torchvisions_sees_with_tensorflows_pools(
    network: InceptionFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Inception3(CLASSES, aux_logits=False, init_weights=False).eval()
    plain.load_state_dict(network.network.state_dict())
    pools = count(1)
    average, maximum = F.avg_pool2d, F.max_pool2d

    def pool(maps: Tensor, kernel_size: int, **_: int) -> Tensor:
        if next(pools) == 9:  # 3 A, 4 C, 2 E: the last one takes the maximum
            return maximum(maps, kernel_size, stride=1, padding=1)
        assert kernel_size == 3
        ones = torch.ones_like(maps[:1, :1])
        return average(maps, 3, 1, 1) / average(ones, 3, 1, 1)

    images = torch.rand(1, 3, 40, 20, generator=torch.Generator().manual_seed(1)) * 2 - 1
    grey = (images[0].double().numpy() + 1) * 127.5
    seen = torch.from_numpy(np.stack([oracle.enlarged(channel, 299) for channel in grey])).float()[None]
    found: dict[str, Tensor] = {}
    for layer in ("Mixed_6e", "Mixed_7c"):
        getattr(plain, layer).register_forward_hook(
            lambda _module, _inputs, maps, layer=layer: found.__setitem__(layer, maps.mean((2, 3)))
        )
    with torch.inference_mode():
        ours = network(images)
        monkeypatch.setattr(F, "avg_pool2d", pool)
        plain((seen - 128) / 128)
    assert next(pools) == 10
    assert ours["pre_aux"].shape == (1, 768)
    assert ours["pool3"].shape == (1, 2048)
    assert torch.allclose(ours["pre_aux"], found["Mixed_6e"], rtol=1e-3, atol=1e-5)
    assert torch.allclose(ours["pool3"], found["Mixed_7c"], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("size", [(7, 5), (31, 40)])
def test_pixel_zero_lies_on_pixel_zero(size: tuple[int, int]) -> None:
    image = torch.rand(*size, generator=torch.Generator().manual_seed(0))
    result = enlarged(image[None, None], 23)[0, 0]
    assert np.allclose(result, oracle.enlarged(image.double().numpy(), 23), atol=1e-5)
    assert result[0, 0] == image[0, 0]
