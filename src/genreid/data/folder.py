"""Own data: any tree of images, or a table of them.

Splits are the folders `train`, `query`, `gallery` (or Market-1501's names), or the table's column `split`;
without either, everything is train. A regular expression with the named groups `identity` and `camera`,
searched in the path below the split's folder, says who and where; without one, the first folder of the path
is the identity, or a flat file's name is read like Market-1501's, and cameras are unknown where no name
says them.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from genreid.data.folder_table import expect_no_table, find_tables, read_table
from genreid.data.listing import walk_images
from genreid.data.numbering import SPLIT_NAMES, Entry, Tree, numbered_dataset
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import ReidDataset

NAME = "folder"
EXPECTED = (
    "train/, query/, gallery/ of IDENTITY/image.jpg; or a CSV file with columns path,identity,camera,split"
)

_BY_NAME = re.compile(r"(?:^|/)(?P<identity>-1|\d+)_c(?P<camera>\d+)(?:s\d+)?[_.][^/]*$")
_BY_FOLDER = re.compile(r"^(?P<identity>[^/]+)/")
_BY_CAMERA = re.compile(r"^(?P<camera>cam(?:era)?[ _-]?\d+)/", re.IGNORECASE)
_NOTHING = re.compile("^")
_TRAIN_WORDS = frozenset({"train", "training", "trainval"})
_SPLIT_WORDS = _TRAIN_WORDS | {
    *("test", "testing", "query", "queries", "gallery", "probe", "probes", "eval", "evaluation"),
    *("val", "valid", "validation"),
}
"""Words that stand in the names of folders of splits, whoever made them."""


class _Found(NamedTuple):
    """An image, its split, and its path below the split's folder with forward slashes."""

    path: Path
    split: str
    relative: str


def recognises(root: Path) -> bool:
    """Return whether `root` is a table, or a tree that is plain without a pattern."""
    if find_tables(root):
        return True
    if not root.is_dir():
        return False
    found = [image.relative for image in _images_of(root)]
    if _split_folders(root):
        return bool(found)
    return bool(found) and max(relative.count("/") for relative in found) <= 1


def read(root: Path, options: ReaderOptions) -> ReidDataset:
    """Read an own data set.

    Args:
        root: A folder, a folder with one table, or a table (`.csv`).
        options: `pattern` is used; a table needs none.

    Raises:
        ValueError: If there is no image, or the pattern is no regular expression with a group `identity` or
            `camera`.
    """
    if root.is_file() and options.pattern is not None:
        message = f"{root} is a table: its columns say who and where, so it takes no --pattern"
        raise ValueError(message)
    if root.is_file() and not find_tables(root):
        message = f"{root} is no folder and no table (.csv): the format {NAME} expects {EXPECTED}"
        raise ValueError(message)
    tables = find_tables(root)
    if len(tables) > 1 and options.pattern is None:
        names = ", ".join(table.name for table in tables)
        message = f"{root} holds several tables ({names}): give one of them, such as {tables[0]}"
        raise ValueError(message)
    if tables and options.pattern is None:
        return numbered_dataset(NAME, read_table(tables[0]))
    found = list(_images_of(root))
    if not found:
        message = f"no images in {root}: the format {NAME} expects {EXPECTED}"
        raise ValueError(message)
    relatives = [image.relative for image in found]
    _expect_no_other_splits(root, relatives)
    if options.pattern is None and not _split_folders(root):
        expect_no_table(root)
    pattern, note = _chosen_pattern(options.pattern, relatives)
    entries, unmatched = [], []
    for image in found:
        match = pattern.search(image.relative)
        if match is None:
            unmatched.append(image.path)
        else:
            fields = match.groupdict()
            entries.append(
                Entry(image.path, image.split, fields.get("identity"), fields.get("camera") or None)
            )
    if not entries:
        message = (
            f"none of the {len(found)} images of {root} fits the pattern {pattern.pattern!r}, "
            f"which is searched in paths such as {found[0].relative!r}"
        )
        raise ValueError(message)
    return numbered_dataset(NAME, Tree(root, entries, unmatched, [note, *_table_note(root)]))


