"""`genreid quality`: measure the images that a run generates, or a folder of generated ones."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.arguments import Arguments
from genreid.cli.main import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from genreid.quality.measure import Quality

_MEANINGS = {
    "fid2048": "FID, lower is better",
    "fid768": "the same of 768 earlier features",
    "frechet_vgg16": "as FID, of VGG16's features; lower is better",
    "kid": "KID, lower is better",
    "lpips": "distance from the real image of the person; 0: unchanged",
    "lpips_diversity": "distance between two pictures of one image; higher is more varied",
    "ssim": "similarity to the real image of the person; 1: unchanged",
    "dssim_lab": 'DG-Net\'s "SSIM": dissimilarity within a person; higher is more varied',
    "judge_rank1": "share in which a stranger recognises the person; higher is better",
    "context_distance": "distance to the background that should show; lower is better",
}


def main(argv: Sequence[str]) -> int:
    """Run `genreid quality` and return its exit status.

    Args:
        argv: The words after the verb.

    Returns:
        0; 130 where Ctrl-C stopped it before its end.

    Raises:
        ValueError: If there is nothing to measure, or a file or the judge is not what it should be.
    """
    arguments = _arguments().parse_args(argv)
    from genreid.pipelines.quality import QualityOptions, quality_of  # noqa: PLC0415 - quick --help
    from genreid.quality.generated import MaskFolders  # noqa: PLC0415

    options = QualityOptions(
        data=arguments.data,
        source=arguments.source,
        judge=arguments.judge,
        contexts=arguments.contexts,
        inception_weights=arguments.inception_weights,
        masks=MaskFolders(arguments.source_masks, arguments.target_masks),
        device=arguments.device,
    )
    quality = quality_of(arguments.place, options)
    if arguments.json:
        sys.stdout.write(json.dumps(quality.to_json(), indent=2) + "\n")
    else:
        sys.stdout.write(_table(quality))
    return EXIT_INTERRUPTED if quality.interrupted else 0


def _table(quality: "Quality") -> str:
    """Return the figures for the eye, and below them why some are missing."""
    lines = [f"{quality.images:,} generated images, {quality.real:,} real ones"]
    for name, value in quality.figures.items():
        shown = (
            "-"
            if value is None
            else f"{value:.2f}"
            if name.startswith(("fid", "frechet"))
            else f"{value:.4f}"
        )
        lines.append(f"  {name:<17}{shown:>10}  {_MEANINGS[name]}")
    lines += [f"{name} is missing: {reason}" for name, reason in quality.missing.items()]
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid quality",
        usage=(
            "genreid quality RUN --data DIR [--source DIR] [--judge RUN] [--contexts N] [...] [--json]\n"
            "       genreid quality FOLDER --data DIR [--source DIR] [--judge RUN] [...] [--json]"
        ),
        description=(
            "Measure generated images: those that RUN makes, one of every image that it was trained on "
            "(they are kept in RUN/quality), or those of a FOLDER that `genreid generate RUN --dataset "
            "FOLDER` wrote. What cannot be had is missing, with the reason. docs/quality.md says what each "
            "figure is, and what it cannot tell."
        ),
        epilog="Figures are kept in the cache: after Ctrl-C the same command goes on.",
    )
    add = parser.add_argument
    add(
        "place",
        type=Path,
        metavar="RUN|FOLDER",
        help="run of `genreid adapt` or `genreid train dgnet`, or a folder of generated images",
    )
    add(
        "--data",
        type=Path,
        metavar="DIR",
        required=True,
        help="data set whose training images they should look like: the target, or DG-Net's people",
    )
    add(
        "--source",
        type=Path,
        metavar="DIR",
        help="CR-GAN's source (default: the one that RUN or FOLDER names)",
    )
    add(
        "--judge",
        type=Path,
        metavar="RUN",
        help="a baseline of another backbone and other people, which ranks the generated images",
    )
    add(
        "--contexts",
        type=int,
        metavar="N",
        help="of a RUN, for lpips_diversity: renderings of each of 100 source images (default: 20); DG-Net: "
        "pictures of each image (default: 1)",
    )
    add(
        "--inception-weights",
        type=Path,
        metavar="FILE",
        help="TensorFlow's Inception, pt_inception-2015-12-05-6726825d.pth, for fid2048, fid768 and kid",
    )
    add("--source-masks", type=Path, metavar="DIR", help="person masks of the source, for context_distance")
    add("--target-masks", type=Path, metavar="DIR", help="the same of --data")
    add("--json", action="store_true", help="print the figures as JSON; null: missing")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)")
    return parser
