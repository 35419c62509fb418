"""`genreid adapt`: from a labelled source and an unlabelled target to an adapted re-id network."""

from collections.abc import Sequence

from genreid.cli.outcome import end


def main(argv: Sequence[str]) -> int:
    """Run `genreid adapt` and return its exit status: 0, also when time is up; 130 after a signal.

    Args:
        argv: The words after the verb.
    """
    from genreid.cli.options import parse_training  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.pipelines.adapt import AdaptJob, adapt  # noqa: PLC0415
    from genreid.recipes.crgan import RECIPES  # noqa: PLC0415
    from genreid.training.adapt_config import AdaptConfig  # noqa: PLC0415

    arguments = parse_training(
        AdaptConfig, RECIPES, argv, job_type=AdaptJob, prog="genreid adapt", default_recipe="paper"
    )
    outcome = adapt(arguments.job, arguments.run, arguments.config)
    return end(outcome, arguments.job.out, as_json=arguments.run.json)
