"""Whether a run that is killed at any moment loses nothing: `python -m benchmarks.kills`.

A child process trains a small run (`genreid train baseline`) and one that takes its network over (`genreid
adapt --pretrained`), with a checkpoint after every step. It is killed, and the same commands are given again.
Afterwards the newest checkpoints and what was asked for must be bit for bit those of runs that nobody killed,
every step must be logged, and nothing else may lie about.

Moments are found by running: each line of a module that writes runs, before the first and before the last
time that it is reached; `WRITES` finds these modules, so code that is added is killed, too. Besides, as many
runs as `--random` says are killed by SIGKILL whenever it comes. Prints counts of outcomes, and what failed.
"""

import argparse
import hashlib
import json
import logging
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, NamedTuple

import torch

import genreid
from genreid.pipelines.adapt import AdaptJob, adapt
from genreid.pipelines.train_baseline import BaselineJob, train_baseline
from genreid.runs.checkpoint import checkpoint_folders, stage_folders
from genreid.runs.config_file import config_from_dict, config_to_dict, merge_mappings
from genreid.runs.loop import Outcome
from genreid.runs.run_options import RunOptions
from genreid.training.adapt_config import AdaptConfig
from tests.drawn_datasets import draw_market1501

PACKAGE = Path(genreid.__file__).parent
WRITES = re.compile(
    r"open_run|RunLog|write_whole|save_|checkpoint_beside|\.write\(|\.rename\(|\.replace\(\w+\)"
)
"""A module of training/, or data/whole_file.py, in whose source one of these stands, writes runs."""
OPTIONS = RunOptions(recipe="tiny", device="cpu", precision="fp32", checkpoint_minutes=1e-9)
SETTINGS: dict[str, dict[str, object]] = {
    "image": {"height": 32, "width": 16},
    "backbone": {"name": "test_resnet", "weights": "none"},
    "stage1_identity": {"iterations": 4, "batch": 4},
    "stage3": {"iterations": 4, "batch": 4},
}
RUNS = ("first", "second")
KILLED = 9
"""Exit status of a child that was killed at a line."""


class Moment(NamedTuple):
    """Before a line is reached for the `time`-th time."""

    file: str
    line: int
    time: int


Kill = Callable[[Path], int]
"""Trains in a folder, is killed, and gives the exit status."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    add = parser.add_argument
    add("--lines", type=int, metavar="N", help="so many of all moments (default: all)")
    add("--random", type=int, default=173, metavar="N", help="random kills (default: 173)")
    add("--minutes", type=float, default=60.0, metavar="M", help="stop killing after so long (default: 60)")
    add("--out", type=Path, metavar="F.json", help="write the counts there, too")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    memory = Path("/dev/shm")  # noqa: S108 - where fsync costs nothing
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        world = World(Path(folder))
        moments = world.moments()
        end = time.monotonic() + 60 * options.minutes
        random.Random(0).shuffle(moments)  # noqa: S311 - whatever is tried is of all modules
        lines = ((str(moment), world.kill_at(moment)) for moment in moments[: options.lines])
        counts: dict[str, Any] = {"moments": len(moments), "lines": trial(world, lines, end)}
        counts |= {"random": trial(world, world.random_kills(options.random), end)}
    text = json.dumps(counts, indent=1)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 1 if any(counts[kind]["failed"] for kind in ("lines", "random")) else 0


class World:
    """Drawn people, and what two runs on them come to when nobody kills them.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        os.environ["GENREID_CACHE"] = str(root / "cache")
        for name, seed in (("source", 1), ("target", 2)):
            draw_market1501(root / name, 3, 2, images_per_camera=2, size=(32, 16), seed=seed)
        settings = merge_mappings(config_to_dict(AdaptConfig()), SETTINGS)
        self.config = config_from_dict(AdaptConfig, settings)
        assert self.train(root / "whole") == 0, "the runs do not end"
        # in this process, so that its children find every module loaded
        self.expected = contents(root / "whole")
        began = time.monotonic()
        assert in_child(lambda: self.train(root / "again")) == 0
        self.seconds = time.monotonic() - began
        assert contents(root / "again") == self.expected, "not even two runs that nobody kills are alike"

    def train(self, out: Path) -> int:
        """Train both runs from where they stand; returns an exit status."""
        source, target = self.root / "source", self.root / "target"
        first = train_baseline(BaselineJob(data=source, out=out / RUNS[0]), OPTIONS, self.config.baseline)
        job = AdaptJob(source, target, out / RUNS[1], renderer="none", pretrained=out / RUNS[0])
        return 0 if first is adapt(job, OPTIONS, self.config) is Outcome.FINISHED else 1

    def moments(self) -> list[Moment]:
        """Return every moment to be killed at."""
        found = self.root / "lines.json"

        def count() -> int:
            seen: Counter[tuple[str, int]] = Counter()
            trace(lambda file, line: seen.update([(file, line)]))
            status = self.train(self.root / "traced")
            sys.settrace(None)
            found.write_text(json.dumps([(*place, times) for place, times in sorted(seen.items())]))
            return status

        assert in_child(count) == 0
        lines = json.loads(found.read_text())
        return [Moment(file, line, at) for file, line, times in lines for at in sorted({1, times})]

    def kill_at(self, moment: Moment) -> Kill:
        """Return what trains and is killed at a moment."""

        def train(out: Path) -> int:
            seen: Counter[tuple[str, int]] = Counter()

            def look(file: str, line: int) -> None:
                seen[file, line] += 1
                if seen[file, line] == moment.time and (file, line) == (moment.file, moment.line):
                    os._exit(KILLED)

            trace(look)
            return self.train(out)

        return lambda out: in_child(lambda: train(out))

    def random_kills(self, count: int) -> Iterator[tuple[str, Kill]]:
        """Yield kills by SIGKILL after a time that is drawn."""
        drawn = random.Random(0)  # noqa: S311 - no secret
        for _ in range(count):
            delay = drawn.uniform(0, self.seconds)
            yield f"after {delay:.3f} s", partial(self.kill_after, delay)

    def kill_after(self, delay: float, out: Path) -> int:
        """Train and be killed after so many seconds."""
        return in_child(partial(self.train, out), delay)


