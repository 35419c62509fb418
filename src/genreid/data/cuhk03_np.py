"""CUHK03 as folders of images, split 767 / 700 (Li et al., CVPR 2014; new protocol: Zhong et al., CVPR 2017).

Names are `PID_cCAM_SHOT.png`, or `PID_cCAM_pPAIR_SHOT.jpg` where the maker of the folders kept the camera
pair. The protocol knows two cameras. A pair (1-5) and a view (1-2) name one of ten physical cameras,
(PAIR - 1) * 2 + CAM; CR-GAN's camera discriminator learns those. Detected boxes: 7,365 / 1,400 / 5,332
images; labeled: 7,368 / 1,400 / 5,328.
"""

import re
from dataclasses import replace
from pathlib import Path

from genreid.data.box_folders import TRAIN, NameFields, read_box_folders, share_that_fits
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import ReidDataset

NAME = "cuhk03-np"
EXPECTED = (
    "bounding_box_train/, query/, bounding_box_test/ with names like 0001_c1_p1_01.jpg or 0001_c1_1.png"
)

_NAME = re.compile(r"(\d+)_c(\d+)(?:_p(\d+))?_(\d+)(?=\.)")
_BOXES = ("detected", "labeled")


def parse_name(name: str) -> NameFields | None:
    """Return identity, camera and, where `name` has a pair, the physical camera (1-10)."""
    match = _NAME.match(name)
    if match is None:
        return None
    camid = int(match[2])
    physical = None if match[3] is None else (int(match[3]) - 1) * 2 + camid
    return NameFields(int(match[1]), camid, physical)


def recognises(root: Path) -> bool:
    """Return whether most names in `root`, or in its `detected` or `labeled`, are like CUHK03-NP's."""
    return any(
        share_that_fits(place, _parse_strictly) > 0.5 for place in (root, *(root / name for name in _BOXES))
    )


def read(root: Path, options: ReaderOptions) -> ReidDataset:
    """Read CUHK03-NP; a folder above `detected` and `labeled` stands for the one that `options.boxes` names.

    Args:
        root: The folder of `bounding_box_train`, `query` and `bounding_box_test`, or the one above it.
        options: `boxes` is used.

    Raises:
        ValueError: If no image's name fits.
    """
    if (root / TRAIN).is_dir():
        return read_box_folders(root, NAME, parse_name)
    present = [name for name in _BOXES if (root / name).is_dir()]
    if not present:
        return read_box_folders(root, NAME, parse_name)
    if options.boxes != ReaderOptions().boxes and options.boxes not in present:
        message = (
            f"{root} holds no {options.boxes} boxes, but {present[0]}: give --format {NAME}:{present[0]}"
        )
        raise ValueError(message)
    chosen = options.boxes if options.boxes in present else present[0]
    dataset = read_box_folders(root / chosen, NAME, parse_name)
    return replace(dataset, notes=(*dataset.notes, f"read {root / chosen}"))


def _parse_strictly(name: str) -> NameFields | None:
    """Read only the names that cannot be taken for another data set's: two cameras, pair or .png."""
    fields = parse_name(name)
    if fields is None or fields.camid not in {1, 2}:
        return None
    return fields if fields.physical_camid is not None or name.lower().endswith(".png") else None
