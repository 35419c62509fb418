"""A file of `genreid export` -> embeddings by ONNX Runtime; torch is not imported."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from genreid.data.decode import Kind

METADATA_KEY = "genreid"
"""Under this key an ONNX file's metadata hold a `Card` as JSON."""
INSTALL = "type pip install 'genreid[export]'"


@dataclass(frozen=True)
class HandOver:
    """What a program makes of pixels before a network sees them: (pixel / divisor - mean) / std, RGB.

    Attributes:
        divisor: 255, or 1 where pixels are handed over as they are.
        mean: Of each channel, in units of the divisor.
        std: Of each channel.
    """

    divisor: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what is handed over.

        Args:
            images: uint8 [B,3,H,W] in RGB.

        Returns:
            float32 [B,3,H,W].
        """
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (self.mean, self.std))
        return (images.astype(np.float32) / np.float32(self.divisor) - mean) / std


@dataclass(frozen=True)
class Card:
    """What an exported file says of itself.

    Attributes:
        size: Height and width of the images that it takes.
        kind: How pictures are resized to it.
        hand_over: What the graph expects of pixels.
        features: What feature sets remember of how embeddings are made.
    """

    size: tuple[int, int]
    kind: Kind
    hand_over: HandOver
    features: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain values."""
        return {**asdict(self), "features": dict(self.features)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the card that plain values describe.

        Args:
            values: As of `to_json`.

        Raises:
            ValueError: If they describe none.
        """
        try:
            height, width = values["size"]
            given = values["hand_over"]
            mean, std = (tuple(float(value) for value in given[name]) for name in ("mean", "std"))
            features = {str(key): str(value) for key, value in values["features"].items()}
            hand_over = HandOver(float(given["divisor"]), _three(mean), _three(std))
            kind = get_args(Kind)[get_args(Kind).index(values["kind"])]
            return cls((int(height), int(width)), kind, hand_over, features)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            msg = f"expected size, kind, hand_over and features, got {values!r}"
            raise ValueError(msg) from error


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    """Return three numbers; of another count is a ValueError."""
    red, green, blue = values
    return red, green, blue


@dataclass(frozen=True)
class OnnxExtractor:
    """An exported re-id network that is ready to embed.

    Attributes:
        session: ONNX Runtime's session.
        card: What the file says of itself.
        batch_size: Images in one pass.
    """

    session: Any
    card: Card
    batch_size: int = 32

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file of `genreid export`, on the CPU.

        Args:
            path: The ONNX file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If onnxruntime is not installed, or the file is none of a re-id network.
        """
        try:
            import onnxruntime  # noqa: PLC0415 - an extra
        except ImportError as error:
            msg = f"{path}: an exported network needs onnxruntime; {INSTALL}"
            raise ValueError(msg) from error
        if not path.is_file():
            msg = (
                f"no exported network at {path}; make one with `genreid export RUN --for plain --out {path}`"
            )
            raise FileNotFoundError(msg)
        try:
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # what its library raises has no name of its own
            msg = f"{path} is no ONNX file that onnxruntime {onnxruntime.__version__} can run: {error}"
            raise ValueError(msg) from error
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            msg = (
                f"{path} does not say how it wants its pictures (no {METADATA_KEY!r} in its metadata); "
                "expected a re-id network of `genreid export RUN --for plain --out FILE.onnx`"
            )
            raise ValueError(msg)
        try:
            return cls(session, Card.from_json(json.loads(text)))
        except ValueError as error:
            msg = f"{path}: metadata {METADATA_KEY!r}: {error}; export it again"
            raise ValueError(msg) from error

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images it takes."""
        return self.card.size

    @property
    def kind(self) -> Kind:
        """How pictures are resized."""
        return self.card.kind

    def embed_pixels(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed one batch.

        Args:
            images: uint8 [B,3,H,W] of the network's size.

        Returns:
            float32 [B,D] of unit length.
        """
        name = self.session.get_inputs()[0].name
        embeddings: NDArray[np.float32] = self.session.run(None, {name: self.card.hand_over(images)})[0]
        return embeddings
