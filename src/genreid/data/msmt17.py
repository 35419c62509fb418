"""MSMT17 (Wei et al., Person Transfer GAN, CVPR 2018): V1, and V2 with blurred faces.

Four lists, `list_{train,val,query,gallery}.txt`, hold lines `0000/0000_000_01_0303morning_0015_0.jpg 0`:
path below the folder of the split and identity from 0. The camera, 1-15, is the third underscore field.
30,248 training and 2,373 validation images of the same 1,041 people; 11,659 queries and 82,161 gallery
images of 3,060 others, whose numbers start from 0 again. Papers usually train on train + val (32,621),
torchreid's default on train alone.
"""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from genreid.data.plain_file import read_plain
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import ReidDataset, Sample

NAME = "msmt17"
EXPECTED = "list_{train,val,query,gallery}.txt and train/, test/ (V2: mask_train_v2/, mask_test_v2/)"

_FOLDERS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}
_LISTS = ("train", "val", "query", "gallery")
_LINE = re.compile(r"(?P<path>\S.*)\s+(?P<pid>\d+)\s*$")
_CAMERA = re.compile(r"[^_]*_[^_]*_(\d+)(?=[_.])")


class _List(NamedTuple):
    """One list file, read."""

    samples: tuple[Sample, ...]
    unmatched: tuple[Path, ...]


def recognises(root: Path) -> bool:
    """Return whether `root` holds the lists and the folders of either version."""
    lists = all((root / f"list_{name}.txt").is_file() for name in ("train", "query", "gallery"))
    return lists and _version(root) is not None


def read(root: Path, options: ReaderOptions) -> ReidDataset:
    """Read MSMT17; people get pids from 1, those of the test set after those of the training set.

    Args:
        root: The folder that holds the lists.
        options: `msmt_train` says whether the validation images are training images.

    Raises:
        ValueError: If a list or the folders are missing.
    """
    version = _version(root)
    if version is None:
        message = f"no MSMT17 in {root}: expected {EXPECTED}. Give the folder that holds the lists."
        raise ValueError(message)
    train_folder, test_folder = (root / name for name in _FOLDERS[version])
    train, val = (_read_list(root, name, train_folder, 1) for name in ("train", "val"))
    # Numbers of test people start from 0 again: without this, --source-split all would merge strangers.
    first_test_pid = 1 + max((sample.pid for sample in (*train.samples, *val.samples)), default=0)
    query, gallery = (_read_list(root, name, test_folder, first_test_pid) for name in ("query", "gallery"))
    with_val = options.msmt_train == "train+val"
    used = sorted((*train.samples, *(val.samples if with_val else ())), key=lambda sample: sample.path)
    unmatched = (*train.unmatched, *val.unmatched, *query.unmatched, *gallery.unmatched)
    note = (
        f"MSMT17 {version}, train = "
        + (
            f"train + val ({len(train.samples)} + {len(val.samples)} images)"
            if with_val
            else "list_train alone"
        )
        + f"; test people are numbered from {first_test_pid}"
    )
    lists = tuple(root / f"list_{name}.txt" for name in _LISTS)
    aside = () if with_val else tuple(sample.path for sample in val.samples)
    dataset = ReidDataset(NAME, root, tuple(used), query.samples, gallery.samples, unmatched, notes=(note,))
    return replace(dataset, lists=lists, set_aside=aside)


def _version(root: Path) -> str | None:
    """Return which version a folder holds; V2 where there are both."""
    for version in ("V2", "V1"):
        if any((root / folder).is_dir() for folder in _FOLDERS[version]):
            return version
    return None


def _read_list(root: Path, name: str, folder: Path, first_pid: int) -> _List:
    """Read one list; lines that do not fit, or lead out of the folder, are unmatched."""
    path = root / f"list_{name}.txt"
    if not path.is_file():
        if name == "val":
            return _List((), ())
        message = f"no {path}: MSMT17 needs {EXPECTED}"
        raise ValueError(message)
    samples, unmatched = [], []
    for line in read_plain(path).decode("utf-8-sig", "surrogateescape").splitlines():
        match = _LINE.match(line)
        if match is None:
            if line.strip():
                unmatched.append(folder / line.strip())
            continue
        relative = PurePosixPath(match["path"].strip().replace("\\", "/"))
        camera = _CAMERA.match(relative.name)
        if camera is None or relative.is_absolute() or ".." in relative.parts:
            unmatched.append(folder / relative.name)
        else:
            samples.append(Sample(folder / relative, int(match["pid"]) + first_pid, int(camera[1])))
    return _List(tuple(sorted(samples, key=lambda sample: sample.path)), tuple(unmatched))
