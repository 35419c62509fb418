"""`Swapper`: codes, their swaps, and what is refused with a hint."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from genreid.data.bank import ImageBank
from genreid.generation.swapping import Swapper
from genreid.models.dgnet import DgnetNetworks
from genreid.models.precision import Compute
from tests.drawn_datasets import Canvas, Shot
from tests.tiny_dgnet_run import SIZE, dgnet_networks, save_dgnet

CPU = Compute(torch.device("cpu"), bf16=False)
MEAN = np.array((0.485, 0.456, 0.406)).reshape(3, 1, 1)
STD = np.array((0.229, 0.224, 0.225)).reshape(3, 1, 1)


@pytest.fixture(scope="module")
def swapper() -> Swapper:
    return Swapper(dgnet_networks(), SIZE, CPU, batch_size=2)


def drawn(count: int, seed: int) -> NDArray[np.uint8]:
    """Images of noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, *SIZE), dtype=np.uint8)


def one_swap(
    networks: DgnetNetworks, appearance: NDArray[np.uint8], structure: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """G(E_s(x_s), E_a(x_a)) of one pair, from the definition of the normalised space."""

    def normalised(image: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(((image / 255 - MEAN) / STD)[None]).float()

    with torch.no_grad():
        code = networks.appearance(normalised(appearance)).code
        made = networks.decoder(networks.structure(normalised(structure)), code)[0].double().numpy()
    shown: NDArray[np.float64] = np.clip(np.round((made * STD + MEAN) * 255), 0, 255)
    return shown


def test_a_swap_is_one_ones_structure_in_the_others_appearance(swapper: Swapper) -> None:
    people, poses = drawn(3, 1), drawn(3, 2)
    images = swapper(people, poses)
    assert images.dtype == np.uint8
    for image, person, pose in zip(images, people, poses, strict=True):
        expected = one_swap(swapper.networks, person, pose)
        assert np.abs(image - expected).max() <= 1  # rounding
        assert expected.std() > 5, "the tiny networks paint something"
    assert not np.array_equal(images, swapper(poses, people))


def test_a_grid_holds_every_combination_and_encodes_each_image_once(
    swapper: Swapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {"appearance": 0, "structure": 0}

    def counting(name: str) -> None:
        network = getattr(swapper.networks, name)
        inner = network.forward

        def forward(images: Tensor) -> object:
            seen[name] += len(images)
            return inner(images)

        monkeypatch.setattr(network, "forward", forward)

    counting("appearance")
    counting("structure")
    people, poses = drawn(3, 1), drawn(5, 2)
    grid = swapper.grid(people, poses)
    assert grid.shape == (3, 5, 3, *SIZE)
    assert seen == {"appearance": 3, "structure": 5}
    for row, person in zip(grid, people, strict=True):
        for image, pose in zip(row, poses, strict=True):
            assert np.abs(image.astype(int) - one_swap(swapper.networks, person, pose)).max() <= 1


def test_codes_of_any_batch_size_are_the_same(swapper: Swapper) -> None:
    images = drawn(5, 3)
    whole = Swapper(swapper.networks, SIZE, CPU)
    torch.testing.assert_close(swapper.encode_appearance(images), whole.encode_appearance(images))
    torch.testing.assert_close(swapper.encode_structure(images), whole.encode_structure(images))
    appearance, structure = whole.encode_appearance(images), whole.encode_structure(images)
    assert appearance.dtype == structure.dtype == torch.float32
    assert len(appearance) == 5
    assert structure.shape[2:] == (SIZE[0] // 4, SIZE[1] // 4)
    assert not appearance.requires_grad


def test_one_code_goes_with_every_other(swapper: Swapper) -> None:
    people, poses = drawn(3, 1), drawn(3, 2)
    alone = swapper.swap(people[:1], poses)
    assert np.array_equal(alone, swapper.swap(people[[0, 0, 0]], poses))
    assert np.array_equal(swapper.swap(people, poses[:1]), swapper.swap(people, poses[[0, 0, 0]]))
    with pytest.raises(ValueError, match=r"got 2 structures and 3 appearances, .* `grid` makes every"):
        swapper.swap(people, poses[:2])


def test_all_kinds_of_pictures(swapper: Swapper, tmp_path: Path) -> None:
    file = Canvas(tmp_path, (90, 40)).write("person.jpg", Shot(1, 1, 1))
    with Image.open(file) as opened:
        image = opened.copy()
    in_bank = ImageBank.build([file], SIZE, cache_dir=tmp_path / "cache", progress=False).array[0]
    codes = swapper.encode_appearance([file, str(file), image, np.asarray(image).transpose(2, 0, 1), in_bank])
    for code in codes[1:]:
        torch.testing.assert_close(code, codes[0])
    stacked = torch.from_numpy(np.stack([in_bank, in_bank]))
    torch.testing.assert_close(swapper.encode_appearance(stacked)[0], codes[0])
    large = np.asarray(image).transpose(2, 0, 1)[None]
    torch.testing.assert_close(swapper.encode_appearance(large), codes[:1])
    torch.testing.assert_close(swapper.encode_appearance(torch.from_numpy(large.copy())), codes[:1])


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ("anna.jpg", r"appearance_images must be a list of pictures, got one: anna\.jpg"),
        (np.zeros((3, *SIZE), np.uint8), "got one array"),
        (torch.zeros(3, *SIZE), "got one array"),
        ([], "appearance_images is empty"),
        (np.zeros((1, *SIZE, 3), np.uint8), r"type image\.transpose\(2, 0, 1\)"),
        (torch.zeros(1, 3, *SIZE), "got float32"),
        (["nowhere.jpg"], r"nowhere\.jpg cannot be read: no such file"),
    ],
)
def test_what_is_no_list_of_pictures(swapper: Swapper, pictures: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        swapper.encode_appearance(pictures)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    save_dgnet(tmp_path, seed=4)
    return tmp_path


def test_the_networks_of_a_run_are_in_evaluation_mode(run: Path) -> None:
    swapper = Swapper.from_run(str(run), "cpu")
    assert swapper.size == SIZE
    assert not any(network.training for network in swapper.networks)
    images = drawn(4, 1)
    together, alone = swapper.encode_appearance(images), swapper.encode_appearance(images[:1])
    torch.testing.assert_close(together[:1], alone, atol=0.1, rtol=0.05)  # bf16 where the hardware has it


def test_a_run_without_dgnet(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no DG-Net"):
        Swapper.from_run(tmp_path, "cpu")
