"""Chequered spots: what alternates from pixel to pixel on a person is seen, nothing else is."""

from collections.abc import Callable

import pytest
import torch

from evidence.spots import SQUARE, strongest

EVERYWHERE = torch.ones(1, 1, 32, 16)


def plain(value: float = 0.3) -> torch.Tensor:
    return torch.full((1, 3, 32, 16), value)


@pytest.mark.parametrize("turn", [lambda i, j: i, lambda i, j: j, lambda i, j: i + j])
def test_a_pattern_of_single_pixels_has_its_energy(
    turn: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(16), indexing="ij")
    pattern = 0.2 * torch.where(turn(rows, columns) % 2 == 0, 1.0, -1.0)
    spotted = plain()
    spotted[..., 8 : 8 + SQUARE, 4 : 4 + SQUARE] += pattern[8 : 8 + SQUARE, 4 : 4 + SQUARE]
    assert strongest(spotted, EVERYWHERE).item() == pytest.approx(0.04, rel=1e-4)


def test_plain_colours_and_slow_changes_have_none() -> None:
    assert strongest(plain(), EVERYWHERE).item() == pytest.approx(0, abs=1e-12)
    slope = plain() + torch.linspace(-0.5, 0.5, 32)[:, None]
    assert strongest(slope, EVERYWHERE).item() < 1e-3


def test_what_is_beside_the_person_does_not_count() -> None:
    noisy = plain() + torch.randn(1, 3, 32, 16, generator=torch.Generator().manual_seed(0))
    assert strongest(noisy, EVERYWHERE).item() > 0
    assert strongest(noisy, torch.zeros(1, 1, 32, 16)).item() == 0
