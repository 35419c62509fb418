"""What lies in a data set's folder, and what became of it: a table that adds up.

Every file is taken into a split or left out for one reason of `REASONS`; nothing is passed over in silence.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from genreid.data.listing import is_image_name, is_leaving
from genreid.data.mask_paths import RECORD_NAME
from genreid.data.sample import ReidDataset

EXAMPLES = 5
"""So many files are named for each reason."""


MISSING = "named by a list or table, but not there"
UNREADABLE = "cannot be read as an image"
MISNAMED = "name does not fit"
UNLISTED = "no list or table names it"
INSIDE = "in a folder inside a split's folder, where this format has none"
NO_SPLIT = "in a folder that is no split of this format"
FOREIGN = "a picture whose ending or kind is not read"
ARCHIVE = "an archive that is not unpacked"
TABLE = "a list or table that is not read, though it names images"

REASONS: Mapping[str, str] = {
    MISSING: "Fetch these files again, or take them out of the list.",
    UNREADABLE: "Fetch these files again or delete them.",
    MISNAMED: "Rename them, or say how to read them: --format folder --pattern '(?P<identity>...)'",
    UNLISTED: "Add them to the list or table, if they belong to the data set.",
    INSIDE: "Move the images up into the split's folder, if they belong to it.",
    NO_SPLIT: "Move them to a split's folder (train, query, gallery), if they belong to the data set.",
    FOREIGN: "Save them as JPEG or PNG, with the ending .jpg or .png.",
    ARCHIVE: "Unpack it, if it belongs to the data set.",
    TABLE: "Call its columns path,identity,camera,split and give the file itself as the data set.",
    "not asked for": "",
    "part of a release that its protocol does not use": "",
    "person masks": "",
    "left by an operating system, an archive or a tool": "",
    "no image": "",
}
"""Reason -> what to do, the worst first; where there is nothing to do, all is as it should be."""
_CHOICE, _RELEASE, _MASKS, _LEAVING, _NO_IMAGE = list(REASONS)[-5:]

_RELEASE_FOLDERS = frozenset({"gt_bbox", "gt_query"})
_BOXES_FOLDERS = frozenset({"detected", "labeled"})
_FOREIGN = frozenset(
    f".{ending}"
    for ending in (
        *(
            "avif",
            "heic",
            "heif",
            "jp2",
            "j2k",
            "jxl",
            "jxr",
            "psd",
            "svg",
            "eps",
            "raw",
            "dng",
            "cr2",
            "cr3",
        ),
        *("nef", "arw", "exr", "hdr", "tga", "ico", "mp4", "avi", "mov", "mkv", "npy", "npz"),
    )
)
ARCHIVES = frozenset([".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst"])
"""Endings of archives."""
_TABLES = frozenset({".csv", ".tsv", ".txt", ".lst", ".xlsx"})
_HEADS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
"""How files of pictures begin."""
_PROBED = 4096


class LeftOut(NamedTuple):
    """Files or folders that are left out for one reason.

    Attributes:
        reason: One of `REASONS`.
        number: How many.
        examples: The first few, relative to the folder that was given.
    """

    reason: str
    number: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.number:,} files: {self.reason}, such as {self.examples[0]}"


class Seen(NamedTuple):
    """Files (or folders) that were seen: `seen` = `taken` + the counts of `left_out`.

    Attributes:
        seen: How many there are; of files also those that a list names and that are not there.
        taken: How many are (or hold) an image of a split, each counted once.
        left_out: All others, by reason, in the order of `REASONS`.
    """

    seen: int
    taken: int
    left_out: tuple[LeftOut, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        left = [
            {"reason": item.reason, "count": item.number, "examples": list(item.examples)}
            for item in self.left_out
        ]
        return {"seen": self.seen, "taken": self.taken, "left_out": left}

    def __str__(self) -> str:
        left = "".join(f"; {item}" for item in self.left_out)
        return f"{self.seen:,} files seen = {self.taken:,} taken + {self.seen - self.taken:,} left out{left}"

    @property
    def to_mend(self) -> tuple[LeftOut, ...]:
        """Those of `left_out` that somebody should look at."""
        return tuple(item for item in self.left_out if REASONS[item.reason])


class DataFiles(NamedTuple):
    """What became of all that lies in a data set's folder.

    Attributes:
        files: The files.
        folders: The folders; one is taken if an image below it is.
    """

    files: Seen
    folders: Seen


def count_files(dataset: ReidDataset, unreadable: Iterable[Path] = ()) -> DataFiles:
    """Look at every name in a data set's folder, and say what became of it; no image is opened.

    Args:
        dataset: A data set that was read.
        unreadable: Images of it that cannot be read, as far as anybody has tried.
    """
    given = dataset.place or dataset.root
    # Of a table that was given itself only what it names is of the data set: it may lie in a home folder.
    place = dataset.root if given.is_file() else given
    why = _Classifier(place, dataset, unreadable)
    files: dict[str, str] = {}
    folders: list[str] = []
    for folder, names in () if given.is_file() else walk_all(place):
        if folder:
            why.masks |= {folder} if RECORD_NAME in names else set()
            folders.append(folder)
        files |= {path: why.file(path) for path in (f"{folder}/{name}" if folder else name for name in names)}
    files |= {path: why.absent(path) for path in (why.taken | why.misnamed) - files.keys()}
    return DataFiles(_summed(files), _summed({folder: why.folder(folder) for folder in folders}))


def walk_all(place: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder below a place, the place itself as an empty text, and the names of its files.

    Links to folders are followed, each folder once.

    Args:
        place: A folder.
    """
    base = os.fspath(place)
    known: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(base, followlinks=True):
        status = os.stat(folder)  # noqa: PTH116 - os.walk gives text
        if (status.st_dev, status.st_ino) in known:
            folders.clear()
            continue
        known.add((status.st_dev, status.st_ino))
        folders.sort()
        yield folder[len(base) :].lstrip(os.sep).replace(os.sep, "/"), sorted(names)


