"""Variants of a format, written after a colon: the same as the options of the readers."""

from pathlib import Path

import pytest

from genreid.data.load import READERS, load_dataset
from genreid.data.reader_options import VARIANTS, ReaderOptions, choose_format
from tests.drawn_datasets import draw_cuhk03_raw, draw_market1501, draw_msmt17


def test_only_known_formats_have_variants() -> None:
    assert set(VARIANTS) <= set(READERS)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("cuhk03:labeled", ReaderOptions(boxes="labeled")),
        ("cuhk03:classic", ReaderOptions(protocol="classic")),
        (
            "cuhk03:labeled+classic+split3",
            ReaderOptions(boxes="labeled", protocol="classic", classic_split=3),
        ),
        ("cuhk03-np:labeled", ReaderOptions(boxes="labeled")),
        ("msmt17:train", ReaderOptions(msmt_train="train")),
        ("msmt17:train+val", ReaderOptions()),
        ("market1501", ReaderOptions()),
        (None, ReaderOptions()),
    ],
)
def test_variants_are_options(text: str | None, options: ReaderOptions) -> None:
    name = None if text is None else text.split(":")[0]
    assert choose_format(text, ReaderOptions()) == (name, options)


def test_other_options_stay() -> None:
    given = ReaderOptions(boxes="labeled", pattern="x")
    assert choose_format("cuhk03:labeled", given).options == given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cuhk03:labelled",
            r"'labelled' is not known, expected cuhk03:detected\|labeled\|.*split0\.\.split19",
        ),
        ("cuhk03:", "variant '' is not known"),
        ("msmt17:val", r"expected msmt17:train\+val\|train"),
        ("market1501:labeled", "has no variants; those that have some: cuhk03:"),
        ("cuhk03:labeled+detected", "detected contradicts boxes 'labeled'"),
        ("cuhk03:split3", r"type cuhk03:split3\+classic"),
    ],
)
def test_variants_that_cannot_be_meant(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_format(text, ReaderOptions())


def test_a_variant_contradicts_an_option() -> None:
    with pytest.raises(ValueError, match="detected contradicts boxes 'labeled'"):
        choose_format("cuhk03:detected", ReaderOptions(boxes="labeled"))


def test_data_sets_are_read_with_their_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    msmt, raw = draw_msmt17(tmp_path / "msmt"), draw_cuhk03_raw(tmp_path / "raw")
    assert len(load_dataset(msmt, "msmt17:train").train) < len(load_dataset(msmt, "msmt17").train)
    options = ReaderOptions(boxes="labeled", protocol="classic", classic_split=1)
    assert load_dataset(raw, "cuhk03:labeled+classic+split1") == load_dataset(raw, "cuhk03", options)


def test_an_unknown_format_names_formats_and_variants(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'imagenet' is not known, .*market1501.*cuhk03-np:detected"):
        load_dataset(draw_market1501(tmp_path), "imagenet")
