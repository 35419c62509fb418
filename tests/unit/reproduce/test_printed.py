"""The papers' tables: a second transcription, made apart from the package's own, and ours in place."""

import json
from pathlib import Path
from typing import Any

import pytest

from genreid.reproduce.printed import SECTIONS, TABLES, find_table, in_paper
from genreid.reproduce.published import Published
from genreid.reproduce.rows import ROWS
from genreid.reproduce.table import table_lines
from tests.command_line import genreid

# Typed from the page images' text, CR-GAN's column by column, DG-Net's line by line; never by a script.
COLUMNS: dict[str, tuple[str, list[str]]] = {
    "crgan/1": (
        "Source-Target data, w/o dual condition, CR-GAN",
        ["0.458 0.196 0.281", "0.330 0.065 0.058", "0.458 0.210 0.269", "0.330 0.137 0.096"],
    ),
    "crgan/2": (
        "Direct Transfer, w/o dual cond, CR-GAN, w/o dual cond+LMP, CR-GAN+LMP",
        [
            "36.9 43.3 52.2 48.7 56.0",
            "20.5 24.8 30.0 27.6 33.3",
            "47.5 55.5 59.6 59.2 64.5",
            "20.0 27.0 29.6 28.5 33.2",
        ],
    ),
    "crgan/3": (
        "w/o identity loss, w/o camera loss, w/o context loss, CR-GAN",
        ["31.9 48.8 48.5 52.2", "15.4 28.6 28.8 30.0", "32.8 53.6 57.4 59.6", "11.8 26.0 28.7 29.6"],
    ),
    "crgan/4": (
        "Source-Target data, SPGAN, CR-GAN",
        ["0.458 0.099 0.281", "0.330 0.171 0.058", "0.458 0.099 0.269", "0.330 0.115 0.096"],
    ),
    "crgan/5": (
        "PTGAN, SPGAN, M2M-GAN, CR-GAN, SPGAN+LMP, M2M-GAN+LMP, CR-GAN+LMP",
        [
            "27.4 41.1 49.6 52.2 46.4 54.4 56.0",
            "- 22.3 26.1 30.0 26.2 31.6 33.3",
            "38.6 51.5 57.5 59.6 57.7 63.1 64.5",
            "66.1 22.8 26.8 29.6 26.7 30.9 33.2",
        ],
    ),
    "crgan/6": (
        """LOMO, BoW, UMDL, PTGAN, SPGAN+LMP, M2M-GAN+LMP, CR-GAN+LMP, PUL*, TJ-AIDL+, MMFA+, BUC*, TAUDL*,
        HHL, SPGAN+TAUDL, CR-GAN+TAUDL""",
        [
            "12.3 17.1 18.5 27.4 46.4 54.4 56.0 30.0 44.3 45.3 47.4 61.7 46.9 66.1 68.9",
            "21.3 28.8 31.4 - 62.3 - 70.5 43.4 59.6 59.8 62.6 - 61.0 80.0 80.2",
            "26.6 34.9 37.6 50.7 68.0 - 74.6 48.5 65.0 66.3 68.4 - 66.7 83.2 84.7",
            "4.8 8.3 7.3 - 26.2 31.6 33.3 16.4 23.0 24.7 27.5 43.5 27.2 47.2 48.6",
            "27.2 35.8 34.5 38.6 57.7 63.1 64.5 45.5 58.2 56.7 66.2 63.7 62.2 66.5 77.7",
            "41.6 52.4 52.6 - 75.8 - 79.8 60.7 74.8 75.0 79.6 - 78.8 81.8 89.7",
            "49.1 60.3 59.6 66.1 82.4 - 85.0 66.7 81.1 81.8 84.5 - 84.0 86.6 92.7",
            "8.0 14.8 12.4 - 26.7 30.9 33.2 20.5 26.5 27.4 38.3 41.2 31.4 38.5 54.0",
        ],
    ),
    "crgan/7": (
        "PTGAN, SPGAN, CR-GAN, TAUDL*, HHL, CR-GAN+TAUDL",
        [
            "31.5 42.3 58.5 63.7 56.8 78.3",
            "- - 75.8 - 74.7 89.4",
            "60.2 - 81.9 - 81.4 93.0",
            "- 19.0 30.4 41.2 29.8 56.0",
            "17.6 - 46.5 61.7 42.7 67.7",
            "- - 61.6 - 57.5 79.4",
            "38.5 - 67.0 - 64.2 83.4",
            "- - 26.9 43.5 23.4 47.7",
        ],
    ),
    "crgan/11": (
        "Direct Transfer, cut| paste and learn, CR-GAN, CR-GAN+LMP",
        ["36.9 21.6 52.2 56.0", "20.5 9.0 30.0 33.3", "47.5 26.5 59.6 64.5", "20.0 11.3 29.6 33.2"],
    ),
    "dgnet/2": (
        "Real, LSGAN, PG2-GAN, PN-GAN, FD-GAN, Ours",
        ["7.22 136.26 151.16 54.23 257.00 18.24", "0.350 - - 0.335 0.247 0.360"],
    ),
    "dgnet/3": (
        "Baseline, f_prim, f_fine, f_prim| f_fine",
        [
            "89.6 94.0 91.6 94.8",
            "74.5 84.4 75.3 86.0",
            "82.0 85.6 78.7 86.6",
            "65.3 72.7 61.2 74.8",
            "68.8 76.0 71.5 77.2",
            "36.2 49.7 43.5 52.3",
        ],
    ),
    "dgnet/4": (
        """Verif-Identif, DCF, SSM, SVDNet, PAN, GLAD, HA-CNN, MLFN, Part-aligned, PCB, Mancs, DeformGAN,
        LSRO, Multi-pseudo, PT, PN-GAN, FD-GAN, Ours""",
        [
            "79.5 80.3 82.2 82.3 82.8 89.9 91.2 90.0 91.7 93.8 93.1 80.6 84.0 85.8 87.7 89.4 90.5 94.8",
            "59.9 57.5 68.8 62.1 63.4 73.9 75.7 74.3 79.6 81.6 82.3 61.3 66.1 67.5 68.9 72.6 77.7 86.0",
            "68.9 - - 76.7 71.6 - 80.5 81.0 84.4 83.3 84.9 - 67.7 76.8 78.5 73.6 80.0 86.6",
            "49.3 - - 56.8 51.5 - 63.8 62.8 69.3 69.2 71.8 - 47.1 58.6 56.9 53.2 64.5 74.8",
        ],
    ),
    "dgnet/5": (
        "Deep, PDC, Verif-Identif, GLAD, PCB, Ours",
        [
            "47.6 58.0 60.5 61.4 68.2 77.2",
            "65.0 73.6 76.2 76.8 81.2 87.4",
            "71.8 79.4 81.6 81.6 85.5 90.5",
            "23.0 29.7 31.6 34.0 40.4 52.3",
        ],
    ),
    "dgnet/9": (
        "Ours",
        [
            *("42.62", "58.57", "64.63", "24.25", "56.12", "72.18", "78.12", "26.83"),
            *("17.11", "26.66", "31.62", "5.41", "61.76", "77.67", "83.25", "33.62"),
            *("20.59", "31.67", "37.04", "6.35", "61.89", "75.81", "80.34", "40.69"),
        ],
    ),
    "dgnet/10": (
        "HA-CNN, PT, MLFN, PCB, PCB + RPP, Ours",
        ["41.7 41.6 52.8 61.3 63.7 65.6", "38.6 38.7 47.8 54.2 57.5 61.1"],
    ),
}
"""Table -> its systems, and every column from left to right."""
SYSTEMS = {"crgan/6": 15, "crgan/7": 6, "crgan/5": 7, "dgnet/4": 18, "dgnet/5": 6, "dgnet/10": 6}


