"""The literal iteration that DG-Net's is timed against does the same work."""

import copy

import pytest
import torch

from benchmarks.dgnet_step import (
    build_networks,
    case,
    channels_last,
    draw_batch,
    largest_difference,
    our_step,
)
from benchmarks.literal_dgnet import LiteralStep
from genreid.models.precision import Compute

CPU = Compute(torch.device("cpu"), bf16=False)


@pytest.mark.parametrize("tune_encoder", [False, True])
def test_losses_and_all_weights_are_those_of_the_literal_step(tune_encoder: bool) -> None:
    given = case(tiny=True)
    networks = build_networks(given, torch.float64)
    literal = LiteralStep(copy.deepcopy(networks), given.config.training)
    ours = our_step(given, networks, CPU)
    batch = draw_batch(given, dtype=torch.float64)
    middle = given.config.training.iterations // 2
    for number in range(2):
        found = ours(channels_last(batch), middle + number, float(tune_encoder))
        expected = literal(batch, middle + number, tune_encoder=tune_encoder)
        assert {name: term.item() for name, term in found.items()} == pytest.approx(expected, rel=1e-6)
    for name in ("appearance", "structure", "decoder", "discriminator"):
        twin = getattr(literal.networks, name).state_dict()
        for key, value in getattr(networks, name).state_dict().items():
            torch.testing.assert_close(value, twin[key], rtol=1e-5, atol=1e-7, msg=f"{name}.{key}")


def test_terms_that_are_missing_or_differ_are_seen() -> None:
    assert largest_difference({"a": 1.1, "b": 2.0}, {"a": 1.0, "b": 2.0}) == pytest.approx(0.1)
    with pytest.raises(AssertionError, match="b"):
        largest_difference({"a": 1.0}, {"a": 1.0, "b": 2.0})
