"""Market-1501 (Zheng et al., Scalable Person Re-identification, ICCV 2015), and own data in its layout.

Names are `PID_cCAMsSEQ_FRAME_BOX.jpg`. PID -1 is junk (neither right nor wrong), 0000 a distractor (always
wrong). 751 people / 12,936 images to train, 750 / 3,368 queries, 19,732 gallery files of which 3,819 are junk
and 2,798 distractors, 6 cameras. Trees made in its image often leave the sequence out (`0007_c12_31.jpg`):
they are read, too.
"""

import re
from pathlib import Path

from genreid.data.box_folders import NameFields, read_box_folders, share_that_fits
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import ReidDataset

NAME = "market1501"
EXPECTED = "bounding_box_train/, query/, bounding_box_test/ with names like 0002_c1s1_000451_03.jpg"

_NAME = re.compile(r"(-1|\d+)_c(\d+)(s\d+)?(?=[_.])")


def parse_name(name: str) -> NameFields | None:
    """Return identity and camera (any number of digits) of a file's `name`, None if it does not fit."""
    match = _NAME.match(name)
    return NameFields(int(match[1]), int(match[2])) if match else None


def recognises(root: Path) -> bool:
    """Return whether most names of the tree `root` are like Market-1501's, sequence or not."""
    return share_that_fits(root, parse_name) > 0.5


def read(root: Path, options: ReaderOptions) -> ReidDataset:
    """Read a data set in the layout of Market-1501.

    Args:
        root: The folder that holds `bounding_box_train`, `query` and `bounding_box_test`.
        options: Nothing of it is used.

    Raises:
        ValueError: If no image's name fits.
    """
    del options
    return read_box_folders(root, NAME, parse_name)