@pytest.mark.parametrize("name", COLUMNS)
def test_every_figure_is_the_printed_one(name: str) -> None:
    table, (names, columns) = TABLES[name], COLUMNS[name]
    systems = [system.strip().replace("|", ",") for system in names.split(",")]
    assert [system.name for system in table.systems] == systems
    assert len(systems) == SYSTEMS.get(name, len(systems))
    assert len(columns) == len(table.on) * len(table.figures)
    for number, system in enumerate(table.systems):
        printed = [text for block in system.printed for text in block]
        assert printed == [column.split()[number] for column in columns], system.name


def test_every_table_with_figures_is_there() -> None:
    assert set(TABLES) == set(COLUMNS)
    assert {table.number for table in TABLES.values() if table.paper == "crgan"} == {1, 2, 3, 4, 5, 6, 7, 11}
    with pytest.raises(ValueError, match=r"expected one of crgan/1, .*, got 'crgan/8'"):
        find_table("crgan/8")


def test_lines_of_ours_are_rows_and_tables_agree() -> None:
    for table in TABLES.values():
        for system in table.systems:
            for on in table.on:
                if system.variant and "rank1" in table.figures and table.published(system, on):
                    published = ROWS[f"{table.paper}/{on}/{system.variant}"].published
                    assert published is not None
                    for figure, percent in table.published(system, on).items():
                        assert getattr(published, figure) == pytest.approx(percent / 100, abs=1e-9), table


