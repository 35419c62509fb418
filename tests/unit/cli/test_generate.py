"""`genreid generate`: which options go together."""

import pytest

from genreid.cli import generate


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--grid --steps 3",
            r"--grid does not take --steps, only --appearance, --count, --data, --force, --out, ",
        ),
        (
            "--dataset d --count 3 --out x.png --appearance a",
            "--dataset does not take --appearance and --out",
        ),
        ("--renderings --structure a b", "--renderings does not take --structure"),
        ("--dataset d --count 3 --contexts 2", "give --count N pictures, or --contexts N"),
        ("--dataset d --count 0", "--count must be 1 or more, got 0"),
        ("--grid --count 0", "--count must be 1 or more, got 0"),
        ("--interpolate structure --steps 1", "--steps must be 2 or more"),
        ("--grid --out sheet", "expected the name of a picture's file"),
        ("--grid --appearance a --structure b --count 3", "--grid: --count is how many are drawn"),
        ("--interpolate structure --structure a b --count 3", "--interpolate: --count is how many"),
        ("--renderings --count 0", "--count must be 1 or more, got 0"),
        ("--grid", "run holds no DG-Net"),
        ("--interpolate appearance --structure b --count 3 --seed 0", "run holds no DG-Net"),
        ("--dataset d --count 3 --seed 0", "run is no run folder"),
    ],
)
def test_what_does_not_go_together(words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate.main(["run", *words.split()])


@pytest.mark.parametrize("words", ["", "--grid --renderings", "--interpolate clothes", "--dataset"])
def test_one_thing_is_made(words: str) -> None:
    with pytest.raises(ValueError, match=r"--grid|clothes.*appearance|--dataset"):
        generate.main(["run", *words.split()])
