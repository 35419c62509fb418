"""Result files of several rows, from before `genreid reproduce` gave each row a file of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genreid.pipelines.row_file import RowFile
from genreid.recipes.reproduce import ROWS

GROUPED: Mapping[str, str] = {
    "crgan-c2m-compact": "crgan/cuhk03-market1501",
    "hybrid-c2m-compact": "crgan/cuhk03-market1501",
    "dgnet-cuhk03np-compact": "dgnet/cuhk03",
}
"""Files of several rows, from before rows had files of their own -> what their rows' names begin with."""


def read_grouped(folder: Path) -> tuple[RowFile, ...]:
    """Return the result files of several rows each that know no fingerprint of the code.

    Args:
        folder: Such as `results`.
    """
    paths = [folder / f"{stem}.json" for stem in GROUPED]
    return tuple(
        RowFile(path, json.loads(path.read_text(encoding="utf-8"))) for path in paths if path.is_file()
    )


def grouped_rows(file: RowFile) -> Mapping[str, list[dict[str, Any]]]:
    """Return the entries of those of its rows that `genreid reproduce` knows, by their names there.

    Args:
        file: Of `read_grouped`.
    """
    named = {f"{GROUPED[file.path.stem]}/{name}": row["seeds"] for name, row in file.content["rows"].items()}
    return {name: named[name] for name in ROWS if name in named}
