"""Configs as files: what is written is read again, and what is wrong is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genreid.runs.config_file import (
    closest,
    config_from_dict,
    config_to_dict,
    flatten,
    merge_mappings,
    read_yaml_mapping,
    save_config,
)


def load_config(path: Path) -> "Config":
    return config_from_dict(Config, read_yaml_mapping(path), source=str(path))


@dataclass(frozen=True)
class Optimizer:
    """How weights move."""

    lr: float = 1e-4
    name: Literal["sgd", "adam"] = "sgd"
    betas: tuple[float, float] = (0.5, 0.999)


@dataclass(frozen=True)
class Config:
    """A config with every kind of field."""

    optimizer: Optimizer = Optimizer()
    warm_up: Optimizer | None = None
    steps: int = 10
    limit: int | None = None
    size: int | str = "auto"
    flip: bool = True
    names: tuple[str, ...] = ("a", "b")
    milestones: Sequence[int] = (1, 2)
    stages: tuple[Optimizer, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    file: Path | None = None
    places: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse a wrong number of steps."""
        if self.steps < 0:
            msg = f"steps must not be negative, got {self.steps}"
            raise ValueError(msg)


FULL = Config(
    optimizer=Optimizer(lr=3e-5, name="adam"),
    warm_up=Optimizer(lr=1.0),
    limit=3,
    size=128,
    flip=False,
    stages=(Optimizer(), Optimizer(lr=0.5)),
    weights={"identity": 1.0, "camera": 0.5},
    file=Path("data/labels.csv"),
    places=[3, 1],
)


@pytest.mark.parametrize("config", [Config(), FULL])
def test_a_saved_config_is_read_again(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    save_config(path, config)
    assert load_config(path) == config
    assert list(tmp_path.iterdir()) == [path]


def test_plain_values_only() -> None:
    values = config_to_dict(FULL)
    assert values["optimizer"] == {"lr": 3e-5, "name": "adam", "betas": [0.5, 0.999]}
    assert values["file"] == "data/labels.csv"
    assert list(values) == list(Config.__dataclass_fields__)


@given(st.floats(allow_nan=False), st.text(max_size=8), st.integers())
def test_any_leaf_survives(rate: float, name: str, steps: int) -> None:
    config = Config(optimizer=Optimizer(lr=rate), names=(name,), steps=abs(steps))
    assert config_from_dict(Config, config_to_dict(config)) == config


@pytest.mark.parametrize("text", ["1e-3", "1E-3", 0.001])
def test_floats_that_yaml_takes_for_text(text: object) -> None:
    values = merge_mappings(config_to_dict(Config()), {"optimizer": {"lr": text}})
    assert config_from_dict(Config, values).optimizer.lr == pytest.approx(0.001)


def test_yaml_with_exponent_and_no_dot_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "part.yaml"
    path.write_text("optimizer:\n  lr: 1e-3\n")
    values = merge_mappings(config_to_dict(Config()), read_yaml_mapping(path))
    assert config_from_dict(Config, values).optimizer == Optimizer(lr=0.001)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"stepps": 1}, "f.yaml: stepps: unknown key; did you mean 'steps'?"),
    ({"optimizer": {"lrr": 1}}, "f.yaml: optimizer.lrr: unknown key; did you mean 'lr'?"),
    ({"optimizer": {"zzzzz": 1}}, "f.yaml: optimizer.zzzzz: unknown key; known: betas, lr, name"),
    ({"optimizer": {"lr": "fast"}}, "f.yaml: optimizer.lr: expected float, got 'fast' (str)"),
    ({"optimizer": {"lr": True}}, "f.yaml: optimizer.lr: expected float, got True (bool)"),
    ({"optimizer": {"lr": None}}, "f.yaml: optimizer.lr: expected float, got null"),
    (
        {"optimizer": {"name": "adma"}},
        "f.yaml: optimizer.name: expected 'sgd' | 'adam', got 'adma' (str); did you mean 'adam'?",
    ),
    (
        {"optimizer": {"betas": [1]}},
        "f.yaml: optimizer.betas: expected 2 values (tuple[float, float]), got 1: [1]",
    ),
    ({"optimizer": {"betas": [1, "x"]}}, "f.yaml: optimizer.betas[1]: expected float, got 'x' (str)"),
    ({"optimizer": 3}, "f.yaml: optimizer: expected a section (Optimizer), got 3 (int)"),
    (
        {"warm_up": {"lr": 1}},
        "f.yaml: warm_up.name: missing key; expected 'sgd' | 'adam' (missing beside it: betas)",
    ),
    (
        {"stages": [{"lr": 1, "name": "sgd", "betas": [1, "x"]}]},
        "f.yaml: stages[0].betas[1]: expected float, got 'x' (str)",
    ),
    ({"steps": 1.5}, "f.yaml: steps: expected int, got 1.5 (float)"),
    ({"steps": True}, "f.yaml: steps: expected int, got True (bool)"),
    ({"limit": "many"}, "f.yaml: limit: expected int | null, got 'many' (str)"),
    ({"size": 1.5}, "f.yaml: size: expected int | str, got 1.5 (float)"),
    ({"flip": "yes"}, "f.yaml: flip: expected bool, got 'yes' (str)"),
    ({"names": "ab"}, "f.yaml: names: expected tuple[str, ...], got 'ab' (str)"),
    ({"weights": {"camera": "much"}}, "f.yaml: weights.camera: expected float, got 'much' (str)"),
    ({"weights": 3}, "f.yaml: weights: expected Mapping[str, float], got 3 (int)"),
    ({"file": 3}, "f.yaml: file: expected Path | null, got 3 (int)"),
    ({"steps": -1}, "f.yaml: steps must not be negative, got -1"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message[8:40] for _, message in WRONG])
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    values = merge_mappings(config_to_dict(Config()), changes)
    with pytest.raises(ValueError, match="f") as caught:
        config_from_dict(Config, values, source="f.yaml")
    assert str(caught.value) == message


def test_missing_keys_are_named_with_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("optimizer: {lr: 1.0, name: sgd, betas: [0, 1]}\n")
    with pytest.raises(
        ValueError, match=r"c\.yaml: warm_up: missing key; expected a section \(Optimizer\) \| null"
    ):
        load_config(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "this is not a YAML file"),
        (b"\xff\xfe\x00", "expected text in UTF-8"),
        (b"- 1\n- 2\n", "expected a mapping"),
        (b"!!python/object/apply:os.getcwd []\n", "this is not a YAML file"),
    ],
)
def test_files_that_hold_something_else(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such configuration file"):
        load_config(tmp_path / "c.yaml")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("# nothing yet\n")
    assert read_yaml_mapping(path) == {}


def test_merging_leaves_its_arguments_alone() -> None:
    base: dict[str, Any] = {"a": {"b": 1, "c": 2}, "d": 3}
    changes = {"a": {"b": 5}, "d": {"e": 1}}
    assert merge_mappings(base, changes) == {"a": {"b": 5, "c": 2}, "d": {"e": 1}}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}


def test_closest_word() -> None:
    assert closest("markt", ["market1501", "market"]) == "did you mean 'market'?"
    assert closest("x", []) == "known: none"


def test_a_changed_config_differs() -> None:
    assert config_to_dict(replace(Config(), steps=11)) != config_to_dict(Config())


def test_flatten() -> None:
    assert flatten({"a": 1, "b": {"c": (1, 2), "d": {"e": None}}}) == {"a": 1, "b.c": [1, 2], "b.d.e": None}
