"""`genreid search`: the images of a gallery that are most like some pictures of people."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.arguments import Arguments

if TYPE_CHECKING:
    from genreid.search.find import Answer, Finder


def main(argv: Sequence[str]) -> int:
    """Run `genreid search` and return its exit status: 0 if there are answers.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If there is no such gallery, or a picture cannot be read; says what to type.
    """
    options = _arguments().parse_args(argv)
    from genreid.generation.renderings import check_sheet_path  # noqa: PLC0415 - quick --help
    from genreid.search.find import Finder  # noqa: PLC0415
    from genreid.search.gallery import Gallery  # noqa: PLC0415
    from genreid.search.nearest import Wanted  # noqa: PLC0415
    from genreid.search.pictures import parse_time  # noqa: PLC0415
    from genreid.search.sheet import save_answers  # noqa: PLC0415

    if options.out is not None:
        check_sheet_path(options.out, replaces=options.force)
    moments = [
        None if text is None else parse_time(text, options.time_format)
        for text in (options.since, options.until)
    ]
    wanted = Wanted(
        top=options.top,
        camera=options.camera,
        not_camera=options.not_camera,
        since=moments[0],
        until=moments[1],
    )
    finder = Finder.of(Gallery.open(options.gallery, options.files), options.run)
    answers = finder.find(options.images, wanted, one_per_track=options.one_per_track)
    if options.json:
        sys.stdout.write(json.dumps(finder.to_json(answers), indent=2) + "\n")
    else:
        _print(answers, finder)
    if options.out is not None:
        save_answers(options.out, answers, finder)
        if not options.json:
            sys.stdout.write(f"{options.out}: the query at the left of each row; it shows people\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid search",
        description=(
            "Find the images of a gallery that are most like some pictures of people, with likeness (cosine, "
            "-1 to 1) and, after `genreid calibrate RUN`, with the probability that it is the same person "
            "and whether the person is unknown. A hit is a suggestion for somebody to look at, never a proof."
        ),
    )
    add = parser.add_argument
    add("gallery", metavar="GALLERY", help="folder of `genreid gallery add`, or http://HOST:PORT[/NAME]")
    add("images", nargs="+", type=Path, metavar="IMG", help="pictures of one person each")
    add("--top", type=int, default=20, metavar="N", help="images found for each (default: %(default)s)")
    add("--camera", metavar="C", help="only images of this camera")
    add("--not-camera", metavar="C", help="no images of this camera")
    add(
        "--since",
        metavar="T",
        help="not before this time, such as 2026-11-29T14:05 (UTC if it names no zone)",
    )
    add("--until", metavar="T", help="not after this time")
    add("--time-format", metavar="F", help="how T is written, as of strptime (default: ISO 8601)")
    add("--one-per-track", action="store_true", help="of each track the nearest image only")
    add("--json", action="store_true", help="answer in JSON")
    add("--out", type=Path, metavar="F.png", help="draw what was found")
    add("--force", action="store_true", help="replace F.png even if genreid did not draw it")
    add("--run", type=Path, metavar="RUN", help="where the gallery's run is, if it has moved")
    add(
        "--files",
        type=Path,
        metavar="DIR",
        help="http: the folder of the gallery's files (default: HOST-PORT-NAME)",
    )
    return parser


def _print(answers: "Sequence[Answer]", finder: "Finder") -> None:
    """Print a table for each query."""
    from genreid.search.pictures import time_text  # noqa: PLC0415

    for answer in answers:
        lines = [str(answer.query), f"{'likeness':>12}  {'p':>5}  camera  time                 track  image"]
        for place, hit in enumerate(answer.hits, start=1):
            probability = finder.probability(hit, answer.size)
            surely = "    -" if probability is None else f"{probability:5.3f}"
            where = f"{hit.labels.camera or '-':<6}  {time_text(hit.labels.time) or '-':<19}"
            image = f"{hit.labels.track or '-':<5}  {hit.labels.path}"
            lines.append(f"{place:>3}  {hit.likeness:7.3f}  {surely}  {where}  {image}")
        sys.stdout.write("\n".join([*lines, _verdict(answer, finder)]) + "\n")
    sys.stdout.write("A hit is a suggestion for somebody to look at, never a proof.\n")


def _verdict(answer: "Answer", finder: "Finder") -> str:
    """Say whether the person is unknown, as far as it was measured."""
    if finder.calibration is None:
        return "Not calibrated: `genreid calibrate RUN --data DIR` says what a likeness means."
    if answer.unknown is None:
        return (
            f"Too few people were measured to say who is unknown in a gallery of {answer.size:,} images; "
            f"`genreid calibrate RUN --data DIR --size {answer.size}` says how many are needed."
        )
    limit = finder.calibration.threshold_for(answer.size)
    found = "Unknown: nobody here is" if answer.unknown else "Known: somebody here is"
    return f"{found} as like as {limit:.3f}, which 1 % of the searches for people who are not here reach."
