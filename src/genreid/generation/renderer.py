"""`Renderer`: source people and target images in, renderings out, with the network of a run folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from genreid.data.augment import to_float
from genreid.data.decode import Kind, resized
from genreid.data.pictures import Picture, check_list, read_pixels
from genreid.generation.renderings import to_uint8
from genreid.masks.blazepose import load_blazepose
from genreid.masks.parser import Crop, PersonParser
from genreid.models.crgan import ConditionPair, PairRenderer
from genreid.models.devices import DeviceName
from genreid.models.precision import Compute, choose_compute
from genreid.runs.trained_renderer import load_renderer

__all__ = ["Picture", "RenderedImages", "Renderer"]


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

        renderer = Renderer.from_run("runs/c2m")
        images = renderer(["anna.jpg", "berta.jpg"], ["street.jpg", "hall.jpg"]).images  # uint8 [2, 3, H, W]

    Attributes:
        network: Renders a pair of batches.
        size: Height and width of the renderings.
        compute: Device and arithmetic.
        parser: Finds people where the renderer needs a mask and none is given; None: loaded at need.
        kind: How pictures are resized.
    """

    network: PairRenderer
    size: tuple[int, int]
    compute: Compute
    parser: PersonParser | None = None
    kind: Kind = "image"

    @classmethod
    def from_run(cls, run: Path | str, device: DeviceName = "auto") -> Self:
        """Load the renderer of a run of `genreid adapt`.

        Args:
            run: The run folder.
            device: `auto`, `cpu` or `cuda`.

        Raises:
            ValueError: If the run holds no generator yet.
        """
        loaded = load_renderer(Path(run).expanduser())
        compute = choose_compute(device)
        return cls(compute.place(loaded.network).eval(), loaded.size, compute, kind=loaded.kind)

    def __call__(
        self,
        source: Sequence[Picture],
        target: Sequence[Picture],
        source_masks: NDArray[np.uint8] | None = None,
        target_masks: NDArray[np.uint8] | None = None,
    ) -> RenderedImages:
        """Render each source person into the context of the target image at the same place: `render`.

        Args:
            source: As in `render`.
            target: As in `render`.
            source_masks: As in `render`.
            target_masks: As in `render`.

        Raises:
            ValueError: As in `render`.
        """
        return self.render(source, target, source_masks, target_masks)

    def render(
        self,
        source: Sequence[Picture],
        target: Sequence[Picture],
        source_masks: NDArray[np.uint8] | None = None,
        target_masks: NDArray[np.uint8] | None = None,
    ) -> RenderedImages:
        """Render each source person into the context of the target image at the same place.

        Args:
            source: People to render: files, Pillow images or arrays uint8 [3, H, W], mixed as you like.
            target: Images whose contexts are wanted, as many as `source`.
            source_masks: uint8 [N, H, W] of 0/1 at the renderer's size; default: made with BlazePose.
            target_masks: The same for the target images.

        Raises:
            ValueError: If there are no pictures, one is no picture or its file cannot be read, the numbers of
                source and target images differ, or masks have another shape or other values than 0 and 1.
        """
        for name, pictures in (("source", source), ("target", target)):
            check_list(name, pictures)
        if len(source) != len(target):
            msg = f"as many target images as source images are needed, got {len(source)} and {len(target)}"
            raise ValueError(msg)
        # Masks first: they are refused before anything is decoded.
        given = [
            None if masks is None else self._checked(name, masks, len(source))
            for name, masks in (("source_masks", source_masks), ("target_masks", target_masks))
        ]
        people, contexts = [read_pixels(p) for p in source], [read_pixels(p) for p in target]
        pair = ConditionPair(
            self._images(people),
            self._images(contexts),
            self._masks(people, given[0]),
            self._masks(contexts, given[1]),
        )
        with torch.inference_mode(), self.compute.autocast():
            rendering = self.network(pair)
        images = to_uint8(rendering.image).cpu().contiguous().numpy()
        return RenderedImages(images, rendering.context_mask.float().cpu().contiguous().numpy())

    def _images(self, pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Return pictures, uint8 [H, W, 3], as [N, 3, H, W] in [-1, 1] on the device."""
        stacked = torch.from_numpy(
            np.stack([resized(Image.fromarray(p), self.size, self.kind) for p in pictures])
        )
        return to_float(stacked.to(self.compute.device)).contiguous(memory_format=torch.channels_last)

    def _masks(self, pictures: Sequence[NDArray[np.uint8]], given: NDArray[np.uint8] | None) -> Tensor:
        """Return the given masks, or masks of pictures, as [N, 1, H, W] of 0/1 on the device."""
        if given is None and not self.network.needs_masks:
            return torch.zeros(len(pictures), 1, *self.size, device=self.compute.device)
        if given is None:
            parser = self.parser or load_blazepose()
            found = parser.parse([Crop(Path(str(n)), pixels) for n, pixels in enumerate(pictures)])
            given = np.stack([self._resized(mask.binary()) for mask in found])
        return torch.from_numpy(given.astype(np.float32))[:, None].to(self.compute.device)

    def _checked(self, name: str, masks: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
        """Refuse what is not one array of 0/1 at the renderer's size: 0/255 would render without a word."""
        wanted = f"{name} must be one array uint8 {[count, *self.size]} of 0 and 1"
        if not isinstance(masks, np.ndarray):
            msg = f"{wanted}, got a {type(masks).__name__}; type numpy.stack(masks)"
            raise ValueError(msg)
        if masks.shape != (count, *self.size) or masks.dtype not in {np.dtype(np.uint8), np.dtype(np.bool_)}:
            msg = f"{wanted}, got {masks.dtype} {list(masks.shape)}"
            raise ValueError(msg)
        if masks.max() > 1:
            msg = f"{wanted}, got values up to {masks.max()}; type (masks > 0).astype(numpy.uint8)"
            raise ValueError(msg)
        return masks

    def _resized(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a mask at the renderer's size, resized by nearest."""
        height, width = self.size
        return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
