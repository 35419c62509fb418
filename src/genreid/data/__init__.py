"""Images on disk -> `Sample` -> `ImageBank` -> `Batch`."""

from genreid.data.load import load_dataset
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import DISTRACTOR_PID, JUNK_PID, UNKNOWN_CAMID, ReidDataset, Sample

__all__ = [
    "DISTRACTOR_PID",
    "JUNK_PID",
    "UNKNOWN_CAMID",
    "ReaderOptions",
    "ReidDataset",
    "Sample",
    "load_dataset",
]
