"""TRAINING OPTIONS: recipe < file < flags, and errors that say what was meant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from genreid.cli.options import TrainingArguments, parse_training
from genreid.runs.config_file import save_config


@dataclass(frozen=True)
class Optimizer:
    """How weights move."""

    lr: float = 1e-4
    """Learning rate, 100 % of it."""
    name: Literal["sgd", "adam"] = "sgd"
    """Which rule."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates."""


@dataclass(frozen=True)
class Stage:
    """One stage."""

    optimizer: Optimizer = Optimizer()
    """The stage's optimiser."""
    num_steps: int = 10
    """Iterations."""

    def __post_init__(self) -> None:
        """Refuse no steps."""
        if self.num_steps < 1:
            msg = f"num_steps must be 1 or more, got {self.num_steps}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Config:
    """Two stages."""

    first: Stage = Stage()
    """Stage I."""
    second: Stage | None = None
    """Stage II, or none."""
    limit: int | None = None
    """Most images."""
    label: str = "run"
    """A name."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Loss weights."""
    flip: bool = False
    """Mirror images."""


@dataclass(frozen=True)
class Job:
    """Adapt a network.

    More words.
    """

    source: Path = field(metadata={"metavar": "DIR"})
    """Labelled images."""
    out: Path = field(metadata={"metavar": "RUN"})
    """Run folder."""
    source_split: Literal["train", "all"] = "train"
    """Which images."""


def paper() -> Config:
    """Return the settings of the paper."""
    return Config(first=Stage(num_steps=1000))


def compact() -> Config:
    """Return settings for two cores."""
    return Config(first=Stage(Optimizer(lr=0.25)), second=Stage(num_steps=7))


NEEDED = ["--source", "in", "--out", "here"]


def parse(*argv: str) -> TrainingArguments[Job, Config]:
    """Parse with the sample recipes."""
    recipes = {"paper": paper, "compact": compact}
    return parse_training(Config, recipes, argv, job_type=Job, prog="genreid adapt", default_recipe="paper")


def test_defaults() -> None:
    arguments = parse(*NEEDED)
    assert arguments.job == Job(Path("in"), Path("here"))
    assert arguments.config == paper()
    assert arguments.run.recipe == "paper"
    assert (arguments.run.seed, arguments.run.device, arguments.run.max_minutes) == (0, "auto", None)


def test_flags_win_over_file_and_file_over_recipe(tmp_path: Path) -> None:
    file = tmp_path / "part.yaml"
    file.write_text("first:\n  num_steps: 5\n  optimizer:\n    lr: 1e-2\nlabel: '12'\n")
    arguments = parse(*NEEDED, "--recipe", "compact", "--config", str(file), "--first.optimizer.lr", "1e-3")
    assert arguments.config.first == Stage(Optimizer(lr=0.001), num_steps=5)
    assert arguments.config.second == Stage(num_steps=7)
    assert arguments.config.label == "12"
    assert arguments.run.config == file


def test_a_saved_config_runs_again(tmp_path: Path) -> None:
    save_config(tmp_path / "config.yaml", compact())
    assert parse(*NEEDED, "--config", str(tmp_path / "config.yaml")).config == compact()


@pytest.mark.parametrize("order", [["--seed", "3", *NEEDED], [*NEEDED, "--seed=3"]])
def test_order_and_equals_sign_do_not_matter(order: list[str]) -> None:
    assert parse(*order).run.seed == 3


def test_every_kind_of_value() -> None:
    words = [
        "--recipe=compact",
        "--source-split",
        "all",
        "--device=cpu",
        "--precision",
        "bf16",
        "--max_minutes",
        "2.5",
    ]
    words += [
        "--holdout",
        "100",
        "--limit",
        "null",
        "--label",
        "007",
        "--weights",
        "{camera: 2}",
        "--flip",
        "true",
    ]
    words += ["--second.optimizer.betas", "[0.1, 0.2]", "--second.num-steps", "9"]
    arguments = parse(*NEEDED, *words)
    assert arguments.job.source_split == "all"
    assert (arguments.run.precision, arguments.run.max_minutes, arguments.run.holdout) == ("bf16", 2.5, 100)
    assert arguments.config.second == Stage(Optimizer(betas=(0.1, 0.2)), num_steps=9)
    assert (arguments.config.label, arguments.config.weights, arguments.config.flip) == (
        "007",
        {"camera": 2.0},
        True,
    )


