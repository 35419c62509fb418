"""The command line in this process, as a user types it."""

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import NamedTuple

import torch

from genreid.cli.main import main


class Answer(NamedTuple):
    """What a command ended with and wrote."""

    code: int
    out: str
    err: str


def genreid(*words: object) -> Answer:
    """Run a command, with one thread; logging is afterwards as it was before."""
    torch.set_num_threads(1)
    out, err = io.StringIO(), io.StringIO()
    with logging_as_before(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    return Answer(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def logging_as_before() -> Iterator[None]:
    """Put handlers and levels of logging back, which every command sets up anew."""
    root, ours = logging.getLogger(), logging.getLogger("genreid")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, levels[0]
        ours.setLevel(levels[1])
        logging.captureWarnings(capture=False)