def test_what_stands_in_the_text() -> None:
    """Section 4.3: an 84.4 % mAP on Market-1501, inferior to the 86.0 % of the end-to-end training."""
    assert in_paper("dgnet/market1501/offline") == ((), "4.3", Published(mAP=0.844))
    assert ROWS["dgnet/market1501/offline"].published == Published(mAP=0.844)
    assert ROWS["dgnet/dukemtmc/offline"].published is None
    assert set(SECTIONS) == {"dgnet/market1501/offline"}


OLD = "the file is of an older form"


def result(tmp_path: Path, **changes: Any) -> Path:
    """A result file of an older form, with figures."""
    figures = {"rank1": 0.5, "rank5": 0.6, "rank10": 0.7, "mAP": 0.45, "mAP_trapezoid": 0.4}
    content = {"row": "crgan/cuhk03-market1501/crgan", "recipe": "compact", "seed": 3, "figures": figures}
    path = tmp_path / "results" / "crgan" / "cuhk03-market1501" / "crgan.compact.seed3.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**content, **changes}))
    return tmp_path / "results"


def test_ours_stand_in_place_with_their_state(tmp_path: Path) -> None:
    lines = table_lines(TABLES["crgan/7"], result(tmp_path))
    (ours,) = [line for line in lines if line.row == "crgan/cuhk03-market1501/crgan"]
    (one,) = ours.ours
    assert (one.recipe, one.seed, one.stale) == ("compact", 3, OLD)
    assert one.figures == {"rank1": 50, "rank5": 60, "rank10": 70, "mAP": 40}, "the trapezoid"
    assert ours.published == {"rank1": 58.5, "rank5": 75.8, "rank10": 81.9, "mAP": 30.4}
    assert not any(line.ours for line in lines if line is not ours)
    assert {line.row for line in lines if line.system.name in {"PTGAN", "HHL"}} == {""}


def test_the_command_prints_the_whole_table(tmp_path: Path) -> None:
    results = str(result(tmp_path))
    text = genreid("reproduce", "--table", "crgan/7", "--results", results).out
    for line in (
        "  PTGAN              31.5       -     60.2     -",
        "  CR-GAN             58.5    75.8     81.9  30.4",
        f"    ours             50.0    60.0     70.0  40.0  compact, seed 3; stale: {OLD}",
        "    ours                -       -        -     -  not made: crgan/cuhk03-market1501/taudl",
    ):
        assert line in text.splitlines(), line
    assert "quoted from the paper; other systems were not run here" in text
    answer = json.loads(genreid("reproduce", "--table", "crgan/7", "--results", results, "--json").out)
    assert (answer["table"], answer["figures"]) == (7, ["rank1", "rank5", "rank10", "mAP"])
    assert len(answer["lines"]) == 12
    (made,) = [line for line in answer["lines"] if line["ours"]]
    assert made["ours"][0]["state"] == "stale"
    assert "not measured" in genreid("reproduce", "--table", "dgnet/2", "--results", results).out
    wrong = genreid("reproduce", "--table", "crgan/12")
    assert (wrong.code, "expected one of crgan/1" in wrong.err) == (2, True)
