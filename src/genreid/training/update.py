"""One update, as every step of every method makes it: the gradient of some losses, then the optimisers."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from genreid.training.optimizers import parameters_of


class Update:
    """One step of some optimisers down the gradient for their own parameters, and no others.

        with Update(optimizers.discriminator) as judging:
            with autocast():
                losses = discriminator_losses(...)
            judging.learn(losses, weights)

    Entering the block clears the gradients, leaving it lets the optimisers step; after an error nobody steps.
    The gradient of a sum is that of its parts, added up: with one `learn` for each part, the maps of one part
    alone are in memory. A parameter that no loss reaches (DG-Net's fine head, until its ramp begins) has a
    gradient of zero: the L2 penalty acts on it as on all others.

    Args:
        optimizers: What is updated.

    Attributes:
        terms: The losses so far, unweighted, as scalars without their graph.
    """

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.terms: dict[str, Tensor] = {}
        self._optimizers = optimizers
        self._parameters = [
            parameter
            for optimizer in optimizers
            for parameter in parameters_of(optimizer)
            if parameter.requires_grad
        ]

    def __enter__(self) -> Self:
        """Clear the gradients."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        return self

    def learn(self, losses: Mapping[str, Tensor], weights: Mapping[str, float] | None = None) -> None:
        """Add the gradient of a weighted sum of losses; their graph is gone afterwards.

        Args:
            losses: Scalars by name; no two calls share a graph.
            weights: Factor of each loss; None: all count once.
        """
        total = weigh(losses, weights or dict.fromkeys(losses, 1.0))
        torch.autograd.backward(total, inputs=self._parameters)
        self.terms |= {name: loss.detach() for name, loss in losses.items()}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the step, unless there was an error."""
        if kind is not None:
            return
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        # here alone gradients are complete and not yet used: an average over processes belongs here
        for optimizer in self._optimizers:
            optimizer.step()


def weigh(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the weighted sum of losses.

    Args:
        losses: Scalars by name; those that are missing count nothing.
        weights: Factor of each loss.
    """
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
