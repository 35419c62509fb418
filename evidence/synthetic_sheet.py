"""The picture of synthetic people that the documents show: rows of people, columns of cameras.

    python -m evidence.synthetic_sheet [--out docs/images/synthetic.png]

On the left domain A, on the right domain B; each row holds one person of A and another of B, seen by the six
cameras of their network. Pictures are as they come out of the JPEG files.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.drawn.camera import jpeg
from genreid.drawn.picture import Shot, Studio, place_of, take_picture

SIZE = (128, 64)
GAP = 8
"""White pixels between the two domains."""
COLOURS = 256
"""Colours of the file: a palette takes a third of the bytes, and nobody sees the difference."""


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    rows = [_row(options.seed, who) for who in options.people]
    sheet = Image.fromarray(np.concatenate(rows)).quantize(COLOURS)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(options.out, optimize=True)
    sys.stdout.write(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m evidence.synthetic_sheet")
    parser.add_argument("--out", type=Path, default=Path("docs/images/synthetic.png"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=int, nargs="+", default=[1, 2, 3], help="numbers of the people")
    return parser


def _row(seed: int, who: int) -> NDArray[np.uint8]:
    """Return the pictures of two people, side by side."""
    one, other = (
        np.concatenate([_shown(Studio(domain, seed, SIZE), Shot(who, camid, 0)) for camid in range(1, 7)], 1)
        for domain in ("A", "B")
    )
    return np.concatenate([one, np.full((SIZE[0], GAP, 3), 255, np.uint8), other], 1)


def _shown(studio: Studio, shot: Shot) -> NDArray[np.uint8]:
    """Return a picture as it comes out of its file."""
    encoded = jpeg(take_picture(studio, shot).pixels, place_of(studio, shot.camid).look.quality)
    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(image)


if __name__ == "__main__":
    sys.exit(main())
