"""Pictures of what DG-Net's codes hold: combinations (figures 1, 6), several networks (4), ways (5, 9)."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from genreid.generation.sheets import Sheet, draw_sheet
from genreid.generation.swapping import Swapper

Code = Literal["appearance", "structure"]


class RealImages(NamedTuple):
    """Real images to encode, and what to write beside them.

    Attributes:
        images: uint8 [N, 3, H, W] of the networks' size.
        labels: N short texts.
    """

    images: NDArray[np.uint8]
    labels: tuple[str, ...]


class Course(NamedTuple):
    """Which code moves from image to image, and what stays.

    Attributes:
        code: The code that moves.
        images: Two or more images: it moves from the first to the second, from the second to the third ...
        kept: Images whose other code is kept: one for each step of the way, or one for all; None: that of the
            image which the step begins with.
        steps: Number of images generated for a step, both ends among them; 2 or more.
    """

    code: Code
    images: RealImages
    kept: RealImages | None = None
    steps: int = 8


def grid_sheet(swapper: Swapper, appearance: RealImages, structure: RealImages) -> Image.Image:
    """Draw every combination as in figure 1: a row keeps the appearance, a column keeps the structure.

    The first column shows the real images that give the appearances, the first row those of the structures.

    Args:
        swapper: Generates.
        appearance: N images.
        structure: M images.

    Returns:
        An RGB picture of N + 1 rows and M + 1 columns.
    """
    generated = swapper.grid(appearance.images, structure.images)
    rows = [[None, *structure.images]]
    rows += [[real, *row] for real, row in zip(appearance.images, generated, strict=True)]
    sheet = Sheet(
        rows,
        row_labels=("structure", *appearance.labels),
        column_labels=("appearance", *structure.labels),
        title="a row keeps its appearance, a column its structure; first row and column: real",
        row_breaks=frozenset({0}),
        column_breaks=frozenset({0}),
    )
    return draw_sheet(sheet)


def pairs_sheet(
    swappers: Mapping[str, Swapper], appearance: RealImages, structure: RealImages
) -> Image.Image:
    """Draw what several networks make of the same pairs, as in figure 4: below each other.

    Args:
        swappers: Name -> generates.
        appearance: N images, or one.
        structure: N images, or one.

    Returns:
        An RGB picture of a column for each pair: structure, appearance, then each network's image.

    Raises:
        ValueError: If the numbers differ and neither is 1.
    """
    made = {name: swapper.swap(appearance.images, structure.images) for name, swapper in swappers.items()}
    count = len(next(iter(made.values())))
    sides = ((one.images[n % len(one.images)] for n in range(count)) for one in (structure, appearance))
    rows = [*(list(side) for side in sides), *(list(images) for images in made.values())]
    return draw_sheet(Sheet(rows, ("structure", "appearance", *made), row_breaks=frozenset({1})))


def interpolation_sheet(swapper: Swapper, course: Course) -> Image.Image:
    """Draw the ways between codes as in figures 5 and 9: linear in one code, the other stays.

    A row shows, if one was given, the real image whose code is kept; the real image where the way begins;
    what G makes of the codes between, both ends included; and the real image where it ends. With nothing
    given, the kept code is that of the first image: the first generated image is its reconstruction.

    Args:
        swapper: Generates.
        course: Which code moves, between which images, in how many steps.

    Returns:
        An RGB picture with a row for every two neighbouring images.

    Raises:
        ValueError: If there are fewer than two images or steps, or the number of kept images does not fit.
    """
    ways = _checked_ways(course)
    images, labels = course.images
    kept = course.kept
    generated = _generate(swapper, course)
    rows = [[images[n], *generated[n], images[n + 1]] for n in range(ways)]
    columns = ["from", *(f"{share:.2f}" for share in np.linspace(0, 1, course.steps)), "to"]
    breaks = {0, course.steps}
    other = _other(course.code)
    if kept is not None:
        rows = [[kept.images[n % len(kept.images)], *row] for n, row in enumerate(rows)]
        columns, breaks = ["kept", *columns], {0, 1, course.steps + 1}
    stays = "kept" if kept is not None else "that of the first"
    sheet = Sheet(
        rows,
        row_labels=[f"{labels[n]}\n> {labels[n + 1]}" for n in range(ways)],
        column_labels=columns,
        title=f"{course.code} from one image to the next, {other} {stays}",
        column_breaks=frozenset(breaks),
    )
    return draw_sheet(sheet)


def _generate(swapper: Swapper, course: Course) -> NDArray[np.uint8]:
    """Return the images of all ways: uint8 [ways, steps, 3, H, W]; every image is encoded once a kind."""
    encode = {"appearance": swapper.encode_appearance, "structure": swapper.encode_structure}
    images = course.images.images
    ends = encode[course.code](images)
    kept = encode[_other(course.code)](images[:-1] if course.kept is None else course.kept.images)
    shares = torch.linspace(0, 1, course.steps, device=ends.device)
    rows = []
    for number in range(len(ends) - 1):
        moving = _between(ends[number], ends[number + 1], shares)
        staying = kept[number % len(kept)][None]
        pair = (staying, moving) if course.code == "appearance" else (moving, staying)
        rows.append(swapper.decode(*pair))
    return np.stack(rows)


def _between(first: Tensor, last: Tensor, shares: Tensor) -> Tensor:
    """Return the codes on the straight line from one to the other: [T, ...], exact at 0 and 1."""
    weights = shares.view(-1, *[1] * first.ndim)
    return torch.lerp(first[None], last[None], weights)


def _other(code: Code) -> Code:
    """Return the code that stays when this one moves."""
    return "structure" if code == "appearance" else "appearance"


def _checked_ways(course: Course) -> int:
    """Return the number of rows; refuse what makes no row."""
    count, other = len(course.images.images), _other(course.code)
    if count < 2:
        msg = f"interpolation needs two images or more, got {count}; give --{course.code} IMG IMG"
        raise ValueError(msg)
    if course.steps < 2:
        msg = f"--steps must be 2 or more (both ends are steps), got {course.steps}"
        raise ValueError(msg)
    kept = None if course.kept is None else len(course.kept.images)
    if kept not in {None, 1, count - 1}:
        msg = (
            f"--{other}: got {kept} images, expected 1 or {count - 1}, one for each of the rows between "
            f"{count} images"
        )
        raise ValueError(msg)
    return count - 1
