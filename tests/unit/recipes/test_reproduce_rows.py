"""The registry of the papers' rows: complete, consistent, and true to the papers' texts."""

import pytest

from genreid.data.load import READERS
from genreid.recipes.reproduce import (
    DATA,
    FORMATS,
    PUBLISHED_SIZES,
    ROWS,
    Row,
    find_row,
    recipes_of,
    rows_with,
)
from genreid.training.config_file import config_to_dict
from genreid.training.run_folder import flatten

BOTH_WAYS = ("market1501-dukemtmc", "dukemtmc-market1501")
TABLES = {
    ("crgan", 2): {
        f"{pair}/{row}"
        for pair in BOTH_WAYS
        for row in ("direct", "without_dual", "crgan", "without_dual_lmp", "crgan_lmp")
    },
    ("crgan", 3): {
        f"{pair}/{row}"
        for pair in BOTH_WAYS
        for row in ("without_identity", "without_camera", "without_context", "crgan")
    },
    ("crgan", 7): {
        f"cuhk03-{target}/{row}"
        for target in ("market1501", "dukemtmc")
        for row in ("crgan", "taudl", "crgan_taudl")
    },
    ("crgan", 11): {
        f"{pair}/{row}" for pair in BOTH_WAYS for row in ("direct", "cut_paste", "crgan", "crgan_lmp")
    },
    ("dgnet", 3): {
        f"{data}/{row}"
        for data in ("market1501", "dukemtmc", "msmt17")
        for row in ("teacher", "primary", "fine", "both")
    },
    ("dgnet", 9): {
        f"{one}-{other}/both"
        for one in ("market1501", "dukemtmc", "msmt17")
        for other in ("market1501", "dukemtmc", "msmt17")
        if one != other
    },
    ("dgnet", 10): {"cuhk03/both"},
}
"""Paper and table -> its rows that genreid has the method of."""


@pytest.mark.parametrize(("paper", "table"), TABLES)
def test_every_table_is_there(paper: str, table: int) -> None:
    found = {name for name, row in ROWS.items() if row.paper == paper and table in row.tables}
    assert found == {f"{paper}/{name}" for name in TABLES[paper, table]}


@pytest.mark.parametrize(
    ("name", "rank1", "mean"),
    [  # a sample of every table, read from the papers once more
        ("crgan/market1501-dukemtmc/direct", 36.9, 20.5),
        ("crgan/dukemtmc-market1501/crgan_lmp", 64.5, 33.2),
        ("crgan/market1501-dukemtmc/without_identity", 31.9, 15.4),
        ("crgan/dukemtmc-market1501/without_context", 57.4, 28.7),
        ("crgan/dukemtmc-market1501/cut_paste", 26.5, 11.3),
        ("crgan/cuhk03-dukemtmc/crgan", 46.5, 26.9),
        ("crgan/cuhk03-market1501/crgan_taudl", 78.3, 56.0),
        ("crgan/dukemtmc-market1501/crgan_taudl", 77.7, 54.0),
        ("dgnet/msmt17/fine", 71.5, 43.5),
        ("dgnet/dukemtmc/teacher", 82.0, 65.3),
        ("dgnet/msmt17-dukemtmc/both", 61.89, 40.69),
        ("dgnet/cuhk03/both", 65.6, 61.1),
    ],
)
def test_the_papers_figures(name: str, rank1: float, mean: float) -> None:
    published = ROWS[name].published
    assert published is not None
    assert published.rank1 == pytest.approx(rank1 / 100)
    assert published.mAP == pytest.approx(mean / 100)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_a_row_is_consistent(row: Row) -> None:
    assert bool(row.tables) == (row.published is not None)
    if row.published is not None:
        assert 0 < row.published.mAP < row.published.rank1 < 1
    assert row.what
    assert row.target in row.needs
    assert row.sections
    for name in row.controls:
        control = ROWS[name]
        assert set(control.needs) <= set(row.needs)
        assert (control.paper, control.target) == (row.paper, row.target)
        assert control.statistics_of in {None, row.statistics_of}


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_a_rows_changes_are_settings_of_every_recipe(row: Row) -> None:
    recipes = recipes_of(row)
    assert {"paper", "single_gpu", "compact"} <= set(recipes)
    for make in recipes.values():
        settings = flatten(config_to_dict(make()))
        for training in row.training.chain:
            assert set(training.changes) <= set(settings)
        assert any(name.startswith(row.sections) for name in settings)


def test_runs_are_shared_by_what_they_depend_on() -> None:
    crgan, taudl = ROWS["crgan/market1501-dukemtmc/crgan_taudl"].training, ROWS["crgan/cuhk03-dukemtmc/taudl"]
    assert [training.name for training in crgan.chain] == ["direct", "crgan", "crgan_taudl"]
    assert [training.depends_on for training in crgan.chain] == [(True, False), (True, True), (True, True)]
    assert taudl.training.depends_on == (False, True)
    assert taudl.needs == ("dukemtmc",)
    assert ROWS["dgnet/market1501-msmt17/both"].needs == ("market1501", "msmt17")
    assert [training.name for training in ROWS["dgnet/msmt17/both"].training.chain] == ["teacher", "dgnet"]


def test_msmt17_takes_the_maintainers_length() -> None:
    assert recipes_of(ROWS["dgnet/msmt17-market1501/both"])["paper"]().training.iterations == 150_000  # type: ignore[union-attr]
    assert recipes_of(ROWS["dgnet/market1501-msmt17/both"])["paper"]().training.iterations == 100_000  # type: ignore[union-attr]


def test_data_sets_are_those_of_the_papers() -> None:
    assert set(DATA) == set(FORMATS) == set(PUBLISHED_SIZES)
    assert {name for formats in FORMATS.values() for name in formats} <= set(READERS)
    assert sum(PUBLISHED_SIZES["cuhk03"]) == 14_097


def test_names_nearby_are_suggested() -> None:
    assert find_row("dgnet/cuhk03/both") is ROWS["dgnet/cuhk03/both"]
    with pytest.raises(ValueError, match="did you mean crgan/market1501-dukemtmc/crgan or "):
        find_row("crgan/market-duke/crgan")
    with pytest.raises(ValueError, match=r"no row is called 'x'.*--list"):
        find_row("x")


def test_rows_are_found_by_words() -> None:
    assert {row.name for row in rows_with(("dgnet", "table10"))} == {"dgnet/cuhk03/both"}
    assert len(rows_with(("table9",))) == 6
    assert len(rows_with(())) == len(ROWS)
