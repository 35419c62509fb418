"""The registry of the papers' rows: complete, consistent, and true to the papers' texts."""

import pytest

from genreid.data.load import READERS
from genreid.reproduce.paper import Row
from genreid.reproduce.published import DATA, FORMATS, PUBLISHED_SIZES
from genreid.reproduce.rows import ROWS, find_row, rows_with
from genreid.runs.config_file import config_to_dict, flatten

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
    }
    | {"cuhk03-market1501/spgan"},
    ("crgan", 5): {
        f"{pair}/{row}" for pair in BOTH_WAYS for row in ("crgan", "crgan_lmp", "spgan", "spgan_lmp")
    },
    ("crgan", 6): {
        f"{pair}/{row}"
        for pair in BOTH_WAYS
        for row in ("crgan_lmp", "spgan_lmp", "taudl", "crgan_taudl", "spgan_taudl")
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


MARKET_DUKE = """
direct              36.9 20.5  47.5 20.0
without_dual        43.3 24.8  55.5 27.0
crgan               52.2 30.0  59.6 29.6
without_dual_lmp    48.7 27.6  59.2 28.5
crgan_lmp           56.0 33.3  64.5 33.2
without_identity    31.9 15.4  32.8 11.8
without_camera      48.8 28.6  53.6 26.0
without_context     48.5 28.8  57.4 28.7
cut_paste           21.6  9.0  26.5 11.3
taudl               61.7 43.5  63.7 41.2
crgan_taudl         68.9 48.6  77.7 54.0
spgan               41.1 22.3  51.5 22.8
spgan_lmp           46.4 26.2  57.7 26.7
spgan_taudl         66.1 47.2  66.5 38.5
"""
"""CR-GAN's tables 2, 3, 11, 5 and 6 as printed: rank-1 and mAP, Market -> Duke, then Duke -> Market."""
FROM_CUHK03 = """
crgan               58.5 30.4  46.5 26.9
spgan               42.3 19.0
taudl               63.7 41.2  61.7 43.5
crgan_taudl         78.3 56.0  67.7 47.7
"""
"""CR-GAN's table 7: to Market-1501, then to DukeMTMC-reID, where SPGAN has no figures."""
DGNET = """
teacher             89.6 74.5  82.0 65.3  68.8 36.2
primary             94.0 84.4  85.6 72.7  76.0 49.7
fine                91.6 75.3  78.7 61.2  71.5 43.5
both                94.8 86.0  86.6 74.8  77.2 52.3
"""
"""DG-Net's table 3: Market-1501, DukeMTMC-reID, MSMT17."""
TRANSFER = {
    "dgnet/market1501-dukemtmc/both": (42.62, 24.25),
    "dgnet/market1501-msmt17/both": (17.11, 5.41),
    "dgnet/dukemtmc-market1501/both": (56.12, 26.83),
    "dgnet/dukemtmc-msmt17/both": (20.59, 6.35),
    "dgnet/msmt17-market1501/both": (61.76, 33.62),
    "dgnet/msmt17-dukemtmc/both": (61.89, 40.69),
}
"""DG-Net's table 9."""


def printed(table: str, *data: str) -> dict[str, tuple[float, float]]:
    """Read a table as the papers print it: a line for each method, two columns for each data set or pair."""
    found = {}
    for name, *numbers in (line.split() for line in table.strip().splitlines()):
        for place, (rank1, mean) in enumerate(zip(numbers[::2], numbers[1::2], strict=True)):
            found[f"{data[place]}/{name}"] = (float(rank1), float(mean))
    return found


def test_the_papers_figures() -> None:
    papers = {
        **printed(MARKET_DUKE, *(f"crgan/{pair}" for pair in BOTH_WAYS)),
        **printed(FROM_CUHK03, "crgan/cuhk03-market1501", "crgan/cuhk03-dukemtmc"),
        **printed(DGNET, "dgnet/market1501", "dgnet/dukemtmc", "dgnet/msmt17"),
        **TRANSFER,
        "dgnet/cuhk03/both": (65.6, 61.1),
    }
    ours = {name: row.published for name, row in ROWS.items() if row.published is not None and row.tables}
    assert ours.keys() == papers.keys()
    for name, published in ours.items():
        both = (published.rank1, published.mAP)
        assert tuple(100 * (share or 0) for share in both) == pytest.approx(papers[name], abs=1e-3), name


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_a_row_is_consistent(row: Row) -> None:
    assert bool(row.tables or row.section) == (row.published is not None)
    if row.published is not None and row.tables:
        shares = [share for share in row.published if share is not None]
        assert all(0 < share < 1 for share in shares)
        assert row.published.mAP == min(shares)
        assert shares[:-1] == sorted(shares[:-1]), "more are found among more"
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
    recipes = row.recipes
    assert {"paper", "single_gpu", "compact"} <= set(recipes)
    for make in recipes.values():
        settings = flatten(config_to_dict(make()))
        for training in row.training.chain:
            assert set(training.changes) <= set(settings)
        assert any(name.startswith(row.sections) for name in settings)


def test_a_row_has_no_recipe_that_is_another_with_a_renderer() -> None:
    assert set(ROWS["crgan/market1501-dukemtmc/crgan"].recipes) == {"paper", "single_gpu", "compact"}


def test_rows_of_a_paper_are_ranked_alike() -> None:
    """DG-Net's by image and mirror image, its teacher's too; CR-GAN's by the image alone."""
    found = {(row.paper, row.mirror) for row in ROWS.values()}
    assert found == {("crgan", "off"), ("dgnet", "on")}


def test_runs_are_shared_by_what_they_depend_on() -> None:
    crgan, taudl = ROWS["crgan/market1501-dukemtmc/crgan_taudl"].training, ROWS["crgan/cuhk03-dukemtmc/taudl"]
    assert [training.name for training in crgan.chain] == ["direct", "crgan", "crgan_taudl"]
    assert [training.depends_on for training in crgan.chain] == [(True, False), (True, True), (True, True)]
    assert taudl.training.depends_on == (False, True)
    assert taudl.needs == ("dukemtmc",)
    assert ROWS["dgnet/market1501-msmt17/both"].needs == ("market1501", "msmt17")
    assert [training.name for training in ROWS["dgnet/msmt17/both"].training.chain] == ["teacher", "dgnet"]


def test_msmt17_takes_the_maintainers_length() -> None:
    assert ROWS["dgnet/msmt17-market1501/both"].recipes["paper"]().training.iterations == 150_000
    assert ROWS["dgnet/market1501-msmt17/both"].recipes["paper"]().training.iterations == 100_000


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
