"""The literal step that stage II is timed against does the same work."""

from dataclasses import replace

import pytest

from benchmarks.crgan_step import case, literal, ours


@pytest.mark.parametrize("second_half", [False, True])
def test_loss_terms_are_those_of_the_literal_step(second_half: bool) -> None:
    given = replace(case(tiny=True), precision="fp32", noise=False)
    first = given.config.stage2.iterations // 2 if second_half else 0
    own, plain = ours(given), literal(given)
    for step in (first, first + 1):
        found = {name: term.item() for name, term in own(step).items() if name != "context_mask"}
        expected = {name: term.item() for name, term in plain(step).items()}
        assert found == pytest.approx(expected, rel=2e-4)
