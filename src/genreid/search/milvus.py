"""The index of a large gallery: Milvus Lite in this process, or a Milvus server; one client, one code.

The index holds nothing of its own: it is filled from the gallery's files and can be made anew from them at
any time. It is an IVF index with a single list, so every vector is looked at and what is found is exact.
Deleting a row leaves its numbers in Milvus Lite's files (docs/search.md); there a removal drops everything
and fills it again.

pymilvus is imported late: it sets up logging of its own and reads a `.env` file; the one is undone, the other
kept from happening. Milvus Lite listens on a free port of the loopback interface, without a password, while a
command runs: other users of the machine could ask it.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genreid.data.progress import progress_of
from genreid.search.nearest import Hit, Wanted
from genreid.search.pictures import Labels
from genreid.search.shards import UNKNOWN_TIME, Shard, times_of

logger = logging.getLogger(__name__)

BATCH = 1000
"""Rows sent at once: 5 MB of 1,280 numbers; a server takes up to 64 MB."""
SECONDS = 20.0
"""After which a server that does not answer is taken to be gone."""
EMBEDDED = "index.db"
"""Folder of Milvus Lite in a gallery."""
COLLECTION = "genreid"
"""Name of the collection, where no other is given."""
_ONE_LIST = {"params": {"nlist": 1}}
"""Nested, for pymilvus takes the outer level off and Milvus Lite reads the inner one."""
_FIELDS = ("camera", "time", "track", "path")


@dataclass(frozen=True)
class MilvusIndex:
    """An open index.

    Attributes:
        client: pymilvus' own, connected.
        place: The folder of Milvus Lite, or the address of a server.
        collection: Name of the collection.
    """

    client: Any
    place: Path | str
    collection: str = COLLECTION

    @property
    def is_embedded(self) -> bool:
        """Whether it lies in a folder."""
        return isinstance(self.place, Path)

    def count(self) -> int:
        """Return how many images it holds; 0 if it was never filled."""
        with self._asked():
            if not self.client.has_collection(self.collection):
                return 0
            rows = self.client.query(
                self.collection, filter="", output_fields=["count(*)"], consistency_level="Strong"
            )
            return int(rows[0]["count(*)"])

    def fill(self, shards: Sequence[Shard]) -> None:
        """Put images in; those that are there are replaced.

        Args:
            shards: The images.

        Raises:
            ValueError: If the server is gone, or the disk full.
        """
        rows = sum(len(shard.keys) for shard in shards)
        if not rows:
            return
        with self._asked(), progress_of("filling the index", rows) as advance:
            fresh = not self.client.has_collection(self.collection)
            if fresh:
                self._make(shards[0].features.embedding.shape[1])
            put = self.client.insert if fresh else self.client.upsert
            for shard in shards:
                for start in range(0, len(shard.keys), BATCH):
                    put(self.collection, _rows(shard, slice(start, start + BATCH)))
                    advance(min(BATCH, len(shard.keys) - start))
            self.client.flush(self.collection)

    def forget(self, keys: NDArray[np.int64]) -> None:
        """Delete rows of a server; it drops their numbers when it compacts, which is asked for here.

        Args:
            keys: Content keys, int64 [N].

        Raises:
            ValueError: If the server is gone.
        """
        assert not self.is_embedded, "Milvus Lite keeps the numbers of deleted rows: drop and fill it"
        with self._asked():
            for start in range(0, len(keys), BATCH):
                self.client.delete(self.collection, ids=keys[start : start + BATCH].tolist())
            self.client.flush(self.collection)
            self.client.compact(self.collection)

    def drop(self) -> None:
        """Delete the collection with all its files."""
        with self._asked():
            self.client.drop_collection(self.collection)

    def search(self, queries: NDArray[np.float32], wanted: Wanted) -> list[list[Hit]]:
        """Find the nearest images.

        Args:
            queries: float32 [Q,D] of unit length.
            wanted: Which images may be found, and how many.

        Returns:
            For each query the nearest first; of equal likeness the smaller key.

        Raises:
            ValueError: If the server is gone, or the index is empty.
        """
        with self._asked():
            self.client.load_collection(self.collection)
            answers = self.client.search(
                self.collection,
                data=list(queries),
                limit=wanted.top,
                filter=_filter(wanted),
                output_fields=list(_FIELDS),
                search_params={"metric_type": "IP", "params": {"nprobe": 1}},
                consistency_level="Strong",
            )
        hits = [[_hit(row) for row in rows] for rows in answers]
        return [sorted(row, key=lambda hit: (-hit.likeness, hit.key)) for row in hits]

    def _make(self, width: int) -> None:
        """Make the collection."""
        from pymilvus import DataType  # noqa: PLC0415

        schema = self.client.create_schema(auto_id=False)
        schema.add_field("key", DataType.INT64, is_primary=True)
        schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=width)
        schema.add_field("camera_number", DataType.INT64)
        schema.add_field("time", DataType.INT64)
        for name, length in (("camera", 1024), ("track", 1024), ("path", 16384)):
            schema.add_field(name, DataType.VARCHAR, max_length=length)
        params = self.client.prepare_index_params()
        params.add_index("embedding", index_type="IVF_FLAT", metric_type="IP", params=_ONE_LIST)
        self.client.create_collection(
            self.collection, schema=schema, index_params=params, consistency_level="Strong"
        )

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Turn what the client raises into one sentence."""
        with _one_sentence(self.place):
            yield


