"""A frozen copy of a network without copying it: the same layers, called with detached parameters."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call


def frozen_call(network: nn.Module, inputs: Tensor, options: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 (as nn.Module's own call)
    """Run a network so that gradients reach its inputs, but none of its parameters and no statistics change.

    Batch norms in training mode use the batch's statistics; what they would remember of it is thrown away
    (spec dg-net F7: the copy of E_a that reads generated images).

    Args:
        network: The network, in the mode in which it shall run.
        inputs: Its input.
        options: Keyword arguments of its `forward`.
    """
    state = {name: parameter.detach() for name, parameter in network.named_parameters()}
    state |= {name: buffer.clone() for name, buffer in network.named_buffers()}
    return functional_call(network, state, (inputs,), dict(options or {}))
