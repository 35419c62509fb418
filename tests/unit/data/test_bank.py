"""ImageBank: decoded once, cached, never half written, never stopped by a bad file."""

import errno
import json
import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genreid.data import bank_file, decode_all
from genreid.data.bank import ImageBank
from genreid.data.batch import open_image_set
from genreid.data.decode_rows import Decoding
from genreid.data.load import load_dataset
from genreid.data.mask_paths import mask_path
from tests.drawn_datasets import Canvas, Shot, draw_market1501, draw_person

SIZE = (32, 16)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "banks"


def draw(root: Path, count: int, size: tuple[int, int] = SIZE) -> list[Path]:
    """Draw some people as PNG."""
    return [Canvas(root, size).write(f"{number:04d}.png", Shot(number, 1, 1)) for number in range(count)]


def build(paths: list[Path], **options: object) -> ImageBank:
    """Build a bank in silence."""
    return ImageBank.build(paths, SIZE, progress=False, **options)  # type: ignore[arg-type]


def expected(number: int, size: tuple[int, int] = SIZE) -> torch.Tensor:
    """Return a drawn person as uint8 [3,H,W]."""
    pixels = np.asarray(draw_person(Shot(number, 1, 1), size).image)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def test_rows_are_the_images(tmp_path: Path) -> None:
    bank = build(draw(tmp_path, 5))
    assert len(bank) == 5
    assert bank.height_width == SIZE
    assert bank.array.shape == (5, 3, *SIZE)
    assert bank.array.dtype == np.uint8
    batch = bank.gather(torch.tensor([3, 0, 3]))
    assert batch.dtype == torch.uint8
    assert all(torch.equal(image, expected(number)) for image, number in zip(batch, (3, 0, 3), strict=True))
    assert bank.unreadable == ()
    assert bank.readable_indices.tolist() == [0, 1, 2, 3, 4]


def test_a_batch_is_the_callers_own(tmp_path: Path) -> None:
    bank = build(draw(tmp_path, 2))
    bank.gather(torch.tensor([0])).zero_()
    assert torch.equal(bank.gather(torch.tensor([0]))[0], expected(0))
    with pytest.raises(ValueError, match="read-only"):
        bank.array[0] = 0


def test_rows_that_do_not_exist(tmp_path: Path) -> None:
    bank = build(draw(tmp_path, 2))
    for row in (-1, 2):
        with pytest.raises(IndexError, match="bank of 2 images"):
            bank.gather(torch.tensor([0, row]))
    assert bank.gather(torch.tensor([], dtype=torch.int64)).shape == (0, 3, *SIZE)


