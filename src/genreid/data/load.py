"""One door to every data set: `load_dataset`."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from genreid.data import cuhk03, cuhk03_np, dukemtmc, folder, market1501, msmt17
from genreid.data.doubts import doubts, expect_one_identity
from genreid.data.files_seen import ARCHIVES, REASONS, count_files, walk_all
from genreid.data.listing import is_leaving
from genreid.data.numbering import numbers_that_fit
from genreid.data.reader_options import ReaderOptions, choose_format, describe_variants
from genreid.data.sample import ReidDataset, count_cameras, count_pids

logger = logging.getLogger(__name__)

_LOOKED_AT = 5000


@dataclass(frozen=True, slots=True)
class Reader:
    """One format.

    Attributes:
        recognises: Says whether a folder or file is of this format.
        read: Reads it.
        expected: What its tree looks like, for messages.
    """

    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReaderOptions], ReidDataset]
    expected: str


READERS: dict[str, Reader] = {
    module.NAME: Reader(module.recognises, module.read, module.EXPECTED)
    for module in (cuhk03, msmt17, cuhk03_np, dukemtmc, market1501, folder)
}
"""Every format by name, the most particular first: the first that recognises a tree reads it."""


def load_dataset(
    root: str | Path,
    format: str | None = None,  # noqa: A002
    options: ReaderOptions | None = None,
) -> ReidDataset:
    """Read the lists of a re-identification data set; no image is opened.

    Args:
        root: The data set's folder (for the format `folder` also a CSV file).
        format: One of `READERS`; default: recognised from the tree. Some have variants, written after a colon
            and joined by `+`: `cuhk03:` `detected` or `labeled` boxes, `new` or `classic` protocol, `split0`
            to `split19` of the classic one, as in `cuhk03:labeled+classic+split3`; `cuhk03-np:` `detected` or
            `labeled`; `msmt17:` `train+val` or `train`. The first of each is the default.
        options: The same choices by name, and more.

    Raises:
        ValueError: If the folder is absent, holds no known tree, or does not fit the format, or the
            format or a variant of it is not known.
    """
    place = Path(root).expanduser()
    if not place.exists():
        message = (
            f"no data set at {place}: there is no such folder or file. Give the folder that holds the images."
        )
        raise ValueError(message)
    if place.is_file() and place.suffix.lower() in ARCHIVES:
        message = f"{place} is an archive: unpack it, and give the folder that it makes"
        raise ValueError(message)
    name, chosen = choose_format(format, options or ReaderOptions())
    # Only the format `folder` reads a pattern, so whoever gives one means it.
    name = name or (folder.NAME if chosen.pattern is not None else recognise(place))
    if name not in READERS:
        message = (
            f"format {name!r} is not known, expected one of {', '.join(READERS)}; "
            f"with variants: {describe_variants()}"
        )
        raise ValueError(message)
    dataset = READERS[name].read(place, chosen)
    expect_one_identity(dataset)
    dataset = numbers_that_fit(dataset)
    elsewhere = not (dataset.root.is_relative_to(place) or place.is_relative_to(dataset.root))
    place = dataset.root if elsewhere else place  # images of CUHK03's .mat file lie in the cache
    return replace(dataset, place=place, warnings=(*dataset.warnings, *doubts(dataset)))


def open_dataset(root: Path, format: str | None = None, pattern: str | None = None) -> ReidDataset:  # noqa: A002
    """Read a data set for a command: as `load_dataset`, and the log says what was read and what was not.

    Args:
        root: The data set's folder.
        format: As in `load_dataset`.
        pattern: Format `folder`: where identity and camera stand in a path.

    Raises:
        ValueError: As in `load_dataset`.
    """
    dataset = load_dataset(root, format, ReaderOptions(pattern=pattern))
    splits = {"train": dataset.train, "query": dataset.query, "gallery": dataset.gallery}
    counts = ", ".join(
        f"{name} {len(samples):,} images, {count_pids(samples):,} people, {count_cameras(samples)} cameras"
        for name, samples in splits.items()
        if samples
    )
    logger.info("%s (%s): %s", root, dataset.format, counts)
    for note in dataset.notes:
        logger.info("%s: %s", root, note)
    for warning in dataset.warnings:
        logger.warning("%s: %s", root, warning)
    found = count_files(dataset).files
    logger.info("%s: %s", root, found)
    for left in found.to_mend:
        logger.warning("%s: %s. %s", root, left, REASONS[left.reason])
    return dataset


def recognise(root: Path) -> str:
    """Return the name of the format of a tree.

    Args:
        root: An existing folder or file.

    Raises:
        ValueError: If no reader knows the tree; says what was found, what is expected and what to type.
    """
    released = [name for name in READERS if name != folder.NAME and READERS[name].recognises(root)]
    if released:
        return released[0]
    # A release one folder down would look like an own tree with a single person: ask instead.
    inside = [path for path in _folders(root) if _is_released(path)]
    if not inside and folder.recognises(root):
        return folder.NAME
    raise ValueError(_unknown_tree(root, inside))


def _is_released(root: Path) -> bool:
    """Return whether a folder is one of the public data sets."""
    return any(reader.recognises(root) for name, reader in READERS.items() if name != folder.NAME)


def _unknown_tree(root: Path, inside: list[Path]) -> str:
    """Describe a tree that no reader knows, and what to do."""
    entries = (
        sorted(
            path.name + ("/" if path.is_dir() else "") for path in root.iterdir() if not is_leaving(path.name)
        )
        if root.is_dir()
        else []
    )
    found = ", ".join(entries[:8]) + (f", ... ({len(entries)} entries)" if len(entries) > 8 else "")
    expected = "\n".join(f"  {name}: {reader.expected}" for name, reader in READERS.items())
    endings = Counter(path.suffix.lower() or "no ending" for path in _some_files(root))
    if endings:
        found += f"; files of it end in {', '.join(f'{name} ({n})' for name, n in endings.most_common(5))}"
    hint = (
        f"Did you mean {' or '.join(str(path) for path in inside[:3])}?"
        if inside
        else "Give another folder; or, for own images, say which part of the path is the identity: "
        "--format folder --pattern '(?P<identity>[^/]+)/cam(?P<camera>[0-9]+)'"
    )
    return (
        f"{root} is not a data set that is known.\n"
        f"Found: {found or 'nothing'}\nExpected one of:\n{expected}\n{hint}"
    )


def _folders(root: Path) -> list[Path]:
    """Return the folders directly in a folder."""
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _some_files(root: Path) -> list[Path]:
    """Return the first few thousand files below a folder."""
    if not root.is_dir():
        return []
    files = (Path(folder, name) for folder, names in walk_all(root) for name in names if not is_leaving(name))
    return list(islice(files, _LOOKED_AT))
