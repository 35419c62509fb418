"""A gallery on disk: what comes in stays, what goes is gone, and whatever stops it loses nothing."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genreid.data.bank import ImageBank
from genreid.data.bank_file import forget_images
from genreid.features.feature_set import FeatureSet
from genreid.features.options import FeatureOptions
from genreid.search.alone import alone_in
from genreid.search.gallery import Added, Gallery, Selection, deciding
from genreid.search.nearest import Wanted
from genreid.search.pictures import PathPattern, content_key, of_files, of_folder, parse_time
from genreid.search.shards import read_shards
from tests.tiny_gallery import PATTERN, draw_cameras, extractor


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Twelve images of three people by two cameras."""
    return draw_cameras(tmp_path / "crops")


@pytest.fixture
def gallery(tmp_path: Path, crops: Path) -> Gallery:
    """All of them in a gallery."""
    made = Gallery.create(str(tmp_path / "gallery"), tmp_path / "run", FeatureOptions(), extractor())
    assert add(made, crops) == Added(12, 0, 0, ())
    return made


def add(gallery: Gallery, crops: Path, pattern: str = PATTERN) -> Added:
    """Add a folder."""
    return gallery.add(of_folder(crops, "all", PathPattern(pattern)), extractor())


def embedding_of(gallery: Gallery, path: Path) -> bytes:
    """Return the bytes of an image's embedding."""
    for shard in gallery.shards():
        for row, labels in enumerate(shard.labels):
            if labels.path == str(path):
                return np.array(shard.features.embedding[row]).tobytes()
    raise AssertionError(path)


def holding(folder: Path, needle: bytes) -> list[Path]:
    """Return the files below a folder that hold some bytes."""
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def test_what_was_added_is_there_with_its_labels(gallery: Gallery, crops: Path) -> None:
    labels = {Path(item.path): item for shard in gallery.shards() for item in shard.labels}
    assert len(labels) == gallery.count() == 12
    one = labels[crops / "p2" / "cam2_2026-11-02T10:01:00.png"]
    assert (one.camera, one.track) == ("2", "p2")
    assert one.time == parse_time("2026-11-02T10:01:00+00:00")
    file = next((gallery.folder / "features").glob("*.safetensors"))
    features = FeatureSet.load(file)
    assert len(features) == 12
    assert features.metadata["model"] == "0123456789abcdef"
    assert (gallery.folder.stat().st_mode & 0o777) == 0o700


def test_a_picture_is_nearest_to_itself_and_then_to_its_person(gallery: Gallery) -> None:
    shard = gallery.shards()[0]
    for row, hits in enumerate(gallery.search(np.array(shard.features.embedding), Wanted(top=3))):
        assert hits[0].labels == shard.labels[row]
        assert hits[0].likeness == pytest.approx(1, abs=1e-6)
        assert hits[1].likeness >= hits[2].likeness


def test_only_what_is_wanted_is_found(gallery: Gallery) -> None:
    query = np.array(gallery.shards()[0].features.embedding[:1])
    second_day = parse_time("2026-11-02")
    for wanted, cameras, count in (
        (Wanted(camera="1"), {"1"}, 6),
        (Wanted(not_camera="1"), {"2"}, 6),
        (Wanted(since=second_day), {"2"}, 6),
        (Wanted(until=second_day), {"1"}, 6),
        (Wanted(top=2, since=parse_time("2026-11-01T10:01:00"), until=second_day), {"1"}, 2),
    ):
        (hits,) = gallery.search(query, wanted)
        assert {hit.labels.camera for hit in hits} == cameras
        assert len(hits) == count


def test_what_is_there_is_not_embedded_again(
    gallery: Gallery, crops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gallery, "_embed", lambda *_: pytest.fail("embedded again"))
    assert add(gallery, crops) == Added(0, 12, 0, ())
    assert add(gallery, crops, r"cam(?P<camera>\d)") == Added(0, 12, 12, ())
    labels = [item for shard in gallery.shards() for item in shard.labels]
    assert {(item.camera, item.track, item.time) for item in labels} == {("1", "", None), ("2", "", None)}
    crops.rename(crops.with_name("elsewhere"))
    assert add(gallery, crops.with_name("elsewhere"), r"cam(?P<camera>\d)").relabelled == 12
    assert gallery.count() == 12


def test_new_images_come_to_the_others_and_bad_files_are_named(gallery: Gallery, crops: Path) -> None:
    broken = crops / "p1" / "cam1_2026-11-01T11:00:00.png"
    broken.write_bytes(b"no picture")
    Image.new("RGB", (8, 16), "red").save(crops / "p1" / "cam1_2026-11-01T12:00:00.png")
    Image.new("RGB", (8, 16), "red").save(crops / "p1" / "cam2_2026-11-01T12:00:00.png")  # the same bytes
    assert add(gallery, crops) == Added(1, 12, 0, (str(broken),))
    assert gallery.count() == 13
    assert not list(gallery.folder.glob(".decoded*"))