def test_the_second_call_opens_the_first_ones_file(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = draw(tmp_path, 3)
    (tmp_path / "0001.png").write_bytes(b"")
    first = build(paths)
    monkeypatch.setattr(bank_file, "decode_all", None)
    second = build(paths)
    assert np.array_equal(first.array, second.array)
    assert second.unreadable == (paths[1],)
    assert sorted(path.suffix for path in own_cache.iterdir()) == [".json", ".npy"]


def test_what_the_content_depends_on_is_in_the_key(tmp_path: Path, own_cache: Path) -> None:
    paths = draw(tmp_path, 3)
    build(paths)
    build(paths[::-1])
    build(paths[:2])
    ImageBank.build(paths, (16, 32), progress=False)
    os.utime(paths[0], ns=(1, 1))
    build(paths)
    assert len(list(own_cache.glob("*.npy"))) == 5


def test_a_changed_image_is_decoded_again(tmp_path: Path) -> None:
    paths = draw(tmp_path, 2)
    build(paths)
    draw_person(Shot(7, 1, 1), SIZE).image.save(paths[0])
    assert torch.equal(build(paths).gather(torch.tensor([0]))[0], expected(7))


def test_unreadable_files_stop_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = draw(tmp_path, 9)
    for path in paths[1:8]:
        path.write_bytes(path.read_bytes()[:50])
    paths[3].unlink()
    bank = build(paths)
    assert bank.unreadable == tuple(paths[1:8])
    assert bank.readable_indices.tolist() == [0, 8]
    assert bank.reasons[3] == "no such file"
    assert not bank.array[1:8].any()
    assert str(paths[1]) in caplog.text
    assert "7 files in all" in caplog.text


@pytest.mark.parametrize("damage", ["truncated array", "no facts", "broken facts", "another shape"])
def test_a_damaged_bank_is_made_again(tmp_path: Path, own_cache: Path, damage: str) -> None:
    paths = draw(tmp_path, 2)
    build(paths)
    array, facts = next(own_cache.glob("*.npy")), next(own_cache.glob("*.json"))
    if damage == "truncated array":
        array.write_bytes(array.read_bytes()[:500])
    elif damage == "no facts":
        facts.unlink()
    elif damage == "broken facts":
        facts.write_text("[]", encoding="utf-8")
    else:
        np.save(array, np.zeros((1, 2), np.uint8))
    assert torch.equal(build(paths).gather(torch.tensor([1]))[0], expected(1))


def test_a_killed_run_leaves_no_half_bank(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bank_file, "decode_all", killed)
    with pytest.raises(KeyboardInterrupt):
        build(draw(tmp_path, 2))
    assert not list(own_cache.iterdir())


def test_a_full_disk_is_said_before_anything_is_decoded(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int, _start: int, _length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ValueError, match=r"No space left on device.*GENREID_CACHE"):
        build(draw(tmp_path, 2))
    assert not list(own_cache.iterdir())


def test_an_empty_bank_and_a_size_of_nothing(tmp_path: Path) -> None:
    bank = build([])
    assert (len(bank), bank.array.shape, len(bank.readable_indices)) == (0, (0, 3, *SIZE), 0)
    with pytest.raises(ValueError, match="0 x 16 is not positive"):
        ImageBank.build(draw(tmp_path, 1), (0, 16))


def test_masks(tmp_path: Path) -> None:
    canvas = Canvas(tmp_path / "images", (64, 32), masks_root=tmp_path / "masks")
    images = [canvas.write(f"people/{number}.jpg", Shot(number, 1, 1)) for number in range(3)]
    masks = [mask_path(tmp_path / "masks", tmp_path / "images", image) for image in images]
    bank = build(masks, kind="mask")
    assert bank.array.shape == (3, 1, *SIZE)
    assert set(np.unique(bank.array)) == {0, 1}
    whole = np.asarray(draw_person(Shot(2, 1, 1)).mask)
    assert np.array_equal(bank.array[2, 0], whole[1::2, 1::2])


def test_missing_masks_are_named_with_the_command(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    Image.new("1", (4, 4)).save(paths[0])
    with pytest.raises(
        ValueError, match=r"4 of 5 masks are missing(?s:.)*1\.png(?s:.)*and 1 more(?s:.)*genreid mask DIR"
    ):
        build(paths, kind="mask")


def test_missing_masks_name_the_folder_above_a_split(tmp_path: Path) -> None:
    paths = [tmp_path / "masks" / "bounding_box_train" / f"{number}.png" for number in range(2)]
    with pytest.raises(ValueError, match=f"--out {tmp_path / 'masks'} "):
        build(paths, kind="mask")


def test_mask_path() -> None:
    root = Path("data")
    assert mask_path(Path("masks"), root, root / "query" / "a.b.jpg") == Path("masks/query/a.b.png")
    with pytest.raises(ValueError, match="not below"):
        mask_path(Path("masks"), root, Path("elsewhere/a.jpg"))


def test_processes_give_what_one_process_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = draw(tmp_path, 70)
    odd = tmp_path / os.fsdecode(b"\xff na\nme\xc3\xa9.png")
    paths[65].rename(odd)
    paths[65] = odd
    paths[69].write_bytes(b"no image")
    here = build(paths)
    monkeypatch.setattr(decode_all, "WORTH_A_PROCESS", 1e-9)
    elsewhere = build(paths, workers=2, cache_dir=tmp_path / "other")
    assert np.array_equal(here.array, elsewhere.array)
    assert here.reasons == elsewhere.reasons == {69: "not an image"}
    shares = decode_all.decode_all(paths, Decoding(SIZE, "mask"), 2, shown=False)
    assert len(shares.reasons) == 70


def test_a_killed_decoder_is_an_error_and_not_a_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_all, "WORTH_A_PROCESS", 1e-9)
    monkeypatch.setattr("genreid.data.decode_worker.sys.executable", "/bin/true")
    with pytest.raises(ValueError, match=r"was killed at .*0064\.png or one of the 1 after it"):
        build(draw(tmp_path, 66), workers=2)


def test_facts_beside_the_array(tmp_path: Path, own_cache: Path) -> None:
    build(draw(tmp_path, 1))
    facts = json.loads(next(own_cache.glob("*.json")).read_text(encoding="utf-8"))
    (mark,) = facts.pop("files")
    assert re.fullmatch(r"[0-9a-f]{12}", mark)  # a name that is not told
    known = {"version": 2, "kind": "image", "shape": [1, 3, *SIZE], "unreadable": {}, "sizes": {"0": [*SIZE]}}
    assert facts == {
        **known,
        "sums": [zlib.crc32(expected(0).contiguous().numpy().tobytes())],
        "sha256": facts["sha256"],
    }


def test_odd_names_and_loops_of_links_are_one_file_each(tmp_path: Path) -> None:
    data = draw_market1501(tmp_path / "data", pids=2)
    train = data / "bounding_box_train"
    loop, odd = train / "0002_c1s1_000077_00.jpg", train / "0001_c1s1_0000\udcff_00.jpg"
    loop.symlink_to(loop.name)
    min(train.iterdir()).rename(odd)
    samples = load_dataset(data).train
    paths = [sample.path for sample in samples]
    assert {loop, odd} <= set(paths)
    images = open_image_set(samples, [sample.pid for sample in samples], SIZE, data)
    assert images.bank.unreadable == (loop,)
    assert ImageBank.build([tmp_path / "a\0.png"], SIZE, progress=False).reasons.keys() == {0}


def test_other_users_cannot_see_decoded_people(tmp_path: Path, own_cache: Path) -> None:
    own_cache.mkdir(parents=True, mode=0o755)  # as an older version left it
    build(draw(tmp_path, 2))
    modes = [path.stat().st_mode & 0o777 for path in (own_cache, *own_cache.iterdir())]
    assert modes == [0o700, 0o600, 0o600]


def test_the_cpu_needs_no_copy(tmp_path: Path) -> None:
    bank = build(draw(tmp_path, 2))
    assert bank.to_device("cpu") is bank
    assert torch.equal(bank.gather(torch.tensor([1]), "cpu")[0], expected(1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
def test_the_accelerator_holds_a_copy(tmp_path: Path) -> None:
    bank = build(draw(tmp_path, 3)).to_device("cuda")
    batch = bank.gather(torch.tensor([2, 1]), "cuda")
    assert batch.is_cuda
    assert torch.equal(batch[0].cpu(), expected(2))
