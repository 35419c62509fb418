"""Options of the verbs that have no recipe: argparse, whose complaints say what was meant."""

import argparse
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import NoReturn


class Arguments(argparse.ArgumentParser):
    """An argument parser that answers a mistake as training commands do: one sentence, and what to type."""

    def error(self, message: str) -> NoReturn:
        """Refuse a command line.

        Args:
            message: What argparse says of it.

        Raises:
            ValueError: Always.
        """
        msg = f"{self.prog}: {self._explained(message)}; `{self.prog} --help` shows all options"
        raise ValueError(msg)

    def _explained(self, message: str) -> str:
        """Say which option or word was probably meant."""
        unknown = re.match(r"unrecognized arguments: (\S+)", message)
        if unknown is not None:
            word = unknown[1].split("=", maxsplit=1)[0]
            near = get_close_matches(word, list(_options_of(self)), n=1)
            what = "unknown option" if word.startswith("-") else "one word too many:"
            return f"{what} {word}" + (f"; did you mean {near[0]}?" if near else "")
        choice = re.match(r"(.*)invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice is not None:
            known = [name.strip("'") for name in choice[3].split(", ")]
            near = get_close_matches(choice[2], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"
            return f"{choice[1]}got {choice[2]!r}; {hint}"
        return message


def _options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the options of a parser and of the verbs below it."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way
        yield from action.option_strings
        if isinstance(action.choices, dict):
            for below in action.choices.values():
                yield from _options_of(below)
