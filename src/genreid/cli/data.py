"""`genreid data`: look at data sets, and make synthetic ones.

`check` says what is in a data set, what is wrong with it, and how to mend it; `synthesize` draws one.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from genreid.cli.arguments import Arguments
from genreid.cli.trouble import printable
from genreid.data.load import READERS, load_dataset
from genreid.data.reader_options import Boxes, MsmtTrain, Protocol, ReaderOptions, describe_variants


def main(argv: Sequence[str]) -> int:
    """Run `genreid data ...` and return its exit status.

    Args:
        argv: The words after `data`.

    Returns:
        0 if all went well; `check`: 0 if the data set can train, be it as an unlabelled target only, or
        evaluate, whatever else was found; 1 if nothing of it is usable.

    Raises:
        ValueError: If there is no data set that can be read or written; says what to type.
    """
    options = _arguments().parse_args(argv)
    return _synthesize(options) if options.verb == "synthesize" else _check(options)


def _check(options: argparse.Namespace) -> int:
    """Look at a data set."""
    from genreid.data.check import check_dataset  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.data.check_text import as_json, as_text  # noqa: PLC0415

    if options.workers is not None and options.workers < 1:
        message = f"--workers must be 1 or more, got {options.workers}"
        raise ValueError(message)
    dataset = load_dataset(options.directory, options.format, _reader_options(options))
    check = check_dataset(dataset, options.masks, options.workers)
    _write(json.dumps(as_json(check), indent=2) + "\n" if options.json else as_text(check))
    return 0 if check.can_train or check.source_people_of_all > 1 or check.can_evaluate else 1


def _synthesize(options: argparse.Namespace) -> int:
    """Draw a data set."""
    from genreid.drawn.plan import Synthesis  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.drawn.write import synthesize  # noqa: PLC0415

    masks = options.masks or options.directory / "masks"
    synthesis = Synthesis(
        options.domain,
        options.pids,
        options.seed,
        options.height,
        options.width,
        options.images_per_camera,
    )
    written = synthesize(options.directory, masks, synthesis)
    answer = {"data": str(options.directory), "masks": str(masks), **written._asdict()}
    kept = f", {written.kept} of them there before" if written.kept else ""
    text = (
        f"{written.images} images of {options.pids} people in domain {options.domain}{kept}: "
        f"{options.directory}, masks: {masks}\n"
    )
    _write(json.dumps(answer, indent=2) + "\n" if options.json else text)
    return 0


def _write(text: str) -> None:
    """Print text; a terminal that lacks a letter of a file's name shows its number."""
    encoding = sys.stdout.encoding or "utf-8"
    text = printable(text)
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(prog="genreid data", description="Look at data sets, and make synthetic ones.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="check|synthesize")
    _add_check(verbs)
    _add_synthesize(verbs)
    return parser


def _add_check(verbs: "argparse._SubParsersAction[Arguments]") -> None:
    """Add the options of `check`."""
    check = verbs.add_parser(
        "check",
        help="count a data set, decode every file, name what is wrong",
        description=(
            "Counts images, people, cameras, junk and distractors; decodes every image and names those that "
            "cannot be read, names that do not fit, and queries with no correct gallery image, with the "
            "reason; says how to mend each. Ends with 0 if the data set can train (as a source, or at least "
            "as an unlabelled target) or evaluate, 1 if nothing of it is usable, 2 if there is no data set."
        ),
    )
    add = check.add_argument
    add("directory", type=Path, metavar="DIR", help="the data set's folder, or a table (.csv)")
    add(
        "--format",
        metavar="F",
        help=f"one of {', '.join(READERS)}; default: recognised. With variants: {describe_variants()}",
    )
    add("--json", action="store_true", help="answer in JSON")
    add("--masks", type=Path, metavar="MASKS", help="also check that every image has a person mask here")
    add("--workers", type=int, metavar="N", help="processes that decode (default: one for each core)")
    add("--pattern", help="folder: regular expression with groups identity and camera, for own names")
    default = ReaderOptions()
    add(
        "--boxes",
        choices=get_args(Boxes),
        default=default.boxes,
        help="cuhk03, cuhk03-np (default: %(default)s)",
    )
    add(
        "--protocol",
        choices=get_args(Protocol),
        default=default.protocol,
        help="cuhk03 (default: %(default)s)",
    )
    add(
        "--classic-split",
        type=int,
        default=0,
        metavar="N",
        help="cuhk03, classic protocol: which split, 0-19",
    )
    add(
        "--msmt-train",
        choices=get_args(MsmtTrain),
        default=default.msmt_train,
        help="msmt17 (default: %(default)s)",
    )


def _add_synthesize(verbs: "argparse._SubParsersAction[Arguments]") -> None:
    """Add the options of `synthesize`."""
    synthesize = verbs.add_parser(
        "synthesize",
        help="draw a data set of synthetic people, with exact person masks",
        description=(
            "Draws people who never lived, in one of two networks of six cameras, and writes them as a "
            "Market-1501 tree (half of the people to train, half to test, with junk and distractors) with "
            "exact person masks (PNG of one bit a pixel under the same relative path). The same options "
            "give the same bytes; a run that was broken off goes on with the same command."
        ),
    )
    add = synthesize.add_argument
    add("directory", type=Path, metavar="DIR", help="the data set's folder")
    add(
        "--domain",
        choices=("A", "B"),
        default="A",
        help="A: sunny market town; B: station after dark (default: %(default)s)",
    )
    add("--pids", type=int, default=100, metavar="N", help="number of people (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="decides everything (default: %(default)s)")
    add("--height", type=int, default=128, metavar="PIXELS", help="of an image (default: %(default)s)")
    add("--width", type=int, default=64, metavar="PIXELS", help="of an image (default: %(default)s)")
    add(
        "--images-per-camera",
        type=int,
        default=4,
        metavar="N",
        help="most images of somebody by one camera, 2 or more (default: %(default)s)",
    )
    add("--masks", type=Path, metavar="MASKS", help="folder of the masks (default: DIR/masks)")
    add("--json", action="store_true", help="answer in JSON")


def _reader_options(options: argparse.Namespace) -> ReaderOptions:
    """Turn the words into options of the readers."""
    return ReaderOptions(
        pattern=options.pattern,
        boxes=options.boxes,
        protocol=options.protocol,
        classic_split=options.classic_split,
        msmt_train=options.msmt_train,
    )
