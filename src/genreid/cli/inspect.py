"""`genreid inspect`: one page about what a network makes of the images of some cameras."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from genreid.cli.arguments import Arguments
from genreid.features.options import add_feature_options, feature_options


def main(argv: Sequence[str]) -> int:
    """Run `genreid inspect` and return its exit status: 0 if the page was written.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If the run or the data set does not fit; says what to type.
    """
    options = _arguments().parse_args(argv)
    chosen = feature_options(options)
    from genreid.pipelines.inspect import InspectJob, inspect_run  # noqa: PLC0415 - quick --help
    from genreid.search.inspection_page import expect_page, write_page  # noqa: PLC0415

    out = options.out or options.run / "inspection.html"
    expect_page(out, force=options.force)
    found = inspect_run(InspectJob(options.run, options.data, options.format, options.pattern), chosen)
    write_page(out, found, f"{options.run.name} on {options.data}", force=options.force)
    if options.json:
        sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
    else:
        sys.stdout.write(f"{out}: {found.images:,} images; open it with a browser\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid inspect",
        description=(
            "Write one page about what a network makes of the images of some cameras, labelled or not: "
            "likeness by one camera and by two, strangers, false merges at the calibrated threshold, cameras "
            "that look alike, images that match nothing, near-duplicates, people that look like two, and two "
            "that look like one."
        ),
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of `genreid train` or `genreid adapt`")
    add("--data", type=Path, required=True, metavar="DIR", help="the images")
    add("--format", metavar="F", help="the data set's format (default: recognised from the tree)")
    add("--pattern", metavar="P", help="format folder: where identity and camera stand in a path")
    add("--out", type=Path, metavar="F.html", help="the page (default: RUN/inspection.html)")
    add("--force", action="store_true", help="replace F.html even if it is no such page")
    add("--json", action="store_true", help="print what was found as JSON, too")
    add_feature_options(parser)
    return parser
