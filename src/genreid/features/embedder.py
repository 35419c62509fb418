"""`Embedder`: photographs of people in, embeddings out; the package's door for other programs."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.data.pictures import Pictures, UnreadablePictureError, read_at_size
from genreid.features.onnx_extractor import OnnxExtractor
from genreid.features.options import FeatureOptions, Mirror

if TYPE_CHECKING:  # `from_onnx` needs no torch
    from genreid.features.extract import Extractor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Embedder:
    """Turns pictures of people into embeddings of unit length; near ones are the same person.

        embedder = Embedder.from_run("runs/c2m")
        embeddings = embedder(["anna.jpg", "berta.jpg"])  # float32 [2, D]
        similarity = embeddings @ embeddings.T

    Attributes:
        extractor: The network, its image size, its device.
    """

    extractor: Union["Extractor", OnnxExtractor]

    @classmethod
    def from_run(
        cls, run: str | Path, options: FeatureOptions | None = None, *, mirror: Mirror | None = None
    ) -> Self:
        """Load the network of a run folder.

        Args:
            run: Folder of `genreid train` or `genreid adapt`.
            options: FEATURE OPTIONS; default: the last stage, average pooling, the GPU if there is one.
            mirror: `on`: image and mirror image together, `off`: the image alone; default: as the options
                say, else on for DG-Net and off for all others.

        Raises:
            ValueError: If the run holds no such network, or the options cannot be met; says what to type.
        """
        from genreid.features.extract import Extractor  # noqa: PLC0415 - it imports torch

        chosen = options or FeatureOptions()
        chosen = chosen if mirror is None else replace(chosen, mirror=mirror)
        return cls(Extractor.from_run(Path(run).expanduser(), chosen))

    @classmethod
    def from_onnx(cls, path: str | Path) -> Self:
        """Load an exported network, to be run by ONNX Runtime on the CPU; torch is not imported.

        Args:
            path: ONNX file of `genreid export`; all that decides its embeddings is in it.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If onnxruntime is not installed, or the file is none of a re-id network of
                `genreid export`; says what to type.
        """
        return cls(OnnxExtractor.open(Path(path).expanduser()))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that every picture is resized to."""
        return self.extractor.size

    def __call__(self, images: Pictures) -> NDArray[np.float32]:
        """Embed pictures of people, each cut out to one person.

        Args:
            images: Files, Pillow images or arrays uint8 [3,H,W] in RGB, mixed as you like and each of its own
                size; or one array or tensor uint8 [N,3,H,W].

        Returns:
            float32 [N,D], rows of unit length, in the order of `images`. The row of a file that cannot be
            read is NaN, and a warning names it.

        Raises:
            ValueError: If an array is not uint8 [3,H,W], or `images` is one file and no list.
        """
        if isinstance(images, str | Path | Image.Image):
            msg = f"expected a list of pictures, got one: {images}; type embedder([picture])"
            raise ValueError(msg)
        count, step = len(images), self.extractor.batch_size
        parts = [self._embed_some(images[start : start + step], start) for start in range(0, count, step)]
        return np.concatenate(parts) if parts else np.zeros((0, self._width()), np.float32)

    def _embed_some(self, images: Pictures, first: int) -> NDArray[np.float32]:
        """Embed one batch; `first` is the number of its first picture, for messages."""
        batch = np.zeros((len(images), 3, *self.size), np.uint8)
        unreadable = np.zeros(len(images), bool)
        for number, image in enumerate(images):
            try:
                batch[number] = read_at_size(image, self.size, self.extractor.kind)
            except UnreadablePictureError as error:
                unreadable[number] = True
                logger.warning("picture %d gets NaN as its embedding: %s", first + number, error)
        embeddings = self.extractor.embed_pixels(batch)
        embeddings[unreadable] = np.nan
        return embeddings

    def _width(self) -> int:
        """Return D, by embedding a black picture."""
        return int(self._embed_some(np.zeros((1, 3, *self.size), np.uint8), 0).shape[1])
