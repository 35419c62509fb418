"""`genreid generate`: pictures, or a data set, with a trained network."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from genreid.cli.arguments import Arguments
from genreid.cli.main import EXIT_INTERRUPTED

_TAKES = {
    "--grid": {"appearance", "structure", "count", "seed", "out", "force", "data", "split"},
    "--swaps": {"appearance", "structure", "count", "seed", "out", "force", "data", "split"},
    "--interpolate": {"appearance", "structure", "count", "seed", "steps", "out", "force", "data", "split"},
    "--dataset": {"count", "contexts", "seed", "data", "as_published"},
    "--renderings": {"count", "contexts", "source", "target", "seed", "out", "force"},
}
"""What is made -> the options that it takes."""
_TAKES_RUNS = {"--swaps", "--renderings"}
"""What shows several runs below each other."""


def main(argv: Sequence[str]) -> int:
    """Run `genreid generate` and return its exit status.

    Args:
        argv: The words after the verb.

    Returns:
        0; 130 where a signal stopped `--dataset` before its end.

    Raises:
        ValueError: If the run cannot do what was asked for, or an option does not go with it.
    """
    options = _arguments().parse_args(argv)
    _check_combination(options)
    if options.dataset is not None:
        return _dataset(options)
    sys.stdout.write(_renderings(options) if options.renderings else _swaps(options))
    return 0


def _renderings(options: argparse.Namespace) -> str:
    """Draw what CR-GAN runs make of pairs, or of people under many targets."""
    from genreid.pipelines.picture import (  # noqa: PLC0415 - quick --help
        ContextOptions,
        SheetOptions,
        picture_contexts,
        picture_renderings,
    )

    if len(options.runs) > 1 or options.contexts is not None or options.source or options.target:
        chosen = ContextOptions(
            count=3 if options.count is None else options.count,
            contexts=6 if options.contexts is None else options.contexts,
            source=options.source or (),
            target=options.target or (),
            seed=options.seed or 0,
            out=options.out,
            device=options.device,
            force=bool(options.force),
        )
        path = picture_contexts(options.runs, chosen)
        return (
            f"{path}: a person (X_S) and targets (X_T), then what each run makes of them, below each other\n"
        )
    count = 12 if options.count is None else options.count
    wanted = SheetOptions(count, options.seed or 0, options.out, options.device, bool(options.force))
    path = picture_renderings(options.run, wanted)
    rows = "X_S (source), X_T (target), M_S (mask), 1-X_C (kept of X_S), X_G (rendering)"
    return f"{path}: rows {rows}; masks that are black everywhere are left out\n"


def _swaps(options: argparse.Namespace) -> str:
    """Draw a grid, swaps or an interpolation of DG-Net runs."""
    from genreid.pipelines.generate_sheets import (  # noqa: PLC0415
        SwapSheetOptions,
        picture_grid,
        picture_interpolation,
        picture_swaps,
    )

    chosen = SwapSheetOptions(
        appearance=options.appearance or (),
        structure=options.structure or (),
        count=options.count,
        seed=options.seed or 0,
        steps=8 if options.steps is None else options.steps,
        out=options.out,
        device=options.device,
        force=bool(options.force),
        data=options.data,
        split=options.split or "train",
    )
    if options.swaps:
        path = picture_swaps(options.runs, chosen)
        return f"{path}: structure, appearance, then what each run makes of the pair, below each other\n"
    if options.grid:
        path = picture_grid(options.run, chosen)
        return f"{path}: a row keeps its appearance, a column its structure; first row and column are real\n"
    path = picture_interpolation(options.run, options.interpolate, chosen)
    return f"{path}: {options.interpolate} codes from one real image to the next, real images at both sides\n"


def _dataset(options: argparse.Namespace) -> int:
    """Write a data set of generated people."""
    from genreid.pipelines.generate_dataset import DatasetOptions, dataset_of_run  # noqa: PLC0415

    wanted = DatasetOptions(
        options.dataset,
        options.count,
        1 if options.contexts is None else options.contexts,
        options.seed or 0,
        bool(options.as_published),
        options.device,
    )
    made = dataset_of_run(options.run, wanted, options.data)
    kept = f", {made.kept} of them there before" if made.kept else ""
    sys.stdout.write(f"{options.dataset}: {made.images} of {made.wanted} generated images{kept}\n")
    return 0 if made.finished else EXIT_INTERRUPTED


def _check_combination(options: argparse.Namespace) -> None:
    """Refuse options that what is made does not take, rather than pass them over."""
    made = next(name for name in _TAKES if getattr(options, name[2:]) not in {None, False})
    names = sorted(set().union(*_TAKES.values()))
    extra = [_flag(name) for name in names if getattr(options, name) is not None and name not in _TAKES[made]]
    if extra:
        takes = ", ".join(map(_flag, sorted(_TAKES[made])))
        msg = f"genreid generate {made} does not take {' and '.join(extra)}, only {takes}"
        raise ValueError(msg)
    if len(options.runs) > 1 and made not in _TAKES_RUNS:
        msg = f"genreid generate {made} takes one RUN, got {len(options.runs)}"
        raise ValueError(msg)
    options.run = options.runs[0]
    if made == "--dataset" and options.count is not None and options.contexts is not None:
        msg = "genreid generate --dataset: give --count N pictures, or --contexts N of each image, not both"
        raise ValueError(msg)
    both = ["appearance", "structure"]
    needed = {"--grid": both, "--swaps": both, "--interpolate": [options.interpolate]}.get(made)
    for number, images in (("count", "source"), ("contexts", "target")):
        if getattr(options, images) and getattr(options, number) is not None:
            msg = f"genreid generate {made}: --{number} are drawn, --{images} names them all; leave one out"
            raise ValueError(msg)
    if needed and options.count is not None and all(getattr(options, name) for name in needed):
        msg = f"genreid generate {made}: --count is how many are drawn; all images are given, leave it out"
        raise ValueError(msg)


def _flag(name: str) -> str:
    """Return an option as it is typed."""
    return f"--{name.replace('_', '-')}"


def _add_kinds(parser: argparse.ArgumentParser) -> None:
    """Add what can be made, of which one has to be chosen."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--grid",
        action="store_true",
        help="every combination: a row keeps its appearance, a column its structure (figure 1)",
    )
    what.add_argument(
        "--swaps",
        action="store_true",
        help="pairs, and what each RUN makes of them (figure 4)",
    )
    what.add_argument(
        "--interpolate",
        choices=("appearance", "structure"),
        help="from one code to the next, in equal steps (figures 5 and 9)",
    )
    what.add_argument(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="a training set of generated people (as DG-Market), or of rendered ones",
    )
    what.add_argument(
        "--renderings",
        action="store_true",
        help="rows of X_S, X_T, M_S, 1-X_C, X_G as in CR-GAN's figures 10-13; or figures 6 and 7, see below",
    )


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid generate",
        description=(
            "Make pictures with a trained network. Runs of DG-Net take --grid, --swaps, --interpolate and "
            "--dataset, those of CR-GAN, whatever their renderer, --renderings and --dataset."
        ),
        epilog=(
            "Images that are not given with --appearance or --structure are drawn from the people that the "
            "run was trained on (--split query: from its data set's queries). --renderings with --contexts, "
            "--source, --target or several runs shows each person under many targets (figures 6 and 7). "
            "--dataset writes DIR as a Market-1501 tree: a picture's name has the person who gave the "
            "appearance (CR-GAN: the source person) and the camera of the image that gave the structure "
            "(CR-GAN: the target image; 0: unknown); manifest.csv says what each is made of. It goes on "
            "where it was broken off."
        ),
    )
    add = parser.add_argument
    add(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="run folder of `genreid train dgnet` or `genreid adapt`; --swaps and --renderings show several "
        "below each other",
    )
    _add_kinds(parser)
    add(
        "--contexts",
        type=int,
        metavar="N",
        help="--renderings: targets that each person is put under (6); --dataset: pictures of each real "
        "image, in other contexts, or of other structure (1)",
    )
    add("--source", type=Path, nargs="+", metavar="IMG", help="--renderings: people, images of RUN's source")
    add("--target", type=Path, nargs="+", metavar="IMG", help="--renderings: images of RUN's target")
    add("--appearance", type=Path, nargs="+", metavar="IMG", help="images that give the clothes and colours")
    add("--structure", type=Path, nargs="+", metavar="IMG", help="images that give pose, body and background")
    add(
        "--count",
        type=int,
        metavar="N",
        help="images drawn for a side of the grid, pairs of --swaps (default: 8), rows of --interpolate (5), "
        "pairs of --renderings (12), people under --contexts (3); images of DG-Net's data set",
    )
    add(
        "--as-published",
        action="store_const",
        const=True,
        help="--dataset as DG-Net's authors made that of their table 2: values cut off, not rounded, JPEG of "
        "quality 75 (else 95), any structure, that of the same person, too",
    )
    add("--seed", type=int, metavar="N", help="which images are drawn (default: 0)")
    add(
        "--steps",
        type=int,
        metavar="N",
        help="images in a row of --interpolate, both ends included (default: 8)",
    )
    add("--out", type=Path, metavar="FILE", help="the PNG (default: in RUN/images)")
    add("--force", action="store_const", const=True, help="replace FILE even if genreid did not draw it")
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="where the people that the run was trained on are now (default: what RUN/job.json names)",
    )
    add(
        "--split",
        choices=("train", "query", "gallery"),
        help="which of its data set's people are drawn (default: train; the paper's figure 6: test images)",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)")
    return parser
