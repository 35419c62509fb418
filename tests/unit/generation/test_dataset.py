"""A generated data set: who is mixed with whom, what is written, and going on after an interruption."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from genreid.data.bank import ImageBank
from genreid.data.batch import ImageSet
from genreid.data.load import load_dataset
from genreid.data.sample import UNKNOWN_CAMID, Sample
from genreid.generation import dataset
from genreid.generation.dataset import COLUMNS, DatasetOrder, generate_dataset
from genreid.generation.dataset_plan import BLOCK, People, mixture, planned_block
from genreid.generation.renderings import to_uint8
from genreid.generation.swapping import Swapper
from genreid.models.dgnet import from_normalised
from genreid.models.precision import Compute
from genreid.runs.loop import Session
from tests.tiny_dgnet_run import SIZE, dgnet_networks

ROOT = Path("/data")
CPU = Compute(torch.device("cpu"), bf16=False)
COUNT = 2 * BLOCK + 5


@pytest.fixture(scope="module")
def swapper() -> Swapper:
    return Swapper(dgnet_networks(), SIZE, CPU)


def people_of(pids: list[int], *, broken: int | None = None, camera: int = 0) -> People:
    """Images of noise; `broken` is a row that cannot be read."""
    samples = tuple(
        Sample(ROOT / f"train/{row}.jpg", pid, camera or 1 + row % 11) for row, pid in enumerate(pids)
    )
    pixels = np.random.default_rng(0).integers(0, 256, (len(pids), 3, *SIZE), dtype=np.uint8)
    usable = torch.tensor([row for row in range(len(pids)) if row != broken])
    bank = ImageBank(tuple(sample.path for sample in samples), pixels, {})
    classes = tuple(sorted(set(pids)))
    labels = torch.tensor([classes.index(pid) for pid in pids])
    return People(samples, ImageSet(bank, None, labels, classes, usable, f"of {pids}"), ROOT)


PEOPLE = people_of([2, 2, 7, 7, 7, 12345, 12345, 99999], broken=3)


def pictures(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "bounding_box_train").iterdir()}


def manifest(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(swapper: Swapper, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    made = generate_dataset(swapper, PEOPLE, DatasetOrder(out, COUNT, 3), shown=False)
    assert made == (COUNT, 0, True, COUNT)
    return out


# Who is mixed with whom


@pytest.mark.parametrize("pids", [[1, 2], [1] * 9 + [2], list(range(50)) * 3])
def test_only_different_people_are_mixed(pids: list[int]) -> None:
    who = torch.tensor(pids)
    for block in range(4):
        rows = mixture(who, 0, block)
        assert len(rows.appearance) == len(rows.structure) == BLOCK
        assert (who[rows.appearance] != who[rows.structure]).all()


def test_every_image_gives_its_appearance_equally_often_and_its_structure_too() -> None:
    who = torch.arange(100)  # everybody once: hardly any structure is drawn anew
    rows = [mixture(who, 1, block) for block in range(25)]  # 1,600 pictures
    assert set(Counter(torch.cat([part.appearance for part in rows]).tolist()).values()) == {16}
    structures = Counter(torch.cat([part.structure for part in rows]).tolist())
    assert min(structures.values()) >= 13
    pairs = {pair for part in rows for pair in zip(*(side.tolist() for side in part), strict=True)}
    assert len(pairs) > 1400


def test_the_mixture_is_a_pure_function_of_seed_and_block() -> None:
    who = torch.arange(30) // 3
    first = mixture(who, 5, 1)
    assert all(torch.equal(*pair) for pair in zip(first, mixture(who, 5, 1), strict=True))
    for seed, block in ((6, 1), (5, 2)):
        assert not any(torch.equal(*pair) for pair in zip(first, mixture(who, seed, block), strict=True))
    # These numbers are those of data sets that exist: other ones need another VERSION.
    assert first.appearance[:6].tolist() == [5, 4, 26, 11, 15, 29]
    assert first.structure[:6].tolist() == [22, 14, 16, 28, 19, 11]


def test_one_person_cannot_be_mixed() -> None:
    with pytest.raises(ValueError, match="two people with readable images are needed"):
        people_of([4, 4, 4])
    with pytest.raises(ValueError, match="two people"):
        people_of([4, 4, 5], broken=2)


def test_names_have_the_appearances_person_and_the_structures_camera() -> None:
    block = planned_block(PEOPLE, 3, 1)
    assert [picture.number for picture in block] == list(range(BLOCK, 2 * BLOCK))
    for picture in block:
        assert picture.name == (
            f"{picture.appearance.pid:04d}_c{picture.structure.camid}s1_{picture.number:06d}_00.jpg"
        )
    assert PEOPLE.samples[3] not in {picture.appearance for picture in block}, "unreadable"
    assert PEOPLE.samples[3] not in {picture.structure for picture in block}
    unknown = people_of([1, 2], camera=UNKNOWN_CAMID)
    assert planned_block(unknown, 0, 0)[0].name.split("_")[1] == "c0s1"
    views = replace(unknown, samples=tuple(replace(sample, physical_camid=9) for sample in unknown.samples))
    assert planned_block(views, 0, 0)[0].name.split("_")[1] == "c9s1"


# What is written


def test_the_tree_reads_back_as_a_training_set(whole: Path) -> None:
    read = load_dataset(whole)
    assert read.format == "market1501"
    assert (len(read.train), read.query, read.gallery, read.unmatched_names) == (COUNT, (), (), ())
    assert {sample.pid for sample in read.train} == {2, 7, 12345, 99999}
    assert (whole / "query").is_dir()
    assert (whole / "bounding_box_test").is_dir()


def test_the_manifest_has_a_line_for_each_picture_in_order(whole: Path) -> None:
    lines = manifest(whole)
    assert tuple(lines[0]) == COLUMNS
    assert len(lines) == COUNT
    read = {sample.path: sample for sample in load_dataset(whole).train}
    by_name = {f"train/{row}.jpg": sample for row, sample in enumerate(PEOPLE.samples)}
    for number, line in enumerate(lines):
        picture = read[whole / line["file"]]
        appearance, structure = by_name[line["appearance"]], by_name[line["structure"]]
        assert picture.path.name.split("_")[2] == f"{number:06d}"
        assert str(appearance.pid) == line["appearance_pid"] == str(picture.pid)
        assert (str(appearance.camid), str(structure.pid)) == (
            line["appearance_camid"],
            line["structure_pid"],
        )
        assert str(structure.camid) == line["structure_camid"] == str(picture.camid)
        assert appearance.pid != structure.pid


def test_each_picture_is_the_swap_that_its_line_says(
    swapper: Swapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, NDArray[np.uint8]] = {}

    def keep(path: Path, image: NDArray[np.uint8], _quality: int) -> None:
        path.touch()
        written[path.name] = image

    monkeypatch.setattr(dataset, "_write_picture", keep)
    generate_dataset(swapper, PEOPLE, DatasetOrder(tmp_path / "out", COUNT, 3), shown=False)
    every = swapper.grid(PEOPLE.images.bank.array, PEOPLE.images.bank.array).astype(int)
    for line in manifest(tmp_path / "out"):
        image = written[Path(line["file"]).name]
        distance = np.abs(every - image).mean(axis=(2, 3, 4))
        row, column = np.unravel_index(distance.argmin(), distance.shape)
        assert (line["appearance"], line["structure"]) == (f"train/{row}.jpg", f"train/{column}.jpg")
        assert np.abs(every[row, column] - image).max() <= 1, "rounding"


def test_pictures_are_jpegs_of_the_networks_size(whole: Path) -> None:
    for path in (whole / "bounding_box_train").iterdir():
        with Image.open(path) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (SIZE[1], SIZE[0]), "RGB")


def test_the_settings_are_written_down(whole: Path) -> None:
    record = json.loads((whole / "manifest.json").read_text(encoding="utf-8"))
    assert (record["count"], record["seed"], record["height"], record["width"]) == (COUNT, 3, *SIZE)


# Going on


def test_a_larger_count_adds_pictures_and_a_smaller_one_is_refused(
    whole: Path, swapper: Swapper, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # 3 pictures: appearances are encoded as they come; more than there are images: all of them at first
    for count, before in ((3, 0), (70, 3), (COUNT, 70)):
        made = generate_dataset(swapper, PEOPLE, DatasetOrder(out, count, 3), shown=False)
        assert made == (count, before, True, count)
        assert len(manifest(out)) == len(pictures(out)) == count
    assert pictures(out) == pictures(whole)
    assert (out / "manifest.csv").read_bytes() == (whole / "manifest.csv").read_bytes()
    with pytest.raises(ValueError, match=f"begun with --count {COUNT}, got 3; it can grow only"):
        generate_dataset(swapper, PEOPLE, DatasetOrder(out, 3, 3), shown=False)


def test_what_is_there_is_kept_and_what_is_missing_is_made_again(
    whole: Path, swapper: Swapper, tmp_path: Path
) -> None:
    out, order = tmp_path / "out", DatasetOrder(tmp_path / "out", COUNT, 3)
    generate_dataset(swapper, PEOPLE, order, shown=False)
    names = sorted(pictures(out), key=lambda name: name.split("_")[2])
    marked = out / "bounding_box_train" / names[1]
    marked.write_bytes(b"mine")
    for name in (names[0], names[66], names[-1]):
        (out / "bounding_box_train" / name).unlink()
    (out / "manifest.csv").unlink()
    assert generate_dataset(swapper, PEOPLE, order, shown=False) == (COUNT, COUNT - 3, True, COUNT)
    assert pictures(out) == {**pictures(whole), names[1]: b"mine"}
    assert (out / "manifest.csv").read_bytes() == (whole / "manifest.csv").read_bytes()


def test_a_signal_ends_it_after_a_block(
    whole: Path, swapper: Swapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, order = tmp_path / "out", DatasetOrder(tmp_path / "out", COUNT, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "must_stop", lambda _self: True)
        assert generate_dataset(swapper, PEOPLE, order, shown=False) == (BLOCK, 0, False, COUNT)
    assert [line["file"] for line in manifest(out)] == [
        f"bounding_box_train/{picture.name}" for picture in planned_block(PEOPLE, 3, 0)
    ]
    assert generate_dataset(swapper, PEOPLE, order, shown=False) == (COUNT, BLOCK, True, COUNT)
    assert pictures(out) == pictures(whole)


def test_a_full_disk_leaves_whole_pictures_and_their_lines(
    whole: Path, swapper: Swapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, order = tmp_path / "out", DatasetOrder(tmp_path / "out", COUNT, 3)
    write = dataset._write_picture

    def full(path: Path, image: NDArray[np.uint8], quality: int) -> None:
        if "_000070_" in path.name:
            raise OSError(28, "No space left on device")
        write(path, image, quality)

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "_write_picture", full)
        with pytest.raises(OSError, match="No space left"):
            generate_dataset(swapper, PEOPLE, order, shown=False)
    there = pictures(out)
    assert {line["file"].split("/")[1] for line in manifest(out)} == set(there)
    assert there.items() <= pictures(whole).items()
    assert len(there) >= BLOCK
    generate_dataset(swapper, PEOPLE, order, shown=False)
    assert pictures(out) == pictures(whole)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"order": DatasetOrder(Path(), COUNT, 4)}, "seed: 3 there, 4 now"),
        ({"people": people_of([1, 2])}, r"people: of \[2, .* there, of \[1, 2\] now"),
        ({"people": replace(PEOPLE, images=replace(PEOPLE.images, usable=torch.arange(8)))}, "readable: 7"),
        ({"swapper": Swapper(dgnet_networks(1), SIZE, CPU)}, "networks: "),
        ({"swapper": Swapper(dgnet_networks(), (32, 16), CPU)}, "height: 64 there, 32 now"),
    ],
    ids=["seed", "people", "readable", "networks", "size"],
)
def test_other_settings_are_refused(
    whole: Path, swapper: Swapper, other: dict[str, object], named: str
) -> None:
    chosen = {"swapper": swapper, "people": PEOPLE, "order": DatasetOrder(Path(), COUNT, 3), **other}
    chosen["order"] = replace(chosen["order"], out=whole)  # type: ignore[type-var]
    before = (whole / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match=f"(?s)begun with other settings:.*{named}.*another folder"):
        generate_dataset(**chosen, shown=False)  # type: ignore[arg-type]
    assert (whole / "manifest.json").read_bytes() == before


def test_a_folder_of_something_else_is_refused(swapper: Swapper, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="not empty and holds no generated data set"):
        generate_dataset(swapper, PEOPLE, DatasetOrder(tmp_path, 3), shown=False)
    with pytest.raises(ValueError, match="not empty"):
        generate_dataset(swapper, PEOPLE, DatasetOrder(tmp_path / "holiday.jpg", 3), shown=False)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        generate_dataset(swapper, PEOPLE, DatasetOrder(tmp_path, 3), shown=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holiday.jpg", "manifest.json"]


def test_a_count_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--count must be 1 or more, got 0"):
        DatasetOrder(tmp_path, 0)


def test_files_as_the_authors_write_them(swapper: Swapper, tmp_path: Path) -> None:
    """Every value is the whole number below, before JPEG of quality 75; a folder is one or the other."""
    shown = from_normalised(swapper.networks.decoder(*_codes(swapper)))
    levels = 127.5 * (shown.detach().double() + 1)
    cut = to_uint8(shown, truncated=True).double()
    near = (levels - levels.round()).abs() < 1e-3
    assert ((cut <= levels) & (levels < cut + 1) | near).all()
    assert (to_uint8(shown).double() - cut).abs().max() == 1
    order = DatasetOrder(tmp_path / "published", 3, 3, as_published=True)
    generate_dataset(swapper, PEOPLE, order, shown=False)
    note = json.loads((order.out / "manifest.json").read_text())
    assert (note["quality"], note["as_published"]) == (75, True)
    (out := tmp_path / "same.jpg").write_bytes(b"")
    for path in (order.out / "bounding_box_train").iterdir():
        with Image.open(path) as image:
            quantization = image.quantization  # type: ignore[attr-defined]
            image.save(out, quality=75)
        with Image.open(out) as other:
            assert other.quantization == quantization  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="quality: 75 there, 95 now"):
        generate_dataset(swapper, PEOPLE, replace(order, as_published=False), shown=False)


def _codes(swapper: Swapper) -> tuple[torch.Tensor, torch.Tensor]:
    images = PEOPLE.images.bank.array[:4]
    return swapper.encode_structure(images), swapper.encode_appearance(images)
