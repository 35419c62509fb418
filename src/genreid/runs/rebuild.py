"""A network as a checkpoint describes it; nothing of what the checkpoint says is trusted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from genreid.runs.checkpoint import Checkpoint

NetworkT = TypeVar("NetworkT", bound=nn.Module)

_LIES = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError),
    *(AssertionError, MemoryError, RecursionError),
)
"""What building a network of wrong numbers, or loading wrong tensors into it, ends with."""
LARGEST_SIDE = 4096
"""Pixels; no image that a network was trained on is higher or wider."""


def rebuilt(checkpoint: Checkpoint, name: str, make: Callable[[], NetworkT]) -> NetworkT:
    """Build a network and load the weights of a checkpoint.

    It is built without memory first, which is taken only if its tensors have the shapes of those in the file.

    Args:
        checkpoint: Which stage.
        name: Name of the network in it.
        make: Builds the network as the checkpoint describes it.

    Returns:
        The network, in training mode.

    Raises:
        ValueError: If the description and the tensors do not fit, or a weight is not finite.
    """
    tensors = checkpoint.network(name)
    with trusting_nothing(checkpoint):
        with torch.device("meta"):
            described = make().state_dict()
        wrong = [
            key
            for key in sorted(described.keys() | tensors.keys())
            if key not in described or key not in tensors or described[key].shape != tensors[key].shape
        ]
        if wrong:
            msg = f"{name}.{wrong[0]} and {len(wrong) - 1} tensors more"
            raise TypeError(msg)
        network = make()
        network.load_state_dict(tensors)
    broken = [
        key for key, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()
    ]
    if broken:
        msg = (
            f"the weights of stage {checkpoint.state.stage} at step {checkpoint.state.step} are not finite "
            f"(such as {name}.{broken[0]}): training went wrong before; use an older checkpoint or train anew"
        )
        raise ValueError(msg)
    return network


@contextmanager
def trusting_nothing(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn whatever a checkpoint of wrong facts leads to into one sentence.

    Args:
        checkpoint: What is read in the block.

    Raises:
        ValueError: If something goes wrong there.
    """
    try:
        yield
    except _LIES as error:
        reason = " ".join(str(error).split())[:200]
        state = checkpoint.state
        msg = (
            f"the checkpoint of stage {state.stage} at step {state.step} does not describe the network that "
            f"it holds ({type(error).__name__}: {reason}): it was changed, or made by another version; use "
            "another checkpoint or train anew"
        )
        raise ValueError(msg) from error