class _Classifier:
    """Says why a file or folder is left out; an empty text: it is taken.

    All names are text, relative to the folder that was given, with forward slashes.
    """

    def __init__(self, place: Path, dataset: ReidDataset, unreadable: Iterable[Path]) -> None:
        self._place = place
        base = os.fspath(place)
        self._prefix = "" if base == "." else base.rstrip(os.sep) + os.sep
        self.taken = self._names(
            sample.path for part in (dataset.train, dataset.query, dataset.gallery) for sample in part
        )
        self.misnamed, self._unread = self._names(dataset.unmatched_names), self._names(unreadable)
        self._aside, self._read = self._names(dataset.set_aside), self._names(dataset.lists)
        self._direct = {name.rpartition("/")[0] for name in self.taken}
        self._above = _with_ancestors(self._direct)
        self._stems = {name.rpartition(".")[0] for name in self.taken}
        self.masks: set[str] = set()

    def _names(self, paths: Iterable[Path]) -> set[str]:
        """Return paths as text relative to the folder that was given; those outside of it as they are."""
        return {os.fspath(path).removeprefix(self._prefix).replace(os.sep, "/") for path in paths}

    def folder(self, path: str) -> str:
        """Return why nothing in a folder is taken.

        Args:
            path: The folder.
        """
        return "" if path in self._above else self._of_folders(path) or NO_SPLIT

    def absent(self, path: str) -> str:
        """Return why an image is not taken that was not found in any folder.

        Args:
            path: Its name.
        """
        if not (self._place / path).exists():
            return MISSING
        return UNREADABLE if path in self._unread else MISNAMED if path in self.misnamed else ""

    def file(self, path: str) -> str:
        """Return why a file is not taken.

        Args:
            path: The file.
        """
        if path in self.taken:
            return UNREADABLE if path in self._unread else ""
        return _CHOICE if path in self._aside else self._of_stranger(path)

    def _of_stranger(self, path: str) -> str:
        """Return why a file is not taken that the reader knows nothing of."""
        folder, _, name = path.rpartition("/")
        reason = _LEAVING if is_leaving(name) else self._of_folders(folder)
        if reason in {_LEAVING, _MASKS, _RELEASE, _CHOICE}:
            return reason
        if path in self.misnamed:
            return MISNAMED
        if not is_image_name(name):
            return self._of_ending(path)
        if self._is_mask(path):
            return _MASKS
        return reason or (UNLISTED if folder in self._direct else NO_SPLIT)

    def _is_mask(self, path: str) -> bool:
        """Tell whether an image lies where the mask of one that is taken would: FOLDER/its path, as PNG."""
        folder, _, rest = path.partition("/")
        if not (path.endswith(".png") and rest.removesuffix(".png") in self._stems):
            return False
        self.masks.add(folder)
        return True

    def _of_ending(self, path: str) -> str:
        """Return why a file is not taken that does not end like an image."""
        ending = os.path.splitext(path)[1].lower()  # noqa: PTH122 - ten times faster than Path
        if ending in ARCHIVES:
            return ARCHIVE
        if ending in _TABLES and "/" not in path and path not in self._read:
            return TABLE if names_images(self._place / path) else _NO_IMAGE
        return FOREIGN if ending in _FOREIGN or (not ending and self._is_picture(path)) else _NO_IMAGE

    def _of_folders(self, folder: str) -> str:
        """Return what the folders that a file lies in say of it; empty: nothing."""
        parts = folder.split("/") if folder else []
        if any(map(is_leaving, parts)):
            return _LEAVING
        above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        if not self.masks.isdisjoint(above):
            return _MASKS
        if parts and folder not in self._direct:
            if parts[0].lower() in _RELEASE_FOLDERS:
                return _RELEASE
            if parts[0] in _BOXES_FOLDERS and not self._above.isdisjoint(_BOXES_FOLDERS - {parts[0]}):
                return _CHOICE
            if not self._direct.isdisjoint(above[:-1]):
                return INSIDE
        return ""

    def _is_picture(self, path: str) -> bool:
        """Tell whether a file without an ending begins like a picture."""
        file = self._place / path
        try:
            if not file.is_file():
                return False
            with file.open("rb") as opened:
                return opened.read(8).startswith(_HEADS)
        except OSError:
            return False


def names_images(table: Path) -> bool:
    """Tell whether a list or table names images in its first lines.

    Args:
        table: A file.
    """
    if not table.is_file():
        return False
    try:
        with table.open("rb") as file:
            head = file.read(_PROBED).replace(b"\0", b"").decode("utf-8", "replace")
    except OSError:
        return False
    words = (word.strip("\"'") for line in head.splitlines()[:10] for word in line.replace(",", " ").split())
    return any(is_image_name(word) for word in words)


def _with_ancestors(folders: Iterable[str]) -> set[str]:
    """Return folders and all folders above them."""
    found: set[str] = set()
    for folder in folders:
        above = folder
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def _summed(reasons: Mapping[str, str]) -> Seen:
    """Count what is taken, and what is left out for each reason, the worst first."""
    left: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        if reason:
            left.setdefault(reason, []).append(name)
    taken = len(reasons) - sum(map(len, left.values()))
    in_order = (LeftOut(why, len(left[why]), tuple(left[why][:EXAMPLES])) for why in REASONS if why in left)
    return Seen(len(reasons), taken, tuple(in_order))
