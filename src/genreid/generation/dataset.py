"""A data set of generated people, as DG-Market: a Market-1501 tree, and a manifest of what is mixed.

DG-Market, which the authors of DG-Net published, has 128,307 images generated from the training people of
Market-1501.
"""

import csv
import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from genreid.data.box_folders import GALLERY, QUERY, TRAIN
from genreid.data.decode_all import usable_cores
from genreid.data.plain_file import read_json_object
from genreid.data.progress import progress_of
from genreid.data.sample import Sample
from genreid.data.whole_file import write_whole
from genreid.generation.dataset_plan import BLOCK, People, Planned, mixture, planned_block
from genreid.generation.swapping import Swapper
from genreid.models.appearance import STRIPES
from genreid.models.dgnet import DgnetNetworks
from genreid.runs.loop import Session

logger = logging.getLogger(__name__)

MANIFEST, SETTINGS = "manifest.csv", "manifest.json"
"""Files in the data set's folder: a line for each picture; what all of them were made with."""
COLUMNS = (
    "file",
    "appearance",
    "appearance_pid",
    "appearance_camid",
    "structure",
    "structure_pid",
    "structure_camid",
)
"""Columns of manifest.csv; both real images are named relative to their own data set."""
_QUALITY, _PUBLISHED_QUALITY = 95, 75
"""Of the JPEG files; the second as DG-Net's authors write them."""
_MAX_CODES = 4 << 30
"""Bytes of appearance codes that are kept, so that every image is encoded once."""
_VERSION = 1
"""Grows when the same settings give other pictures."""


@dataclass(frozen=True)
class DatasetOrder:
    """What is wanted.

    Attributes:
        out: The data set's folder; one that was begun with the same settings is gone on with.
        count: Number of pictures.
        seed: Which pictures.
        run: The run folder, for the record.
        as_published: Files as the authors' program writes them: values truncated, JPEG quality 75.
    """

    out: Path
    count: int
    seed: int = 0
    run: Path | None = None
    as_published: bool = False

    @property
    def quality(self) -> int:
        """Of the JPEG files."""
        return _PUBLISHED_QUALITY if self.as_published else _QUALITY

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.count < 1:
            msg = f"--count must be 1 or more, got {self.count}"
            raise ValueError(msg)


class Generated(NamedTuple):
    """What `generate_dataset` did.

    Attributes:
        images: Number of pictures in the data set.
        kept: How many of them were there before.
        finished: Whether all that were wanted are there; False after a signal.
    """

    images: int
    kept: int
    finished: bool


def generate_dataset(
    swapper: Swapper, people: People, order: DatasetOrder, *, shown: bool = True
) -> Generated:
    """Write a data set of people in other people's pose and place.

    A picture is labelled with the person who gives the appearance, as in equation 6, and with the camera of
    the image that gives the structure, since it shows that background. Pictures that are there are kept, so
    the same call goes on where it was broken off, and a larger count adds pictures.

    Args:
        swapper: Generates.
        people: What is mixed.
        order: Where to, how many, which.
        shown: Whether progress is shown.

    Raises:
        ValueError: If the folder holds something else, pictures made with other settings, or more of them.
        OSError: If the disk does not take a file.
    """
    swapper = replace(swapper, truncated=order.as_published)
    _claim(order, _settings(swapper, people, order), people.root)
    folder = order.out / TRAIN
    for name in (TRAIN, QUERY, GALLERY):
        (order.out / name).mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    plan = [picture for picture in _plan(people, order) if picture.number < order.count]
    missing = [picture for picture in plan if picture.name not in there]
    try:
        if missing:
            _write_missing(_Workshop(swapper, people, order), missing, shown=shown)
    finally:  # whatever happens, the manifest names what is there
        there = {path.name for path in folder.iterdir()}
        written = [picture for picture in plan if picture.name in there]
        write_whole(order.out / MANIFEST, _manifest(written, people.root))
    if len(written) < len(plan):
        logger.info("%s: %d of %d; the same command goes on", order.out, len(written), len(plan))
    return Generated(len(written), len(plan) - len(missing), len(written) == len(plan))


