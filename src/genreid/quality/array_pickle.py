"""The reader of the one pickle that this package reads: dictionaries of float32 arrays, and nothing else.

A pickle can call anything it names. This reader knows three names, those of a NumPy array, and refuses every
other; what it returns is looked at once more. It is used on files whose SHA-256 is known beforehand.
"""

import io
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy._core import multiarray

if TYPE_CHECKING:
    from numpy.typing import NDArray

ArrayTree = Mapping[str, "ArrayTree | NDArray[np.float32]"]
"""Names -> arrays, or names again."""
_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): multiarray._reconstruct,  # noqa: SLF001
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):  # noqa: S301 - see the module's docstring
    """Knows what a NumPy array is made of."""

    def find_class(self, module: str, name: str) -> object:
        """Return one of three names; refuse all others."""
        if (module, name) not in _KNOWN:
            msg = f"it names {module}.{name}, which no array needs"
            raise pickle.UnpicklingError(msg)
        return _KNOWN[module, name]


def read_arrays(content: bytes) -> ArrayTree:
    """Read a pickle of nested dictionaries of float32 arrays.

    Args:
        content: The pickle.

    Returns:
        The dictionary.

    Raises:
        ValueError: If it is damaged, or holds anything else; says what.
    """
    try:
        tree = _ArrayUnpickler(io.BytesIO(content)).load()
        _expect_arrays(tree)
    except Exception as error:  # a damaged pickle raises anything
        msg = f"not a pickle of float32 arrays alone: {str(error) or type(error).__name__}"
        raise ValueError(msg) from error
    assert isinstance(tree, dict)
    return tree


def _expect_arrays(tree: object) -> None:
    """Refuse what is no dictionary of arrays."""
    if not isinstance(tree, dict):
        msg = f"expected a dictionary, got {type(tree).__name__}"
        raise TypeError(msg)
    for name, value in tree.items():
        if type(value) is np.ndarray and value.dtype == np.float32 and isinstance(name, str):
            continue
        if not isinstance(name, str) or not isinstance(value, dict):
            msg = f"{name!r} is {type(value).__name__}"
            raise TypeError(msg)
        _expect_arrays(value)