def test_the_pattern_is_read_and_what_does_not_fit_is_named(crops: Path) -> None:
    Image.new("RGB", (8, 16)).save(crops / "logo.png")
    found = of_folder(crops, "all", PathPattern(PATTERN))
    assert found.unmatched == (crops / "logo.png",)
    single = of_files([crops / "p1"], PathPattern(r"cam(?P<camera>\d)_(?P<time>[^.]+)", "%Y-%m-%dT%H:%M:%S"))
    assert {item.camera for item in single.labels} == {"1", "2"}
    with pytest.raises(ValueError, match="needs named groups among camera, time, track"):
        PathPattern(r"(?P<person>\d)")
    with pytest.raises(ValueError, match="no regular expression"):
        PathPattern("(")
    with pytest.raises(ValueError, match="none of 4 images fits"):
        of_files([crops / "p1"], PathPattern("(?P<camera>nothing)"))
    with pytest.raises(ValueError, match="no such file"):
        of_files([crops / "p9"], None)
    with pytest.raises(ValueError, match=r"time '26.11': expected the format '%H'"):
        parse_time("26.11", "%H")


def test_times_are_milliseconds_in_utc() -> None:
    assert parse_time("1970-01-01T01:00:00+01:00") == 0
    assert parse_time("1970-01-02") == 86_400_000
    assert parse_time("1764425100.5") == 1_764_425_100_500
    assert parse_time("02011970", "%d%m%Y") == 86_400_000


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"model": "ffff"}, "model"),
        ({"pooling": "lmp"}, "pooling"),
        ({"mirror": "on"}, "mirror is off there and on here"),
    ],
)
def test_another_network_mirror_or_pooling_is_refused(
    gallery: Gallery, crops: Path, options: dict[str, str], named: str
) -> None:
    other = extractor(**options)
    with pytest.raises(ValueError, match=named):
        gallery.add(of_folder(crops, "all", PathPattern(PATTERN)), other)
    with pytest.raises(ValueError, match="gallery migrate"):
        Gallery.create(str(gallery.folder), Path("run"), FeatureOptions(), other)
    assert deciding({"model": "m", "fine_weight": "0.5"})["mirror"] == "on"


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (Selection(tracks=("p1",)), 8),
        (Selection(cameras=("2",)), 6),
        (Selection(before=parse_time("2026-11-01T10:01:00")), 9),
        (Selection(tracks=("p1",), cameras=("2",)), 4),
        (Selection(tracks=("nobody",)), 12),
    ],
)
def test_removal_takes_what_was_chosen(gallery: Gallery, chosen: Selection, left: int) -> None:
    assert len(gallery.remove(chosen)) == 12 - left
    assert gallery.count() == left


def test_no_byte_of_a_removed_image_is_left(
    gallery: Gallery, crops: Path, cache: Path, tmp_path: Path
) -> None:
    """Not in the gallery, and no decoded copy in the cache: by path, and by content under another name."""
    paths = sorted(crops.rglob("*.png"))
    for gone, named in ((paths[0], paths[0]), (paths[1], tmp_path / "copy.png")):
        named.write_bytes(gone.read_bytes())
        needle = embedding_of(gallery, gone)[:16]
        ImageBank.build([gone, paths[5]], (16, 8), progress=False)
        ImageBank.build([paths[6]], (16, 8), progress=False)
        assert len(list((cache / "banks").glob("*.npy"))) == 2
        assert holding(gallery.folder, needle)
        assert gallery.remove(Selection(images=(named,))) == (str(gone),)
        assert not holding(gallery.folder, needle)
        assert not holding(gallery.folder, str(gone).encode())
        assert len(list((cache / "banks").glob("*.npy"))) == 1
    assert gallery.count() == 10


def test_banks_that_do_not_say_what_they_hold_go_too(crops: Path, cache: Path) -> None:
    paths = sorted(crops.rglob("*.png"))
    ImageBank.build(paths[:1], (16, 8), progress=False)
    (facts,) = (cache / "banks").glob("*.json")
    assert forget_images(paths[1:]) == 0
    facts.write_text(
        json.dumps({key: value for key, value in json.loads(facts.read_text()).items() if key != "files"})
    )
    assert forget_images(paths[1:]) == 1
    assert not list((cache / "banks").glob("*.npy"))


def test_migration_embeds_all_anew_and_refuses_to_lose_any(gallery: Gallery, crops: Path) -> None:
    other = extractor(model="fedcba9876543210", mirror="on")
    (crops / "p1" / "cam1_2026-11-01T10:00:00.png").write_bytes(b"changed")
    with pytest.raises(ValueError, match="1 of 12 images are gone or have changed"):
        gallery.migrate(Path("run2"), FeatureOptions(), other)
    after = gallery.migrate(Path("run2"), FeatureOptions(), other, drop_missing=True)
    for one in (after, Gallery.open(str(gallery.folder))):
        assert one.count() == 11
        assert one.facts.features["model"] == "fedcba9876543210"
        assert one.facts.run.endswith("run2")
        one.expect(other)
    assert [path.name for path in gallery.folder.glob("features*")] == ["features-2"]
    assert after.migrate(Path("run3"), FeatureOptions(), extractor()).facts.folder == "features"


