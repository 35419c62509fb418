"""Result files of several rows: the demo's, and those from before each row had a file of its own."""

import json
from collections.abc import Mapping
from pathlib import Path

from genreid.reproduce.file import RowFile
from genreid.reproduce.rows import ROWS

_FILES = ("demo.json", "crgan-*.json", "hybrid-*.json", "dgnet-*.json")
_PAIRS: Mapping[str, str] = {
    "crgan-c2m": "crgan/cuhk03-market1501",
    "hybrid-c2m": "crgan/cuhk03-market1501",
    "dgnet-cuhk03np": "dgnet/cuhk03",
}
"""What the name of a file begins with -> what the names of its rows begin with at `genreid reproduce`."""
MEANINGS: Mapping[str, str] = {
    "on_source": "stage I alone, trained and searched on the source",
    "direct": "stage I alone, trained on the source",
    "direct_lmp": "the same, local max pooling",
    "bn_control": "direct, BN statistics re-estimated on up to 3,840 target images, no training",
    "source_control": "direct, trained on with real source images for as long as stage III",
    "source_bn_control": "source_control, then BN as above",
    "crgan": "CR-GAN: stage III on renderings",
    "crgan_bn": "crgan, then BN as above",
    "crgan_lmp": "crgan, local max pooling",
    "cut_paste": "stage III on source people pasted on target images",
    "cut_paste_bn": "cut_paste, then BN as above",
    "without_dual": "CR-GAN whose generator does not see the target image",
    "without_dual_bn": "without_dual, then BN as above",
    "imagenet_cluster": "Cluster Contrast on the target's unlabelled images, from ImageNet",
    "direct_cluster": "the same, from stage I",
    "crgan_cluster": "the same, from CR-GAN's stage III",
    "direct_taudl": "TAUDL, told which images of one camera show one person, from stage I",
    "crgan_taudl": "the same, from CR-GAN's stage III",
    "teacher": "DG-Net's teacher, on the people of the source",
    "primary": "DG-Net, primary features, as the teacher",
    "fine": "DG-Net, fine features",
    "both": "DG-Net, primary and fine features",
    "longer_teacher": "E_a with both heads, erasing and positives, as long as DG-Net, without generation",
    "teacher_bn": "teacher, BN statistics re-estimated on its own training images",
    "primary_bn": "primary, then BN likewise",
    "fine_bn": "fine, then BN likewise",
    "both_bn": "both, then BN likewise",
    "longer_teacher_bn": "longer_teacher, then BN likewise",
}
"""Row -> what it is."""


def read_grouped(folder: Path) -> tuple[RowFile, ...]:
    """Return the result files of several rows each.

    Args:
        folder: Such as `results`.
    """
    paths = [path for name in _FILES for path in sorted(folder.glob(name))]
    return tuple(RowFile(path, json.loads(path.read_text(encoding="utf-8"))) for path in paths)


def published_of(file: RowFile) -> Mapping[str, str]:
    """Return which rows of a file `genreid reproduce` knows, by their names there.

    Args:
        file: Of `read_grouped`.
    """
    pairs = [pair for start, pair in _PAIRS.items() if file.path.name.startswith(start)]
    return {
        name: f"{pair}/{name}" for pair in pairs for name in file.content["rows"] if f"{pair}/{name}" in ROWS
    }
