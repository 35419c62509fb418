"""`Swapper`: people in each other's clothes, with the networks of a DG-Net run folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genreid.data.augment import to_float
from genreid.data.decode import Kind
from genreid.data.pictures import Pictures, check_list, read_at_size
from genreid.generation.renderings import to_uint8
from genreid.models.devices import DeviceName
from genreid.models.dgnet import DgnetNetworks, from_normalised, to_normalised
from genreid.models.precision import Compute, choose_compute
from genreid.runs.trained_networks import load_dgnet


@dataclass(frozen=True)
class Swapper:
    """Generates images from an appearance (clothes, shoes, colours) and a structure (pose, body, background).

        swapper = Swapper.from_run("runs/dgnet")
        images = swapper(["anna.jpg"], ["berta.jpg"])  # uint8 [1, 3, H, W]: Berta in Anna's clothes

        a = swapper.encode_appearance(["anna.jpg", "clara.jpg"])  # [2, 4C]
        s = swapper.encode_structure(["berta.jpg"])  # [1, S, H/4, W/4]
        between = swapper.decode(s, a.mean(dim=0, keepdim=True))

    Attributes:
        networks: E_a, E_s and G, in evaluation mode on the device of `compute`.
        size: Height and width of the images; every picture is resized to it.
        compute: Device and arithmetic.
        batch_size: Images that one pass takes.
        kind: How pictures are resized.
        truncated: As `to_uint8`.
    """

    networks: DgnetNetworks
    size: tuple[int, int]
    compute: Compute
    batch_size: int = 64
    kind: Kind = "image"
    truncated: bool = False

    @classmethod
    def from_run(cls, run: Path | str, device: DeviceName = "auto") -> Self:
        """Load the generating networks of a run of `genreid train dgnet`.

        Args:
            run: The run folder.
            device: `auto`, `cpu` or `cuda`.

        Raises:
            ValueError: If the run holds no DG-Net.
        """
        loaded = load_dgnet(Path(run).expanduser())
        compute = choose_compute(device)
        for network in loaded.networks:
            compute.place(network).eval()
        return cls(loaded.networks, loaded.size, compute, kind=loaded.kind)

    def __call__(self, appearance_images: Pictures, structure_images: Pictures) -> NDArray[np.uint8]:
        """Generate one image for each pair: `swap`.

        Args:
            appearance_images: As in `swap`.
            structure_images: As in `swap`.

        Raises:
            ValueError: As in `swap`.
        """
        return self.swap(appearance_images, structure_images)

    def swap(self, appearance_images: Pictures, structure_images: Pictures) -> NDArray[np.uint8]:
        """Generate one image for each pair: the appearance of one picture in the structure of another.

        Args:
            appearance_images: N pictures (files, Pillow images, arrays uint8 [3, H, W], mixed as you like),
                or one array or tensor uint8 [N, 3, H, W]. One picture alone goes with every structure.
            structure_images: The same for the structure.

        Returns:
            uint8 [N, 3, H, W].

        Raises:
            ValueError: If there are no pictures, one is no picture or its file cannot be read, or their
                numbers differ.
        """
        return self.decode(self.encode_structure(structure_images), self.encode_appearance(appearance_images))

    def grid(self, appearance_images: Pictures, structure_images: Pictures) -> NDArray[np.uint8]:
        """Generate every combination, each picture encoded once.

        Args:
            appearance_images: N pictures, as in `swap`.
            structure_images: M pictures.

        Returns:
            uint8 [N, M, 3, H, W]: a row keeps the appearance, a column the structure, as in figure 1.

        Raises:
            ValueError: If there are no pictures, or one is no picture or its file cannot be read.
        """
        structure = self.encode_structure(structure_images)
        return np.stack([self.decode(structure, a[None]) for a in self.encode_appearance(appearance_images)])

    def encode_appearance(self, images: Pictures) -> Tensor:
        """Return the appearance codes of pictures: float32 [N, 4C] on the device.

        Args:
            images: N pictures, as in `swap`.

        Raises:
            ValueError: If there are no pictures, or one is no picture or its file cannot be read.
        """
        parts = []
        for normalised in self._batches("appearance_images", images):
            with torch.no_grad(), self.compute.autocast():
                parts.append(self.networks.appearance(normalised).code)
        return torch.cat(parts).float()

    def encode_structure(self, images: Pictures) -> Tensor:
        """Return the structure codes of pictures: float32 [N, S, H/4, W/4] on the device.

        Args:
            images: N pictures, as in `swap`.

        Raises:
            ValueError: If there are no pictures, or one is no picture or its file cannot be read.
        """
        parts = []
        for normalised in self._batches("structure_images", images):
            with torch.no_grad(), self.compute.autocast():
                parts.append(self.networks.structure(normalised))
        return torch.cat(parts).float()

    def decode(self, structure: Tensor, appearance: Tensor) -> NDArray[np.uint8]:
        """Return the images of pairs of codes.

        Args:
            structure: [N, S, H/4, W/4] as of `encode_structure`, or whatever you made of it; one row alone
                goes with every appearance.
            appearance: [N, 4C] as of `encode_appearance`; one row alone goes with every structure.

        Returns:
            uint8 [N, 3, H, W].

        Raises:
            ValueError: If the numbers of rows differ and neither is 1.
        """
        counts = {len(structure), len(appearance)} - {1} or {1}
        if len(counts) > 1:
            msg = (
                f"got {len(structure)} structures and {len(appearance)} appearances, expected as many of "
                "both, or one of one kind; `grid` makes every combination"
            )
            raise ValueError(msg)
        count = counts.pop()
        pair = (structure.expand(count, -1, -1, -1), appearance.expand(count, -1))
        images = np.empty((count, 3, *self.size), np.uint8)
        for start in range(0, count, self.batch_size):
            rows = slice(start, start + self.batch_size)
            some = (codes[rows].to(self.compute.device) for codes in pair)
            with torch.no_grad(), self.compute.autocast():
                generated = self.networks.decoder(*some)
            images[rows] = to_uint8(from_normalised(generated), truncated=self.truncated).cpu().numpy()
        return images

    def _batches(self, name: str, pictures: Pictures) -> Iterator[Tensor]:
        """Yield pictures, ImageNet-normalised, on the device."""
        check_list(name, pictures)
        for start in range(0, len(pictures), self.batch_size):
            images = to_float(self._at_size(pictures[start : start + self.batch_size]))
            yield to_normalised(images).contiguous(memory_format=torch.channels_last)

    def _at_size(self, pictures: Pictures) -> Tensor:
        """Return pictures as uint8 [N, 3, H, W] of the networks' size on the device."""
        given = pictures
        if isinstance(pictures, np.ndarray):  # a copy of one that is read-only, which torch does not know
            given = torch.from_numpy(np.require(pictures, requirements=["C", "W"]))
        if isinstance(given, Tensor) and given.dtype == torch.uint8 and given.shape[1:] == (3, *self.size):
            return given.to(self.compute.device)
        arrays = [
            read_at_size(cast(NDArray[np.uint8], picture), self.size, self.kind) for picture in pictures
        ]
        return torch.from_numpy(np.stack(arrays)).to(self.compute.device)
