"""`genreid`: finds the verb, imports its module, and turns what went wrong into one paragraph.

Nothing heavy is imported here: `genreid --help` must answer at once.
"""

import importlib
import logging
import os
import sys
from collections.abc import Sequence

from genreid.cli.trouble import PlainLines, explained, printable
from genreid.methods import METHODS

VERBS = {
    "demo": "both methods on drawn people in some minutes, with a table and a report",
    "data": "check a data set: counts, cameras, what is unreadable or misnamed",
    "mask": "make person masks for every image of a folder",
    "train": "train a network on the images of one data set",
    **{name: method.purpose for name, method in METHODS.items() if method.command == name},
    "import": "a run folder of weights that others have released",
    "generate": "make pictures with a trained network",
    "quality": "how good generated images are: FID, LPIPS, SSIM, and what a judge makes of them",
    "extract": "turn the images of a data set into embeddings",
    "evaluate": "rank a gallery for every query: CMC, mAP, mINP",
    "gallery": "keep embeddings of many images: add, info, remove, prune, rebuild, migrate, export",
    "search": "find a person in a gallery",
    "calibrate": "what likeness means the same person: thresholds, probabilities",
    "inspect": "one page: does the network help on these cameras?",
    "export": "write a network as a file that other programs run, with the same embeddings",
    "report": "one page about one or more runs: table, curves, pictures",
    "reproduce": "one row of the papers' tables, ours beside theirs; --list shows all",
}
"""Verb -> what it does, in the order of the work; `genreid.cli.VERB` holds its `main(argv) -> int`."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after `genreid`; default: those of the process.

    Returns:
        0 if all went well, 2 for what the user can mend (the message is on stderr), 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in {"-h", "--help", "help"}:
        sys.stdout.write(help_text())
        return 0
    if words[0] in {"-V", "--version"}:
        sys.stdout.write(f"genreid {_version()}\n")
        return 0
    if words[0] not in VERBS:
        return _refuse(_unknown_verb(words[0]))
    return _run(words[0], words[1:])


def help_text() -> str:
    """Return what `genreid --help` prints.

    Returns:
        Several lines, the last one ended.
    """
    verbs = "".join(f"  {verb:<10} {purpose}\n" for verb, purpose in VERBS.items())
    return (
        "usage: genreid [--help] [--version] VERB ...\n\n"
        "Generative learning for person re-identification.\n\n"
        f"verbs:\n{verbs}\n"
        "`genreid VERB --help` shows a verb's options. GENREID_DEBUG=1 shows where an error came from.\n"
    )


def _run(verb: str, argv: list[str]) -> int:
    """Import a verb's module and run it."""
    debug = os.environ.get("GENREID_DEBUG", "") not in {"", "0"}
    _set_up_logging(debug)
    try:
        return int(importlib.import_module(f"genreid.cli.{verb}").main(argv))
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped by Ctrl-C.\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # such as `genreid ... | head`: nobody reads on, and that is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        message = explained(error)
        if debug or message is None:
            raise
        return _refuse(message)


def _refuse(message: str) -> int:
    """Write one paragraph to stderr; a message that names its command already is not given another name."""
    text = printable(message.strip()).encode("utf-8", "backslashreplace").decode()
    named = text.split(": ")[0].split()[:2] in [["genreid", verb] for verb in VERBS]
    sys.stderr.write(f"{text}\n" if named else f"genreid: {text}\n")
    return EXIT_USER_ERROR


def _unknown_verb(word: str) -> str:
    """Say which verb was probably meant."""
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(word, VERBS, n=1)
    hint = f"did you mean `genreid {near[0]}`?" if near else f"there are {', '.join(VERBS)}"
    return f"unknown verb {word!r}; {hint} (`genreid --help` says what they do)"


def _version() -> str:
    """Return the package's version."""
    from genreid import __version__  # noqa: PLC0415

    return __version__


def _set_up_logging(debug: bool) -> None:  # noqa: FBT001
    """Send log lines and warnings to stderr: coloured on a terminal, plain lines elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415
        from rich.logging import RichHandler  # noqa: PLC0415

        handler: logging.Handler = RichHandler(
            console=Console(stderr=True), show_path=debug, rich_tracebacks=debug, log_time_format="%H:%M:%S"
        )
        line = "%(message)s"
    else:
        handler = logging.StreamHandler()
        line = "%(asctime)s %(levelname)s %(message)s"
    handler.setFormatter(PlainLines(line, "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("genreid").setLevel(logging.DEBUG if debug else logging.INFO)
    logging.captureWarnings(capture=True)


if __name__ == "__main__":
    sys.exit(main())
