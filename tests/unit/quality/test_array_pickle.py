"""The reader of arrays: it reads what it is for, and calls nothing."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genreid.quality.array_pickle import read_arrays

ARRAYS = {"A": {"kernel": np.arange(6, dtype=np.float32).reshape(1, 2, 3), "bias": np.ones(3, np.float32)}}


def pickled(tree: object) -> bytes:
    """Pickle as an old NumPy did, which names its module otherwise."""
    return pickle.dumps(tree, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_arrays_come_back() -> None:
    tree: Any = read_arrays(pickled(ARRAYS))
    assert np.array_equal(tree["A"]["kernel"], ARRAYS["A"]["kernel"])
    assert np.array_equal(tree["A"]["bias"], ARRAYS["A"]["bias"])


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize("function", [os.mkdir, eval, getattr, np.load, Path], ids=lambda item: item.__name__)
def test_nothing_is_called(function: Any, tmp_path: Path) -> None:
    place = tmp_path / "made"
    words = {os.mkdir: [str(place)], eval: [f"__import__('os').mkdir({str(place)!r})"]}
    with pytest.raises(ValueError, match=r"it names .*, which no array needs"):
        read_arrays(pickled({"A": Call(function, *words.get(function, ["x"]))}))
    assert not place.exists()


@pytest.mark.parametrize(
    "tree",
    [
        {"A": np.ones(2)},
        {"A": np.array([b"x", None], object)},
        {"A": [np.ones(2, np.float32)]},
        {"A": {1: np.ones(2, np.float32)}},
        [np.ones(2, np.float32)],
        {"A": "text"},
    ],
    ids=["float64", "objects", "list", "number", "no dictionary", "text"],
)
def test_other_things_are_refused(tree: object) -> None:
    with pytest.raises(ValueError, match="not a pickle of float32 arrays alone"):
        read_arrays(pickled(tree))


@pytest.mark.parametrize("length", [0, 1, 40])
def test_a_damaged_pickle_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="not a pickle of float32 arrays alone"):
        read_arrays(pickled(ARRAYS)[:length])
