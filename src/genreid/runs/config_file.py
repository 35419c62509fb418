"""A configuration as a file: nested frozen dataclasses <-> plain mappings <-> YAML, with strict checks.

A config is a tree of frozen dataclasses whose leaves are bool, int, float, str, Path, None, Literal, tuples,
lists and string-keyed mappings of these. Reading is strict: every key must be known, be there and have its
type, and an error names the dotted key (`optimizer.lr`), the file and what was expected. Only YAML's safe
loader is used.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, Union

import yaml

from genreid.data.plain_file import read_text
from genreid.data.whole_file import write_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")

_UNIONS = {Union, types.UnionType}
LARGEST_CONFIG = 1_000_000
"""Bytes of a YAML file."""


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader that takes no key twice (the last would win), and no alias (few make gigabytes)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias.

        Args:
            parent: What the node stands in.
            index: Its place there.

        Raises:
            yaml.YAMLError: If it is an alias.
        """
        if self.check_event(yaml.AliasEvent):
            event: yaml.AliasEvent = self.peek_event()  # type: ignore[no-untyped-call]
            msg = f"*{event.anchor} is an alias: write the value itself"
            raise yaml.YAMLError(msg)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Build a mapping.

        Args:
            node: What was read.
            deep: As in YAML's own loader.

        Raises:
            yaml.YAMLError: If a key stands there twice.
        """
        found: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in found:
                msg = f"the key {key.value!r} stands there twice, again in line {key.start_mark.line + 1}"
                raise yaml.YAMLError(msg)
            found.add(str(key.value))
        return super().construct_mapping(node, deep)


def config_to_dict(config: "DataclassInstance") -> dict[str, Any]:
    """Return `config` as nested dicts of plain YAML and JSON values: tuples become lists, paths become text.

    Args:
        config: An instance of a (nested) config dataclass.

    Returns:
        One entry per field, in the order of the fields. `config_from_dict` is its inverse.
    """
    return {item.name: plain_value(getattr(config, item.name)) for item in fields(config) if item.init}


def config_from_dict(
    config_type: type[ConfigT], mapping: Mapping[str, Any], *, source: str = "configuration"
) -> ConfigT:
    """Build a `config_type` from plain values, checking every key and type.

    Args:
        config_type: The config dataclass; its nested dataclasses are built as well.
        mapping: A complete set of values, as `config_to_dict` makes it.
        source: What error messages name as the place of the values, such as the file's path.

    Returns:
        The config. Whole numbers are accepted for float fields, and so is text such as `1e-4`, which YAML 1.1
        does not take for a number.

    Raises:
        ValueError: A key is unknown or missing, a value has the wrong type, or the dataclass refuses it.
    """
    return typing.cast(ConfigT, _build(config_type, mapping, _Place(source)))


def config_of(defaults: ConfigT, facts: Mapping[str, Any], source: str = "checkpoint") -> ConfigT:
    """Return a configuration that a checkpoint or a file describes; what it does not know has its default.

    Args:
        defaults: Defaults.
        facts: What is described.
        source: What error messages call it.

    Raises:
        ValueError: If a key is unknown or a value does not fit.
    """
    return config_from_dict(type(defaults), merge_mappings(config_to_dict(defaults), facts), source=source)


def save_config(path: Path, config: "DataclassInstance") -> None:
    """Write `config` as YAML, in the order of its fields.

    Args:
        path: File to write; it is replaced as a whole, so that a reader never sees half of it.
        config: An instance of a (nested) config dataclass.
    """
    text = yaml.safe_dump(config_to_dict(config), sort_keys=False, allow_unicode=True, width=110)
    write_whole(path, text, lasting=True)


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping, such as a partial config.

    Args:
        path: YAML file. An empty file is an empty mapping.

    Returns:
        The mapping, with plain values.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no plain file of up to a megabyte, not UTF-8 YAML, holds something else than a
            mapping, a key twice, or an alias.
    """
    if not path.is_file():
        msg = f"{path}: no such configuration file; give the path of a YAML file, such as RUN/config.yaml"
        raise FileNotFoundError(msg)
    text = read_text(path, LARGEST_CONFIG)
    try:
        content = yaml.load(text, _StrictLoader)  # noqa: S506 - the safe loader, and stricter
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        msg = f"{path}: this is not a YAML file: {reason[:300]}"
        raise ValueError(msg) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        msg = f"{path}: expected a mapping (lines of `key: value`), got {_describe(content)}"
        raise ValueError(msg)
    return content


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by dotted name.

    Args:
        tree: Mappings in mappings.
        prefix: Put before each name.
    """
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return leaves


@cache
def field_texts(described: type) -> Mapping[str, str]:
    """Return the docstring under each field of a dataclass, those of its bases among them, on one line each.

    Args:
        described: The dataclass.
    """
    import docstring_parser  # noqa: PLC0415 - only help and tables of settings need it

    texts: dict[str, str] = {}
    for ancestor in reversed(described.__mro__):
        if is_dataclass(ancestor):
            found = docstring_parser.parse_from_object(ancestor).params
            texts |= {param.arg_name: " ".join((param.description or "").split()) for param in found}
    return texts


def merge_mappings(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a partial mapping over a complete one, section by section.

    Args:
        base: Complete values, as `config_to_dict` makes them.
        changes: Values that win; a mapping in both is merged, anything else is replaced.

    Returns:
        A new mapping; `base` and `changes` stay as they are.
    """
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = merge_mappings(typing.cast(Mapping[str, Any], below), value) if both else value
    return merged


