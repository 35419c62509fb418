"""Pictures of a DG-Net run: grids and interpolations, of its training people or of given photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genreid.data.pictures import read_at_size
from genreid.generation.renderings import check_sheet_path, save_sheet
from genreid.generation.swap_sheets import Code, Course, RealImages, grid_sheet, interpolation_sheet
from genreid.generation.swapping import Swapper
from genreid.models.devices import DeviceName
from genreid.pipelines.people_of_run import draw_people, people_of_run
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
        count: Grid: how many are drawn of each that was not given. Interpolation: rows drawn. None: 8 and 5.
        seed: Which are drawn.
        steps: Interpolation: images in a row, both ends among them.
        out: The PNG; None: a name that begins with `grid` or `interpolate` in RUN/images.
        device: `auto`, `cpu` or `cuda`.
        force: Replace `out` even if genreid did not draw it.
        data: Folder of the training people; None: the one that the run names.
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
    count = options.count or GRID_COUNT
    drawn = [code for code in CODES if not options.given(code)]
    sides = {code: _read(options.given(code), swapper) for code in CODES if code not in drawn}
    if drawn:
        found = people_of_run(run, options.data)
        people = draw_people(found, count * len(drawn), options.seed, swapper.size, swapper.kind)
        sides |= {code: _part(people, number * count, count) for number, code in enumerate(drawn)}
    path = options.out or _default_path(run, "grid", options.seed if drawn else None)
    save_sheet(path, grid_sheet(swapper, sides["appearance"], sides["structure"]))
    return path


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
        found = people_of_run(run, options.data)
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
