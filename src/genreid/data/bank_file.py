"""The file behind an `ImageBank`: its key, how it is filled in parallel, and how it is opened again."""

import errno
import hashlib
import json
import logging
import math
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genreid.data.cache import CACHE_VARIABLE, cache_root, private_folder
from genreid.data.decode import Kind, UInt8
from genreid.data.decode_all import decode_all, usable_cores
from genreid.data.decode_rows import Decoding
from genreid.data.leftovers import part_of

logger = logging.getLogger(__name__)

BANK_VERSION = 2
"""Raised when decoding or what is kept beside the array changes, so that old banks are not used."""
_OWN_HASH = "sha256"
"""Entry of the facts beside an array: the SHA-256 of all others."""

_SPLIT_FOLDERS = (
    *("bounding_box_train", "bounding_box_test", "query", "gallery"),
    *("train", "test", "mask_train_v2", "mask_test_v2"),
)
"""Folders of one split in the formats that are known: masks lie under the same names, in their own folder."""


@dataclass(frozen=True, slots=True)
class BankKey:
    """What a bank's content depends on.

    Attributes:
        paths: The files, in the order of the rows.
        size: Height and width.
        kind: What they are.
        digest: SHA-256 of all of it and of every file's size and time.
    """

    paths: tuple[Path, ...]
    size: tuple[int, int]
    kind: Kind
    digest: str

    @classmethod
    def of(cls, paths: tuple[Path, ...], size: tuple[int, int], kind: Kind) -> "BankKey":
        """Look at every file once and make the key.

        Args:
            paths: The files.
            size: Height and width.
            kind: What they are.

        Raises:
            ValueError: If a size is not positive or masks are missing.
        """
        if min(size) < 1:
            message = f"image size {size[0]} x {size[1]} is not positive (height x width)"
            raise ValueError(message)
        digest = hashlib.sha256(f"{BANK_VERSION} {kind} {size[0]}x{size[1]} {len(paths)}".encode())
        missing = []
        for path in paths:
            digest.update(os.fsencode(path.absolute()) + b"\0")
            try:
                status = path.stat()
                digest.update(b"%d %d\0" % (status.st_size, status.st_mtime_ns))
            except (OSError, ValueError):  # a name with a zero byte in it
                missing.append(path)
        if missing and kind == "mask":
            raise ValueError(_missing_masks(missing, paths))
        return cls(paths, size, kind, digest.hexdigest())

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array."""
        return (len(self.paths), 1 if self.kind == "mask" else 3, *self.size)


class BankContent(NamedTuple):
    """What the files of a bank hold.

    Attributes:
        array: uint8 [N,C,H,W], read only.
        reasons: Row -> why its file cannot be read.
        sizes: Row -> height and width of the file itself, of those that can be read.
        sums: CRC-32 of each row's bytes.
    """

    array: UInt8
    reasons: Mapping[int, str]
    sizes: Mapping[int, tuple[int, int]]
    sums: tuple[int, ...]


def open_or_build(
    key: BankKey, cache_dir: Path | None = None, workers: int | None = None, *, shown: bool = True
) -> BankContent:
    """Open the file of a bank, or make it; one whose rows do not have their sums is made again.

    Args:
        key: What the bank holds.
        cache_dir: Folder of the files; default: `banks` in the cache.
        workers: Processes that decode; default: one for each core.
        shown: Whether progress is shown.

    Raises:
        ValueError: If the disk has no room.
    """
    if not key.paths:
        return BankContent(np.zeros(key.shape, np.uint8), {}, {}, ())
    folder = cache_dir or cache_root() / "banks"
    if folder.is_dir():
        private_folder(folder)
    opened = _open(folder, key)
    if opened is None:
        _build(folder, key, workers, shown=shown)
        opened = _open(folder, key)
    if opened is None:
        message = (
            f"the decoded images in {folder} do not hold what was written just now: the disk is damaged or "
            f"another program writes there. Set {CACHE_VARIABLE} to another folder"
        )
        raise ValueError(message)
    return opened


def forget_images(paths: Iterable[Path], cache_dir: Path | None = None) -> int:
    """Delete every bank that holds one of some images, or that does not say what it holds.

    Args:
        paths: The files; they need not be there any more.
        cache_dir: Folder of the banks; default: `banks` in the cache.

    Returns:
        The number of banks deleted. Nothing is lost by it but time.
    """
    marks = {_file_mark(path) for path in paths}
    deleted = 0
    for facts in (cache_dir or cache_root() / "banks").glob("[!.]*.json"):
        try:
            files = json.loads(facts.read_text(encoding="utf-8")).get("files")
        except (OSError, ValueError, AttributeError):
            files = None
        if files is None or not marks.isdisjoint(files):
            facts.with_suffix(".npy").unlink(missing_ok=True)
            facts.unlink(missing_ok=True)
            deleted += 1
    return deleted


def _file_mark(path: Path) -> str:
    """Return a short text that stands for a file's name without telling it."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]


