"""How many renderings have chequered spots: `python -m evidence.spots RUN... [--count 96] [--seed 0]`.

A generator that pleases a frozen classifier paints patterns of single pixels. In each square of eight pixels
on the person the energy at the three highest frequencies is taken: rows, columns, and both alternating from
pixel to pixel. A rendering is spotted if one of its squares holds more than any square of as many real target
people.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from genreid.models.precision import choose_compute
from genreid.pipelines.adapt import job_of_run, open_domains
from genreid.runs.trained_renderer import load_renderer
from genreid.training.crgan_stages import PairPlan, draw_pairs, render

SQUARE = 8
"""Side of the squares in pixels; they lie at every second pixel."""
FEWEST_ON_PERSON = 0.75
"""Share of a square that must be person."""


class Spots(NamedTuple):
    """What a run's renderings hold at the highest frequencies, beside real target people.

    Attributes:
        spotted: Share of renderings with a square above every real one.
        rendered: Median over renderings of the strongest square's energy.
        real: The same of the real target people.
    """

    spotted: float
    rendered: float
    real: float


def strongest(images: Tensor, masks: Tensor) -> Tensor:
    """Return each image's strongest square on the person: mean square of what alternates, [B].

    Args:
        images: [B, 3, H, W] in [-1, 1].
        masks: [B, 1, H, W], 1 = person.

    Returns:
        0 where the person fills no square.
    """
    height, width = images.shape[2:]
    rows = torch.where(torch.arange(height) % 2 == 0, 1.0, -1.0)[:, None]
    columns = torch.where(torch.arange(width) % 2 == 0, 1.0, -1.0)[None]
    energy = sum(
        F.avg_pool2d(images * pattern, SQUARE, 2).square().mean(dim=1, keepdim=True)
        for pattern in (rows.expand(height, width), columns.expand(height, width), rows * columns)
    )
    assert isinstance(energy, Tensor)
    on_person = F.avg_pool2d(masks, SQUARE, 2) >= FEWEST_ON_PERSON
    return (energy * on_person).amax((1, 2, 3))


def spots_of(run: Path, count: int, seed: int) -> Spots:
    """Render pairs of a run and compare them with real target people.

    Args:
        run: Run folder of `genreid adapt`.
        count: Number of pairs.
        seed: Which pairs.
    """
    compute = choose_compute("auto")
    network = compute.place(load_renderer(run).network).eval()
    pair = draw_pairs(
        open_domains(job_of_run(run)), PairPlan(count, seed, "pictures"), 0, compute.device
    ).pair
    ours = strongest(render(network, pair, compute).image.float(), pair.source_mask)
    real = strongest(pair.target, pair.target_mask)
    return Spots((ours > real.max()).float().mean().item(), ours.median().item(), real.median().item())


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(prog="python -m evidence.spots", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    for run in options.runs:
        found = spots_of(run, options.count, options.seed)
        sys.stdout.write(
            f"{run}: {found.spotted:.1%} of {options.count} spotted; strongest square, median: "
            f"{found.rendered:.2e}, real target people {found.real:.2e}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
