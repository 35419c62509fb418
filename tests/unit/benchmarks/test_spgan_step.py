"""The literal iteration that SPGAN's is timed against does the same work."""

from dataclasses import replace

import pytest
import torch

from benchmarks.spgan_step import case, literal, ours


def test_loss_terms_are_those_of_the_literal_iteration() -> None:
    given = replace(case(tiny=True), precision="fp32")
    own, plain = ours(given), literal(given)
    for step in range(3):
        torch.manual_seed(step)
        found = {name: term.item() for name, term in own(step).items()}
        torch.manual_seed(step)
        expected = {name: term.item() for name, term in plain(step).items()}
        assert found == pytest.approx(expected, rel=1e-3)