def _open(folder: Path, key: BankKey) -> BankContent | None:
    """Open a finished bank; None if there is none or it is damaged."""
    files = [folder / f"{key.digest}.{end}" for end in ("json", "npy")]
    if not all(file.is_file() for file in files):
        return None
    try:
        facts = json.loads(files[0].read_bytes())
        array = np.load(files[1], mmap_mode="r", allow_pickle=False)
        if facts.pop(_OWN_HASH) == _hash_of(facts) and (array.shape, array.dtype) == (key.shape, np.uint8):
            reasons, sizes, sums = facts["unreadable"], facts["sizes"], tuple(facts["sums"])
            if sums_of(array) == sums:
                rows = {int(row): (size[0], size[1]) for row, size in sizes.items()}
                return BankContent(array, {int(row): reason for row, reason in reasons.items()}, rows, sums)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError):
        pass
    logger.warning("%s: these decoded images are damaged, and made again", files[1])
    return None


def sums_of(array: UInt8) -> tuple[int, ...]:
    """Return the CRC-32 of each row of an array.

    Args:
        array: uint8 [N,C,H,W], row after row in memory.
    """
    with ThreadPoolExecutor(usable_cores()) as pool:  # zlib works outside of Python's lock
        return tuple(pool.map(zlib.crc32, array))


def _hash_of(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the facts beside an array."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _build(folder: Path, key: BankKey, workers: int | None, *, shown: bool) -> None:
    """Fill a bank beside its place, then rename it into place: a killed run leaves no half bank."""
    array_beside, facts_beside = (part_of(folder / f"{key.digest}.{end}") for end in ("npy", "json"))
    try:
        private_folder(folder)
        _make_room(array_beside, key.shape)
        decoding = Decoding(key.size, key.kind, into=array_beside)
        decoded = decode_all(key.paths, decoding, workers, shown=shown)
        with array_beside.open("rb+") as file:
            os.fsync(file.fileno())
        sums = sums_of(np.load(array_beside, mmap_mode="r", allow_pickle=False))
        facts: dict[str, Any] = {"version": BANK_VERSION, "kind": key.kind, "shape": key.shape, "sums": sums}
        facts |= {"unreadable": decoded.reasons, "sizes": decoded.sizes}
        facts["files"] = sorted(_file_mark(path) for path in key.paths)
        facts = json.loads(json.dumps(facts))  # as it will be read
        facts[_OWN_HASH] = _hash_of(facts)
        facts_beside.touch(mode=0o600)
        facts_beside.write_text(json.dumps(facts), encoding="utf-8")
        facts_beside.replace(folder / f"{key.digest}.json")
        array_beside.replace(folder / f"{key.digest}.npy")
    except OSError as error:
        raise ValueError(_no_room(folder, key, error)) from error
    finally:
        array_beside.unlink(missing_ok=True)
        facts_beside.unlink(missing_ok=True)


def _make_room(path: Path, shape: tuple[int, ...]) -> None:
    """Make the empty file with all its blocks: under a memory map a full disk would kill the process."""
    needed = math.prod(shape)
    if shutil.disk_usage(path.parent).free < needed + (1 << 20):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    path.touch(mode=0o600)
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        start = file.tell()
        file.truncate(start + needed)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), start, needed)


def _no_room(folder: Path, key: BankKey, error: OSError) -> str:
    """Say how much room a bank needs, and what to do."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    remedy = "Free some space, or set" if full else "Set"
    return (
        f"cannot write {math.prod(key.shape) / 1e9:.2f} GB of decoded images to {folder}: "
        f"{error.strerror or error}. {remedy} {CACHE_VARIABLE} to a folder "
        f"{'on a larger disk' if full else 'that can be written'}."
    )


def _missing_masks(missing: list[Path], paths: tuple[Path, ...]) -> str:
    """Name the first missing masks and the command that makes them."""
    named = "\n".join(f"  {path}" for path in missing[:3])
    more = f"\n  ... and {len(missing) - 3} more" if len(missing) > 3 else ""
    root = _masks_root(paths)
    return (
        f"{len(missing)} of {len(paths)} masks are missing:\n{named}{more}\n"
        f"Make them with: genreid mask DIR --out {root} (DIR: the data set's folder; image DIR/a/b.jpg "
        f"has the mask {root / 'a' / 'b.png'})"
    )


def _masks_root(paths: tuple[Path, ...]) -> Path:
    """Return the folder of all masks, as far as paths tell: what they share, above one split's folder."""
    root = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    while root.name in _SPLIT_FOLDERS and root != root.parent:
        root = root.parent
    return root
