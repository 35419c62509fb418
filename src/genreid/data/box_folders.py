"""The tree that Market-1501 made common: flat `bounding_box_train/`, `query/` and `bounding_box_test/`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genreid.data.listing import first_image_names, list_images
from genreid.data.sample import ReidDataset, Sample

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
PROBED_NAMES = 300


@dataclass(frozen=True, slots=True)
class NameFields:
    """What a file name says.

    Attributes:
        pid: Person identity, as in `Sample`.
        camid: Camera of the evaluation protocol.
        physical_camid: The real camera where the protocol merges several.
    """

    pid: int
    camid: int
    physical_camid: int | None = None


NameParser = Callable[[str], NameFields | None]
"""Reads a file name; None where the name does not fit."""


def read_box_folders(root: Path, format: str, parse: NameParser) -> ReidDataset:  # noqa: A002
    """Read the three folders of a data set, whichever of them exist.

    Args:
        root: The folder that holds `bounding_box_train`, `query` and `bounding_box_test`.
        format: Name of the reader, kept in the result.
        parse: Reads identity and camera from a file name.

    Raises:
        ValueError: If none of the folders holds an image whose name fits.
    """
    unmatched: list[Path] = []
    train, query, gallery = (_read_folder(root / name, parse, unmatched) for name in (TRAIN, QUERY, GALLERY))
    if not (train or query or gallery):
        message = (
            f"no image of {root} fits the format {format}: its folders {TRAIN}, {QUERY} and {GALLERY} hold "
            f"{len(unmatched)} images whose names do not fit{_examples(unmatched)}. "
            f"For other names type --format folder --pattern '(?P<identity>...)...(?P<camera>...)'."
        )
        raise ValueError(message)
    notes = tuple(
        f"no images in {root / name}: this data set cannot be used to {use}"
        for name, found, use in (
            (TRAIN, train, "train"),
            (QUERY, query, "evaluate"),
            (GALLERY, gallery, "evaluate"),
        )
        if not found
    )
    return ReidDataset(format, root, train, query, gallery, tuple(unmatched), notes=notes)


def share_that_fits(root: Path, parse: NameParser) -> float:
    """Return which share of a few hundred names below `root` the parser `parse` reads; 0 without any."""
    names = [
        name for folder in (TRAIN, QUERY, GALLERY) for name in first_image_names(root / folder, PROBED_NAMES)
    ]
    return sum(parse(name) is not None for name in names) / len(names) if names else 0.0


def _read_folder(folder: Path, parse: NameParser, unmatched: list[Path]) -> tuple[Sample, ...]:
    """Read one split; names that do not fit are added to `unmatched`."""
    samples = []
    for path in list_images(folder):
        fields = parse(path.name)
        if fields is None:
            unmatched.append(path)
        else:
            samples.append(Sample(path, fields.pid, fields.camid, fields.physical_camid))
    return tuple(samples)


def _examples(paths: list[Path]) -> str:
    """Name the first few files, for a message."""
    return f" (such as {', '.join(repr(path.name) for path in paths[:3])})" if paths else ""
