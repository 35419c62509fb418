"""Images -> person masks on disk, an offline stage: `data/` reads a mask as one more image."""

from genreid.masks.blazepose import BlazePoseParser, load_blazepose
from genreid.masks.coverage import CoverageReport, ImageCoverage, summarise_coverage
from genreid.masks.labels import LabelMapParser
from genreid.masks.make import MaskRun, make_masks
from genreid.masks.parser import Crop, PersonMask, PersonParser
from genreid.masks.store import read_mask, write_mask

__all__ = [
    "BlazePoseParser",
    "CoverageReport",
    "Crop",
    "ImageCoverage",
    "LabelMapParser",
    "MaskRun",
    "PersonMask",
    "PersonParser",
    "load_blazepose",
    "make_masks",
    "read_mask",
    "summarise_coverage",
    "write_mask",
]
