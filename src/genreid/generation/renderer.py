"""`Renderer`: source people and target images in, renderings out, with the network of a run folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from genreid.data.augment import to_float
from genreid.data.decode import read_image
from genreid.generation.renderings import to_uint8
from genreid.masks.blazepose import load_blazepose
from genreid.masks.parser import Crop, PersonParser
from genreid.models.crgan import ConditionPair, Rendering
from genreid.training.precision import Compute, DeviceName, choose_compute
from genreid.training.run_folder import load_renderer

Picture = Path | str | NDArray[np.uint8]
"""A file, or an array uint8 [3, H, W] in RGB; of any size."""


class RenderedImages(NamedTuple):
    """What `Renderer.render` gives.

    Attributes:
        images: Renderings X_G, uint8 [N, 3, H, W].
        context_masks: X_C, float32 [N, 1, H, W] in [0, 1]: 1 where the context was replaced.
    """

    images: NDArray[np.uint8]
    context_masks: NDArray[np.float32]


@dataclass(frozen=True)
class Renderer:
    """Renders source people into the contexts of target images.

    Attributes:
        network: Takes a `ConditionPair`, gives a `Rendering`.
        size: Height and width of the renderings.
        compute: Device and arithmetic.
        parser: Finds people where no mask is given; None: loaded when it is first needed.
    """

    network: nn.Module
    size: tuple[int, int]
    compute: Compute
    parser: PersonParser | None = None

    @classmethod
    def from_run(cls, run: Path | str, device: DeviceName = "auto") -> Self:
        """Load the renderer of a run of `genreid adapt`.

        Args:
            run: The run folder.
            device: `auto`, `cpu` or `cuda`.

        Raises:
            ValueError: If the run holds no generator yet.
        """
        loaded = load_renderer(Path(run))
        compute = choose_compute(device)
        return cls(compute.place(loaded.network).eval(), loaded.size, compute)

    def render(
        self,
        source: Sequence[Picture],
        target: Sequence[Picture],
        source_masks: NDArray[np.uint8] | None = None,
        target_masks: NDArray[np.uint8] | None = None,
    ) -> RenderedImages:
        """Render each source person into the context of the target image at the same place.

        Args:
            source: People to render.
            target: Images whose contexts are wanted, as many as `source`.
            source_masks: uint8 [N, H, W] of 0/1 at the renderer's size; default: made with BlazePose.
            target_masks: The same for the target images.

        Raises:
            ValueError: If the numbers of images or the shapes of masks do not fit.
        """
        if len(source) != len(target):
            msg = f"as many target images as source images are needed, got {len(source)} and {len(target)}"
            raise ValueError(msg)
        pair = ConditionPair(
            self._images(source),
            self._images(target),
            self._masks(source, source_masks),
            self._masks(target, target_masks),
        )
        with torch.inference_mode(), self.compute.autocast():
            rendering: Rendering = self.network(pair)
        images = to_uint8(rendering.image).cpu().contiguous().numpy()
        return RenderedImages(images, rendering.context_mask.float().cpu().contiguous().numpy())

    def _images(self, pictures: Sequence[Picture]) -> Tensor:
        """Return pictures as [N, 3, H, W] in [-1, 1] on the device."""
        height, width = self.size
        resized = [
            Image.fromarray(_pixels(p)).resize((width, height), Image.Resampling.BILINEAR) for p in pictures
        ]
        stacked = torch.from_numpy(np.stack([np.asarray(image) for image in resized])).permute(0, 3, 1, 2)
        return to_float(stacked.to(self.compute.device)).contiguous(memory_format=torch.channels_last)

    def _masks(self, pictures: Sequence[Picture], given: NDArray[np.uint8] | None) -> Tensor:
        """Return masks as [N, 1, H, W] of 0/1 on the device."""
        if given is None:
            parser = self.parser or load_blazepose()
            found = parser.parse([Crop(Path(str(n)), _pixels(p)) for n, p in enumerate(pictures)])
            given = np.stack([self._resized(mask.binary()) for mask in found])
        if given.shape != (len(pictures), *self.size):
            msg = f"masks must be uint8 {[len(pictures), *self.size]} of 0 and 1, got {list(given.shape)}"
            raise ValueError(msg)
        return torch.from_numpy(given.astype(np.float32))[:, None].to(self.compute.device)

    def _resized(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a mask at the renderer's size, resized by nearest."""
        height, width = self.size
        return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))


def _pixels(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture as uint8 [H, W, 3]."""
    if not isinstance(picture, np.ndarray):
        return read_image(Path(picture))
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[0] != 3:
        msg = f"a picture must be uint8 [3, H, W] in RGB, got {picture.dtype} {list(picture.shape)}"
        raise ValueError(msg)
    return np.ascontiguousarray(picture.transpose(1, 2, 0))
