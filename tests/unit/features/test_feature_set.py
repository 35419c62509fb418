"""`FeatureSet` and its file: what goes in comes out, and a bad file is named."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from genreid.features import feature_set
from genreid.features.feature_set import FeatureSet


def unit(rows: int, width: int = 5, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((rows, width))
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(directions, np.float32)


def drawn(rows: int = 7) -> FeatureSet:
    paths = tuple(f"gallery/{row:04d}_c1.jpg" for row in range(rows))
    return FeatureSet(unit(rows), np.arange(rows) - 1, np.full(rows, 3), paths, {"recipe": "compact"})


def assert_equal(first: FeatureSet, second: FeatureSet) -> None:
    assert np.array_equal(first.embedding, second.embedding)
    assert np.array_equal(first.pid, second.pid)
    assert np.array_equal(first.camid, second.camid)
    assert first.paths == second.paths
    assert dict(first.metadata) == dict(second.metadata)


def test_round_trip_is_bit_for_bit(tmp_path: Path) -> None:
    features = drawn()
    features.save(tmp_path / "new" / "features.safetensors")
    loaded = FeatureSet.load(tmp_path / "new" / "features.safetensors")
    assert_equal(loaded, features)
    assert len(loaded) == 7
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["features.safetensors"]


def test_the_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        drawn().save(tmp_path / "f.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "f.safetensors").stat().st_mode & 0o777 == 0o644


def test_without_paths_and_metadata(tmp_path: Path) -> None:
    features = FeatureSet(unit(3), np.arange(3), np.arange(3))
    features.save(tmp_path / "f.safetensors")
    assert_equal(FeatureSet.load(tmp_path / "f.safetensors"), features)


def test_an_empty_set(tmp_path: Path) -> None:
    none = np.zeros(0, np.int64)
    features = FeatureSet(np.zeros((0, 5), np.float32), none, none, ())
    features.save(tmp_path / "f.safetensors")
    assert_equal(FeatureSet.load(tmp_path / "f.safetensors"), features)


def test_the_file_is_the_one_of_the_contract(tmp_path: Path) -> None:
    drawn(2).save(tmp_path / "f.safetensors")
    with safe_open(tmp_path / "f.safetensors", "numpy") as file:
        described = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        lines = file.get_tensor("paths").tobytes().decode()
        assert file.metadata() == {"recipe": "compact"}
    assert described == {"embedding": "F32", "pid": "I64", "camid": "I64", "paths": "U8"}
    assert lines == "gallery/0000_c1.jpg\ngallery/0001_c1.jpg"


def test_names_of_any_kind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    undecodable = os.fsdecode(b"\xff\xfe.jpg")
    names = ("\N{SNOWMAN} one.jpg", undecodable, "two\nlines.jpg", "")
    FeatureSet(unit(4), np.arange(4), np.arange(4), names).save(tmp_path / "f.safetensors")
    expected = (names[0], undecodable, "two\N{SYMBOL FOR NEWLINE}lines.jpg", "")
    assert FeatureSet.load(tmp_path / "f.safetensors").paths == expected
    assert "line break" in caplog.text


def test_embeddings_get_unit_length_when_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_set, "ROWS_AT_ONCE", 2)
    directions = unit(5)
    scaled = directions * np.array([[1], [3], [0.25], [0], [1e-12]], np.float32)
    with caplog.at_level(logging.WARNING):
        FeatureSet(scaled, np.arange(5), np.arange(5)).save(tmp_path / "f.safetensors")
    written = FeatureSet.load(tmp_path / "f.safetensors").embedding
    assert np.allclose(written[[0, 1, 2, 4]], directions[[0, 1, 2, 4]], atol=1e-6)
    assert not written[3].any()
    assert "row 3" in caplog.text
    assert np.array_equal(scaled[1], directions[1] * np.float32(3)), "the set in memory stays as it was"


def test_loading_maps_the_file(tmp_path: Path) -> None:
    drawn().save(tmp_path / "f.safetensors")
    loaded = FeatureSet.load(tmp_path / "f.safetensors")
    base = loaded.embedding.base
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert not loaded.embedding.flags.writeable


def test_a_file_without_alignment_is_read_too(tmp_path: Path) -> None:
    features = drawn(3)
    tensors: dict[str, NDArray[Any]] = {
        "embedding": features.embedding,
        "pid": features.pid,
        "camid": features.camid,
    }
    header: dict[str, object] = {}
    body = b"\0"  # one byte first: nothing after it is aligned
    header["odd"] = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
    for name, tensor in tensors.items():
        end = len(body) + tensor.nbytes
        dtype = "F32" if name == "embedding" else "I64"
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(body), end]}
        body += tensor.tobytes()
    text = json.dumps(header).encode()
    (tmp_path / "f.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + body)
    assert np.array_equal(FeatureSet.load(tmp_path / "f.safetensors").embedding, features.embedding)


def test_saving_over_a_loaded_set_keeps_both(tmp_path: Path) -> None:
    first = drawn(4)
    first.save(tmp_path / "f.safetensors")
    loaded = FeatureSet.load(tmp_path / "f.safetensors")
    drawn(6).save(tmp_path / "f.safetensors")
    assert np.array_equal(loaded.embedding, first.embedding)
    assert len(FeatureSet.load(tmp_path / "f.safetensors")) == 6


def test_select() -> None:
    features = drawn(5)
    rows = np.array([4, 0])
    chosen = features.select(rows)
    assert np.array_equal(chosen.embedding, features.embedding[rows])
    assert chosen.paths == ("gallery/0004_c1.jpg", "gallery/0000_c1.jpg")
    assert chosen.metadata == features.metadata
    assert np.array_equal(features.select(slice(1, 3)).pid, [0, 1])
    assert len(features.select(features.pid > 0)) == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"embedding": unit(3).astype(np.float64)},
            r"embedding: expected float32 \[N, D\], got float64 \[3, 5\]",
        ),
        ({"embedding": unit(3)[0]}, r"embedding: expected float32 \[N, D\], got float32 \[5\]"),
        ({"embedding": np.zeros((3, 0), np.float32)}, r"got float32 \[3, 0\]"),
        ({"pid": np.arange(2)}, r"pid: expected int64 \[3\], got int64 \[2\]"),
        ({"camid": np.arange(3, dtype=np.int32)}, r"camid: expected int64 \[3\], got int32 \[3\]"),
        ({"paths": ("a",)}, "expected 3 paths, one for each embedding, got 1"),
        ({"metadata": {"step": 3}}, "metadata must be text, got another type under 'step'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, object], message: str) -> None:
    fitting: dict[str, object] = {"embedding": unit(3), "pid": np.arange(3), "camid": np.arange(3)}
    with pytest.raises(ValueError, match=message):
        FeatureSet(**{**fitting, **arrays})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_an_embedding_that_is_not_finite_is_named(tmp_path: Path, value: float) -> None:
    features = drawn()
    features.embedding[2, 1] = value
    with pytest.raises(ValueError, match=r"1 of 7 embeddings .* row 2 \(gallery/0002_c1.jpg\)"):
        features.save(tmp_path / "f.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no feature file at .*absent.safetensors.*genreid extract"):
        FeatureSet.load(tmp_path / "absent.safetensors")
    with pytest.raises(FileNotFoundError, match="no feature file"):
        FeatureSet.load(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_file_cut_short_is_named(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "f.safetensors"
    drawn().save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"f.safetensors is not a whole safetensors file .*genreid extract"):
        FeatureSet.load(path)


def test_another_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.safetensors").write_bytes(b"\x89PNG, or whatever else was renamed" * 10)
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        FeatureSet.load(tmp_path / "f.safetensors")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"camid": None}, "expected the tensors embedding, pid and camid, got embedding, pid"),
        ({"embedding": np.zeros((3, 5))}, r"embedding: expected F32 with 2 axes, got F64 \[3, 5\]"),
        ({"embedding": np.zeros(3, np.float32)}, r"embedding: expected F32 with 2 axes, got F32 \[3\]"),
        ({"pid": np.arange(3, dtype=np.int32)}, r"pid: expected I64 with 1 axes, got I32 \[3\]"),
        ({"pid": np.arange(4)}, r"pid: expected int64 \[3\], got int64 \[4\]"),
        ({"paths": np.frombuffer(b"a\nb", np.uint8)}, "expected 3 paths, one for each embedding, got 2"),
    ],
)
def test_other_tensors_are_named(tmp_path: Path, tensors: dict[str, object], message: str) -> None:
    fitting: dict[str, object] = {"embedding": unit(3), "pid": np.arange(3), "camid": np.arange(3)}
    whole = {name: tensor for name, tensor in {**fitting, **tensors}.items() if tensor is not None}
    save_file(whole, tmp_path / "f.safetensors")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message) as caught:
        FeatureSet.load(tmp_path / "f.safetensors")
    assert "f.safetensors" in str(caught.value)
    assert "genreid extract" in str(caught.value)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.safetensors"
    drawn(3).save(path)

    def full(_tensors: object, name: Path, metadata: object = None) -> None:
        name.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_set, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        drawn(5).save(path)
    assert len(FeatureSet.load(path)) == 3
    assert [each.name for each in tmp_path.iterdir()] == ["f.safetensors"]
