"""A gallery: a folder with the embeddings of many images, to which images come and from which they go.

    GALLERY/gallery.json      which network made the embeddings, and how
    GALLERY/features/         the truth: FeatureSet files with labels (`search/shards.py`)
    GALLERY/index.db/         Milvus Lite, where there are more than 5,000 images; made from the files
    GALLERY/indexed.json      which files are in the index
    GALLERY/lock              which process is at work

No picture is kept: what is shown is read from where the images lie.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from genreid.data.bank import ImageBank
from genreid.data.bank_file import forget_images
from genreid.data.cache import private_folder
from genreid.data.progress import Advance, progress_of
from genreid.data.sample import JUNK_PID, UNKNOWN_CAMID, Sample
from genreid.data.whole_file import write_whole
from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions, mirror_in
from genreid.runs.config_file import config_from_dict, config_to_dict
from genreid.search.alone import alone_in
from genreid.search.milvus import (
    COLLECTION,
    EMBEDDED,
    MilvusIndex,
    delete_embedded,
    expect_installed,
    open_index,
)
from genreid.search.nearest import Hit, Wanted, search_exactly
from genreid.search.pictures import Found, Labels, content_key
from genreid.search.shards import ROWS, UNKNOWN_TIME, Shard, read_shards, rewrite, times_of, write_shard

logger = logging.getLogger(__name__)

EXACT_UP_TO = 5_000
"""Up to so many images a folder is searched as it is, without an index and without the extra `search`."""
DECIDE = ("model", "pooling", "parts", "fine_weight", "mirror", "image_size")
"""Metadata of a FeatureSet that must be equal where embeddings are compared."""
_FACTS, _INDEXED, _FEATURES, _DECODED = "gallery.json", "indexed.json", "features", ".decoded-"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What gallery.json holds.

    Raises:
        ValueError: If it is of a later version of the package.
    """

    version: int = 1
    """Of this layout."""
    run: str
    """The run folder whose network made the embeddings."""
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """The FEATURE OPTIONS that are not the default."""
    features: Mapping[str, str] = field(default_factory=dict)
    """What decides whether embeddings may be compared, see `deciding`."""
    folder: str = _FEATURES
    """Where the FeatureSet files lie; `migrate` makes another one."""

    def __post_init__(self) -> None:
        """Refuse another layout."""
        if self.version != 1:
            msg = f"this gallery is of layout {self.version}, expected 1; use the genreid that made it"
            raise ValueError(msg)

    @property
    def feature_options(self) -> FeatureOptions:
        """The FEATURE OPTIONS."""
        options: Mapping[str, Any] = self.options
        return FeatureOptions(**options)


class Added(NamedTuple):
    """What `add` did.

    Attributes:
        new: Images that were embedded.
        known: Images whose content was there.
        relabelled: Of those, images that got another path, camera, time or track.
        unreadable: Files that are no images.
    """

    new: int
    known: int
    relabelled: int
    unreadable: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which images go."""

    images: Sequence[Path] = ()
    """Files, by path or by content."""
    tracks: Sequence[str] = ()
    """Names of tracks."""
    cameras: Sequence[str] = ()
    """Names of cameras."""
    before: int | None = None
    """Images taken earlier, in milliseconds since 1970; those of unknown time stay."""

    def of(self, shard: Shard) -> NDArray[np.bool_]:
        """Return which images of a file are meant: bool [N].

        Args:
            shard: The file.
        """
        paths = {str(path.absolute()) for path in self.images}
        keys = [content_key(path) for path in self.images if path.is_file()]
        gone = np.isin(shard.keys, np.array(keys, np.int64))
        gone |= np.array([item.path in paths for item in shard.labels], bool)
        gone |= np.array([item.track in self.tracks for item in shard.labels], bool)
        gone |= np.array([item.camera in self.cameras for item in shard.labels], bool)
        times = times_of(shard.labels)
        return gone | ((times < self.before) & (times != UNKNOWN_TIME)) if self.before is not None else gone


def deciding(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return what must be equal where embeddings are compared.

    Args:
        metadata: Of a FeatureSet.
    """
    said = {**metadata, "mirror": mirror_in(metadata) or "off"}
    return {name: value for name, value in said.items() if name in DECIDE}