def trial(world: World, kills: Iterator[tuple[str, Kill]], end: float) -> dict[str, Any]:
    """Kill, resume and compare, until the clock says `end`; returns counts and what failed."""
    counts: Counter[str] = Counter()
    failed = []
    for words, kill in kills:
        if time.monotonic() > end:
            counts["not tried"] += 1
            continue
        out = world.root / "killed"
        shutil.rmtree(out, ignore_errors=True)
        if kill(out) == 0:
            counts["ended before it was killed"] += 1
        status = in_child(partial(world.train, out))
        outcome = "refused" if status else "bit-equal" if contents(out) == world.expected else "different"
        counts[outcome] += 1
        if outcome != "bit-equal":
            failed.append(f"{words}: {outcome}")
    return {**counts, "failed": failed}


def contents(out: Path) -> dict[str, Any]:
    """Return the hashes of what must be equal, the steps that were logged, and the name of anything else."""
    found: dict[str, Any] = {}
    for run in (out / name for name in RUNS):
        newest = [checkpoint_folders(stage)[0] for stage in stage_folders(run)]
        older = {path for stage in stage_folders(run) for path in checkpoint_folders(stage)} - set(newest)
        for path in sorted(run.rglob("*")):
            if path.parent.name != "tensorboard" and path not in older and path.parent not in older:
                found[str(path.relative_to(out))] = "" if path.is_dir() else digest(path, out)
        lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
        found[f"{run.name}/metrics.jsonl"] = sorted({(line["stage"], line["step"]) for line in lines})
    return found


def digest(path: Path, out: Path) -> str:
    """Return the SHA-256 of a file; the folder of both runs may have another name."""
    return hashlib.sha256(path.read_bytes().replace(str(out).encode(), b"")).hexdigest()


def trace(look: Callable[[str, int], object]) -> None:
    """Call `look` with file and line before any line of a module that writes runs."""
    modules = [PACKAGE / "data" / "whole_file.py", *sorted((PACKAGE / "runs").glob("*.py"))]
    names = {str(path): path.stem for path in modules if WRITES.search(path.read_text(encoding="utf-8"))}

    def enter(frame: FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
        return step if frame.f_code.co_filename in names else None

    def step(frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        if event == "line":
            look(names[frame.f_code.co_filename], frame.f_lineno)
        return step

    sys.settrace(enter)


def in_child(work: Callable[[], int], seconds: float | None = None) -> int:
    """Return the exit status of a forked process, negative after a signal; kill it after some time."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = work()
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
