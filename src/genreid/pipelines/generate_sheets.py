"""Pictures of DG-Net runs: grids, swaps, interpolations, of a data set's people or of given photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genreid.data.pictures import read_at_size
from genreid.generation.renderings import check_sheet_path, save_sheet
from genreid.generation.swap_sheets import (
    Code,
    Course,
    RealImages,
    grid_sheet,
    interpolation_sheet,
    pairs_sheet,
)
from genreid.generation.swapping import Swapper
from genreid.models.devices import DeviceName
from genreid.pipelines.people_of_run import Split, draw_people, people_of_run
from genreid.runs.run import Run

CODES: tuple[Code, Code] = ("appearance", "structure")
GRID_COUNT, ROW_COUNT = 8, 5
"""Images drawn for each side of a grid, and rows of an interpolation, unless said otherwise."""


@dataclass(frozen=True, kw_only=True)
class SwapSheetOptions:
    """Whose codes are drawn, and where the picture goes.

    Attributes:
        appearance: Photographs that give appearances; empty: drawn.
        structure: Photographs that give structures; empty: drawn.
        count: Grid, swaps: how many are drawn of each that was not given. Interpolation: rows. None: 8 and 5.
        seed: Which are drawn.
        steps: Interpolation: images in a row, both ends among them.
        out: The PNG; None: a name that begins with `grid` or `interpolate` in RUN/images.
        device: `auto`, `cpu` or `cuda`.
        force: Replace `out` even if genreid did not draw it.
        data: Folder of the run's data set; None: the one that the run names.
        split: Which of its images are drawn.
    """

    appearance: Sequence[Path] = ()
    structure: Sequence[Path] = ()
    count: int | None = None
    seed: int = 0
    steps: int = 8
    out: Path | None = None
    device: DeviceName = "auto"
    force: bool = False
    data: Path | None = None
    split: Split = "train"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.count is not None and self.count < 1:
            msg = f"--count must be 1 or more, got {self.count}"
            raise ValueError(msg)
        if self.steps < 2:
            msg = f"--steps must be 2 or more (both ends are steps), got {self.steps}"
            raise ValueError(msg)
        if self.out is not None:
            check_sheet_path(self.out, replaces=self.force)

    def given(self, code: Code) -> Sequence[Path]:
        """Return the photographs that give a kind of code.

        Args:
            code: `appearance` or `structure`.
        """
        return self.appearance if code == "appearance" else self.structure


def picture_grid(run: Path, options: SwapSheetOptions) -> Path:
    """Draw every combination of appearances and structures, as in figure 1 of the paper.

    Args:
        run: Run folder of `genreid train dgnet`.
        options: Whose codes, and where to.

    Returns:
        The picture that was written: a row keeps the appearance, a column keeps the structure.

    Raises:
        ValueError: If the run holds no DG-Net, a photograph cannot be read (it is named), or the training
            data are wanted and gone.
    """
    swapper = Swapper.from_run(run, options.device)
    sides = _sides(run, swapper, options)
    path = options.out or _default_path(run, "grid", sides.seed)
    save_sheet(path, grid_sheet(swapper, sides.appearance, sides.structure))
    return path


def picture_swaps(runs: Sequence[Path], options: SwapSheetOptions) -> Path:
    """Draw what several runs make of the same pairs, as in figure 4 of the paper.

    Args:
        runs: Run folders of `genreid train dgnet`, of one image size.
        options: Whose codes, and where to; the people are those of the first run.

    Returns:
        The picture that was written: a column for each pair, a row for each run.

    Raises:
        ValueError: As in `picture_grid`, or if sizes or the numbers of photographs differ.
    """
    swappers = {run: Swapper.from_run(run, options.device) for run in runs}
    if len({swapper.size for swapper in swappers.values()}) > 1:
        sizes = ", ".join(f"{run} {one.size[0]}x{one.size[1]}" for run, one in swappers.items())
        msg = f"runs that are drawn below each other have to be of one image size, got {sizes}"
        raise ValueError(msg)
    sides = _sides(runs[0], swappers[runs[0]], options)
    named = {run.resolve().name: swapper for run, swapper in swappers.items()}
    path = options.out or _default_path(runs[0], "swaps", sides.seed)
    save_sheet(path, pairs_sheet(named, sides.appearance, sides.structure))
    return path


class _Sides(NamedTuple):
    """Whose codes are drawn; `seed` is None where nothing was drawn."""

    appearance: RealImages
    structure: RealImages
    seed: int | None


def _sides(run: Path, swapper: Swapper, options: SwapSheetOptions) -> _Sides:
    """Read the photographs that were given, and draw the others."""
    drawn = [code for code in CODES if not options.given(code)]
    given = [code for code in CODES if code not in drawn]
    sides = {code: _read(options.given(code), swapper) for code in given}
    if drawn:
        count = options.count or GRID_COUNT
        found = people_of_run(run, options.data, options.split)
        people = draw_people(found, count * len(drawn), options.seed, swapper.size, swapper.kind)
        sides |= {code: _part(people, number * count, count) for number, code in enumerate(drawn)}
    return _Sides(sides["appearance"], sides["structure"], options.seed if drawn else None)


def picture_interpolation(run: Path, code: Code, options: SwapSheetOptions) -> Path:
    """Draw the ways between codes: of appearances as in figure 5 of the paper, of structures as in figure 9.

    Args:
        run: Run folder of `genreid train dgnet`.
        code: The code that moves. Its photographs, two or more, are the ends: from the first to the second,
            from the second to the third ...; those of the other code, one for all rows or one for each, are
            kept. The other code is that of each row's first image where none is given.
        options: Whose codes, and where to.

    Returns:
        The picture that was written.

    Raises:
        ValueError: If the run holds no DG-Net, a photograph cannot be read (it is named), their numbers do
            not fit, or the training data are wanted and gone.
    """
    swapper = Swapper.from_run(run, options.device)
    ends, kept = options.given(code), options.given(CODES[1 - CODES.index(code)])
    if ends:
        images = _read(ends, swapper)
    else:
        wanted = (options.count or ROW_COUNT) + 1
        found = people_of_run(run, options.data, options.split)
        images = draw_people(found, wanted, options.seed, swapper.size, swapper.kind)
    course = Course(code, images, _read(kept, swapper) if kept else None, options.steps)
    path = options.out or _default_path(run, f"interpolate-{code}", None if ends else options.seed)
    save_sheet(path, interpolation_sheet(swapper, course))
    return path


def _read(paths: Sequence[Path], swapper: Swapper) -> RealImages:
    """Read photographs; one that cannot be read is named."""
    images = [read_at_size(path, swapper.size, swapper.kind) for path in paths]
    return RealImages(np.stack(images), tuple(path.name for path in paths))


def _part(people: RealImages, first: int, count: int) -> RealImages:
    """Return some of the images."""
    rows = slice(first, first + count)
    return RealImages(people.images[rows], people.labels[rows])


def _default_path(run: Path, name: str, seed: int | None) -> Path:
    """Return where a picture goes if nobody says so; `seed` is None where nothing was drawn."""
    return Run(run).images / (f"{name}.png" if seed is None else f"{name}-seed{seed}.png")