WRONG = [
    ([], "genreid adapt needs --source DIR and --out RUN; `genreid adapt --help` shows all options"),
    (["--source", "x"], "genreid adapt needs --out RUN; `genreid adapt --help` shows all options"),
    ([*NEEDED, "--sead", "3"], "genreid adapt: unknown option --sead; did you mean '--seed'?"),
    (
        [*NEEDED, "--first.optimizer.rl", "3"],
        "genreid adapt: unknown option --first.optimizer.rl; did you mean '--first.optimizer.lr'?",
    ),
    (
        [*NEEDED, "--qqqqqq"],
        "genreid adapt: unknown option --qqqqqq; `genreid adapt --help` shows all options",
    ),
    ([*NEEDED, "--recipe", "papper"], "genreid adapt: unknown recipe 'papper'; did you mean 'paper'?"),
    (
        [*NEEDED, "--device", "cdua"],
        "genreid adapt: --device: expected 'auto' | 'cpu' | 'cuda', got 'cdua'; did you mean 'cuda'?",
    ),
    (
        [*NEEDED, "--first.optimizer.lr", "fast"],
        "genreid adapt: --first.optimizer.lr: expected float, got 'fast'",
    ),
    (
        [*NEEDED, "--first.optimizer.betas", "[1]"],
        "genreid adapt: --first.optimizer.betas: expected tuple[float, float], got '[1]'",
    ),
    ([*NEEDED, "--seed", "-1"], "genreid adapt (command line): --seed must be 0 or more, got -1"),
    (
        [*NEEDED, "--first.num_steps", "0"],
        "genreid adapt (command line): first: num_steps must be 1 or more, got 0",
    ),
    (
        [*NEEDED, "--weights", "{camera: x}"],
        "genreid adapt (command line): weights.camera: expected float, got 'x' (str)",
    ),
    (
        [*NEEDED, "more"],
        "genreid adapt: unrecognized arguments: more; `genreid adapt --help` shows all options",
    ),
]


@pytest.mark.parametrize(("argv", "message"), WRONG, ids=[message[14:50] for _, message in WRONG])
def test_what_is_wrong_is_said(argv: list[str], message: str) -> None:
    with pytest.raises(ValueError, match="genreid adapt") as caught:
        parse(*argv)
    assert str(caught.value) == message


def test_an_option_without_its_value() -> None:
    with pytest.raises(ValueError, match="--seed: expected one argument"):
        parse(*NEEDED, "--seed")


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "part.yaml"
    file.write_text("first: {num_stepps: 3}\n")
    with pytest.raises(
        ValueError, match=r"part\.yaml: first\.num_stepps: unknown key; did you mean 'num_steps'\?"
    ):
        parse(*NEEDED, "--config", str(file))
    with pytest.raises(FileNotFoundError, match=r"missing\.yaml"):
        parse(*NEEDED, "--config", str(tmp_path / "missing.yaml"))


def test_help_shows_docstrings_and_the_recipes_values(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--help", "--recipe", "compact")
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "usage: genreid adapt --source DIR --out RUN" in text
    assert "--source DIR Labelled images. (required)" in text
    assert "--source-split train|all Which images. (default: train)" in text
    assert "--first.optimizer.lr float Learning rate, 100 % of it. (0.25)" in text
    assert "--second.num_steps int Iterations. (7)" in text
    assert "compact Return settings for two cores." in text
    assert "Adapt a network. Values of settings in brackets: recipe compact." in text


def test_help_without_a_section_that_the_recipe_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--help")
    assert "--second.num_steps" not in capsys.readouterr().out
