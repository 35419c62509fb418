"""`genreid import`: weights that others have released, as a run folder."""  # noqa: N999 - it is the verb

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from genreid.cli.arguments import Arguments


def main(argv: Sequence[str]) -> int:
    """Run `genreid import` and return its exit status: 0 if the run folder is there.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If a file is not what it should be, or the folder is not new; says what to type.
    """
    options = _arguments().parse_args(argv)
    from genreid.pipelines.import_dgnet import ImportDgnetJob, import_dgnet  # noqa: PLC0415 - quick --help

    names = ("generator", "identity", "out", "discriminator", "teacher", "config")
    job = ImportDgnetJob(**{name: getattr(options, name) for name in names})
    made = import_dgnet(job)
    for name, taken in made.files.items():
        dropped = f"; {len(taken.dropped)} left out that nothing reads" if taken.dropped else ""
        sys.stdout.write(f"{getattr(job, name)}: {taken.taken} tensors taken{dropped}\n")
    sys.stdout.write(
        f"{job.out}: DG-Net of {made.people} people after {made.iterations:,} iterations; "
        f"`genreid generate {job.out} --grid --data DIR` draws people of DIR in each other's clothes, "
        f"`genreid evaluate {job.out} --data DIR` ranks\n"
    )
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid import", description="Make a run folder of weights that others have released."
    )
    kinds = parser.add_subparsers(metavar="dgnet", required=True)
    dgnet = kinds.add_parser(
        "dgnet",
        help="DG-Net's networks, as its authors' program saved them",
        description=(
            "Make a run folder of the weights of DG-Net that its authors released, or that their program "
            "trained: `generate`, `evaluate`, `train dgnet --init` and `--teacher-run` take it. Nothing that "
            "a file holds is run. The people of the training are not in the files: number k is the k-th "
            "folder of their training set by name."
        ),
    )
    add = dgnet.add_argument
    add("--generator", type=Path, required=True, metavar="F", help="gen_*.pt: structure encoder and decoder")
    add("--identity", type=Path, required=True, metavar="F", help="id_*.pt: appearance encoder, both heads")
    add("--discriminator", type=Path, metavar="F", help="dis_*.pt (default: left out)")
    add(
        "--teacher",
        type=Path,
        metavar="F",
        help="net_last.pth of the teacher, its opts.yaml beside it (default: left out)",
    )
    add("--config", type=Path, metavar="F", help="config.yaml of the training (default: as published)")
    add("--out", type=Path, required=True, metavar="RUN", help="the run folder to make")
    return parser
