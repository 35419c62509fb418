"""`genreid mask`: a person mask for every image of a data set."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.arguments import Arguments
from genreid.cli.trouble import printable

if TYPE_CHECKING:
    from genreid.masks.coverage import ImageCoverage
    from genreid.masks.make import MaskRun
    from genreid.masks.parser import PersonParser


def main(argv: Sequence[str]) -> int:
    """Run `genreid mask` and return its exit status: 0 if every image has a mask, else 1.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If the data set, the parser or the options do not fit; says what to type.
    """
    from genreid.masks.make import make_masks  # noqa: PLC0415 - `genreid --help` stays quick

    options = _arguments().parse_args(argv)
    if options.workers is not None and options.workers < 1:
        message = f"--workers must be 1 or more, got {options.workers}"
        raise ValueError(message)
    root, images = _images(options)
    run = make_masks(images, root, options.out, _parser(options), options.workers)
    answer = json.dumps(_as_json(run, options), indent=2) + "\n" if options.json else _as_text(run, options)
    sys.stdout.write(printable(answer).encode("utf-8", "backslashreplace").decode())
    return 1 if run.refused else 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid mask",
        description=(
            "Write a person mask for every image of a data set: PNG of one bit a pixel (1 = person) at the "
            "image's own size, under the same relative path. Masks that are there are kept: a run that was "
            "broken off goes on with the same command. Ends with 1 if an image got no mask; each is named."
        ),
    )
    add = parser.add_argument
    add("directory", type=Path, metavar="DIR", help="a data set, or any folder of images")
    add("--out", type=Path, required=True, metavar="MASKS", help="folder of the masks")
    add("--format", metavar="F", help="the data set's format (default: recognised from the tree)")
    add("--pattern", metavar="P", help="format folder: where identity and camera stand in a path")
    add(
        "--parser",
        choices=("blazepose", "labels"),
        default="blazepose",
        help="what finds the person: a small network, or a human parser's label maps (LIP, 0 = background)",
    )
    add(
        "--parser-model",
        type=Path,
        metavar="FILE",
        help="blazepose: the model (default: fetched once)",
    )
    add(
        "--labels",
        type=Path,
        metavar="DIR",
        help="labels: PNG label maps, of the images' paths or stems",
    )
    add(
        "--labels-above",
        type=int,
        metavar="N",
        help="labels: values above N are the person (default 0, and 255 beside other labels is void); "
        "127 reads soft masks of 0 to 255",
    )
    add("--workers", type=int, metavar="N", help="processes of one thread each (default: one a core)")
    add("--json", action="store_true", help="answer in JSON")
    return parser


def _images(options: argparse.Namespace) -> tuple[Path, list[Path]]:
    """Return the data set's folder and all of its images, those whose names no pattern fits among them."""
    from genreid.data.listing import walk_images  # noqa: PLC0415
    from genreid.data.load import open_dataset, recognise  # noqa: PLC0415

    directory: Path = options.directory
    try:
        if options.format is None and options.pattern is None:
            recognise(directory)
    except ValueError:
        # Masks of an earlier run that lie in the folder itself are no images.
        out = options.out.absolute()
        images = sorted(path for path in walk_images(directory) if not path.absolute().is_relative_to(out))
        if not images:
            raise
        return directory, images
    dataset = open_dataset(directory, options.format, options.pattern)
    samples = (*dataset.train, *dataset.query, *dataset.gallery)
    return dataset.root, [*(sample.path for sample in samples), *dataset.unmatched_names]


def _parser(options: argparse.Namespace) -> "PersonParser":
    """Return the parser that was asked for."""
    from genreid.masks.blazepose import load_blazepose  # noqa: PLC0415
    from genreid.masks.labels import LabelMapParser  # noqa: PLC0415

    useless = ("parser_model",) if options.parser == "labels" else ("labels", "labels_above")
    for name in useless:
        if getattr(options, name) is not None:
            message = f"--{name.replace('_', '-')} does not go with --parser {options.parser}"
            raise ValueError(message)
    if options.parser == "blazepose":
        return load_blazepose(options.parser_model)
    if options.labels is None:
        message = "--parser labels needs the folder of label maps: --labels DIR"
        raise ValueError(message)
    return LabelMapParser(options.labels, options.labels_above or 0)


def _as_json(run: "MaskRun", options: argparse.Namespace) -> dict[str, object]:
    """Return the answer as plain values."""
    from genreid.masks.coverage import summarise_coverage  # noqa: PLC0415

    return {
        "masks": str(options.out),
        "parser": options.parser,
        "made": run.made,
        "kept": run.kept,
        "refused": [{"path": str(path), "reason": reason} for path, reason in run.refused],
        "coverage": summarise_coverage(run.coverage).to_json(),
        "seconds": round(run.seconds, 2),
    }


def _as_text(run: "MaskRun", options: argparse.Namespace) -> str:
    """Return the answer as lines for people."""
    from genreid.masks.coverage import summarise_coverage  # noqa: PLC0415

    report = summarise_coverage(run.coverage)
    share = "" if report.mean_share is None else f", mean share of the image {report.mean_share:.2f}"
    unsure = "" if report.unsure is None else f", parser unsure of a person {report.unsure}"
    lines = [
        f"{report.images} masks in {options.out}: {run.made} made and {run.kept} kept in {run.seconds:.0f} s",
        f"empty {report.empty}, full {report.full}, several people or torn {report.several}{unsure}{share}",
        *_examples("smallest", report.smallest),
        *_examples("largest", report.largest),
        *_examples("several people or torn", report.crowded),
        *_examples("least sure", report.least_sure),
        *(f"no mask: {path}: {reason}" for path, reason in run.refused),
    ]
    return "\n".join(lines) + "\n"


def _examples(title: str, masks: Sequence["ImageCoverage"]) -> list[str]:
    """Return a title and some masks to look at, or nothing."""
    return [f"{title}:", *(f"  {mask.share:.2f} {mask.name}" for mask in masks)] if masks else []
