"""DukeMTMC-reID (Ristani et al. 2016; Zheng et al., ICCV 2017), for those who hold it: it was withdrawn.

Names are `PID_cCAM_fFRAME.jpg`. 702 people / 16,522 images to train, 702 / 2,228 queries, 17,661 gallery
images of the queries' people and 408 more, who keep their numbers: they are always wrong simply because no
query shows them. 8 cameras, no junk.
"""

import re
from pathlib import Path

from genreid.data.box_folders import NameFields, read_box_folders, share_that_fits
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import ReidDataset

NAME = "dukemtmc"
EXPECTED = "bounding_box_train/, query/, bounding_box_test/ with names like 0005_c2_f0046985.jpg"

_NAME = re.compile(r"(\d+)_c(\d+)_f\d+(?=[_.])")


def parse_name(name: str) -> NameFields | None:
    """Return identity and camera (any number of digits) of a file's `name`, None if it does not fit."""
    match = _NAME.match(name)
    return NameFields(int(match[1]), int(match[2])) if match else None


def recognises(root: Path) -> bool:
    """Return whether most names of the tree `root` are like DukeMTMC-reID's."""
    return share_that_fits(root, parse_name) > 0.5


def read(root: Path, options: ReaderOptions) -> ReidDataset:
    """Read DukeMTMC-reID.

    Args:
        root: The folder that holds `bounding_box_train`, `query` and `bounding_box_test`.
        options: Nothing of it is used.

    Raises:
        ValueError: If no image's name fits.
    """
    del options
    return read_box_folders(root, NAME, parse_name)
