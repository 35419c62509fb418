"""A process that decodes images for its parent: runs of files in, what became of them out, as lines of JSON.

Processes and not threads: small crops spend most of their time in Python, where threads wait for each
other's lock; on a busy machine that made 36,000 images take six minutes instead of ten seconds. An own
program and not `multiprocessing`: it needs no guarded main module, and copies neither threads nor an
accelerator's state.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self, cast, get_args

import numpy as np

from genreid.data.decode import Kind
from genreid.data.decode_rows import Decoded, Decoding, decode_rows


class DecodeWorker:
    """The parent's end of one process; a context manager."""

    def __init__(self, decoding: Decoding) -> None:
        """Start the process.

        Args:
            decoding: How it decodes.
        """
        search_path = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
        words = [sys.executable, "-P", "-m", __name__, decoding.kind, *map(str, decoding.size)]
        # The words are ours: no shell, and file names travel through the pipe.
        self._process = subprocess.Popen(  # noqa: S603
            [*words, *([] if decoding.into is None else [os.fspath(decoding.into)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": search_path},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Closing its input ends the process after the run it is at.
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # it is gone already
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def decode(self, paths: Sequence[Path], first: int) -> Decoded:
        """Have a run of files decoded.

        Args:
            paths: The files.
            first: Row of the first one.

        Raises:
            ValueError: If the process was killed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"first": first, "paths": [os.fspath(path) for path in paths]}
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            message = (
                f"a process that decodes images was killed at {paths[0]} or one of the {len(paths) - 1} "
                "after it (too little memory?). Run the same command again, with fewer workers; "
                "`genreid data check DIR --workers 1` finds a file that does it"
            )
            raise ValueError(message) from error
        reasons, shares, sizes, flat = ({int(row): value for row, value in part.items()} for part in answer)
        return Decoded(reasons, shares, {row: (size[0], size[1]) for row, size in sizes.items()}, flat)


def main(words: Sequence[str]) -> None:
    """Answer the parent until it closes the input.

    Args:
        words: Kind, height, width, and the array's file if pixels are kept.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it closes the input
    kind, height, width, *into = words
    assert kind in get_args(Kind), kind
    size = (int(height), int(width))
    decoding = Decoding(size, cast(Kind, kind), Path(into[0]) if into else None)
    array = None if decoding.into is None else np.load(decoding.into, mmap_mode="r+", allow_pickle=False)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        decoded = decode_rows([Path(path) for path in request["paths"]], request["first"], decoding, array)
        sys.stdout.write(json.dumps(decoded) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
