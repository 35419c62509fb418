"""Identities and cameras of any text -> numbers, for data sets that people made themselves."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from genreid.data.sample import JUNK_PID, UNKNOWN_CAMID, ReidDataset, Sample

SPLITS = ("train", "query", "gallery")
SPLIT_NAMES = {
    "train": "train",
    "bounding_box_train": "train",
    "query": "query",
    "gallery": "gallery",
    "bounding_box_test": "gallery",
}
"""Names of folders, and values of a table's column, that stand for a split."""
JUNK_TEXT = str(JUNK_PID)
"""The one identity text that is not a person."""
UNKNOWN_TEXT = str(UNKNOWN_CAMID)
"""The one camera text that is not a camera."""
LARGEST_NUMBER = 2**62
"""Larger ones do not fit into the 64 bits of an array, or leave no free number above them."""
_MOST_DIGITS = 1000
"""Longer texts of digits are names: Python turns no more than 4,300 into a number."""


class Entry(NamedTuple):
    """One image of an own data set.

    Attributes:
        path: The file.
        split: One of `SPLITS`.
        identity: Any text; None where nobody knows.
        camera: Any text; None where nobody knows.
    """

    path: Path
    split: str
    identity: str | None
    camera: str | None


class Tree(NamedTuple):
    """Everything a reader of own data found.

    Attributes:
        root: The folder that was read.
        entries: The images.
        unmatched: Images whose path does not fit the pattern.
        notes: What the reader decided.
        lists: Tables that were read.
    """

    root: Path
    entries: Sequence[Entry]
    unmatched: Sequence[Path]
    notes: Sequence[str]
    lists: Sequence[Path] = ()


def numbered_dataset(format_name: str, tree: Tree) -> ReidDataset:
    """Give every identity a pid from 1 and every camera a camid from 1, the same in all splits.

    Identity texts are numbered in sorted order (numbers by size). The text `-1` and an absent identity are
    junk: they can be a target's training images, but no person. Cameras that are all whole numbers from 1
    keep their number; other texts are numbered in sorted order.

    Args:
        format_name: Kept in the result.
        tree: What was found.
    """
    # A name is a name however its accents are stored: a Mac takes them apart, others do not.
    entries = [
        entry._replace(identity=_composed(entry.identity), camera=_composed(entry.camera))
        for entry in tree.entries
    ]
    people = sorted({entry.identity for entry in entries} - {None, JUNK_TEXT}, key=_text_order)
    cameras = sorted({entry.camera for entry in entries} - {None, UNKNOWN_TEXT}, key=_text_order)
    pids = {identity: pid for pid, identity in enumerate(people, start=1)}
    camids = _camera_numbers(cameras)
    samples: dict[str, list[Sample]] = {split: [] for split in SPLITS}
    for entry in sorted(entries, key=lambda entry: entry.path):
        pid, camid = pids.get(entry.identity, JUNK_PID), camids.get(entry.camera, UNKNOWN_CAMID)
        samples[entry.split].append(Sample(entry.path, pid, camid))
    train, query, gallery = (tuple(samples[split]) for split in SPLITS)
    names = {pid: identity for identity, pid in pids.items() if identity is not None}
    camera_names = {camid: camera for camera, camid in camids.items() if camera is not None}
    notes = (*tree.notes, *_notes(entries), *_camera_notes(camids))
    unmatched = tuple(sorted(tree.unmatched))
    found = ReidDataset(format_name, tree.root, train, query, gallery, unmatched, names, notes, camera_names)
    return replace(found, lists=tuple(tree.lists))


def numbers_that_fit(dataset: ReidDataset) -> ReidDataset:
    """Return a data set whose people and cameras have numbers of 64 bits: larger ones become names.

    Args:
        dataset: A data set that was read.
    """
    parts = (dataset.train, dataset.query, dataset.gallery)
    pids, camids = ({getattr(s, name) for part in parts for s in part} for name in ("pid", "camid"))
    new_pids, new_camids = _smaller(pids), _smaller(camids)
    if not (new_pids or new_camids):
        return dataset
    train, query, gallery = (
        tuple(
            replace(s, pid=new_pids.get(s.pid, s.pid), camid=new_camids.get(s.camid, s.camid)) for s in part
        )
        for part in parts
    )
    names = {**dataset.identity_names, **{new: str(old) for old, new in new_pids.items()}}
    cameras = {
        **{camid: name for camid, name in dataset.camera_names.items() if camid not in new_camids},
        **{new: str(old) for old, new in new_camids.items()},
    }
    return replace(
        dataset, train=train, query=query, gallery=gallery, identity_names=names, camera_names=cameras
    )


def _smaller(numbers: set[int]) -> dict[int, int]:
    """Return a free number for each that does not fit into 64 bits."""
    large = sorted(number for number in numbers if number > LARGEST_NUMBER)
    first = 1 + max(numbers - set(large), default=0)
    return {number: first + place for place, number in enumerate(large)}


def _composed(text: str | None) -> str | None:
    """Return a name with composed accents."""
    return None if text is None else unicodedata.normalize("NFC", text)


def _camera_numbers(cameras: Iterable[str | None]) -> dict[str | None, int]:
    """Number the cameras: their own numbers where they have them."""
    texts = list(cameras)
    if all(text is not None and _is_number(text) and int(text) > 0 for text in texts):
        return {text: int(text) for text in texts if text is not None}
    return {text: number for number, text in enumerate(texts, start=1)}


def _camera_notes(camids: dict[str | None, int]) -> list[str]:
    """Say which number stands for which camera, where that is not plain."""
    renamed = [
        f"{camid} = {text}" for text, camid in camids.items() if text is not None and str(camid) != text
    ]
    shown = ", ".join(renamed[:12]) + (", ..." if len(renamed) > 12 else "")
    return (
        [f"cameras were numbered: {shown}"]
        if any(not text.split(" = ")[1].isdecimal() for text in renamed)
        else []
    )


def _notes(entries: Sequence[Entry]) -> list[str]:
    """Say how many images have no identity or no camera."""
    notes = []
    unknown = Counter((entry.identity is None, entry.camera in {None, UNKNOWN_TEXT}) for entry in entries)
    without_identity = unknown[True, True] + unknown[True, False]
    without_camera = unknown[True, True] + unknown[False, True]
    if without_identity:
        notes.append(
            f"{without_identity} of {len(entries)} images have no identity (pid {JUNK_PID}): "
            "they can be a target's images, not a source's"
        )
    if without_camera:
        notes.append(
            f"{without_camera} of {len(entries)} images have no camera (camid {UNKNOWN_CAMID}): "
            "images of the same camera are not left out of a query's ranking"
        )
    return notes


def _text_order(text: str | None) -> tuple[int, int, str]:
    """Sort whole numbers by size and before other texts."""
    assert text is not None, "absent identities are not sorted"
    return (0, int(text), text) if _is_number(text) else (1, 0, text)


def _is_number(text: str) -> bool:
    """Tell whether a text is a whole number of which Python can count."""
    return text.isdecimal() and len(text) <= _MOST_DIGITS
