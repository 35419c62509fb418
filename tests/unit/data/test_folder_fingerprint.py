"""The fingerprint of a folder changes with names and sizes of the files that are meant, with nothing else."""

from pathlib import Path

from genreid.data.fingerprint import folder_fingerprint


def write(folder: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = folder / "deep" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_names_and_sizes_count(tmp_path: Path) -> None:
    before = folder_fingerprint(write(tmp_path / "a", one="12", two="3"), "*.png")
    same = write(tmp_path / "b", two="4", one="21")
    (same / "masks.json").write_text("{}")
    assert folder_fingerprint(same, "*.png") == before
    assert folder_fingerprint(write(tmp_path / "c", one="123", two="3"), "*.png") != before
    assert folder_fingerprint(write(tmp_path / "d", one="12", three="3"), "*.png") != before
    assert folder_fingerprint(write(tmp_path / "e", one="12"), "*.png") != before
