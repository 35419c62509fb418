"""The trial that tells whether changed code gives the same networks."""

import json
from pathlib import Path

import pytest

from evidence.same_outcome import ROWS, Outcome, differences
from genreid.reproduce.rows import ROWS as KNOWN


def drawn(root: Path, network: str = "1", gain: float = 0.5, controls: tuple[str, ...] = ("c",)) -> Outcome:
    """A run with one checkpoint, and a row."""
    checkpoint = root / "runs" / f"compact+{root.name}-seed0" / "checkpoints" / "identity" / "00000006"
    checkpoint.mkdir(parents=True)
    state = {"step": 6, "sha256": {"networks.safetensors": network}}
    (checkpoint / "state.json").write_text(json.dumps(state))
    row = root / "rows" / "crgan" / "x.json"
    row.parent.mkdir(parents=True)
    gains = [{"over": over, "mAP": gain, "interval": {}} for over in controls]
    row.write_text(
        json.dumps({"row": "x", "figures": {"mAP": 0.5}, "interval": {}, "gains": gains, "precision": "bf16"})
    )
    return Outcome(root, {"crgan adapt": "f"})


def test_equal_outcomes_do_not_differ(tmp_path: Path) -> None:
    before, after = drawn(tmp_path / "was"), drawn(tmp_path / "is")
    assert len(before.files) == 2
    assert differences(before, after) == []


@pytest.mark.parametrize(
    ("network", "gain", "file"),
    [("2", 0.5, "checkpoints/identity/00000006"), ("1", 0.51, "gains of x")],
)
def test_another_network_or_figure_is_seen(tmp_path: Path, network: str, gain: float, file: str) -> None:
    assert differences(drawn(tmp_path / "was"), drawn(tmp_path / "is", network, gain)) == [file]


def test_a_missing_file_is_seen(tmp_path: Path) -> None:
    before = drawn(tmp_path / "was")
    nothing = Outcome(tmp_path / "is", {})
    assert (len(differences(before, nothing)), len(differences(nothing, before))) == (3, 2)


def test_a_control_may_come_but_not_go(tmp_path: Path) -> None:
    one, two = drawn(tmp_path / "one"), drawn(tmp_path / "two", controls=("c", "d"))
    assert differences(one, two) == []
    assert differences(two, one) == ["gains of x"]


def test_its_rows_go_through_all_that_a_row_can_be() -> None:
    assert set(ROWS) <= set(KNOWN)
    for paper in ("crgan", "dgnet"):
        rows = [row for row in KNOWN.values() if row.paper == paper]
        tried = [KNOWN[name] for name in ROWS if KNOWN[name].paper == paper]
        assert {run.name for row in rows for run in row.training.chain} == {
            run.name for row in tried for run in row.training.chain
        }
        assert {row.half for row in rows} == {row.half for row in tried}
        assert {row.pooling for row in rows} == {row.pooling for row in tried}
