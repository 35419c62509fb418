"""The Inception network of the TensorFlow release of 5 December 2015, on which FID is defined.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017. It is Inception v3 as torchvision
builds it but for what follows from TensorFlow: 1008 classes; average pools that do not count the border; a
maximum pool in the last block; and an enlargement to 299 x 299 whose pixel 0 lies on pixel 0, not pixel
centre on pixel centre.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import inception as tv

SIDE = 299
"""Height and width that the network sees."""
CLASSES = 1008
LAYERS = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1"),
    *("Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c"),
)
"""In the order in which they run."""
TAPS = {"Mixed_6e": "pre_aux", "Mixed_7c": "pool3"}
"""Layer -> name of its features: 768 before the auxiliary classifier, and the 2048 that FID is of."""


class InceptionFeatures(nn.Module):
    """What Inception sees in a picture: `pool3` [B, 2048] and `pre_aux` [B, 768]."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [
            *(tv.BasicConv2d, _InceptionA, tv.InceptionB, _InceptionC, tv.InceptionD, _InceptionE),
            tv.InceptionAux,
        ]
        self.network = tv.Inception3(CLASSES, aux_logits=False, inception_blocks=blocks, init_weights=False)
        self.network.Mixed_7c = _InceptionEMaximum(2048)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the features, by name.

        Args:
            images: [B, 3, H, W] in [-1, 1].
        """
        maps = enlarged(images) * (127.5 / 128) - 0.5 / 128  # (x - 128) / 128 of grey levels x
        found = {}
        for layer in LAYERS:
            maps = getattr(self.network, layer)(maps)
            if layer in TAPS:
                found[TAPS[layer]] = maps.mean((2, 3))
        return found


def enlarged(images: Tensor, side: int = SIDE) -> Tensor:
    """Resize pictures bilinearly as TensorFlow 1 does: pixel i of the result looks at i * H / side.

    Args:
        images: [B, C, H, W].
        side: Height and width wanted.
    """
    return _stretched(_stretched(images, 2, side), 3, side)


def _stretched(images: Tensor, dim: int, side: int) -> Tensor:
    """Resize along one dimension."""
    size = images.shape[dim]
    places = torch.arange(side, device=images.device) * (size / side)
    below = places.floor().long()
    above = (below + 1).clamp(max=size - 1)
    shape = [1] * images.ndim
    shape[dim] = side
    share = (places - below).view(shape)
    return torch.lerp(images.index_select(dim, below), images.index_select(dim, above), share)


def _with_pool(block: nn.Module, plain: Tensor, pooled: Tensor) -> Tensor:
    """Replace the last channels of a block, those behind its pool, by what it makes of another pool."""
    branch = block.branch_pool(pooled)  # type: ignore[operator]
    result: Tensor = torch.cat((plain[:, : -branch.shape[1]], branch), 1)
    return result


def _average(maps: Tensor) -> Tensor:
    """Return means over 3 x 3 pixels, of those only that there are."""
    return F.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)


class _InceptionA(tv.InceptionA):  # type: ignore[misc]  # torchvision has no types
    def forward(self, x: Tensor) -> Tensor:
        return _with_pool(self, super().forward(x), _average(x))


class _InceptionC(tv.InceptionC):  # type: ignore[misc]  # torchvision has no types
    def forward(self, x: Tensor) -> Tensor:
        return _with_pool(self, super().forward(x), _average(x))


class _InceptionE(tv.InceptionE):  # type: ignore[misc]  # torchvision has no types
    def forward(self, x: Tensor) -> Tensor:
        return _with_pool(self, super().forward(x), _average(x))


class _InceptionEMaximum(tv.InceptionE):  # type: ignore[misc]  # torchvision has no types
    def forward(self, x: Tensor) -> Tensor:
        return _with_pool(self, super().forward(x), F.max_pool2d(x, 3, stride=1, padding=1))
