"""`genreid train METHOD`: trains a network on the images of one data set."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from genreid.cli.main import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from genreid.training.loop import Outcome

METHODS = {
    "baseline": "a backbone that classifies the people of the training set",
    "dgnet": "DG-Net: learns to tell people apart and to draw them in each other's clothes",
    "cluster": "Cluster Contrast: learns from unlabelled images, by clustering them again and again",
    "taudl": "TAUDL: learns across cameras, given which images of one camera show one person",
}
"""Method -> what it trains."""


def main(argv: Sequence[str]) -> int:
    """Run `genreid train` and return its exit status: 0, also when time is up; 130 after a signal.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If there is no such method.
    """
    if not argv or argv[0] in {"-h", "--help"}:
        lines = "".join(f"  {name:<10} {purpose}\n" for name, purpose in METHODS.items())
        sys.stdout.write(
            f"usage: genreid train METHOD ...\n\nmethods:\n{lines}\n`genreid train METHOD --help`\n"
        )
        return 0
    if argv[0] not in METHODS:
        msg = f"genreid train: unknown method {argv[0]!r}; there is {', '.join(METHODS)}"
        raise ValueError(msg)
    methods = {"baseline": _baseline, "dgnet": _dgnet, "cluster": _cluster, "taudl": _taudl}
    outcome = methods[argv[0]](argv[1:])
    from genreid.training.loop import Outcome  # noqa: PLC0415 - `genreid --help` stays quick

    return EXIT_INTERRUPTED if outcome is Outcome.INTERRUPTED else 0


def _baseline(argv: Sequence[str]) -> "Outcome":
    """Train the baseline."""
    from genreid.cli.options import parse_training  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.pipelines.train_baseline import BaselineJob, train_baseline  # noqa: PLC0415
    from genreid.recipes.baseline import RECIPES  # noqa: PLC0415
    from genreid.training.configs import BaselineConfig  # noqa: PLC0415

    prog = "genreid train baseline"
    arguments = parse_training(
        BaselineConfig, RECIPES, argv, job_type=BaselineJob, prog=prog, default_recipe="crgan_paper"
    )
    return train_baseline(arguments.job, arguments.run, arguments.config)


def _dgnet(argv: Sequence[str]) -> "Outcome":
    """Train DG-Net and, where none is given, its teacher."""
    from genreid.cli.options import parse_training  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.pipelines.train_dgnet import DgnetJob, train_dgnet  # noqa: PLC0415
    from genreid.recipes.dgnet import RECIPES  # noqa: PLC0415
    from genreid.training.dgnet_config import DgnetConfig  # noqa: PLC0415

    prog = "genreid train dgnet"
    arguments = parse_training(
        DgnetConfig, RECIPES, argv, job_type=DgnetJob, prog=prog, default_recipe="published"
    )
    return train_dgnet(arguments.job, arguments.run, arguments.config)


def _cluster(argv: Sequence[str]) -> "Outcome":
    """Train Cluster Contrast."""
    from genreid.cli.options import parse_training  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.pipelines.train_cluster import ClusterJob, train_cluster  # noqa: PLC0415
    from genreid.recipes.cluster import RECIPES  # noqa: PLC0415
    from genreid.training.configs import ClusterConfig  # noqa: PLC0415

    prog = "genreid train cluster"
    arguments = parse_training(
        ClusterConfig, RECIPES, argv, job_type=ClusterJob, prog=prog, default_recipe="paper"
    )
    return train_cluster(arguments.job, arguments.run, arguments.config)


def _taudl(argv: Sequence[str]) -> "Outcome":
    """Train TAUDL."""
    from genreid.cli.options import parse_training  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.pipelines.train_taudl import TaudlJob, train_taudl  # noqa: PLC0415
    from genreid.recipes.taudl import RECIPES  # noqa: PLC0415
    from genreid.training.configs import TaudlConfig  # noqa: PLC0415

    prog = "genreid train taudl"
    arguments = parse_training(
        TaudlConfig, RECIPES, argv, job_type=TaudlJob, prog=prog, default_recipe="paper"
    )
    return train_taudl(arguments.job, arguments.run, arguments.config)
