"""`genreid train METHOD`: trains a network on the images of one data set."""

import sys
from collections.abc import Sequence

from genreid.cli.outcome import end
from genreid.methods import METHODS, Method


def main(argv: Sequence[str]) -> int:
    """Run `genreid train` and return its exit status: 0, also when time is up; 130 after a signal.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If there is no such method.
    """
    methods = {name: method for name, method in METHODS.items() if method.command == f"train {name}"}
    if not argv or argv[0] in {"-h", "--help"}:
        lines = "".join(f"  {name:<10} {method.purpose}\n" for name, method in methods.items())
        sys.stdout.write(
            f"usage: genreid train METHOD ...\n\nmethods:\n{lines}\n`genreid train METHOD --help`\n"
        )
        return 0
    if argv[0] not in methods:
        msg = f"genreid train: unknown method {argv[0]!r}; there is {', '.join(methods)}"
        raise ValueError(msg)
    return train_method(methods[argv[0]], argv[1:])


def train_method(method: Method, argv: Sequence[str]) -> int:
    """Read the options of a method, train it and return the exit status.

    Args:
        method: Its card.
        argv: The words after its command.
    """
    from genreid.cli.options import parse_training  # noqa: PLC0415 - `genreid --help` stays quick

    parts = method.parts
    arguments = parse_training(
        parts.config,
        parts.recipes,
        argv,
        job_type=parts.job,
        prog=f"genreid {method.command}",
        default_recipe=method.default_recipe,
    )
    outcome = parts.train(arguments.job, arguments.run, arguments.config)
    return end(outcome, arguments.job.out, as_json=arguments.run.json)
