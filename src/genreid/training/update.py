"""One update, as every step of every method makes it: rates, the gradient of some losses, the optimisers."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn


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


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group.

    Args:
        optimizer: The optimiser to change.
        rate: The new rate.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate


def scale_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's learning rate to `factor` times the rate that it started with.

    Args:
        optimizer: An optimiser whose groups hold `base_lr`.
        factor: The schedule's value, 1 at the start.
    """
    for group in optimizer.param_groups:
        group["lr"] = factor * group["base_lr"]


def parameters_of(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return all parameters that an optimiser changes.

    Args:
        optimizer: Any optimiser.
    """
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
