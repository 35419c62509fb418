"""CUHK03 as released: one `cuhk-03.mat` with all images inside (Li et al., DeepReID, CVPR 2014).

The file (MATLAB v7.3, which is HDF5) holds the cells `detected` and `labeled`, one for each of five camera
pairs, of [people, 10] images: columns 1-5 from the pair's first view, 6-10 from its second; and `testsets`,
20 lists of 100 (pair, person). The images are written once as PNG into the cache, as
`PAIR_PERSON_VIEW_SHOT.png`, the names that the new protocol's lists use (Zhong et al., CVPR 2017:
`cuhk03_new_protocol_config_{detected,labeled}.mat`). Camera of the evaluation = view, 1 or 2; physical
camera = (PAIR - 1) * 2 + VIEW, 1-10.
"""

import re
from pathlib import Path
from typing import NamedTuple

from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import ReidDataset, Sample

NAME = "cuhk03"
EXPECTED = (
    "cuhk-03.mat (or cuhk03_release/cuhk-03.mat) and cuhk03_new_protocol_config_detected.mat, ..._labeled.mat"
)

_NAME = re.compile(r"([1-9]\d*)_(\d+)_([12])_(\d+)\.png$")


class _Split(NamedTuple):
    """The three splits of one protocol, and what a person should know about them."""

    train: list[Sample]
    query: list[Sample]
    gallery: list[Sample]
    notes: tuple[str, ...]


def find_mat(root: Path) -> Path | None:
    """Return the path of `cuhk-03.mat` in a folder or in its `cuhk03_release`; None if it is not there.

    Args:
        root: A folder, or the file itself.
    """
    if root.name == "cuhk-03.mat" and root.is_file():
        return root
    places = (root / "cuhk-03.mat", root / "cuhk03_release" / "cuhk-03.mat")
    return next((path for path in places if path.is_file()), None)


def recognises(root: Path) -> bool:
    """Return whether `root` holds `cuhk-03.mat`, or is that file."""
    return find_mat(root) is not None


def read(root: Path, options: ReaderOptions) -> ReidDataset:
    """Read the raw release; `root` of the result is the folder of the images that were written out.

    Args:
        root: The folder of `cuhk-03.mat`, the one above it, or the file.
        options: `boxes`, `protocol`, `classic_split` and `cache_dir` are used.

    Raises:
        ValueError: If a file is missing, damaged, or not what it should be.
    """
    from genreid.data.cuhk03_images import written_images  # noqa: PLC0415 - NumPy and Pillow

    mat = find_mat(root)
    if mat is None:
        message = f"no cuhk-03.mat in {root}: the format {NAME} needs {EXPECTED}"
        raise ValueError(message)
    images = written_images(mat, options.boxes, options.cache_dir)
    if options.protocol == "classic":
        split = _classic(mat, images, options.classic_split)
    else:
        split = _new_protocol(_config_path(mat, options.boxes), images)
    parts = (split.train, split.query, split.gallery)
    train, query, gallery = (tuple(sorted(part, key=lambda sample: sample.path)) for part in parts)
    notes = (f"{options.boxes} boxes, {options.protocol} protocol", f"images are in {images}", *split.notes)
    return ReidDataset(NAME, images, train, query, gallery, notes=notes)


def _classic(mat: Path, images: Path, number: int) -> _Split:
    """Make one of the 20 splits: 100 people are tested, everybody else trains."""
    from genreid.data.cuhk03_images import classic_test_people  # noqa: PLC0415 - NumPy and Pillow

    tested = classic_test_people(mat, number)
    people = sorted({_person(path.name) for path in images.glob("*.png")})
    pids = {person: pid for pid, person in enumerate(people, start=1)}
    train: list[Sample] = []
    test: list[Sample] = []
    for path in images.glob("*.png"):
        person = _person(path.name)
        (test if person in tested else train).append(_sample(path, pids[person]))
    note = (
        f"classic split {number} of 20: query and gallery are both all {len(test)} test images. Published "
        "figures are single-shot: one random gallery image of each person from the other view, repeated"
    )
    return _Split(train, test, list(test), (note,))


def _new_protocol(config: Path, images: Path) -> _Split:
    """Make the 767 / 700 split from its list file."""
    lists = _read_config(config)
    # The lists count people from 1; a copy that counts from 0 must not turn a person into a distractor.
    shift = 1 - min(*lists.labels, 1)
    samples = [
        _sample(images / name, pid + shift) for name, pid in zip(lists.names, lists.labels, strict=True)
    ]
    absent = [sample.path.name for sample in samples if not sample.path.is_file()]
    if absent:
        message = f"{config} names {len(absent)} images that cuhk-03.mat does not hold, such as {absent[0]}"
        raise ValueError(message)
    train, query, gallery = (
        [samples[index - 1] for index in part] for part in (lists.train, lists.query, lists.gallery)
    )
    return _Split(train, query, gallery, ())


class _Config(NamedTuple):
    """A list file of the new protocol; the indices count from 1."""

    names: list[str]
    labels: list[int]
    train: list[int]
    query: list[int]
    gallery: list[int]


def _read_config(path: Path) -> _Config:
    """Read a list file (MATLAB 5)."""
    from scipy.io import loadmat  # noqa: PLC0415 - only this format needs it
    from scipy.io.matlab import MatReadError  # noqa: PLC0415

    try:
        lists = loadmat(path, variable_names=["filelist", "labels", "train_idx", "query_idx", "gallery_idx"])
        names = [str(cell.item()) for cell in lists["filelist"].ravel()]
        labels, *parts = (
            [int(number) for number in lists[key].ravel()]
            for key in ("labels", "train_idx", "query_idx", "gallery_idx")
        )
    except (MatReadError, NotImplementedError, KeyError, ValueError, TypeError, OSError, IndexError) as error:
        message = f"{path} is not a list file of CUHK03's new protocol ({error}). Expected {EXPECTED}"
        raise ValueError(message) from error
    bad = [name for name in names if not _NAME.match(name)]
    if (
        bad
        or len(labels) != len(names)
        or not all(1 <= index <= len(names) for part in parts for index in part)
    ):
        message = f"{path}: its lists do not fit together ({len(names)} names, {len(labels)} labels{bad[:1]})"
        raise ValueError(message)
    return _Config(names, labels, *parts)


def _config_path(mat: Path, boxes: str) -> Path:
    """Find the list file beside the release or one folder above."""
    name = f"cuhk03_new_protocol_config_{boxes}.mat"
    for folder in (mat.parent, mat.parent.parent):
        if (folder / name).is_file():
            return folder / name
    message = (
        f"no {name} in {mat.parent} or {mat.parent.parent}. The new protocol (767 / 700 people) needs this "
        "list file of Zhong et al. 2017 (repository person-re-ranking, folder evaluation/data/CUHK03); "
        "without it, choose the release's own 20 splits: --format cuhk03:classic"
    )
    raise ValueError(message)


def _person(name: str) -> tuple[int, int]:
    """Return camera pair and person of an image's name."""
    pair, person, _, _ = name.split("_")
    return int(pair), int(person)


def _sample(path: Path, pid: int) -> Sample:
    """Make a sample from an image's name."""
    match = _NAME.match(path.name)
    assert match is not None, f"written images are named by us: {path.name}"
    pair, view = int(match[1]), int(match[3])
    return Sample(path, pid, view, (pair - 1) * 2 + view)
