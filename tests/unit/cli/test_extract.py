"""`genreid extract`: which files it replaces."""

from pathlib import Path

import numpy as np
import pytest

from genreid.cli import extract
from genreid.features.feature_set import FeatureSet


def words(out: Path, *more: str) -> list[str]:
    return ["run", "--data", str(out.parent / "nowhere"), "--out", str(out), *more]


def test_only_files_of_embeddings_are_replaced(tmp_path: Path) -> None:
    out = tmp_path / "thesis.pdf"
    out.write_bytes(b"%PDF years of work")
    with pytest.raises(ValueError, match=r"thesis\.pdf is there and holds no embeddings.*--force"):
        extract.main(words(out))
    with pytest.raises(ValueError, match="nowhere"):  # as far as the data
        extract.main(words(out, "--force"))
    assert out.read_bytes() == b"%PDF years of work"
    FeatureSet(np.eye(2, dtype=np.float32), np.arange(2), np.arange(2)).save(out)
    with pytest.raises(ValueError, match="nowhere"):
        extract.main(words(out))
