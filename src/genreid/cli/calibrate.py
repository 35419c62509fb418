"""`genreid calibrate`: what likeness means the same person, for one network on one kind of images."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.arguments import Arguments
from genreid.features.options import add_feature_options, feature_options

if TYPE_CHECKING:
    from genreid.pipelines.calibrate import Calibrated
    from genreid.search.calibration import Threshold


def main(argv: Sequence[str]) -> int:
    """Run `genreid calibrate` and return its exit status: 0 if there are thresholds.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If there are too few people, or something does not fit; says what to type.
    """
    options = _arguments().parse_args(argv)
    chosen = feature_options(options)
    from genreid.pipelines.calibrate import CalibrateJob, calibrate  # noqa: PLC0415 - quick --help

    names = ("run", "data", "pairs", "format", "pattern", "size")
    done = calibrate(CalibrateJob(**{name: getattr(options, name) for name in names}), chosen)
    if options.json:
        sys.stdout.write(json.dumps(_as_json(done), indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(done)) + "\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid calibrate",
        description=(
            "Compare labelled people whom the run has not learned from, and say from which likeness on two "
            "images are of one person: for rates of false matches of pairs, and so that 1 % of the searches "
            "for people who are not in a gallery find somebody. Kept in RUN/calibration: `genreid search` "
            "then gives probabilities and says who is unknown. Too few people are refused."
        ),
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of `genreid train` or `genreid adapt`")
    add(
        "--data", type=Path, metavar="DIR", help="data set with labelled people: its query and gallery images"
    )
    add("--pairs", type=Path, metavar="FILE", help="in place of it a CSV file: first,second,same (0 or 1)")
    add("--format", metavar="F", help="the data set's format (default: recognised from the tree)")
    add("--pattern", metavar="P", help="format folder: where identity and camera stand in a path")
    add("--size", type=int, metavar="N", help="images in the gallery that the threshold is printed for")
    add("--json", action="store_true", help="answer in JSON, shares as fractions")
    add_feature_options(parser)
    return parser


def _as_json(done: "Calibrated") -> dict[str, object]:
    """Return the main threshold, then all others, then the map to probabilities."""
    calibration = done.calibration
    main_one = done.threshold or calibration.false_matches[-1]
    return {
        **asdict(main_one),
        "refused": done.refusal or None,
        "images": calibration.images,
        "false_matches": [asdict(one) for one in calibration.false_matches],
        "identification": [asdict(one) for one in calibration.identification],
        "cameras": [asdict(one) for one in calibration.cameras],
        "likeness": list(calibration.likeness),
        "log_odds": list(calibration.log_odds),
        "features": dict(calibration.features),
    }


def _lines(done: "Calibrated") -> Iterator[str]:
    """Say what was found."""
    calibration = done.calibration
    yield (
        f"{calibration.people:,} people, {calibration.images:,} images, {calibration.pairs:,} pairs of "
        f"strangers of {calibration.data}"
    )
    yield "Two images are of one person from this likeness on:"
    yield f"{'likeness':>9}  {'false matches':>14}  {'95 %':>20}  {'right pairs found':>18}"
    for one in calibration.false_matches:
        yield _line(one, one.false_match_rate)
    yield "Somebody is unknown below this likeness, where 1 % of those who are not there find somebody:"
    yield f"{'likeness':>9}  {'false alarms':>14}  {'95 %':>20}  {'right pairs found':>18}  {'gallery':>12}"
    for one in (*calibration.identification, *([done.threshold] if done.threshold else [])):
        assert one.false_positive_identification_rate is not None
        yield f"{_line(one, one.false_positive_identification_rate)}  {one.size:>12,}"
    if done.refusal:
        yield done.refusal
    for pair in calibration.cameras:
        yield (
            f"cameras {pair.cameras[0]} and {pair.cameras[1]}: {pair.threshold:.3f} for one false match in "
            f"1,000 ({pair.people:,} people)"
        )


def _line(one: "Threshold", rate: float) -> str:
    """Return one threshold as a line."""
    interval = f"{one.interval[0]:.3%} to {one.interval[1]:.3%}"
    return f"{one.threshold:9.3f}  {rate:14.3%}  {interval:>20}  {one.true_match_rate:18.1%}"
