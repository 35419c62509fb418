"""The rows of the papers' tables that `genreid reproduce` makes, with the papers' figures.

A row is named PAPER/DATA/VARIANT: `crgan/market1501-dukemtmc/crgan_lmp` learns from Market-1501's people and
searches among DukeMTMC-reID's; `dgnet/msmt17/both` learns and searches in MSMT17. It is made of pairs of data
sets and of variants, in the tables below. A row without a figure of the paper is a control of our own, or a
variant that the paper tried on other data only. Names of variants are those of the files in results/.
Each paper has a file of its own, which its method's card names.
"""

from collections.abc import Mapping
from difflib import SequenceMatcher

from genreid.methods import METHODS, load
from genreid.reproduce.paper import Paper, Row

PAPERS: Mapping[str, Paper] = {method.paper: load(method.rows) for method in METHODS.values() if method.rows}
"""Every paper by name."""
ROWS: Mapping[str, Row] = {row.name: row for paper in PAPERS.values() for row in paper.rows}
"""Every row by name, in the order of the papers."""


def find_row(name: str) -> Row:
    """Return a row by its name.

    Args:
        name: PAPER/DATA/VARIANT.

    Raises:
        ValueError: If there is no such row; the nearest ones are named.
    """
    if name in ROWS:
        return ROWS[name]
    words = [word for word in name.replace("-", "/").split("/") if word]
    holding = [known for known in ROWS if words and all(word in known for word in words)]
    near = sorted(holding or ROWS, key=lambda known: -SequenceMatcher(None, name, known).ratio())[:3]
    msg = (
        f"genreid reproduce: no row is called {name!r}; did you mean {' or '.join(near)}? "
        "`genreid reproduce --list` shows all"
    )
    raise ValueError(msg)


def rows_with(words: tuple[str, ...]) -> tuple[Row, ...]:
    """Return the rows in whose name, or among whose tables, every word is found.

    Args:
        words: Such as `crgan`, `market1501`, `table3`; none: every row.
    """

    def fits(row: Row) -> bool:
        tables = {f"table{number}" for number in row.tables}
        return all(word in tables if word.startswith("table") else word in row.name for word in words)

    return tuple(row for row in ROWS.values() if fits(row))
