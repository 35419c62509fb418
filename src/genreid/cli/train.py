"""`genreid train METHOD`: trains a network on the images of one data set."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from genreid.cli.outcome import end

if TYPE_CHECKING:
    from genreid.training.loop import Outcome
    from genreid.training.run_options import RunOptions

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
    return _train(argv[0], argv[1:])


def _train(name: str, argv: Sequence[str]) -> int:
    """Read the options of a method and train it."""
    from genreid.cli.options import parse_training  # noqa: PLC0415 - `genreid --help` stays quick

    method = _method(name)
    arguments = parse_training(
        method.config,
        method.recipes,
        argv,
        job_type=method.job,
        prog=f"genreid train {name}",
        default_recipe=method.default_recipe,
    )
    outcome = method.train(arguments.job, arguments.run, arguments.config)
    return end(outcome, arguments.job.out, as_json=arguments.run.json)


class _Method(NamedTuple):
    """What trains, and what it takes."""

    job: type[Any]
    config: type[Any]
    recipes: Mapping[str, Callable[[], Any]]
    default_recipe: str
    train: "Callable[[Any, RunOptions, Any], Outcome]"


def _method(name: str) -> _Method:
    """Import a method, and no other."""
    if name == "baseline":
        from genreid.pipelines.train_baseline import BaselineJob, train_baseline  # noqa: PLC0415
        from genreid.recipes import baseline  # noqa: PLC0415
        from genreid.training.baseline_config import BaselineConfig  # noqa: PLC0415

        return _Method(BaselineJob, BaselineConfig, baseline.RECIPES, "crgan_paper", train_baseline)
    if name == "dgnet":
        from genreid.pipelines.train_dgnet import DgnetJob, train_dgnet  # noqa: PLC0415
        from genreid.recipes import dgnet  # noqa: PLC0415
        from genreid.training.dgnet_config import DgnetConfig  # noqa: PLC0415

        return _Method(DgnetJob, DgnetConfig, dgnet.RECIPES, "published", train_dgnet)
    if name == "cluster":
        from genreid.pipelines.train_cluster import ClusterJob, train_cluster  # noqa: PLC0415
        from genreid.recipes import cluster  # noqa: PLC0415
        from genreid.training.cluster_config import ClusterConfig  # noqa: PLC0415

        return _Method(ClusterJob, ClusterConfig, cluster.RECIPES, "paper", train_cluster)
    from genreid.pipelines.train_taudl import TaudlJob, train_taudl  # noqa: PLC0415
    from genreid.recipes import taudl  # noqa: PLC0415
    from genreid.training.taudl_config import TaudlConfig  # noqa: PLC0415

    return _Method(TaudlJob, TaudlConfig, taudl.RECIPES, "paper", train_taudl)
