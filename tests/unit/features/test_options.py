"""FEATURE OPTIONS: the command line and the dataclass say the same."""

import argparse
from pathlib import Path

import pytest

from genreid.features.options import FeatureOptions, add_feature_options, feature_options


def parsed(*words: str) -> FeatureOptions:
    parser = argparse.ArgumentParser()
    add_feature_options(parser)
    return feature_options(parser.parse_args(words))


def test_nothing_typed_is_the_defaults() -> None:
    assert parsed() == FeatureOptions()
    assert FeatureOptions().bn_folder is None


def test_everything_typed_arrives() -> None:
    words = "--stage pretrained --pooling lmp --parts 4 --bn-statistics folder --batch-size 8 --device cpu"
    expected = FeatureOptions("pretrained", "lmp", 4, "folder", 8, "cpu", "fp32")
    assert parsed(*words.split(), "--precision", "fp32") == expected
    assert expected.bn_folder == Path("folder")


def test_how_the_folder_of_statistics_is_read() -> None:
    options = parsed(*["--bn-statistics", "folder", "--bn-format", "msmt17:train", "--bn-pattern", "x"])
    assert (options.bn_format, options.bn_pattern) == ("msmt17:train", "x")


def test_the_fine_half_is_weighted_only_if_asked_for() -> None:
    assert FeatureOptions().fine_weight is None
    assert parsed("--fine-weight", "0").fine_weight == 0
    assert parsed("--fine-weight", "2.5").fine_weight == 2.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--fine-weight -1", "--fine-weight must be a number from 0 .the primary half alone., got -1"),
        ("--fine-weight nan", "--fine-weight must be .* got nan; the paper's is 0.5"),
        ("--parts 4", "--parts 4 belongs to --pooling lmp"),
        ("--pooling lmp --parts 0", "--parts must be 1 or more, got 0"),
        ("--bn-format folder", "--bn-format folder .* give --bn-statistics DIR"),
        ("--bn-pattern x", "--bn-pattern x .* give --bn-statistics DIR"),
        ("--batch-size 0", "--batch-size must be 1 or more, got 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parsed(*words.split())


def test_unknown_values_are_refused_in_python_too() -> None:
    with pytest.raises(ValueError, match="--pooling must be one of average, lmp, got 'max'"):
        FeatureOptions(pooling="max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="--bn-statistics"):
        FeatureOptions(bn_statistics="")
