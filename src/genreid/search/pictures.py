"""Images that shall go into a gallery: their files, and what a pattern reads from their paths."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from genreid.data.listing import walk_images
from genreid.data.load import open_dataset
from genreid.data.sample import UNKNOWN_CAMID

GROUPS = frozenset({"camera", "time", "track", "identity"})
"""Named groups that a pattern may have; identities are not kept."""
_EXAMPLE = r"such as --pattern '(?P<camera>[^/]+)/(?P<time>\d{8}-\d{6})_(?P<track>\d+)'"


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of an image beside its pixels."""

    path: str
    """The file, absolute."""
    camera: str = ""
    """Name of the camera; empty: unknown."""
    time: int | None = None
    """Milliseconds since 1970 (UTC, where the text names no zone); None: unknown."""
    track: str = ""
    """Name of the track within its camera; empty: unknown."""


@dataclass(frozen=True)
class PathPattern:
    """Where camera, time and track stand in a path.

    Raises:
        ValueError: If it is no regular expression, or has no group that is known.
    """

    pattern: str
    """Regular expression with the named groups `camera`, `time`, `track`; searched in a path."""
    time_format: str | None = None
    """As of `datetime.strptime`; None: ISO 8601, or seconds since 1970."""

    def __post_init__(self) -> None:
        """Refuse what names nothing."""
        try:
            groups = set(re.compile(self.pattern).groupindex)
        except re.error as error:
            msg = f"--pattern {self.pattern!r} is no regular expression: {error}; {_EXAMPLE}"
            raise ValueError(msg) from None
        if not groups or not groups <= GROUPS:
            msg = f"--pattern {self.pattern!r} needs named groups among camera, time, track; {_EXAMPLE}"
            raise ValueError(msg)

    def read(self, path: Path, shown: str) -> Labels | None:
        """Return what a path says, or None if the pattern does not fit it.

        Args:
            path: The file.
            shown: The text that is searched: the path below the folder that was given.

        Raises:
            ValueError: If the time cannot be read.
        """
        found = re.search(self.pattern, shown)
        if found is None:
            return None
        said = found.groupdict()
        moment = said.get("time")
        time = None if moment is None else parse_time(moment, self.time_format)
        return Labels(str(path.absolute()), said.get("camera") or "", time, said.get("track") or "")


class Found(NamedTuple):
    """Files of images.

    Attributes:
        labels: One entry a file.
        unmatched: Files whose path does not fit the pattern.
    """

    labels: tuple[Labels, ...]
    unmatched: tuple[Path, ...] = ()


def parse_time(text: str, time_format: str | None = None) -> int:
    """Read a time.

    Args:
        text: Such as `2026-11-29`, `2026-11-29T14:05:00+01:00`, `1764425100.5`, or as `time_format` says.
        time_format: As of `datetime.strptime`; None: ISO 8601, or seconds (eight digits
            are a date).

    Returns:
        Milliseconds since 1970, in UTC where the text names no zone.

    Raises:
        ValueError: If the text is no such time; says what to type.
    """
    try:
        if time_format is not None:
            moment = datetime.strptime(text, time_format)
        elif re.fullmatch(r"(\d{1,7}|\d{9,})(\.\d+)?", text):
            return round(float(text) * 1000)
        else:
            moment = datetime.fromisoformat(text)
    except ValueError as error:
        expected = f"the format {time_format!r}" if time_format else "ISO 8601, such as 2026-11-29T14:05:00"
        msg = f"time {text!r}: expected {expected}; --time-format '%Y%m%d-%H%M%S' says another one"
        raise ValueError(msg) from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def time_text(time: int | None) -> str | None:
    """Return a time as ISO 8601 text in UTC, with milliseconds only where there are some.

    Args:
        time: Milliseconds since 1970, or None.
    """
    if time is None:
        return None
    moment = datetime.fromtimestamp(time / 1000, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if time % 1000 else "seconds")


def of_folder(folder: Path, split: str, pattern: PathPattern | None) -> Found:
    """List the images of a data set, or of any folder if a pattern is given.

    Args:
        folder: The folder.
        split: Without a pattern: `train`, `query`, `gallery` or `all`.
        pattern: Read in the path below the folder.

    Raises:
        ValueError: If there are no images, or a time cannot be read.
    """
    if pattern is None:
        dataset = open_dataset(folder)
        splits = {"train": dataset.train, "query": dataset.query, "gallery": dataset.gallery}
        chosen = [sample for name in splits if split in {name, "all"} for sample in splits[name]]
        names = {sample.camid: str(sample.camid) for sample in chosen} | dict(dataset.camera_names)
        names[UNKNOWN_CAMID] = ""
        found = Found(tuple(Labels(str(sample.path.absolute()), names[sample.camid]) for sample in chosen))
    else:
        place = folder.expanduser()
        found = _read_all(
            pattern, ((path, path.relative_to(place).as_posix()) for path in walk_images(place))
        )
    if not found.labels:
        fits = f"; {len(found.unmatched)} do not fit --pattern {pattern.pattern!r}" if pattern else ""
        msg = f"{folder}: no images{fits}. Give another --data, --split or --pattern"
        raise ValueError(msg)
    return found


def of_files(files: Sequence[Path], pattern: PathPattern | None) -> Found:
    """Take single files, or folders with all images in them.

    Args:
        files: Files and folders.
        pattern: Read in each path as it was typed; None: nothing is known but the path.

    Raises:
        ValueError: If something is not there, or there is no image.
    """
    paths: list[Path] = []
    for path in files:
        if not path.exists():
            msg = f"{path}: no such file or folder; give images, or --data DIR"
            raise ValueError(msg)
        paths += walk_images(path) if path.is_dir() else [path]
    if not paths:
        msg = f"{', '.join(map(str, files))}: no images there; give image files, or --data DIR"
        raise ValueError(msg)
    if pattern is None:
        return Found(tuple(Labels(str(path.absolute())) for path in paths))
    found = _read_all(pattern, ((path, path.as_posix()) for path in paths))
    if not found.labels:
        msg = (
            f"none of {len(paths)} images fits --pattern {pattern.pattern!r}, such as {paths[0]}; {_EXAMPLE}"
        )
        raise ValueError(msg)
    return found


def _read_all(pattern: PathPattern, paths: Iterable[tuple[Path, str]]) -> Found:
    """Read every path."""
    labels, unmatched = [], []
    for path, shown in paths:
        read = pattern.read(path, shown)
        if read is None:
            unmatched.append(path)
        else:
            labels.append(read)
    return Found(tuple(labels), tuple(unmatched))


def content_key(path: Path) -> int:
    """Return the number that stands for a file's content in every gallery.

    Args:
        path: A file that can be read.

    Returns:
        The first 8 bytes of its SHA-256 as a signed number: the same for the same bytes, whatever the name.
        Among a million images two different ones share a number with a chance of 3e-8.
    """
    with path.open("rb") as content:
        return int.from_bytes(hashlib.file_digest(content, "sha256").digest()[:8], "big", signed=True)
