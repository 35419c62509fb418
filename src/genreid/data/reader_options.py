"""What a reader of data sets can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

Boxes = Literal["detected", "labeled"]
Protocol = Literal["new", "classic"]
MsmtTrain = Literal["train+val", "train"]


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """Choices that some formats need; the others ignore them.

    Attributes:
        pattern: `folder`: regular expression with the named groups `identity` and (optional) `camera`,
            searched in the image's path relative to its split's folder, written with forward slashes.
        boxes: `cuhk03`: people cut out by the detector, or by hand.
        protocol: `cuhk03`: 767 / 700 people (Zhong et al. 2017), or the release's 20 splits of 100 people.
        classic_split: `cuhk03`, classic protocol: which of the 20 splits, from 0.
        msmt_train: `msmt17`: the training images, with or without the validation images.
        cache_dir: `cuhk03`: where the images inside the .mat file are written once; default: the cache.
    """

    pattern: str | None = None
    boxes: Boxes = "detected"
    protocol: Protocol = "new"
    classic_split: int = 0
    msmt_train: MsmtTrain = "train+val"
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("boxes", self.boxes, get_args(Boxes)),
            ("protocol", self.protocol, get_args(Protocol)),
            ("msmt_train", self.msmt_train, get_args(MsmtTrain)),
            ("classic_split", self.classic_split, tuple(range(20))),
        ):
            if value not in allowed:
                message = (
                    f"ReaderOptions.{name} is {value!r}, expected one of {', '.join(map(repr, allowed))}"
                )
                raise ValueError(message)


class Variant(NamedTuple):
    """What one word after a format's colon stands for.

    Attributes:
        option: A field of `ReaderOptions`.
        value: Its value.
    """

    option: str
    value: str | int


_BOXES = {word: Variant("boxes", word) for word in get_args(Boxes)}

VARIANTS: Mapping[str, Mapping[str, Variant]] = {
    "cuhk03": {
        **_BOXES,
        **{word: Variant("protocol", word) for word in get_args(Protocol)},
        **{f"split{number}": Variant("classic_split", number) for number in range(20)},
    },
    "cuhk03-np": _BOXES,
    "msmt17": {word: Variant("msmt_train", word) for word in get_args(MsmtTrain)},
}
"""Format -> words that may follow its name and a colon, joined by `+`: `cuhk03:labeled+classic+split3`."""


class FormatChoice(NamedTuple):
    """A format and what its reader is told.

    Attributes:
        name: Name of the format, without variants; None: to be recognised.
        options: The options, variants among them.
    """

    name: str | None
    options: ReaderOptions


def choose_format(text: str | None, options: ReaderOptions) -> FormatChoice:
    """Take a format apart into its name and the options that its variants stand for.

    Args:
        text: Such as `market1501`, `cuhk03:labeled` or `cuhk03:classic+split3`; None: to be recognised.
        options: What else was asked for.

    Raises:
        ValueError: If a variant is not known, or contradicts another or an option; names the known ones.
    """
    if text is None or ":" not in text:
        return FormatChoice(text, options)
    name, _, typed = text.partition(":")
    known = VARIANTS.get(name, {})
    # `train+val` is one word, although words are joined by `+`.
    words = [typed] if typed in known else typed.split("+")
    unknown = [word for word in words if word not in known]
    if unknown:
        raise ValueError(_unknown_variant(text, name, unknown[0]))
    chosen: dict[str, Any] = {}
    for word in words:
        option, value = known[word]
        given = chosen.get(option, getattr(options, option))
        # Nobody can see whether a default was asked for, so only another value than it contradicts.
        if given != value and (option in chosen or given != getattr(ReaderOptions(), option)):
            message = f"format {text!r}: {word} contradicts {option} {given!r}; give one of them"
            raise ValueError(message)
        chosen[option] = value
    result = replace(options, **chosen)
    if "classic_split" in chosen and result.protocol != "classic":
        message = f"format {text!r}: the splits are those of the classic protocol; type {text}+classic"
        raise ValueError(message)
    return FormatChoice(name, result)


def describe_variants() -> str:
    """Return the variants of every format in one line, for messages and help."""
    return "; ".join(f"{name}:{_shown(name)}" for name in VARIANTS)


def _shown(name: str) -> str:
    """Name the variants of a format, the twenty splits as one."""
    splits = [word for word in VARIANTS[name] if word.startswith("split")]
    words = [word for word in VARIANTS[name] if word not in splits]
    return "|".join([*words, f"{splits[0]}..{splits[-1]}"] if splits else words)


def _unknown_variant(text: str, name: str, word: str) -> str:
    """Say which variants there are."""
    if name in VARIANTS:
        joined = " (some may be joined: cuhk03:labeled+classic+split3)" if name == "cuhk03" else ""
        return f"format {text!r}: variant {word!r} is not known, expected {name}:{_shown(name)}{joined}"
    return f"format {text!r} has no variants; those that have some: {describe_variants()}"
