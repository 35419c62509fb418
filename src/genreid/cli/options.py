"""TRAINING OPTIONS: from a recipe, a YAML file and the command line to one typed, complete configuration.

A training verb takes its own options (`--source DIR`), the options that every training verb has (`--seed N`)
and one `--x.y VALUE` for each leaf of its config. What wins: recipe < `--config FILE` (may be partial) <
`--x.y VALUE`. All three are dataclasses; the help is made from the docstring under each field and shows the
recipe's values.
"""

import argparse
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import yaml
from jsonargparse import ArgumentParser

from genreid.runs.config_file import (
    closest,
    config_from_dict,
    config_to_dict,
    field_texts,
    field_types,
    merge_mappings,
    plain_value,
    read_yaml_mapping,
    type_name,
)
from genreid.runs.run_options import RunOptions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

JobT = TypeVar("JobT", bound="DataclassInstance")
ConfigT = TypeVar("ConfigT", bound="DataclassInstance")
OptionsT = TypeVar("OptionsT", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class TrainingArguments(Generic[JobT, ConfigT]):
    """What a training command was asked to do."""

    job: JobT
    """The verb's own options."""
    run: RunOptions
    """The options of every training verb."""
    config: ConfigT
    """The resolved config: recipe, then file, then flags."""


def parse_training(
    config_type: type[ConfigT],
    recipes: Mapping[str, Callable[[], ConfigT]],
    argv: Sequence[str],
    *,
    job_type: type[JobT],
    prog: str,
    default_recipe: str,
) -> TrainingArguments[JobT, ConfigT]:
    """Read the command line of a training verb.

    Args:
        config_type: Config dataclass of the verb; every leaf becomes an option `--section.field VALUE`.
        recipes: Recipe name -> function returning a complete config; its docstring's first line is its help.
        argv: The words after the verb.
        job_type: Dataclass of the verb's own options; a field `source_split` becomes `--source-split`, one
            without a default must be given, and `field(metadata={"metavar": "DIR"})` names its value in the
            help. The class docstring's first line describes the command.
        prog: What was typed so far, such as `genreid adapt`.
        default_recipe: The recipe that is used where `--recipe` is not given.

    Returns:
        The job, the common options and the resolved config.

    Raises:
        ValueError: An option is unknown, missing or has a wrong value; the closest known one is named.
        FileNotFoundError: The `--config` file does not exist.
        SystemExit: `--help` was asked for and printed.
    """
    recipe_name = _last_value(argv, "--recipe") or default_recipe
    if recipe_name not in recipes:
        msg = f"{prog}: unknown recipe {recipe_name!r}; {closest(recipe_name, recipes)}"
        raise ValueError(msg)
    base = recipes[recipe_name]()
    file = _last_value(argv, "--config")
    if file is not None:
        merged = merge_mappings(config_to_dict(base), read_yaml_mapping(Path(file)))
        base = config_from_dict(config_type, merged, source=file)
    shown = recipe_name if file is None else f"{recipe_name} with {file}"
    about = f"{_title(job_type)}. Values of settings in brackets: recipe {shown}."
    groups = _groups(job_type, base)
    given = _given_values(_parser(prog, about, recipes, groups), groups, argv)
    source = f"{prog} (command line)"
    merged = merge_mappings(config_to_dict(base), _only(given, field_types(config_type)))
    return TrainingArguments(
        job=_from_given(job_type, _only(given, field_types(job_type)), source),
        run=_from_given(RunOptions, {**_only(given, field_types(RunOptions)), "recipe": recipe_name}, source),
        config=config_from_dict(config_type, merged, source=source),
    )


@dataclass(frozen=True, slots=True)
class _Option:
    """One option of the command line: what is typed, where its value goes, its type and its help."""

    flag: str
    key: str
    expected: object
    metavar: str
    help: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class _Group:
    """Options under one title of the help."""

    title: str
    options: tuple[_Option, ...]


def _last_value(argv: Sequence[str], flag: str) -> str | None:
    """Return the value of an option that must be known before the others can be read."""
    value = None
    for position, word in enumerate(argv, start=1):
        if word == flag and position < len(argv):
            value = argv[position]
        elif word.startswith(flag + "="):
            value = word.removeprefix(flag + "=")
    return value


def _only(given: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    """Return the entries of `given` under these names."""
    return {name: given[name] for name in names if name in given}


def _from_given(options_type: type[OptionsT], given: Mapping[str, object], source: str) -> OptionsT:
    """Build a flat options dataclass from what was typed and its own defaults."""
    defaults = {item.name: _default(item) for item in fields(options_type) if not _is_required(item)}
    return config_from_dict(options_type, {**defaults, **given}, source=source)


def _is_required(item: "Field[Any]") -> bool:
    """Return whether a field has no default."""
    return item.default is MISSING and item.default_factory is MISSING


def _default(item: "Field[Any]") -> object:
    """Return a field's default."""
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _title(described: type) -> str:
    """Return the first line of a dataclass's docstring."""
    return (inspect.getdoc(described) or described.__name__).splitlines()[0].rstrip(".")


def _metavar(expected: object) -> str:
    """Return how the help names a value of this type."""
    return (
        type_name(expected).replace("'", "").replace(" ", "").replace("tuple[", "[").replace("Path", "PATH")
    )


def _groups(job_type: type, base: "DataclassInstance") -> list[_Group]:
    """Return every option of a training command: the verb's, the common ones, one per leaf of the config."""
    flat = [_flat_group(job_type, "Options of this command"), _flat_group(RunOptions, _title(RunOptions))]
    groups = [*flat, *_config_groups(base, "", "Settings")]
    keys = [option.key for group in groups for option in group.options]
    assert len(set(keys)) == len(keys), f"an option has two meanings: {sorted(keys)}"
    return groups


def _flat_group(options_type: type["DataclassInstance"], title: str) -> _Group:
    """Return the options of a flat dataclass, with dashes: `--source-split`."""
    types, texts = field_types(options_type), field_texts(options_type)
    options = []
    for item in fields(options_type):
        required = _is_required(item) and item.name != "recipe"
        default = None if _is_required(item) else _default(item)
        note = " (required)" if required else "" if default is None else f" (default: {default})"
        metavar = item.metadata.get("metavar", _metavar(types[item.name]).removesuffix("|null"))
        text = texts.get(item.name, "") + note
        flag = "--" + item.name.replace("_", "-")
        options.append(_Option(flag, item.name, types[item.name], metavar, text, required))
    return _Group(title, tuple(options))


def _config_groups(config: "DataclassInstance", prefix: str, title: str) -> Iterator[_Group]:
    """Yield the options of a section of the config and then those of the sections in it."""
    types, texts = field_types(type(config)), field_texts(type(config))
    options, sections = [], []
    for name, expected in types.items():
        value, key, text = getattr(config, name), prefix + name, texts.get(name, "")
        if is_dataclass(value) and not isinstance(value, type):
            sections.append((value, f"{key}.", f"{key}: {text or _title(type(value))}".rstrip(".")))
        else:
            shown = yaml.safe_dump(plain_value(value), default_flow_style=True, width=1000).split("\n")[0]
            options.append(_Option(f"--{key}", key, expected, _metavar(expected), f"{text} ({shown})"))
    if options:
        yield _Group(title, tuple(options))
    for section, section_prefix, section_title in sections:
        yield from _config_groups(section, section_prefix, section_title)


def _parser(
    prog: str, about: str, recipes: Mapping[str, Callable[[], object]], groups: Sequence[_Group]
) -> ArgumentParser:
    """Return the parser that prints the help and turns text into typed values."""
    needed = [
        f"{option.flag} {option.metavar}" for group in groups for option in group.options if option.required
    ]
    names = "\n".join(f"  {name:<20} {_title_of_function(make)}" for name, make in recipes.items())
    parser = ArgumentParser(
        prog=prog,
        usage=" ".join([prog, *needed, "[--recipe NAME] [--config FILE] [--x.y VALUE ...] [OPTIONS]"]),
        description=about,
        epilog=f"recipes:\n{names}\n\nrecipe < --config FILE < --x.y VALUE: what comes later wins.",
        exit_on_error=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for group in groups:
        section = parser.add_argument_group(group.title)
        for option in group.options:
            text = option.help.replace("%", "%%")
            switch: dict[str, Any] = {"nargs": "?", "const": True} if option.expected is bool else {}
            section.add_argument(
                option.flag, type=_parsed_as(option.expected), help=text, metavar=option.metavar, **switch
            )
    return parser


def _title_of_function(function: Callable[[], object]) -> str:
    """Return the first line of a recipe's docstring."""
    return (inspect.getdoc(function) or "").split("\n")[0]


def _parsed_as(expected: object) -> object:
    """Return the type the parser checks: anything where the config checks better (sections, mappings)."""
    members = [expected, *typing.get_args(expected)]
    nested = any(is_dataclass(item) or typing.get_origin(item) in {dict, Mapping} for item in members)
    return (
        Any if nested or any(typing.get_origin(item) in {tuple, list} for item in members[1:]) else expected
    )


def _given_values(parser: ArgumentParser, groups: Sequence[_Group], argv: Sequence[str]) -> dict[str, object]:
    """Return what was typed, typed: dotted keys become nested mappings."""
    options = {_canonical(option.flag): option for group in groups for option in group.options}
    words = [_known_word(word, options, parser.prog) for word in argv]
    if "--help" not in words and "-h" not in words:
        typed = {word.split("=")[0] for word in words}
        missing = [item for item in options.values() if item.required and item.flag not in typed]
        if missing:
            wanted = " and ".join(f"{item.flag} {item.metavar}" for item in missing)
            msg = f"{parser.prog} needs {wanted}; `{parser.prog} --help` shows all options"
            raise ValueError(msg)
    try:
        return dict(parser.parse_args(words, defaults=False).as_dict())
    except argparse.ArgumentError as error:
        raise ValueError(_explain(str(error), options, parser.prog)) from error


def _canonical(flag: str) -> str:
    """Return an option's name with underscores, so that both spellings are accepted."""
    return "--" + flag.removeprefix("--").replace("-", "_")


def _known_word(word: str, options: Mapping[str, _Option], prog: str) -> str:
    """Return a word of the command line with its option in the spelling the parser knows."""
    if not word.startswith("--") or word in {"--help", "--"}:
        return word
    name, equals, value = word.partition("=")
    option = options.get(_canonical(name))
    if option is None:
        hint = closest(name, [item.flag for item in options.values()])
        hint = hint if hint.startswith("did") else f"`{prog} --help` shows all options"
        msg = f"{prog}: unknown option {name}; {hint}"
        raise ValueError(msg)
    return option.flag + equals + value


def _explain(problem: str, options: Mapping[str, _Option], prog: str) -> str:
    """Turn the parser's complaint into what was got, what was expected and what is nearest."""
    found = re.search(r'Parser key "([^"]+)":.*Got value: (.*)', problem, re.DOTALL)
    option = options.get(_canonical("--" + found[1])) if found else None
    if found is None or option is None:
        return f"{prog}: {' '.join(problem.split())}; `{prog} --help` shows all options"
    got = " ".join(found[2].split())
    choices = [str(choice) for choice in typing.get_args(option.expected)]
    hint = f"; {closest(got, choices)}" if typing.get_origin(option.expected) is Literal else ""
    return f"{prog}: {option.flag}: expected {type_name(option.expected)}, got {got!r}{hint}"
