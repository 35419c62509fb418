"""Person masks by BlazePose, a small network that also finds body key points.

Paper: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020. Network:
`pose_landmark_full` of MediaPipe 0.10.21, Apache-2.0 (`masks/weights.py` fetches it). Recipe:
spec/weights.md, chosen by eye. The network takes one crop at a time: batches of 2, 4 and 8 were measured and
are no faster for each crop, so the speed comes from one process of one thread on each core.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.data.whole_file import sha256_of
from genreid.masks.parser import Crop, PersonMask
from genreid.masks.weights import BLAZEPOSE_FULL, fetch_package_file

NAME = "blazepose"
INPUT_SIDE = 256
PADDING = 0.12
"""Width of the border added on every side, as a share of the crop's height: people fill their boxes, and the
network wants to see them whole."""
_OUTPUT_PRESENCE, _OUTPUT_MASK = 1, 2
_LARGEST_LOGIT = 30.0
_LARGEST_SIDE = 4 * INPUT_SIDE


@dataclass(frozen=True, slots=True)
class BlazePoseParser:
    """A `PersonParser` that runs BlazePose on one core.

    Attributes:
        model_file: The `.tflite` file; `load_blazepose` finds and checks it.
        model_sha256: Its hash, for the record.
    """

    model_file: Path
    model_sha256: str

    def describe(self) -> Mapping[str, str]:
        """Return the parser's name and the hash of its model."""
        return {"parser": NAME, "model_sha256": self.model_sha256}

    def parse(self, crops: Sequence[Crop]) -> list[PersonMask]:
        """Return the mask of every crop; the number of people is not known.

        Args:
            crops: Images of any sizes, each [H,W,3] uint8.
        """
        return [self._parse_one(crop.pixels) for crop in crops]

    def _parse_one(self, pixels: NDArray[np.uint8]) -> PersonMask:
        """Run the network on one crop."""
        interpreter = _interpreter(self.model_file)
        box = Letterbox.around(*pixels.shape[:2])
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], network_input(pixels, box))
        interpreter.invoke()
        outputs = [output["index"] for output in interpreter.get_output_details()]
        logits = interpreter.get_tensor(outputs[_OUTPUT_MASK])[0, :, :, 0]
        presence = float(interpreter.get_tensor(outputs[_OUTPUT_PRESENCE]).item())
        return PersonMask(mask_of_crop(logits, box), presence=presence)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A square around a crop: 12 % of the crop's height on every side, then the shorter side filled up.

    Attributes:
        height: Of the crop, in pixels.
        width: Of the crop, in pixels.
        side: Of the square, in pixels of the crop.
        top: Rows of the square above the crop.
        left: Columns of the square left of the crop.
    """

    height: int
    width: int
    side: int
    top: int
    left: int

    @classmethod
    def around(cls, height: int, width: int) -> "Letterbox":
        """Return the square around a crop.

        Args:
            height: Of the crop, in pixels.
            width: Of the crop, in pixels.
        """
        side = max(height, width) + 2 * round(PADDING * height)
        return cls(height, width, side, (side - height) // 2, (side - width) // 2)


def network_input(pixels: NDArray[np.uint8], box: Letterbox) -> NDArray[np.float32]:
    """Return what the network sees: float32 [1,256,256,3], RGB in [0,1].

    The square is filled by repeating the crop's border and resized bilinearly.

    Args:
        pixels: uint8 [H,W,3], RGB.
        box: The square around it.
    """
    if box.side > _LARGEST_SIDE:
        pixels = _shrunk(pixels, _LARGEST_SIDE / box.side)
        box = Letterbox.around(*pixels.shape[:2])
    rows = np.clip(np.arange(box.side) - box.top, 0, box.height - 1)
    columns = np.clip(np.arange(box.side) - box.left, 0, box.width - 1)
    square = Image.fromarray(pixels.take(rows, axis=0).take(columns, axis=1))
    resized = square.resize((INPUT_SIDE, INPUT_SIDE), Image.Resampling.BILINEAR)
    return np.asarray(resized)[None].astype(np.float32) * np.float32(1 / 255)


def _shrunk(pixels: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Shrink a crop that is far larger than the network's input: its square would not fit in memory."""
    height, width = (max(1, round(length * factor)) for length in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def mask_of_crop(logits: NDArray[np.float32], box: Letterbox) -> NDArray[np.float32]:
    """Return the network's mask at the crop's own size: probabilities, float32 [H,W] in [0,1].

    The sigmoid comes first, then the crop is cut out of the square and resized bilinearly in one step.

    Args:
        logits: float32 [256,256].
        box: The square the network saw.
    """
    probability = np.float32(1) / (1 + np.exp(-np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT)))
    scale = INPUT_SIDE / box.side
    left, top = box.left * scale, box.top * scale
    crop = (left, top, left + box.width * scale, top + box.height * scale)
    square = Image.fromarray(probability)
    return np.asarray(square.resize((box.width, box.height), Image.Resampling.BILINEAR, box=crop))


def load_blazepose(model_file: Path | None = None) -> BlazePoseParser:
    """Return the BlazePose parser, its model fetched if need be and tried once.

    Args:
        model_file: The model where it is at hand; default: the cached file, fetched by package name, version
            and hash the first time.

    Raises:
        ValueError: If the runtime is not installed, the model cannot be had, or the file is another network;
            says what to type.
    """
    if find_spec("ai_edge_litert") is None:
        message = (
            'the parser "blazepose" needs the package ai-edge-litert, which is not installed. Type: '
            "pip install ai-edge-litert (or take --parser labels with masks from another tool)"
        )
        raise ValueError(message)
    if model_file is not None and not model_file.is_file():
        message = (
            f"no model at {model_file} (--parser-model): expected {BLAZEPOSE_FULL.name} of MediaPipe 0.10.21"
        )
        raise ValueError(message)
    path = fetch_package_file(BLAZEPOSE_FULL) if model_file is None else model_file
    _check_network(path)
    return BlazePoseParser(path, sha256_of(path))


def _check_network(path: Path) -> None:
    """Make sure that a model file has BlazePose's input and outputs."""
    expected = {
        "input": [1, INPUT_SIDE, INPUT_SIDE, 3],
        "presence": [1, 1],
        "mask": [1, INPUT_SIDE, INPUT_SIDE, 1],
    }
    try:
        interpreter = _interpreter(path)
    except (ValueError, RuntimeError) as error:
        message = f"{path} cannot be read as a .tflite model ({error}); expected {BLAZEPOSE_FULL.name}"
        raise ValueError(message) from error
    outputs = [detail["shape"].tolist() for detail in interpreter.get_output_details()]
    found = {"input": interpreter.get_input_details()[0]["shape"].tolist()}
    if len(outputs) > _OUTPUT_MASK:
        found |= {"presence": outputs[_OUTPUT_PRESENCE], "mask": outputs[_OUTPUT_MASK]}
    if found != expected:
        message = f"{path} is another network than {BLAZEPOSE_FULL.name}: got {found}, expected {expected}"
        raise ValueError(message)


@lru_cache(maxsize=1)
def _interpreter(model_file: Path) -> Any:  # noqa: ANN401 - the runtime has no types
    """Return the network, ready to run on one thread; loaded once in each process."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - an extra, and slow to import

    with _native_stderr_dropped():
        interpreter = Interpreter(model_path=str(model_file), num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


@contextmanager
def _native_stderr_dropped() -> Iterator[None]:
    """Drop what native code writes to stderr: each process's runtime greets there, into the progress bar."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
