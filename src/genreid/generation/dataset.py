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
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from genreid.data.box_folders import GALLERY, QUERY, TRAIN
from genreid.data.decode_all import usable_cores
from genreid.data.plain_file import read_json_object
from genreid.data.progress import progress_of
from genreid.data.sample import Sample
from genreid.data.whole_file import write_whole
from genreid.generation.dataset_plan import BLOCK, People, Planned, mixture, planned_block
from genreid.generation.swapping import Swapper
from genreid.models.appearance import STRIPES
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
QUALITY, PUBLISHED_QUALITY = 95, 75
"""Of the JPEG files; the second is Pillow's default, with which those of DG-Net's table 2 were saved."""
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
        as_published: As the pictures of DG-Net's table 2 were made (spec evaluation G6): values are cut off
            to whole numbers, not rounded, JPEG has quality 75, and people are mixed with themselves, too.
    """

    out: Path
    count: int
    seed: int = 0
    run: Path | None = None
    as_published: bool = False

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
        wanted: How many were wanted.
    """

    images: int
    kept: int
    finished: bool
    wanted: int


class Maker(Protocol):
    """What makes the pictures of a data set: picture i is a pure function of its settings and i."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Of manifest.csv."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides the pictures; JSON values."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """What else whoever looks at the pictures wants to know; JSON values."""

    def planned(self, block: int) -> Sequence[Planned]:
        """Return the pictures of a block, in order.

        Args:
            block: Number of the block of `BLOCK` pictures, from 0; the last one may hold fewer.
        """

    def line(self, picture: Planned) -> Sequence[str | int]:
        """Return a picture's line of manifest.csv, without its file.

        Args:
            picture: The picture.
        """

    def prepare(self, pictures: int, *, shown: bool) -> None:
        """Get ready.

        Args:
            pictures: Number of pictures that will be made.
            shown: Whether progress is shown.
        """

    def make(self, block: int) -> NDArray[np.uint8]:
        """Return all pictures of a block: uint8 [N, 3, H, W].

        Args:
            block: Number of the block, from 0.
        """


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
    return write_dataset(_Swaps(swapper, people, order), order, shown=shown)


def write_dataset(maker: Maker, order: DatasetOrder, *, shown: bool = True) -> Generated:
    """Write the pictures of a maker as a Market-1501 tree, and what they are made of.

    Pictures that are there are kept, so the same call goes on where it was broken off, and a larger count
    adds pictures.

    Args:
        maker: Makes them.
        order: Where to, how many.
        shown: Whether progress is shown.

    Raises:
        ValueError: If the folder holds something else, pictures made with other settings, or more of them.
        OSError: If the disk does not take a file.
    """
    quality = PUBLISHED_QUALITY if order.as_published else QUALITY
    settings = {**maker.settings, "seed": order.seed, "quality": quality}
    settings |= {"as_published": True} if order.as_published else {}
    _claim(order, settings, maker.notes)
    folder = order.out / TRAIN
    for name in (TRAIN, QUERY, GALLERY):
        (order.out / name).mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    plan = [picture for picture in _plan(maker, order.count) if picture.number < order.count]
    missing = [picture for picture in plan if picture.name not in there]
    try:
        if missing:
            _write_missing(maker, order, missing, shown=shown)
    finally:  # whatever happens, the manifest names what is there
        there = {path.name for path in folder.iterdir()}
        written = [picture for picture in plan if picture.name in there]
        write_whole(order.out / MANIFEST, _manifest(maker, written))
    if len(written) < len(plan):
        logger.info("%s: %d of %d; the same command goes on", order.out, len(written), len(plan))
    return Generated(len(written), len(plan) - len(missing), len(written) == len(plan), len(plan))


def _plan(maker: Maker, count: int) -> Iterator[Planned]:
    """Yield the pictures of all blocks that are begun."""
    for block in range(-(-count // BLOCK)):
        yield from maker.planned(block)


def _write_missing(maker: Maker, order: DatasetOrder, missing: Sequence[Planned], *, shown: bool) -> None:
    """Write pictures until all are there, or a signal asks for an end."""
    maker.prepare(len(missing), shown=shown)
    session = Session(order.out)
    with session.catching_signals(), progress_of("generating images", len(missing), shown=shown) as advance:
        for done in _write_blocks(maker, order, missing, session.must_stop):
            advance(done)


def _write_blocks(
    maker: Maker, order: DatasetOrder, missing: Iterable[Planned], must_stop: Callable[[], bool]
) -> Iterator[int]:
    """Write pictures block by block; while one is written by threads, the next is on the device.

    Yields:
        How many more are done.
    """
    blocks: dict[int, list[Planned]] = {}
    for picture in missing:
        blocks.setdefault(picture.number // BLOCK, []).append(picture)
    folder, quality = order.out / TRAIN, PUBLISHED_QUALITY if order.as_published else QUALITY
    pending: list[Future[None]] = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        for number, pictures in blocks.items():
            images = maker.make(number)
            if pending:
                yield _wait(pending)
            pending = [
                pool.submit(_write_picture, folder / picture.name, images[picture.number % BLOCK], quality)
                for picture in pictures
            ]
            if must_stop():
                break
        yield _wait(pending)


class _Swaps:
    """DG-Net's pictures: an appearance in the structure of another image."""

    columns = COLUMNS

    def __init__(self, swapper: Swapper, people: People, order: DatasetOrder) -> None:
        self.swapper = replace(swapper, truncated=order.as_published)
        self.people, self.order = people, order
        self._codes: Tensor | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Networks, people, size."""
        height, width = self.swapper.size
        return {
            "version": _VERSION,
            "networks": fingerprint_of(*self.swapper.networks),
            "people": self.people.images.fingerprint,
            "readable": len(self.people.images.usable),
            "height": height,
            "width": width,
        }

    @property
    def notes(self) -> Mapping[str, Any]:
        """Where the people are, and how their images were resized."""
        return {"data": str(self.people.root.resolve()), "kind": self.swapper.kind}

    def planned(self, block: int) -> Sequence[Planned]:
        """Return the pictures of a block, in order."""
        return planned_block(self.people, self.order.seed, block, themselves=self.order.as_published)

    def line(self, picture: Planned) -> Sequence[str | int]:
        """Return both real images, relative to their data set's folder, with person and camera."""
        return [
            value
            for sample in (picture.appearance, picture.structure)
            for value in (relative_name(sample, self.people.root), sample.pid, sample.training_camid)
        ]

    def prepare(self, pictures: int, *, shown: bool) -> None:
        """Put the images on the device, and encode the appearances."""
        self.people.images.to_device(self.swapper.compute.device)
        self.remember_appearances(pictures, shown=shown)

    def remember_appearances(self, pictures: int, *, shown: bool) -> None:
        """Encode every appearance once, if each is wanted once at least and all of them fit."""
        count = len(self.people.images.usable)
        width = STRIPES * self.swapper.networks.appearance.feature_channels
        if count > pictures or 4 * count * width > _MAX_CODES:
            return
        codes = torch.empty(count, width, device=self.swapper.compute.device)
        with progress_of("encoding appearances", count, shown=shown) as advance:
            for start in range(0, count, BLOCK):
                # BLOCK images in each pass, as in `make`: codes do not depend on which of them made them
                places = torch.arange(start, start + BLOCK) % count
                codes[places] = self._encode(places)
                advance(min(BLOCK, count - start))
        self._codes = codes

    def make(self, block: int) -> NDArray[np.uint8]:
        """Return all pictures of a block: uint8 [BLOCK, 3, H, W]."""
        places = mixture(self.people.pids, self.order.seed, block, themselves=self.order.as_published)
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