@contextmanager
def open_index(place: Path | str, collection: str = COLLECTION) -> Iterator[MilvusIndex]:
    """Open an index while the block runs.

    Args:
        place: Folder of Milvus Lite, whose name ends with `.db`; or `http://HOST:PORT` of a server.
        collection: Name of the collection.

    Yields:
        The index.

    Raises:
        ValueError: If pymilvus is not there, the folder is damaged or in use, or the server does not answer.
    """
    client_class = _import_client()
    if isinstance(place, Path):
        logger.info("Milvus Lite listens on the loopback interface, without a password, while this runs")
    with _one_sentence(place):
        client = client_class(str(place), timeout=SECONDS)
    try:
        yield MilvusIndex(client, place, collection)
    finally:
        client.close()
        if isinstance(place, Path):
            from milvus_lite.server_manager import server_manager_instance  # noqa: PLC0415

            server_manager_instance.release_server(str(place))


def delete_embedded(gallery: Path) -> None:
    """Delete Milvus Lite's folder of a gallery, if there is one.

    Args:
        gallery: The gallery's folder.
    """
    shutil.rmtree(gallery / EMBEDDED, ignore_errors=True)


def expect_installed() -> None:
    """Refuse to go on where pymilvus is missing.

    Raises:
        ValueError: Says what to install.
    """
    _import_client()


def camera_number(camera: str) -> int:
    """Return the number that stands for a camera's name in filters: no text of a user's gets into one.

    Args:
        camera: Any text.
    """
    digest = hashlib.sha256(camera.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:7], "big")


def _import_client() -> Any:  # noqa: ANN401 - the library is not there in every installation
    """Import pymilvus without its logging and without reading a `.env` file."""
    before = os.environ.get("PYTHON_DOTENV_DISABLED")
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        import milvus_lite  # noqa: F401, PLC0415
        from pymilvus import MilvusClient  # noqa: PLC0415
    except ImportError as error:
        msg = (
            f"a gallery of many thousand images, or on a server, needs the extra `search` ({error}); "
            "type: pip install 'genreid[search]'"
        )
        raise ValueError(msg) from error
    finally:
        if before is None:
            del os.environ["PYTHON_DOTENV_DISABLED"]
        else:
            os.environ["PYTHON_DOTENV_DISABLED"] = before
    for name in ("pymilvus", "milvus_lite"):
        chatty = logging.getLogger(name)
        chatty.handlers.clear()
        chatty.propagate = True
        chatty.setLevel(logging.CRITICAL)  # what goes wrong is raised, and said once
    return MilvusClient


@contextmanager
def _one_sentence(place: Path | str) -> Iterator[None]:
    """Turn what pymilvus raises into one sentence that says what to do."""
    from grpc import RpcError  # noqa: PLC0415
    from pymilvus.exceptions import MilvusException  # noqa: PLC0415

    try:
        yield
    except (MilvusException, RpcError, OSError) as error:
        text = " ".join(str(getattr(error, "message", "") or error).split())[:300]
        hint = (
            "nothing of the gallery is lost: free some space if the disk is full, then type `genreid gallery "
            "rebuild` with its folder"
            if isinstance(place, Path)
            else "nothing of the gallery is lost: is the server running and is this its address?"
        )
        msg = f"the index at {place} did not do what it was asked: {text}; {hint}"
        raise ValueError(msg) from error


def _rows(shard: Shard, rows: slice) -> list[dict[str, object]]:
    """Return some images of a file as the client takes them."""
    keys, times = shard.keys[rows].tolist(), times_of(shard.labels[rows]).tolist()
    return [
        {
            "key": key,
            "embedding": embedding,
            "camera_number": camera_number(labels.camera),
            "time": time,
            "camera": _plain(labels.camera),
            "track": _plain(labels.track),
            "path": _plain(labels.path),
        }
        for key, embedding, labels, time in zip(
            keys, np.asarray(shard.features.embedding[rows]), shard.labels[rows], times, strict=True
        )
    ]


def _plain(text: str) -> str:
    """Return a text that the wire format takes: bytes of a name that are no UTF-8 are spelt out."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _filter(wanted: Wanted) -> str:
    """Return the filter in Milvus' language: whole numbers only."""
    terms = []
    if wanted.camera is not None:
        terms.append(f"camera_number == {camera_number(wanted.camera)}")
    if wanted.not_camera is not None:
        terms.append(f"camera_number != {camera_number(wanted.not_camera)}")
    if wanted.since is not None:
        terms.append(f"time >= {wanted.since}")
    if wanted.until is not None:
        terms.append(f"time <= {wanted.until} and time != {UNKNOWN_TIME}")
    return " and ".join(terms)


def _hit(row: Any) -> Hit:  # noqa: ANN401
    """Read one row of an answer."""
    said = row["entity"]
    time = int(said["time"])
    labels = Labels(
        str(said["path"]), str(said["camera"]), None if time == UNKNOWN_TIME else time, str(said["track"])
    )
    return Hit(int(row["key"] if "key" in row else row["id"]), float(row["distance"]), labels)