def _plan(people: People, order: DatasetOrder) -> Iterator[Planned]:
    """Yield the pictures of all blocks that are begun."""
    for block in range(-(-order.count // BLOCK)):
        yield from planned_block(people, order.seed, block)


def _write_missing(workshop: "_Workshop", missing: Sequence[Planned], *, shown: bool) -> None:
    """Write pictures until all are there, or a signal asks for an end."""
    workshop.remember_appearances(len(missing), shown=shown)
    session = Session(workshop.order.out)
    with session.catching_signals(), progress_of("generating images", len(missing), shown=shown) as advance:
        for done in workshop.write(missing, session.must_stop):
            advance(done)


class _Workshop:
    """Generates blocks; while the files of one are written by threads, the next is on the device."""

    def __init__(self, swapper: Swapper, people: People, order: DatasetOrder) -> None:
        self.swapper, self.people, self.order = swapper, people, order
        self._codes: Tensor | None = None
        people.images.to_device(swapper.compute.device)

    def remember_appearances(self, pictures: int, *, shown: bool) -> None:
        """Encode every appearance once, if each is wanted once at least and all of them fit."""
        count = len(self.people.images.usable)
        width = STRIPES * self.swapper.networks.appearance.feature_channels
        if count > pictures or 4 * count * width > _MAX_CODES:
            return
        codes = torch.empty(count, width, device=self.swapper.compute.device)
        with progress_of("encoding appearances", count, shown=shown) as advance:
            for start in range(0, count, BLOCK):
                # BLOCK images in each pass, as in `_generate`: codes do not depend on which of them made them
                places = torch.arange(start, start + BLOCK) % count
                codes[places] = self._encode(places)
                advance(min(BLOCK, count - start))
        self._codes = codes

    def write(self, missing: Iterable[Planned], must_stop: Callable[[], bool]) -> Iterator[int]:
        """Write pictures block by block; yields how many more are done."""
        blocks: dict[int, list[Planned]] = {}
        for picture in missing:
            blocks.setdefault(picture.number // BLOCK, []).append(picture)
        folder = self.order.out / TRAIN
        pending: list[Future[None]] = []
        with ThreadPoolExecutor(usable_cores()) as pool:
            for number, pictures in blocks.items():
                images = self._generate(number)
                if pending:
                    yield _wait(pending)
                pending = [
                    pool.submit(
                        _write_picture,
                        folder / picture.name,
                        images[picture.number % BLOCK],
                        self.order.quality,
                    )
                    for picture in pictures
                ]
                if must_stop():
                    break
            yield _wait(pending)

    def _generate(self, block: int) -> NDArray[np.uint8]:
        """Return all pictures of a block: uint8 [BLOCK, 3, H, W]."""
        places = mixture(self.people.pids, self.order.seed, block)
        remembered = self._codes
        appearance = self._encode(places.appearance) if remembered is None else remembered[places.appearance]
        structure = self.swapper.encode_structure(self._real(places.structure))
        return self.swapper.decode(structure, appearance)

    def _encode(self, places: Tensor) -> Tensor:
        """Return the appearance codes of real images: float32 [BLOCK, 4C]."""
        return self.swapper.encode_appearance(self._real(places))

    def _real(self, places: Tensor) -> Tensor:
        """Return real images on the device."""
        images = self.people.images
        return images.bank.gather(images.usable[places], self.swapper.compute.device)


def _wait(pending: Iterable[Future[None]]) -> int:
    """Wait until files are written and return their number; an error of the disk is raised here."""
    return sum(future.result() is None for future in pending)


def _write_picture(path: Path, image: NDArray[np.uint8], quality: int) -> None:
    """Write one picture, whole or not at all."""
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(
        encoded, format="JPEG", quality=quality
    )
    write_whole(path, encoded.getvalue())


def _manifest(pictures: Iterable[Planned], root: Path) -> bytes:
    """Return manifest.csv; paths of real images are relative to their data set's folder."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for picture in pictures:
        sources = [_described(sample, root) for sample in (picture.appearance, picture.structure)]
        table.writerow([f"{TRAIN}/{picture.name}", *(value for source in sources for value in source)])
    return text.getvalue().encode("utf-8", "surrogateescape")


def _described(sample: Sample, root: Path) -> list[str | int]:
    """Return a real image's path, pid and camera."""
    inside = sample.path.is_relative_to(root)
    name = sample.path.relative_to(root).as_posix() if inside else sample.path.name
    return [name, sample.pid, sample.training_camid]


def _settings(swapper: Swapper, people: People, order: DatasetOrder) -> dict[str, Any]:
    """Return everything that decides the pictures."""
    height, width = swapper.size
    return {
        "version": _VERSION,
        "networks": _fingerprint(swapper.networks),
        "people": people.images.fingerprint,
        "readable": len(people.images.usable),
        "seed": order.seed,
        "height": height,
        "width": width,
        "quality": order.quality,
        "truncated": order.as_published or None,  # folders of earlier versions do not say it
    }


def _fingerprint(networks: DgnetNetworks) -> str:
    """Return the SHA-256 of all weights."""
    digest = hashlib.sha256()
    for network in networks:
        for name, value in network.state_dict().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _claim(order: DatasetOrder, settings: Mapping[str, Any], root: Path) -> None:
    """Leave a note of what is made, or compare with the one that is there."""
    note, out = order.out / SETTINGS, order.out
    before: dict[str, Any] = {"run": order.run and str(order.run.resolve()), "data": str(root.resolve())}
    if note.exists():
        before = _read_note(note)
        changed = [name for name, value in settings.items() if before.get(name) != value]
        if changed:
            lines = "\n".join(f"  {name}: {before.get(name)} there, {settings[name]} now" for name in changed)
            msg = f"{out} was begun with other settings:\n{lines}\ngive the same, or choose another folder"
            raise ValueError(msg)
        if order.count < before["count"]:
            msg = f"{out} was begun with --count {before['count']}, got {order.count}; it can grow only"
            raise ValueError(msg)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out} is not empty and holds no generated data set; choose a new or empty folder"
        raise ValueError(msg)
    record = {**before, **settings, "count": order.count}
    write_whole(note, json.dumps(record, indent=1) + "\n")


def _read_note(note: Path) -> dict[str, Any]:
    """Return manifest.json of a data set that was begun."""
    try:
        record = read_json_object(note)
        record["count"] = int(record["count"])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{note} is damaged ({error}); choose another folder"
        raise ValueError(msg) from error
    return record
