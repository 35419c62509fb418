"""Which pictures a run began with, so that one that was replaced under it is noticed: RUN/pixels.json.

The sums are of decoded pixels: a copy of the data set elsewhere, or another time of a file, changes nothing.
"""

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from genreid.data.bank import ImageBank
from genreid.data.batch import ImageSet
from genreid.data.cache import CACHE_VARIABLE, cache_root, private_folder
from genreid.data.decode import Kind
from genreid.data.plain_file import read_json_object
from genreid.data.whole_file import write_whole
from genreid.runs.loop import Session
from genreid.runs.run import Run

logger = logging.getLogger(__name__)

_EXAMPLES = 3


def note_images(session: Session, images: ImageSet) -> None:
    """Keep the sums of a run's pictures and masks, or name those that are not what the run began with.

    Args:
        session: Whose run; its `verify` asks to look at the files themselves and not at the cache.
        images: What is learnt from.

    Raises:
        ValueError: With `verify`, if files were changed and kept size and time.
    """
    path = Run(session.run).pixels
    try:
        record = read_json_object(path)
    except FileNotFoundError:
        record = {}
    except ValueError as error:
        logger.warning("%s; which pictures the run began with is not known any more", error)
        record = {}
    kept = dict(record)
    banks: tuple[tuple[Kind, ImageBank | None], ...] = ((images.kind, images.bank), ("mask", images.masks))
    for kind, bank in banks:
        if bank is not None:
            if session.verify:
                _expect_what_is_cached(bank, kind)
            height, width = bank.height_width
            name = f"{images.fingerprint} {kind} {height}x{width}"
            _warn_of_others(session.run, bank, record.get(name))
            kept.setdefault(name, bank.sums)
    if kept != record:
        write_whole(path, json.dumps(kept) + "\n")


def _warn_of_others(run: Path, bank: ImageBank, before: object) -> None:
    """Name the pictures that are not those of the run's beginning."""
    if not isinstance(before, list) or len(before) != len(bank.sums):
        return
    changed = [path for path, old, new in zip(bank.paths, before, bank.sums, strict=True) if old != new]
    if changed:
        logger.warning(
            "%s: %d of %d pictures are not those that the run began with, such as %s: replaced, or decoded "
            "otherwise by another version of Pillow. The run goes on with those that are there now",
            *(run, len(changed), len(bank.paths), _named(changed)),
        )


def _expect_what_is_cached(bank: ImageBank, kind: Kind) -> None:
    """Decode the files anew, and refuse if the cache holds others."""
    with tempfile.TemporaryDirectory(dir=private_folder(cache_root())) as folder:
        fresh = ImageBank.build(bank.paths, bank.height_width, kind, Path(folder))
        changed = [
            path for path, old, new in zip(bank.paths, bank.sums, fresh.sums, strict=True) if old != new
        ]
    if changed:
        msg = (
            f"--verify: {len(changed)} of {len(bank.paths)} files are not what was decoded of them before, "
            f"such as {_named(changed)}: they were changed and kept size and time. Delete "
            f"{cache_root() / 'banks'}, or set {CACHE_VARIABLE} to another folder: then they are decoded anew"
        )
        raise ValueError(msg)


def _named(paths: Sequence[Path]) -> str:
    """Name a few files."""
    return ", ".join(str(path) for path in paths[:_EXAMPLES])