def test_a_full_disk_loses_nothing(gallery: Gallery, crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def full(part: Path, target: Path) -> Path:
        if target.suffix == ".safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(part, target)

    Image.new("RGB", (8, 16), "red").save(crops / "p1" / "cam1_2026-11-01T12:00:00.png")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(ValueError, match="No space left on device; nothing that was there is lost"):
            add(gallery, crops)
    assert gallery.count() == 12
    assert not list((gallery.folder / "features").glob(".*"))
    assert add(gallery, crops).new == 1


def test_a_second_process_is_told_who_is_at_work(gallery: Gallery, crops: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom genreid.search.alone import alone_in\n"
        "with alone_in(Path(sys.argv[1])):\n    print('in', flush=True)\n    time.sleep(60)\n"
    )
    words = [sys.executable, "-c", code, str(gallery.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(ValueError, match=rf"in use by process {other.pid} \(`genreid .*since 20"):
            add(gallery, crops)
        assert len(gallery.search(np.ones((1, 24), np.float32), Wanted())[0]) == 12  # readers need not wait
        other.send_signal(signal.SIGKILL)
    assert add(gallery, crops).known == 12
    with alone_in(gallery.folder):
        pass


def test_a_killed_addition_goes_on_with_the_same_command(
    gallery: Gallery, crops: Path, tmp_path: Path
) -> None:
    """SIGKILL between two files: what was written stays, the rest comes, no decoded picture is left."""
    more = draw_cameras(tmp_path / "more", people=5)
    different = len({content_key(path) for path in more.rglob("*.png")})
    code = (
        "import sys\nfrom pathlib import Path\nfrom genreid.search import gallery\n"
        "from genreid.search.pictures import PathPattern, of_folder\n"
        "from tests.tiny_gallery import PATTERN, extractor\n"
        "gallery.ROWS = 3\nwrite = gallery.write_shard\n"
        "def slowly(*words):\n    write(*words)\n    print('written', flush=True)\n    sys.stdin.readline()\n"
        "gallery.write_shard = slowly\n"
        "found = of_folder(Path(sys.argv[2]), 'all', PathPattern(PATTERN))\n"
        "gallery.Gallery.open(sys.argv[1]).add(found, extractor())\n"
    )
    words = [sys.executable, "-c", code, str(gallery.folder), str(more)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "written\n"
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "written\n"
        other.send_signal(signal.SIGKILL)
    assert gallery.count() == 12 + 6
    added = add(gallery, more)
    assert (added.new, added.known, gallery.count()) == (different - 18, 18, different)
    assert not list(gallery.folder.glob(".decoded*"))
    assert not list(gallery.features.glob(".*"))


def test_a_killed_removal_leaves_both_files_and_the_later_one_counts(gallery: Gallery) -> None:
    (old,) = (gallery.folder / "features").glob("*.safetensors")
    content = old.read_bytes()
    add_later = gallery.shards()[0]
    gallery.remove(Selection(tracks=("p1",)))
    old.write_bytes(content)
    shards = read_shards(gallery.folder / "features")
    assert [len(shard.keys) for shard in shards] == [4, 8]
    assert len(gallery.remove(Selection(tracks=("p1",)))) == 4
    assert gallery.count() == 8 == len(add_later.keys) - 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "gallery.json").unlink(), "is no gallery"),
        (lambda folder: (folder / "gallery.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "gallery.json").write_text('{"version": 2}'), "damaged"),
    ],
)
def test_what_is_no_gallery_is_refused(gallery: Gallery, spoil: object, message: str) -> None:
    assert callable(spoil)
    spoil(gallery.folder)
    with pytest.raises(ValueError, match=message):
        Gallery.open(str(gallery.folder))


def test_a_damaged_file_is_named(gallery: Gallery) -> None:
    (file,) = (gallery.folder / "features").glob("*.safetensors")
    features = FeatureSet.load(file)
    FeatureSet(np.array(features.embedding), features.pid, features.camid, features.paths).save(file)
    with pytest.raises(ValueError, match=rf"{file.name} is no file of a gallery \(KeyError"):
        gallery.count()


def test_a_folder_with_other_things_is_no_place_for_a_gallery(crops: Path) -> None:
    with pytest.raises(ValueError, match="is there and is no gallery"):
        Gallery.create(str(crops), Path("run"), FeatureOptions(), extractor())


@pytest.mark.parametrize("place", ["http://host", "http://host:1/a/b", "http://host:1/a-b"])
def test_addresses_that_are_none_are_refused(place: str) -> None:
    with pytest.raises(ValueError, match="expected http://HOST:PORT"):
        Gallery.open(place)