def closest(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant.

    Args:
        word: What was typed.
        known: The words there are.

    Returns:
        `did you mean 'X'?`, or, where nothing is near, `known: X, Y, ...` (`known: none` if there are none).
    """
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else "known: " + (", ".join(names) or "none")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: the file or command, and the dotted key in it."""

    source: str
    key: str = ""

    def below(self, name: str) -> "_Place":
        """Return the place of a field of the section that stands here."""
        return _Place(self.source, f"{self.key}.{name}" if self.key else name)

    def item(self, index: int) -> "_Place":
        """Return the place of an item of the list that stands here."""
        return _Place(self.source, f"{self.key}[{index}]")

    def refuse(self, problem: str) -> NoReturn:
        """Raise the error that names this place."""
        msg = f"{self.source}: {self.key}: {problem}" if self.key else f"{self.source}: {problem}"
        raise ValueError(msg)

    def refuse_type(self, expected: object, value: object) -> NoReturn:
        """Raise what was expected and what was got."""
        self.refuse(f"expected {type_name(expected)}, got {_describe(value)}")


def type_name(expected: object) -> str:
    """Return a type as a person would write it.

    Args:
        expected: A type annotation, already evaluated.

    Returns:
        Such as `float`, `'sgd' | 'adam'`, `tuple[int, int]` or `a section (OptimizerConfig)`.
    """
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin is Literal:
        return " | ".join(repr(choice) for choice in arguments)
    if origin in _UNIONS:
        return " | ".join(type_name(member) for member in arguments)
    if origin is not None:
        inner = ", ".join("..." if member is Ellipsis else type_name(member) for member in arguments)
        return f"{getattr(origin, '__name__', origin)}[{inner}]"
    name = str(getattr(expected, "__name__", expected))
    if is_dataclass(expected):
        return f"a section ({name})"
    return "null" if expected is type(None) else name


@cache
def field_types(config_type: type["DataclassInstance"]) -> dict[str, Any]:
    """Return the evaluated type of every field that a config's constructor takes.

    Args:
        config_type: A config dataclass.

    Returns:
        Field name -> type, in the order of the fields.
    """
    hints = typing.get_type_hints(config_type)
    return {item.name: hints[item.name] for item in fields(config_type) if item.init}


def plain_value(value: object) -> object:
    """Return one value of a config as plain YAML and JSON.

    Args:
        value: Anything a config may hold.

    Returns:
        Tuples as lists, paths as text, sections as mappings, anything else as it is.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return config_to_dict(value)
    if isinstance(value, tuple | list):
        return [plain_value(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain_value(item) for key, item in value.items()}
    return value.as_posix() if isinstance(value, Path) else value


def _describe(value: object) -> str:
    """Name a wrong value and its type, shortly."""
    if value is None:
        return "null"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def _build(config_type: type["DataclassInstance"], value: object, place: _Place) -> "DataclassInstance":
    """Build one dataclass, and those in it."""
    if not isinstance(value, Mapping):
        place.refuse_type(config_type, value)
    known = field_types(config_type)
    for name in value:
        if name not in known:
            place.below(str(name)).refuse(f"unknown key; {closest(str(name), known)}")
    missing = [name for name in known if name not in value]
    if missing:
        others = f" (missing beside it: {', '.join(missing[1:])})" if len(missing) > 1 else ""
        place.below(missing[0]).refuse(f"missing key; expected {type_name(known[missing[0]])}{others}")
    arguments = {name: _convert(expected, value[name], place.below(name)) for name, expected in known.items()}
    try:
        return config_type(**arguments)
    except ValueError as error:  # the dataclass's own check
        place.refuse(str(error))


def _convert(expected: object, value: object, place: _Place) -> object:
    """Return `value` as the type `expected`, or raise what is wrong with it."""
    origin = typing.get_origin(expected)
    if is_dataclass(expected):
        return _build(typing.cast(type["DataclassInstance"], expected), value, place)
    if origin is Literal:
        return _convert_choice(expected, value, place)
    if origin in _UNIONS:
        return _convert_union(expected, value, place)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _convert_mapping(expected, value, place)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _convert_sequence(expected, value, place)
    return _convert_leaf(expected, value, place)


def _convert_choice(expected: object, value: object, place: _Place) -> object:
    """Return one of a Literal's choices."""
    choices: tuple[object, ...] = typing.get_args(expected)
    for choice in choices:  # 1 == True in Python, so the type counts, too
        if choice == value and type(choice) is type(value):
            return choice
    hint = closest(str(value), [str(choice) for choice in choices])
    return place.refuse(f"expected {type_name(expected)}, got {_describe(value)}; {hint}")


def _convert_union(expected: object, value: object, place: _Place) -> object:
    """Return `value` as the first member of a union that takes it as it is, or converts it."""
    members = typing.get_args(expected)
    if value is None and type(None) in members:
        return None
    others = [member for member in members if member is not type(None)]
    if len(others) == 1 and (isinstance(value, Mapping | list) or typing.get_origin(others[0]) is Literal):
        return _convert(others[0], value, place)  # its own message says more than the union's could
    for member in [member for member in others if member is type(value)] + others:
        try:
            return _convert(member, value, place)
        except ValueError:
            continue
    return place.refuse_type(expected, value)


def _convert_mapping(expected: object, value: object, place: _Place) -> dict[str, object]:
    """Return a string-keyed mapping with values of the expected type."""
    if not isinstance(value, Mapping):
        place.refuse_type(expected, value)
    member = typing.get_args(expected)[1]
    return {str(key): _convert(member, item, place.below(str(key))) for key, item in value.items()}


def _convert_sequence(expected: object, value: object, place: _Place) -> tuple[object, ...] | list[object]:
    """Return a list's items as a tuple (or list) of the expected length and types."""
    if not isinstance(value, list | tuple):
        place.refuse_type(expected, value)
    origin, members = typing.get_origin(expected), typing.get_args(expected)
    if origin is not tuple or members[1:] == (Ellipsis,):
        members = members[:1] * len(value)
    if len(value) != len(members):
        place.refuse(f"expected {len(members)} values ({type_name(expected)}), got {len(value)}: {value}")
    pairs = enumerate(zip(members, value, strict=True))
    items = [_convert(member, item, place.item(index)) for index, (member, item) in pairs]
    return items if origin is list else tuple(items)


def _convert_leaf(expected: object, value: object, place: _Place) -> object:
    """Return a number, a text, a truth value or a path."""
    if expected is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:  # text, since YAML 1.1 reads 1e-4 (no dot) as a string
            return float(value)
        except ValueError:
            place.refuse_type(expected, value)
    if expected is Path and isinstance(value, str | Path):
        return Path(value)
    mistaken_bool = expected is int and isinstance(value, bool)
    if expected is Any or (isinstance(expected, type) and isinstance(value, expected) and not mistaken_bool):
        return value
    return place.refuse_type(expected, value)