def _images_of(root: Path) -> Iterator[_Found]:
    """Yield all images of the split folders; without such folders all images, as train."""
    for folder, split in _split_folders(root) or [(root, "train")]:
        for path in walk_images(folder):
            yield _Found(path, split, path.relative_to(folder).as_posix())


def _split_folders(root: Path) -> list[tuple[Path, str]]:
    """Return the folders that stand for splits."""
    if not root.is_dir():
        return []
    folders = sorted(path for path in root.iterdir() if path.name.lower() in SPLIT_NAMES and path.is_dir())
    return [(folder, SPLIT_NAMES[folder.name.lower()]) for folder in folders]


def _expect_no_other_splits(root: Path, relatives: Sequence[str]) -> None:
    """Refuse folders that seem to be splits under names that are not read: test people would be trained on.

    They are taken for splits where at least half of the folders beside each other are called like one.
    """
    beside: dict[str, set[str]] = defaultdict(set)
    for relative in relatives:
        parts = relative.split("/")[:-1]
        for depth, name in enumerate(parts):
            beside["/".join(parts[:depth])].add(name)
    for place, names in sorted(beside.items()):
        named = sorted(name for name in names if _SPLIT_WORDS & set(re.findall("[a-z]+", name.lower())))
        tested = [name for name in named if not _TRAIN_WORDS & set(re.findall("[a-z]+", name.lower()))]
        if tested and 2 * len(named) >= len(names):
            folder = root / place if place else root
            message = (
                f"{folder} has the folders {', '.join(named)}, which seem to be splits, but are not called "
                "train, query and gallery: all would be trained on, test people too. Rename them so; or give "
                "the one to train on itself"
            )
            raise ValueError(message)


def _table_note(root: Path) -> list[str]:
    """Name tables that are not read as such, since they say nothing of identities."""
    if root.is_file() or find_tables(root):
        return []
    return [
        f"{table.name} has no column identity, so it is not read; give {table} itself to take it as it is"
        for table in find_tables(root, ("path",))
    ]


def _chosen_pattern(text: str | None, relatives: list[str]) -> tuple[re.Pattern[str], str]:
    """Return the pattern that is used, and a note that says which and why."""
    if text is not None:
        return _compiled(text), f"identity and camera by the pattern {text!r}"
    if sum(_BY_NAME.search(relative) is not None for relative in relatives) > len(relatives) / 2:
        return (
            _BY_NAME,
            "no pattern given: names are read like Market-1501's, PID_cCAM_...; --pattern reads others",
        )
    if all(_BY_CAMERA.search(relative) for relative in relatives):
        return _BY_CAMERA, (
            "no pattern given: the folders are named like cameras, so they are read as cameras and people "
            "are unknown; --pattern '(?P<identity>[^/]+)/' reads them as people"
        )
    if max(relative.count("/") for relative in relatives) > 0:
        return _BY_FOLDER, (
            "no pattern given: the first folder of the path is the person, and cameras are unknown; "
            "--pattern '(?P<camera>[^/]+)/' reads it as the camera, '(?P<identity>...)...(?P<camera>...)' "
            "reads both"
        )
    return _NOTHING, (
        "no pattern given, and nothing in the names says who is shown; "
        "--pattern '(?P<identity>...)...(?P<camera>...)' reads identities"
    )


def _compiled(text: str) -> re.Pattern[str]:
    """Compile a user's pattern."""
    example = "for example --pattern '(?P<identity>[^/]+)/cam(?P<camera>[0-9]+)'"
    try:
        pattern = re.compile(text)
    except re.error as error:
        message = f"the pattern {text!r} is not a regular expression: {error}; {example}"
        raise ValueError(message) from None
    if not pattern.groupindex or not set(pattern.groupindex) <= {"identity", "camera"}:
        message = f"the pattern {text!r} needs a named group identity, camera, or both; {example}"
        raise ValueError(message)
    return pattern
