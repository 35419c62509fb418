"""`genreid --help` against `python -c pass`: what a user waits for before anything is said.

    python -m benchmarks.startup [--repeats 15] [--tiny] [--out F.json]

The installed command, as typed, and the same interpreter with nothing to do, in turns. Goal: less than 0.4 s
more. Ten seconds.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.measure import Sheet, Target, add_options, seconds_text, spread, take_turns

GOAL = 0.4


def main(argv: Sequence[str] | None = None) -> int:
    """Start both in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup")
    parser.add_argument("--repeats", type=int, default=15)
    options = add_options(parser).parse_args(argv)
    sheet = Sheet("startup", "`genreid --help`, against an empty Python program")
    commands = {
        "genreid --help": [str(Path(sys.executable).with_name("genreid")), "--help"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    works = {name: partial(_start, words) for name, words in commands.items()}
    seconds = take_turns(works, 1 if options.tiny else options.repeats)
    ours, theirs = (seconds[name] for name in commands)
    sheet.figures = {"seconds": {name: spread(found) for name, found in seconds.items()}}
    sheet.targets.append(
        Target(
            what="`genreid --help`",
            ours=seconds_text(spread(ours)),
            reference=f"python -c pass: {seconds_text(spread(theirs))}",
            ratio=spread([a - b for a, b in zip(ours, theirs, strict=True)])["median"],
            bound=GOAL,
            unit="s more",
            at_least=False,
        )
    )
    return sheet.finish(options)


def _start(words: list[str]) -> None:
    """Start a command and wait for its end."""
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    sys.exit(main())
