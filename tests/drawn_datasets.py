"""Small drawn people in the true folder layout of every data set, for tests: deterministic, no photograph.

Every person has clothes of their own colours, every camera its own background, every image its own pose.
Where a format has test splits, `pids` people train and `pids` others are query and gallery.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Size = tuple[int, int]
"""Height and width."""


class Shot(NamedTuple):
    """One image to draw: who, from which camera, which of the pictures."""

    pid: int
    camid: int
    number: int


class Drawn(NamedTuple):
    """A drawn image and its exact person mask."""

    image: Image.Image
    mask: Image.Image


@dataclass(frozen=True)
class Canvas:
    """Where images and masks of one data set are written."""

    root: Path
    size: Size = (64, 32)
    seed: int = 0
    masks_root: Path | None = None

    def write(self, relative: str, shot: Shot) -> Path:
        """Draw one image under a relative path, and its mask if masks are wanted."""
        drawn = draw_person(shot, self.size, self.seed)
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn.image.save(path, quality=95)
        if self.masks_root is not None:
            mask = (self.masks_root / relative).with_suffix(".png")
            mask.parent.mkdir(parents=True, exist_ok=True)
            drawn.mask.save(mask)
        return path


def draw_person(shot: Shot, size: Size = (64, 32), seed: int = 0) -> Drawn:
    """Draw a person: a head, a coat and legs before a striped wall."""
    height, width = size
    clothes = np.random.default_rng([seed, 1, shot.pid + 1])
    walls = np.random.default_rng([seed, 2, shot.camid + 1])
    pose = np.random.default_rng([seed, 3, shot.pid + 1, shot.camid + 1, shot.number])
    image = Image.new("RGB", (width, height), _colour(walls))
    stripes, stripe = ImageDraw.Draw(image), _colour(walls)
    for left in range(0, width, 8):
        stripes.rectangle((left, 0, left + 3, height), fill=stripe)
    mask = Image.new("1", (width, height), 0)
    centre = width / 2 + pose.uniform(-0.1, 0.1) * width
    half = width * pose.uniform(0.2, 0.28)
    head, coat, legs = (235, 200, 170), _colour(clothes), _colour(clothes)
    for canvas, colours in ((ImageDraw.Draw(image), (head, coat, legs)), (ImageDraw.Draw(mask), (1, 1, 1))):
        canvas.ellipse((centre - half / 2, height * 0.05, centre + half / 2, height * 0.22), fill=colours[0])
        canvas.rectangle((centre - half, height * 0.22, centre + half, height * 0.55), fill=colours[1])
        canvas.rectangle(
            (centre - half * 0.7, height * 0.55, centre + half * 0.7, height * 0.95), fill=colours[2]
        )
    return Drawn(image, mask)


def draw_market1501(
    root: Path,
    pids: int = 4,
    cameras: int = 2,
    images_per_camera: int = 2,
    size: Size = (64, 32),
    seed: int = 0,
    masks_root: Path | None = None,
) -> Path:
    """Market-1501: `PID_cCAMsSEQ_FRAME_BOX.jpg`, with three junk images and three distractors."""
    canvas = Canvas(root, size, seed, masks_root)
    for folder, shot in _three_folders(pids, cameras, images_per_camera):
        canvas.write(f"{folder}/{shot.pid:04d}_c{shot.camid}s1_{shot.number:06d}_00.jpg", shot)
    for number in range(3):
        camid = number % cameras + 1
        canvas.write(f"bounding_box_test/-1_c{camid}s1_{number:06d}_00.jpg", Shot(9000, camid, number))
        canvas.write(
            f"bounding_box_test/0000_c{camid}s1_{number:06d}_00.jpg", Shot(9001 + number, camid, number)
        )
    return root


def draw_dukemtmc(root: Path, pids: int = 4, cameras: int = 2, images_per_camera: int = 2) -> Path:
    """DukeMTMC-reID: `PID_cCAM_fFRAME.jpg`; one more person, who is in the gallery only."""
    canvas = Canvas(root)
    shots = [
        *_three_folders(pids, cameras, images_per_camera),
        ("bounding_box_test", Shot(2 * pids + 1, 1, 1)),
    ]
    for folder, shot in shots:
        canvas.write(f"{folder}/{shot.pid:04d}_c{shot.camid}_f{shot.number:07d}.jpg", shot)
    return root


def draw_cuhk03_np(root: Path, pids: int = 4, *, pairs: bool = True, masks_root: Path | None = None) -> Path:
    """CUHK03-NP: `PID_cCAM_pPAIR_SHOT.jpg`, or `PID_cCAM_SHOT.png` without the camera pair; two cameras."""
    canvas = Canvas(root, masks_root=masks_root)
    for folder, shot in _three_folders(pids, 2, 2):
        pair = (shot.pid - 1) % 5 + 1
        name = f"{shot.pid:04d}_c{shot.camid}_"
        name += f"p{pair}_{shot.number:02d}.jpg" if pairs else f"{shot.number}.png"
        canvas.write(f"{folder}/{name}", shot)
    return root


def draw_msmt17(root: Path, pids: int = 4, cameras: int = 12, version: int = 1) -> Path:
    """MSMT17 V1 or V2: lists of paths and identities; identities start from 0 in train and again in test."""
    train, test = ("train", "test") if version == 1 else ("mask_train_v2", "mask_test_v2")
    canvas = Canvas(root)
    lists: dict[str, list[str]] = {"train": [], "val": [], "query": [], "gallery": []}
    for pid in range(pids):
        for folder, splits in ((train, ("val", "train")), (test, ("query", "gallery"))):
            for number in range(6):
                # As in the release, a person is seen by some of the cameras; numbers above nine occur.
                camid = (pid + number * 5) % cameras + 1
                relative = f"{pid:04d}/{pid:04d}_{number:03d}_{camid:02d}_0303morning_{number:04d}_0.jpg"
                canvas.write(
                    f"{folder}/{relative}", Shot(pid + 1 + (100 if folder == test else 0), camid, number)
                )
                lists[splits[number > 0]].append(f"{relative} {pid}")
    for name, lines in lists.items():
        (root / f"list_{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def draw_folder_tree(root: Path, identities: tuple[str, ...] = ("Ada", "Bert"), cameras: int = 12) -> Path:
    """Any tree: `train|query|gallery/IDENTITY/camN-SHOT.jpg`, the same people in all splits."""
    canvas = Canvas(root)
    for number, (pid, identity) in enumerate(enumerate(identities, start=1)):
        for split, cams in (
            ("train", range(1, cameras + 1)),
            ("query", (number + 1,)),
            ("gallery", (cameras,)),
        ):
            for camid in cams:
                canvas.write(f"{split}/{identity}/cam{camid}-{split}.jpg", Shot(pid, camid, len(split)))
    return root


def draw_csv(root: Path, identities: tuple[str, ...] = ("Ada", "Bert"), cameras: int = 2) -> Path:
    """Any images and a table `people.csv` of path, identity, camera, split; returns the table's path."""
    canvas = Canvas(root)
    table = root / "people.csv"
    rows = []
    for pid, identity in enumerate(identities, start=1):
        for camid in range(1, cameras + 1):
            for number, split in enumerate(("train", "query", "gallery")):
                path = canvas.write(f"crops/{pid}{camid}{number}.png", Shot(pid, camid, number))
                rows.append((path.relative_to(root).as_posix(), identity, f"door {camid}", split))
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "identity", "camera", "split"), *rows])
    return table


