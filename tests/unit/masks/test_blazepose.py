import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genreid.data.cache import cache_root
from genreid.masks import blazepose
from genreid.masks.blazepose import BlazePoseParser, Letterbox, load_blazepose, mask_of_crop, network_input
from genreid.masks.parser import Crop
from genreid.masks.weights import BLAZEPOSE_FULL
from tests.drawn_datasets import Shot, draw_person

MODEL = cache_root() / "weights" / BLAZEPOSE_FULL.name
needs_model = pytest.mark.skipif(
    not MODEL.is_file() or find_spec("ai_edge_litert") is None,
    reason="BlazePose is not in the cache (one `genreid mask` fetches it) or ai-edge-litert is not installed",
)


def oval(height: int, width: int) -> NDArray[np.uint8]:
    """A mask that is not symmetric, so that a shift or a flip shows."""
    rows, columns = np.mgrid[:height, :width]
    away = ((rows / height - 0.4) / 0.3) ** 2 + ((columns / width - 0.6) / 0.25) ** 2
    return np.asarray(away < 1, np.uint8)


@pytest.mark.parametrize("size", [(128, 64), (256, 128), (100, 37), (60, 90), (3000, 1200)])
def test_a_mask_comes_back_to_where_the_network_saw_it(size: tuple[int, int]) -> None:
    mask = oval(*size)
    box = Letterbox.around(*size)
    seen = network_input(np.repeat(mask[:, :, None] * 255, 3, axis=2).astype(np.uint8), box)
    found = mask_of_crop((seen[0, :, :, 0] - 0.5) * 20, box) >= 0.5
    assert found.shape == size
    both, either = (found & (mask > 0)).sum(), (found | (mask > 0)).sum()
    assert both / either > 0.97


def test_the_square_is_the_crop_with_its_border_repeated() -> None:
    box = Letterbox.around(128, 64)
    assert box == Letterbox(128, 64, side=158, top=15, left=47)
    pixels = np.zeros((128, 64, 3), np.uint8)
    pixels[0, 0], pixels[0, -1], pixels[-1, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    seen = network_input(pixels, box)
    assert seen.shape == (1, 256, 256, 3)
    assert seen.dtype == np.float32
    corners = seen[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert np.allclose(corners, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])


def test_probabilities_stay_finite_for_any_logit() -> None:
    box = Letterbox.around(128, 64)
    found = mask_of_crop(np.full((256, 256), -1e9, np.float32), box)
    assert found.dtype == np.float32
    assert found.shape == (128, 64)
    assert found.max() < 1e-9


@pytest.mark.parametrize("size", [(1, 1), (1, 40_000)])
def test_crops_of_any_shape_fit(size: tuple[int, int]) -> None:
    box = Letterbox.around(*size)
    assert network_input(np.zeros((*size, 3), np.uint8), box).shape == (1, 256, 256, 3)
    assert mask_of_crop(np.ones((256, 256), np.float32), box).shape == size


def test_a_missing_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blazepose, "find_spec", lambda _name: None)
    with pytest.raises(ValueError, match="Type: pip install ai-edge-litert"):
        load_blazepose()


@pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed")
def test_a_model_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--parser-model"):
        load_blazepose(tmp_path / "none.tflite")
    (tmp_path / "text.tflite").write_bytes(b"no network")
    with pytest.raises(ValueError, match="cannot be read"):
        load_blazepose(tmp_path / "text.tflite")


def test_the_parser_can_be_sent_to_another_process() -> None:
    parser = BlazePoseParser(Path("model.tflite"), "00")
    assert pickle.loads(pickle.dumps(parser)) == parser
    assert parser.describe() == {"parser": "blazepose", "model_sha256": "00"}


@needs_model
def test_blazepose_finds_a_drawn_person() -> None:
    drawn = draw_person(Shot(1, 1, 1), (128, 64))
    found = load_blazepose(MODEL).parse([Crop(Path("a.jpg"), np.asarray(drawn.image))])[0]
    person = np.asarray(drawn.mask)
    both, either = (found.binary() & person).sum(), (found.binary() | person).sum()
    assert both / either > 0.7
    assert found.presence is not None
    assert 0 <= found.presence <= 1