def _manifest(maker: Maker, pictures: Iterable[Planned]) -> bytes:
    """Return manifest.csv."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(maker.columns)
    for picture in pictures:
        table.writerow([f"{TRAIN}/{picture.name}", *maker.line(picture)])
    return text.getvalue().encode("utf-8", "surrogateescape")


def relative_name(sample: Sample, root: Path) -> str:
    """Return a real image's path relative to its data set's folder, as manifest.csv has it.

    Args:
        sample: The image.
        root: The folder.
    """
    inside = sample.path.is_relative_to(root)
    return sample.path.relative_to(root).as_posix() if inside else sample.path.name


def fingerprint_of(*networks: nn.Module) -> str:
    """Return the SHA-256 of all weights.

    Args:
        *networks: The networks that make the pictures.
    """
    digest = hashlib.sha256()
    for network in networks:
        for name, value in network.state_dict().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _claim(order: DatasetOrder, settings: Mapping[str, Any], notes: Mapping[str, Any]) -> None:
    """Leave a note of what is made, or compare with the one that is there."""
    note, out = order.out / SETTINGS, order.out
    before: dict[str, Any] = {"run": order.run and str(order.run.resolve()), **notes}
    if note.exists():
        before = _read_note(note)
        names = {**settings, **{name: None for name in ("as_published",) if name in before}}
        changed = [name for name in names if before.get(name) != settings.get(name)]
        if changed:
            lines = "\n".join(
                f"  {name}: {before.get(name)} there, {settings.get(name)} now" for name in changed
            )
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