def draw_cuhk03_raw(root: Path, people_of_pair: tuple[int, ...] = (3, 2, 1), test_people: int = 2) -> Path:
    """The raw release: `cuhk03_release/cuhk-03.mat` (HDF5) and the two files of the new protocol (MATLAB 5).

    Every person has shots 1, 2 from view 1 and 6, 7 from view 2, the last person of a pair only
    shot 1 of view 1. In the new protocol the last `test_people` people are the test set.
    """
    from scipy.io import savemat  # noqa: PLC0415 - only this format needs it

    people = [
        (pair, person) for pair, count in enumerate(people_of_pair, 1) for person in range(1, count + 1)
    ]
    (root / "cuhk03_release").mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "cuhk03_release" / "cuhk-03.mat", "w") as mat:
        for boxes in ("detected", "labeled"):
            cells = [
                _raw_pair(mat, f"{boxes}{pair}", pair, count) for pair, count in enumerate(people_of_pair, 1)
            ]
            _store_refs(mat, boxes, np.array([cells]))
        tests = [
            mat.create_dataset(f"#refs#/test{k}", data=np.array([people[k % 2]], "f8").T).ref
            for k in range(20)
        ]
        _store_refs(mat, "testsets", np.array([tests]))
    names: list[str] = []
    labels: list[int] = []
    train: list[int] = []
    query: list[int] = []
    gallery: list[int] = []
    for label, (pair, person) in enumerate(people, start=1):
        for view, shot in _raw_shots(person, people_of_pair[pair - 1]):
            names.append(f"{pair}_{person:03d}_{view}_{shot:02d}.png")
            labels.append(label)
            tested = label > len(people) - test_people
            (train if not tested else query if shot in {1, 6} else gallery).append(len(names))
    config = {"train_idx": train, "query_idx": query, "gallery_idx": gallery, "labels": labels}
    columns = {key: np.array(values, np.uint16)[:, None] for key, values in config.items()}
    filelist = np.array([[name] for name in names], dtype=object)
    for boxes in ("detected", "labeled"):
        savemat(root / f"cuhk03_new_protocol_config_{boxes}.mat", {**columns, "filelist": filelist})
    return root


