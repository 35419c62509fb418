"""One door to every data set: `load_dataset`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genreid.data import cuhk03_np, market1501
from genreid.data.reader_options import ReaderOptions
from genreid.data.sample import ReidDataset


@dataclass(frozen=True, slots=True)
class Reader:
    """One format: how it is known, how it is read, and what its tree looks like (for messages)."""

    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReaderOptions], ReidDataset]
    expected: str


READERS = {
    cuhk03_np.NAME: Reader(cuhk03_np.recognises, cuhk03_np.read, cuhk03_np.EXPECTED),
    market1501.NAME: Reader(market1501.recognises, market1501.read, market1501.EXPECTED),
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
        format: One of `READERS`; default: recognised from the tree.
        options: Choices that some formats need.

    Raises:
        ValueError: If the folder is absent, holds no known tree, or does not fit the format.
    """
    place = Path(root).expanduser()
    if not place.exists():
        message = (
            f"no data set at {place}: there is no such folder or file. Give the folder that holds the images."
        )
        raise ValueError(message)
    name = recognise(place) if format is None else format
    if name not in READERS:
        message = f"format {name!r} is not known, expected one of {', '.join(READERS)}"
        raise ValueError(message)
    return READERS[name].read(place, options or ReaderOptions())


def recognise(root: Path) -> str:
    """Return the name of the format of a tree.

    Args:
        root: An existing folder or file.

    Raises:
        ValueError: If no reader knows the tree; says what was found, what is expected and what to type.
    """
    for name, reader in READERS.items():
        if reader.recognises(root):
            return name
    raise ValueError(_unknown_tree(root))


def _unknown_tree(root: Path) -> str:
    """Describe a tree that no reader knows, and what to do."""
    entries = (
        sorted(path.name + ("/" if path.is_dir() else "") for path in root.iterdir()) if root.is_dir() else []
    )
    found = ", ".join(entries[:8]) + (f", ... ({len(entries)} entries)" if len(entries) > 8 else "")
    expected = "\n".join(f"  {name}: {reader.expected}" for name, reader in READERS.items())
    inside = [path for path in _folders(root) if any(reader.recognises(path) for reader in READERS.values())]
    hint = (
        f"Did you mean {inside[0]}?" if inside else "Name the format with --format, or give another folder."
    )
    return (
        f"{root} is not a data set that is known.\n"
        f"Found: {found or 'nothing'}\nExpected one of:\n{expected}\n{hint}"
    )


def _folders(root: Path) -> list[Path]:
    """Return the folders directly in a folder."""
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
