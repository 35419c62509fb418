"""Moments of drawn pictures beside those of real ones: what the cameras of both domains are set by.

    python -m benchmarks.drawn_moments [--real NAME=DIR ...] [--images N] [--seed S]

People of A and of B are drawn at 128x64, as many training images of each real data set are read, and a table
with a column a set is printed. Levels are of 0-255. Nothing of a picture but these numbers is kept.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genreid.data.load import load_dataset
from genreid.data.sample import Sample
from genreid.drawn.plan import Domain, Synthesis
from genreid.drawn.write import synthesize

HEIGHT, WIDTH = 128, 64
LUMA = np.array([0.299, 0.587, 0.114])
FINE = 0.25
"""Cycles a pixel from which on a frequency is a high one; half a cycle is the highest."""
BLOCK = 8
"""Pixels of a JPEG block."""
WHOLE = (slice(None), slice(None))
BODY = (slice(HEIGHT // 5, HEIGHT * 4 // 5), slice(WIDTH * 3 // 10, WIDTH * 7 // 10))
"""Where a person nearly always is; real sets have no exact masks, so all sets are treated alike."""
EDGES = (slice(None), np.r_[: WIDTH // 8, WIDTH - WIDTH // 8 : WIDTH])
"""Where a person seldom is."""
Levels = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    columns = {f"drawn {name}": _drawn(name, options) for name in ("A", "B")}
    for name, _, folder in (text.partition("=") for text in options.real):
        columns[name] = moments(_some(load_dataset(folder).train, options))
    sys.stdout.write(_table(columns))
    return 0


def moments(samples: Sequence[Sample]) -> Mapping[str, float]:
    """Return what pictures have in common and how they vary.

    Args:
        samples: Pictures of any size, with cameras.

    Returns:
        Words -> figure, in the order in which they are told.
    """
    pictures = np.stack([_read(sample.path) for sample in samples])
    luma = pictures @ LUMA
    means = pictures.mean((1, 2))  # [N,3]
    deviations = pictures.std((1, 2))
    cameras = np.array([sample.camid for sample in samples])
    of_cameras = np.stack([means[cameras == camera].mean(0) for camera in np.unique(cameras)])
    within = np.sqrt(np.mean([means[cameras == camera].var(0).mean() for camera in np.unique(cameras)]))
    person, behind = pictures[:, *BODY].mean((1, 2)), pictures[:, *EDGES].mean((1, 2))
    inner, outer = pictures[:, *BODY].std((1, 2)).mean(), pictures[:, *EDGES].std((1, 2)).mean()
    fine = np.array([_share_of_fine(picture) for picture in luma])
    return {
        **{
            f"mean of {name}": value
            for name, value in zip(("red", "green", "blue"), means.mean(0), strict=True)
        },
        "deviation within a picture": deviations.mean(),
        "its spread over pictures": deviations.std(0).mean(),
        "mean: spread over pictures": means.std(0).mean(),
        "mean: spread over cameras": of_cameras.std(0).mean(),
        "mean: spread within a camera": within,
        "red less blue: spread over cameras": (of_cameras[:, 0] - of_cameras[:, 2]).std(),
        "red less blue: spread over pictures": (means[:, 0] - means[:, 2]).std(),
        "largest less smallest channel": np.ptp(pictures, axis=3).mean(),
        "darkest twentieth below": np.quantile(luma, 0.05, (1, 2)).mean(),
        "brightest twentieth above": np.quantile(luma, 0.95, (1, 2)).mean(),
        "body against edges": np.abs(person - behind).mean(),
        "deviation within the body": inner,
        "deviation within the edges": outer,
        "energy at high frequencies, %": 100 * fine.mean(),
        "its spread over pictures, %": 100 * fine.std(),
        "finest grain": np.mean([_grain(picture) for picture in luma]),
        "steps at JPEG blocks over others": np.mean([_blockiness(picture) for picture in luma]),
    }


def _read(path: Path) -> Levels:
    """Return a picture, [HEIGHT,WIDTH,3] of 0-255."""
    with Image.open(path) as image:
        shown = image.convert("RGB")
        if shown.size != (WIDTH, HEIGHT):
            shown = shown.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
        return np.asarray(shown, np.float64)


def _share_of_fine(luma: Levels) -> float:
    """Return the share of a picture's variance at high frequencies."""
    faded = (luma - luma.mean()) * np.outer(np.hanning(HEIGHT), np.hanning(WIDTH))  # no steps at the borders
    energy = np.abs(np.fft.fft2(faded)) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(HEIGHT), np.fft.fftfreq(WIDTH), indexing="ij"))
    energy[0, 0] = 0
    return float(energy[radius >= FINE].sum() / max(energy.sum(), 1e-9))


def _grain(luma: Levels) -> float:
    """Return the median difference of a pixel from the mean of its four neighbours: mostly noise."""
    around = (luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]) / 4
    return float(np.median(np.abs(luma[1:-1, 1:-1] - around)))


def _blockiness(luma: Levels) -> float:
    """Return the steps between JPEG blocks over all other steps between columns; 1 without compression."""
    steps = np.abs(np.diff(luma, axis=1)).mean(0)
    at_blocks = np.arange(len(steps)) % BLOCK == BLOCK - 1
    return float(steps[at_blocks].mean() / max(steps[~at_blocks].mean(), 1e-9))


def _drawn(domain: Domain, options: argparse.Namespace) -> Mapping[str, float]:
    """Return the moments of a domain's training pictures, drawn for this."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "drawn"
        people = max(2, options.images // 6)  # half of them for training, some thirteen pictures of each
        synthesize(root, root / "masks", Synthesis(domain, people, options.seed), shown=False)
        return moments(_some(load_dataset(root).train, options))


def _some(samples: Sequence[Sample], options: argparse.Namespace) -> list[Sample]:
    """Return as many samples as are asked for, evenly spread over all."""
    count = min(options.images, len(samples))
    return [samples[place * len(samples) // count] for place in range(count)]


def _table(columns: Mapping[str, Mapping[str, float]]) -> str:
    """Return the figures as a table, a column a set."""

    def lines() -> Iterator[str]:
        yield f"| moment | {' | '.join(columns)} |"
        yield "|---" * (len(columns) + 1) + "|"
        for words in next(iter(columns.values())):
            yield f"| {words} | {' | '.join(f'{column[words]:.3g}' for column in columns.values())} |"

    return "\n".join(lines()) + "\n"


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawn_moments")
    parser.add_argument(
        "--real", nargs="*", default=[], metavar="NAME=DIR", help="real data sets to compare with"
    )
    parser.add_argument("--images", type=int, default=1200, help="pictures of each set")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn people")
    return parser


if __name__ == "__main__":
    sys.exit(main())