@dataclass(frozen=True)
class Gallery:
    """A gallery that is there."""

    folder: Path
    """Its folder."""
    facts: Facts
    """What gallery.json says."""
    server: str | None = None
    """`http://HOST:PORT` of a Milvus server that holds the index; None: the folder holds it."""
    collection: str = COLLECTION
    """Name of its collection there."""

    @classmethod
    def open(cls, place: str, files: Path | None = None) -> Self:
        """Open a gallery.

        Args:
            place: Its folder, or `http://HOST:PORT[/NAME]` of a Milvus server.
            files: With a server: the folder of the FeatureSet files; default: HOST-PORT-NAME here.

        Raises:
            ValueError: If there is none, or it is damaged; says what to type.
        """
        where = _Place.of(place, files)
        path = where.folder / _FACTS
        if not path.is_file():
            msg = (
                f"{where.folder} is no gallery: there is no {_FACTS} in it; make one with "
                f"`genreid gallery add {place} --run RUN --data DIR`"
            )
            raise ValueError(msg)
        try:
            facts = config_from_dict(Facts, json.loads(path.read_text(encoding="utf-8")), source=str(path))
        except ValueError as error:
            msg = f"{path} is damaged ({error}); put it back from a copy, or delete it and add with --run RUN"
            raise ValueError(msg) from error
        return cls(where.folder, facts, where.server, where.collection)

    @classmethod
    def create(
        cls, place: str, run: Path, options: FeatureOptions, extractor: Extractor, files: Path | None = None
    ) -> Self:
        """Make an empty gallery, or open the one that is there if it is of the same network.

        Args:
            place: As in `open`.
            run: The run folder.
            options: FEATURE OPTIONS.
            extractor: The run's network, made ready with these options.
            files: As in `open`.

        Raises:
            ValueError: If there is a gallery of another network, mirror setting or pooling.
        """
        where = _Place.of(place, files)
        if (where.folder / _FACTS).exists():
            gallery = cls.open(place, files)
            gallery.expect(extractor)
            return gallery
        if where.folder.exists() and any(where.folder.glob("[!.]*")):
            msg = f"{where.folder} is there and is no gallery; give an empty or a new folder"
            raise ValueError(msg)
        private_folder(where.folder)
        where.folder.chmod(0o700)
        facts = _facts(run, options, extractor)
        gallery = cls(where.folder, facts, where.server, where.collection)
        gallery._write_facts(facts)
        return gallery

    @property
    def features(self) -> Path:
        """Folder of the FeatureSet files."""
        return self.folder / self.facts.folder

    def expect(self, extractor: Extractor) -> None:
        """Refuse a network whose embeddings cannot be compared with these.

        Args:
            extractor: A network that is ready to embed.

        Raises:
            ValueError: Says what differs, and what to type.
        """
        there, here = self.facts.features, deciding(extractor.metadata)
        other = [name for name in DECIDE if there.get(name) != here.get(name)]
        if other:
            differ = ", ".join(
                f"{name} is {there.get(name)} there and {here.get(name)} here" for name in other
            )
            msg = (
                f"{self.folder} holds embeddings of another network or other feature options ({differ}); "
                f"`genreid gallery migrate {self.folder} --run RUN` makes them anew"
            )
            raise ValueError(msg)

    def describe_index(self, rows: int) -> str:
        """Say how a gallery of so many images is searched.

        Args:
            rows: Images in it.
        """
        if self.server is not None:
            return f"Milvus at {self.server}, collection {self.collection}"
        return f"Milvus Lite in {EMBEDDED}" if self._is_indexed(rows) else "none: searched exactly as it is"

    def count(self) -> int:
        """Return the number of images."""
        return sum(len(shard.keys) for shard in self.shards())

    def shards(self) -> tuple[Shard, ...]:
        """Return the gallery's files; embeddings stay on disk until they are used.

        Raises:
            ValueError: If a file is damaged.
        """
        try:
            return read_shards(self.features)
        except FileNotFoundError:  # another process has just replaced one
            return read_shards(self.features)

    def add(self, found: Found, extractor: Extractor) -> Added:
        """Embed images and keep them; what is there by content is not embedded again.

        Stopped at any moment, nothing is lost but the last images, 4,096 at most; the same command goes on.

        Args:
            found: The images.
            extractor: The gallery's network.

        Raises:
            ValueError: If the network is another one, another process is at work, or the disk is full.
        """
        self.expect(extractor)
        with self._at_work():
            shards = self.shards()
            there = np.concatenate([shard.keys for shard in shards] or [np.zeros(0, np.int64)])
            by_key, unreadable = _by_content(found.labels)
            known = by_key.keys() & set(there.tolist())
            if self.server is not None or len(there) + len(by_key) - len(known) > EXACT_UP_TO:
                expect_installed()
            relabelled = sum(self._relabel(shard, by_key) for shard in shards)
            new = [(key, labels) for key, labels in by_key.items() if key not in known]
            done = 0
            with progress_of("adding images", len(new)) as advance:
                for start in range(0, len(new), ROWS):
                    bad = self._embed(new[start : start + ROWS], extractor, advance)
                    done += len(new[start : start + ROWS]) - len(bad)
                    unreadable += bad
            self._fill()
        return Added(done, len(known), relabelled, tuple(unreadable))

    def remove(self, chosen: Selection) -> tuple[str, ...]:
        """Delete images: from the files, from the index, and from genreid's cache of decoded images.

        Args:
            chosen: Which.

        Returns:
            The paths that the gallery had for them.

        Raises:
            ValueError: If another process is at work, or the server is gone.
        """
        with self._at_work():
            paths: list[str] = []
            keys = np.zeros(0, np.int64)
            for shard in self.shards():
                gone = chosen.of(shard)
                if gone.any():
                    paths += [item.path for item in shard.select(gone).labels]
                    keys = np.concatenate([keys, shard.keys[gone]])
                    rewrite(self.features, shard, shard.select(~gone))
            forget_images([*map(Path, paths), *(path.absolute() for path in chosen.images)])
            if len(keys):
                self._forget(keys)
        return tuple(paths)

    def rebuild(self) -> int:
        """Make the index anew from the files; returns the number of images.

        Raises:
            ValueError: If a file is damaged, another process is at work, or the server is gone.
        """
        with self._at_work():
            self._drop()
            self._fill()
            return self.count()

    def migrate(
        self, run: Path, options: FeatureOptions, extractor: Extractor, *, drop_missing: bool = False
    ) -> "Gallery":
        """Embed all images again with another network; until it is done, the gallery is the old one.

        Args:
            run: The other run.
            options: FEATURE OPTIONS.
            extractor: Its network, made ready with them.
            drop_missing: Leave out images whose files are gone or have changed.

        Returns:
            The gallery as it is now.

        Raises:
            ValueError: If files are gone and are not to be dropped, or another process is at work.
        """
        with self._at_work():
            kept = [
                (key, labels)
                for shard in self.shards()
                for key, labels in zip(shard.keys.tolist(), shard.labels, strict=True)
            ]
            missing = [labels.path for key, labels in kept if not _is_there(labels.path, key)]
            if missing and not drop_missing:
                msg = (
                    f"{len(missing)} of {len(kept)} images are gone or have changed since they were added, "
                    f"such as {missing[0]}, and cannot be embedded again; --drop-missing leaves them out"
                )
                raise ValueError(msg)
            facts = _facts(run, options, extractor)
            folder = _FEATURES if self.facts.folder != _FEATURES else f"{_FEATURES}-2"
            shutil.rmtree(self.folder / folder, ignore_errors=True)  # of a run that was killed
            after = replace(self, facts=replace(facts, folder=folder))
            there = set(missing)
            new = [(key, labels) for key, labels in kept if labels.path not in there]
            with progress_of("embedding images anew", len(new)) as advance:
                for start in range(0, len(new), ROWS):
                    after._embed(new[start : start + ROWS], extractor, advance)  # noqa: SLF001
            after.features.mkdir(exist_ok=True)
            self._drop()
            self._write_facts(after.facts)
            shutil.rmtree(self.features, ignore_errors=True)
            after._fill()  # noqa: SLF001
        return after

    def search(self, queries: NDArray[np.float32], wanted: Wanted) -> list[list[Hit]]:
        """Find the nearest images.

        Args:
            queries: float32 [Q,D] of unit length, of the gallery's network.
            wanted: Which images may be found, and how many.

        Returns:
            For each query the nearest first; of equal likeness the smaller key.

        Raises:
            ValueError: If the gallery is empty, in use, or its server is gone.
        """
        shards = self.shards()
        rows = sum(len(shard.keys) for shard in shards)
        if not rows:
            msg = f"{self.folder} is empty; `genreid gallery add {self.folder} --run RUN --data DIR` fills it"
            raise ValueError(msg)
        if not self._is_indexed(rows):
            return search_exactly(shards, queries, wanted)
        if self.server is None or self._indexed() != [shard.path.name for shard in shards]:
            with self._at_work():
                self._fill()
                with self._index() as index:
                    return index.search(queries, wanted)
        with self._index() as index:
            return index.search(queries, wanted)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Be alone in the gallery, and say what a full disk means."""
        with alone_in(self.folder):
            for left in self.folder.glob(f"{_DECODED}*"):  # decoded pictures of a run that was killed
                shutil.rmtree(left, ignore_errors=True)
            try:
                yield
            except OSError as error:
                msg = (
                    f"{self.folder}: {error}; nothing that was there is lost: free some space if the disk is "
                    "full, and type the same command again"
                )
                raise ValueError(msg) from error

    def _embed(
        self, images: Sequence[tuple[int, Labels]], extractor: Extractor, advance: Advance
    ) -> list[str]:
        """Embed images and write them as one file; return those that cannot be read."""
        paths = [Path(labels.path) for _, labels in images]
        with tempfile.TemporaryDirectory(prefix=_DECODED, dir=self.folder) as decoded:
            bank = ImageBank.build(paths, extractor.size, extractor.kind, Path(decoded), progress=False)
            rows = bank.readable_indices.tolist()
            if rows:
                samples = [Sample(path, JUNK_PID, UNKNOWN_CAMID) for path in paths]
                features = extractor.extract_bank(bank, samples)
                keys = np.array([images[row][0] for row in rows], np.int64)
                self.features.mkdir(parents=True, exist_ok=True)
                write_shard(self.features, features, keys, [images[row][1] for row in rows])
            advance(len(images))
            return [str(path) for path in bank.unreadable]

    def _relabel(self, shard: Shard, by_key: Mapping[int, Labels]) -> int:
        """Write a file anew if something else is known of its images now; return of how many."""
        labels = tuple(
            by_key.get(key, old) for key, old in zip(shard.keys.tolist(), shard.labels, strict=True)
        )
        changed = sum(new != old for new, old in zip(labels, shard.labels, strict=True))
        if changed:
            rewrite(self.features, shard, shard._replace(labels=labels))
        return changed

    def _is_indexed(self, rows: int) -> bool:
        """Tell whether a gallery of so many images has an index."""
        return self.server is not None or rows > EXACT_UP_TO

    @contextmanager
    def _index(self) -> Iterator[MilvusIndex]:
        """Open the index."""
        place = self.server or self.folder / EMBEDDED
        with open_index(place, self.collection) as index:
            yield index

    def _fill(self) -> None:
        """Bring the index to what the files hold: nothing to do, some files more, or all anew."""
        shards = self.shards()
        rows = sum(len(shard.keys) for shard in shards)
        if not self._is_indexed(rows) or not rows:
            self._drop()
            return
        names = [shard.path.name for shard in shards]
        with self._index() as index:
            count = index.count()
            done = self._indexed() if count else []
            if done == names and count == rows:
                return
            index.fill([shard for shard in shards if shard.path.name not in done])
            if index.count() != rows:  # images went, or a process was killed at work
                index.drop()
                index.fill(shards)
        self._write_indexed(names)

    def _forget(self, keys: NDArray[np.int64]) -> None:
        """Take images out of the index, with every number of their embeddings."""
        if self.server is None:
            self._drop()
        else:
            with self._index() as index:
                index.forget(keys)
        self._fill()

    def _drop(self) -> None:
        """Delete the index."""
        (self.folder / _INDEXED).unlink(missing_ok=True)
        delete_embedded(self.folder)
        if self.server is not None:
            with self._index() as index:
                index.drop()

    def _indexed(self) -> list[str]:
        """Return the names of the files that are in the index."""
        try:
            return list(json.loads((self.folder / _INDEXED).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return []

    def _write_indexed(self, names: Sequence[str]) -> None:
        """Remember which files are in the index."""
        write_whole(self.folder / _INDEXED, json.dumps(list(names)), lasting=True)

    def _write_facts(self, facts: Facts) -> None:
        """Write gallery.json."""
        write_whole(self.folder / _FACTS, json.dumps(config_to_dict(facts), indent=1) + "\n", lasting=True)


class _Place(NamedTuple):
    """What GALLERY on the command line means."""

    folder: Path
    server: str | None
    collection: str

    @classmethod
    def of(cls, place: str, files: Path | None) -> "_Place":
        """Read a folder or an address."""
        if not place.startswith(("http://", "https://")):
            if files is not None:
                msg = f"--files {files} belongs to a gallery on a server; {place} is a folder itself"
                raise ValueError(msg)
            return cls(Path(place).expanduser(), None, COLLECTION)
        address = urlsplit(place)
        name = address.path.strip("/") or COLLECTION
        if not name.isidentifier() or address.port is None:
            msg = (
                f"{place}: expected http://HOST:PORT or http://HOST:PORT/NAME, such as http://127.0.0.1:19530"
            )
            raise ValueError(msg)
        folder = files or Path(f"{address.hostname}-{address.port}-{name}")
        return cls(folder.expanduser(), f"{address.scheme}://{address.netloc}", name)


def _facts(run: Path, options: FeatureOptions, extractor: Extractor) -> Facts:
    """Return what gallery.json says of a network."""
    usual = config_to_dict(FeatureOptions())
    chosen = {name: value for name, value in config_to_dict(options).items() if value != usual[name]}
    return Facts(run=str(run.absolute()), options=chosen, features=deciding(extractor.metadata))


def _by_content(labels: Sequence[Labels]) -> tuple[dict[int, Labels], list[str]]:
    """Return images by content, the first of equal ones, and files that cannot be opened."""
    by_key: dict[int, Labels] = {}
    unreadable = []
    for item in labels:
        try:
            by_key.setdefault(content_key(Path(item.path)), item)
        except OSError as error:
            logger.warning("cannot read %s: %s", item.path, error.strerror or error)
            unreadable.append(item.path)
    return by_key, unreadable


def _is_there(path: str, key: int) -> bool:
    """Tell whether a file is there with the content that was added."""
    try:
        return content_key(Path(path)) == key
    except OSError:
        return False
