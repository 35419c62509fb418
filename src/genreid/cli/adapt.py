"""`genreid adapt`: from a labelled source and an unlabelled target to an adapted re-id network."""

from collections.abc import Sequence

from genreid.cli.train import train_method
from genreid.methods import METHODS


def main(argv: Sequence[str]) -> int:
    """Run `genreid adapt` and return its exit status: 0, also when time is up; 130 after a signal.

    Args:
        argv: The words after the verb.
    """
    return train_method(METHODS["adapt"], argv)
