"""The index: finds what exact search finds, is mended from the files, keeps nothing of what was removed."""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from genreid.features.feature_set import FeatureSet
from genreid.features.options import FeatureOptions
from genreid.search import gallery as gallery_module
from genreid.search import milvus
from genreid.search.gallery import Gallery, Selection
from genreid.search.milvus import EMBEDDED, camera_number, open_index
from genreid.search.nearest import Wanted, search_exactly
from genreid.search.pictures import Labels, PathPattern, of_folder
from genreid.search.shards import Shard
from tests.tiny_gallery import PATTERN, draw_cameras, extractor

pytestmark = pytest.mark.skipif(
    find_spec("milvus_lite") is None or find_spec("pymilvus") is None, reason="without the extra `search`"
)
WANTED = (
    Wanted(top=5),
    Wanted(top=300, camera='cam "3\\'),
    Wanted(top=9, not_camera='cam "3\\', since=50_000, until=100_000),
    Wanted(top=300, until=100_000),
)


def shard(rows: int) -> Shard:
    """Draw embeddings with labels that are hard to write down."""
    random = np.random.default_rng(0)
    unit = random.normal(size=(rows, 16)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    nobody = np.full(rows, -1)
    labels = tuple(
        Labels(f"/ü\udce4{row}.jpg", f'cam "{row % 5}\\', 1000 * row if row % 7 else None, f"t'{row // 4}")
        for row in range(rows)
    )
    keys = random.integers(-(2**62), 2**62, rows)
    return Shard(Path("1"), FeatureSet(unit, nobody, nobody), keys, labels)


def test_the_index_finds_what_exact_search_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus, "BATCH", 64)
    rows = shard(300)
    queries = np.array(rows.features.embedding[:4])
    with open_index(tmp_path / EMBEDDED) as index:
        assert index.count() == 0
        index.fill([rows])
        for _ in range(2):
            assert index.count() == 300
            for wanted in WANTED:
                exact, found = search_exactly([rows], queries, wanted), index.search(queries, wanted)
                assert [[hit.key for hit in row] for row in found] == [
                    [hit.key for hit in row] for row in exact
                ]
                for hits, hoped in zip(found, exact, strict=True):
                    for hit, hope in zip(hits, hoped, strict=True):
                        assert hit.likeness == pytest.approx(hope.likeness, abs=1e-6)
                        assert hit.labels.path.endswith(f"\\xe4{hope.labels.path[3:]}")
                        assert (hit.labels.camera, hit.labels.time) == (hope.labels.camera, hope.labels.time)
                        assert hit.labels.track == hope.labels.track
            index.fill([rows])  # an upsert


def test_importing_the_client_leaves_logging_and_environment_alone() -> None:
    code = (
        "import json, logging, os\nfrom genreid.search.milvus import expect_installed\n"
        "before = dict(os.environ)\nexpect_installed()\n"
        "loggers = [logging.getLogger(name) for name in ('pymilvus', 'milvus_lite')]\n"
        "print(json.dumps([before == dict(os.environ), [len(one.handlers) for one in loggers]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, [0, 0]]


def test_filters_hold_whole_numbers_only() -> None:
    text = milvus._filter(Wanted(camera="1' or 1 == 1", not_camera='"', since=1, until=2))
    assert text == (
        f"camera_number == {camera_number(chr(49) + chr(39) + ' or 1 == 1')} and "
        f"camera_number != {camera_number(chr(34))} and time >= 1 and time <= 2 and time != {-(2**62)}"
    )
    assert 0 <= camera_number("x") < 2**56


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """A gallery of twelve images with an index."""
    monkeypatch.setattr(gallery_module, "EXACT_UP_TO", 2)
    crops = draw_cameras(tmp_path / "crops")
    made = Gallery.create(str(tmp_path / "gallery"), tmp_path / "run", FeatureOptions(), extractor())
    made.add(of_folder(crops, "all", PathPattern(PATTERN)), extractor())
    return made


def test_a_gallery_with_an_index(indexed: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search, removal without a byte left, damage, and rows that a kill has lost."""
    shards = indexed.shards()
    queries = np.array(shards[0].features.embedding[:3])

    def found() -> list[list[int]]:
        return [[hit.key for hit in hits] for hits in indexed.search(queries, Wanted(top=12))]

    exact = [[hit.key for hit in hits] for hits in search_exactly(shards, queries, Wanted(top=12))]
    assert found() == exact
    assert "Milvus Lite" in indexed.describe_index(12)

    needle = queries[0].tobytes()[:16]
    gone = int(shards[0].keys[0])
    assert any(
        needle in path.read_bytes() for path in (indexed.folder / EMBEDDED).rglob("*") if path.is_file()
    )
    indexed.remove(Selection(images=(Path(shards[0].labels[0].path),)))
    assert not any(needle in path.read_bytes() for path in indexed.folder.rglob("*") if path.is_file())
    left = [[key for key in row if key != gone] for row in exact]
    assert found() == left

    with open_index(indexed.folder / EMBEDDED) as index:  # what one of 20 kills did
        index.client.delete(index.collection, ids=[left[0][0]])
    assert found() == left

    manifest = next((indexed.folder / EMBEDDED).rglob("schema.json"))
    manifest.write_text("{")
    with pytest.raises(ValueError, match=r"nothing of the gallery is lost.*genreid gallery rebuild"):
        found()
    assert indexed.rebuild() == 11
    assert found() == left
    monkeypatch.setattr(gallery_module, "EXACT_UP_TO", 20)
    indexed.rebuild()
    assert not (indexed.folder / EMBEDDED).exists()
    assert found() == left


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(ValueError, match=r"pip install 'genreid\[search\]'"):
        milvus.expect_installed()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A Milvus server of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("milvus-lite")
    words = [program, "server", "--data-dir", tmp_path / "server", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}", process
        process.kill()


def test_a_server_holds_the_index_and_may_go(
    server: tuple[str, "subprocess.Popen[str]"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus, "SECONDS", 2.0)
    address, process = server
    crops = draw_cameras(tmp_path / "crops")
    found = of_folder(crops, "all", PathPattern(PATTERN))
    files = tmp_path / "files"
    made = Gallery.create(f"{address}/people", tmp_path / "run", FeatureOptions(), extractor(), files)
    made.add(found, extractor())
    assert not (files / EMBEDDED).exists()
    gallery = Gallery.open(f"{address}/people", files)
    shards = gallery.shards()
    query = np.array(shards[0].features.embedding[:1])
    exact = [hit.key for hit in search_exactly(shards, query, Wanted(top=12))[0]]
    assert [hit.key for hit in gallery.search(query, Wanted(top=12))[0]] == exact
    gallery.remove(Selection(tracks=("p1",)))
    gone = {
        int(key) for key, item in zip(shards[0].keys, shards[0].labels, strict=True) if item.track == "p1"
    }
    left = [key for key in exact if key not in gone]
    assert [hit.key for hit in gallery.search(query, Wanted(top=12))[0]] == left
    process.kill()
    process.wait()
    with pytest.raises(ValueError, match="nothing of the gallery is lost: is the server running"):
        gallery.search(query, Wanted())
    assert gallery.count() == 8


def test_logging_of_the_client_says_nothing_twice(caplog: pytest.LogCaptureFixture) -> None:
    milvus.expect_installed()
    logging.getLogger("pymilvus").error("retry")
    assert not caplog.records
