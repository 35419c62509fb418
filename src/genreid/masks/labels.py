"""Person masks from human-parsing label maps that another tool wrote, such as LIP-JPPNet's.

A label map is a PNG that holds a class for every pixel. In LIP (Liang et al., "Look into Person", 2018; spec
E8) 0 is the background and 1 to 19 are parts of the body and clothes: everything above 0 is the person. 255
beside other labels is "void", as in PASCAL VOC: edges that nobody labelled, and no person.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.data.decode import DECODE_ERRORS, one_channel, open_image
from genreid.masks.parser import Crop, PersonMask

NAME = "labels"
_INDEXED_MODES = frozenset({"1", "L", "P", "I", "I;16"})
VOID = 255
"""Label of pixels that nobody labelled."""


@dataclass(frozen=True, slots=True)
class LabelMapParser:
    """A `PersonParser` that reads label maps: 0 = background, every other label but void = person.

    The map of an image is the PNG of the same relative path below `folder`, else the only PNG with the same
    stem anywhere below it. A map of another size is resized to the image's by nearest neighbour.

    Attributes:
        folder: The folder of label maps.
        above: Values above this one are the person; 127 reads soft masks of 0 to 255.
    """

    folder: Path
    above: int = 0

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            message = (
                f"no folder of label maps at {self.folder}. Give the folder that a human parser wrote its "
                "PNG label maps to: --parser labels --labels DIR"
            )
            raise ValueError(message)
        if not 0 <= self.above <= VOID - 1:
            message = f"--labels-above must be from 0 to {VOID - 1}, got {self.above}"
            raise ValueError(message)

    def describe(self) -> Mapping[str, str]:
        """Return the parser's name and the folder's."""
        above = {"above": str(self.above)} if self.above else {}
        return {"parser": NAME, "labels": self.folder.name, **above}

    def parse(self, crops: Sequence[Crop]) -> list[PersonMask]:
        """Return the mask of every crop; the number of people is not known.

        Args:
            crops: Images of any sizes; their names decide, not their pixels.

        Raises:
            ValueError: If the label map of one is missing, ambiguous, damaged or a picture.
        """
        return [PersonMask(self._person(crop)) for crop in crops]

    def _person(self, crop: Crop) -> NDArray[np.float32]:
        """Return where the label map of an image shows a person, at the image's size, 0 or 1."""
        labels = read_label_map(self._find(crop.name))
        person = labels > self.above
        if self.above == 0 and not np.isin(labels, (0, VOID)).all():  # a mask of 0 and 255 has no void
            person &= labels != VOID
        height, width = crop.pixels.shape[:2]
        if person.shape != (height, width):
            person = np.asarray(Image.fromarray(person).resize((width, height), Image.Resampling.NEAREST))
        return np.asarray(person, np.float32)

    def _find(self, name: Path) -> Path:
        """Return the label map of an image."""
        same_path = self.folder / name.with_suffix(".png")
        if same_path.is_file():
            return same_path
        same_stem = _maps_by_stem(self.folder).get(name.stem, ())
        if len(same_stem) == 1:
            return same_stem[0]
        if same_stem:
            message = f"several label maps are named like {name}: {', '.join(map(str, same_stem[:3]))}"
        else:
            message = (
                f"no label map for {name}: neither {same_path} nor any {name.stem}.png below {self.folder}"
            )
        raise ValueError(message)


def read_label_map(path: Path) -> NDArray[np.integer]:
    """Return the labels in a PNG, [H,W]: a palette image's indices, the values of grey or of equal channels.

    Args:
        path: The label map.

    Raises:
        ValueError: If the file is damaged, or an RGB picture of the labels instead of the labels.
    """
    try:
        with open_image(path) as image:
            mode, labels = image.mode, one_channel(image)
    except DECODE_ERRORS as error:
        message = f"the label map {path} cannot be read: {error}"
        raise ValueError(message) from error
    if mode not in _INDEXED_MODES and labels.ndim != 2:
        message = (
            f"the label map {path} is an image of mode {mode}, expected grey or palette: a label for every "
            "pixel. It seems to be a coloured picture of the labels (LIP-JPPNet writes NAME_vis.png beside "
            "NAME.png): give the folder of the label maps themselves."
        )
        raise ValueError(message)
    return labels


@lru_cache(maxsize=1)
def _maps_by_stem(folder: Path) -> Mapping[str, tuple[Path, ...]]:
    """Return every PNG below a folder by its stem; listed once in each process."""
    found: dict[str, tuple[Path, ...]] = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in sorted(names)):
            if path.suffix.lower() == ".png":
                found[path.stem] = (*found.get(path.stem, ()), path)
    return found
