"""Random views: every pixel against the oracle, what is drawn within its ranges, gradients."""

import pytest
import torch

from genreid.training.views import Views, draw_views, look_at
from tests.oracles import views_oracle as oracle

CPU = torch.device("cpu")


def drawn(count: int) -> Views:
    torch.manual_seed(3)
    return Views(*(part.double() for part in draw_views(count, CPU)))


def some_images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(16, 8), (13, 9)])
def test_a_view_is_the_oracles(size: tuple[int, int]) -> None:
    images = some_images(6, 3, *size)
    views = drawn(6)
    expected = torch.stack(
        [
            oracle.view(
                image,
                views.scale[n].item(),
                views.side[n].item(),
                views.shift[n].tolist(),
                (views.top_left[n].tolist(), views.size[n].tolist()),
            )
            for n, image in enumerate(images)
        ]
    )
    torch.testing.assert_close(look_at(images, views), expected, rtol=0, atol=1e-9)


def test_draws_fill_their_ranges() -> None:
    views = drawn(4000)
    assert views.scale.min().item() == pytest.approx(0.85, abs=1e-3)
    assert views.scale.max().item() == pytest.approx(1.15, abs=1e-3)
    assert set(views.side.tolist()) == {-1, 1}
    assert abs(views.side.mean().item()) < 0.06
    assert views.shift.min().item() == pytest.approx(-0.1, abs=5e-4)
    assert views.shift.max().item() == pytest.approx(0.1, abs=5e-4)
    area = views.size.prod(dim=1)
    assert area.min().item() == pytest.approx(0.02, abs=1e-4)
    assert area.max().item() == pytest.approx(0.2, abs=1e-3)
    aspect = views.size[:, 0] / views.size[:, 1]
    assert aspect.min().item() == pytest.approx(0.5, abs=2e-3)
    assert aspect.max().item() == pytest.approx(2.0, abs=8e-3)
    assert views.top_left.min().item() >= 0
    assert (views.top_left + views.size).max().item() <= 1


def test_the_seed_decides() -> None:
    assert all(torch.equal(a, b) for a, b in zip(drawn(5), drawn(5), strict=True))


def test_gradients_reach_the_images() -> None:
    images = some_images(2, 3, 10, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: look_at(x, drawn(2)), (images,))