def _raw_shots(person: int, count: int) -> list[tuple[int, int]]:
    """Return view and number of each shot of a person of the raw release."""
    return [(1, 1)] if person == count > 1 else [(1, 1), (1, 2), (2, 6), (2, 7)]


def _raw_pair(mat: h5py.File, name: str, pair: int, count: int) -> h5py.Reference:
    """Store one camera pair as a cell array [people, 10] of images, as MATLAB lays it out in HDF5."""
    cells = np.empty((10, count), dtype=h5py.ref_dtype)
    for person in range(1, count + 1):
        shots = {shot: view for view, shot in _raw_shots(person, count)}
        for shot in range(1, 11):
            path = f"#refs#/{name}_{person}_{shot}"
            pixels: npt.NDArray[np.generic] = np.zeros(2, np.uint64)
            if shot in shots:
                drawn = draw_person(Shot(pair * 100 + person, shots[shot] + 2 * pair, shot))
                pixels = np.asarray(drawn.image).T
            cells[shot - 1, person - 1] = mat.create_dataset(path, data=pixels).ref
    return _store_refs(mat, f"#refs#/{name}", cells).ref


def _store_refs(mat: h5py.File, name: str, refs: npt.NDArray[np.object_]) -> h5py.Dataset:
    """Store an array of references to other data sets."""
    stored = mat.create_dataset(name, refs.shape, dtype=h5py.ref_dtype)
    for place in np.ndindex(refs.shape):
        stored[place] = refs[place]
    return stored


def _three_folders(pids: int, cameras: int, images_per_camera: int) -> Iterator[tuple[str, Shot]]:
    """Yield folder and shot: people 1..pids train, the next `pids` query (first shot) and gallery."""
    for pid in range(1, 2 * pids + 1):
        for camid in range(1, cameras + 1):
            for number in range(1, images_per_camera + 1):
                folder = (
                    "bounding_box_train" if pid <= pids else "query" if number == 1 else "bounding_box_test"
                )
                yield folder, Shot(pid, camid, number)


def _colour(random: np.random.Generator) -> tuple[int, int, int]:
    """Draw a colour."""
    red, green, blue = random.integers(20, 236, 3)
    return int(red), int(green), int(blue)
