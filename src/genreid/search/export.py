"""A gallery's embeddings and labels as files for other programs."""

import csv
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from genreid.data.whole_file import beside
from genreid.search.gallery import Gallery
from genreid.search.pictures import Labels, time_text

Format = Literal["fiftyone", "csv", "parquet", "numpy"]
COLUMNS = ("filepath", "camera", "time", "track", "key")


def export(gallery: Gallery, to: Format, out: Path) -> Path:
    """Write all images of a gallery.

    Args:
        gallery: The gallery.
        to: `csv`: a file, labels and then one column for each number of the embedding. `parquet`: the same,
            the embedding as one column (needs the extra `search`). `numpy`: an .npz of arrays, one for each
            column, and `embedding` [N,D]. `fiftyone`: a folder with `labels.csv` (FiftyOne's CSVDataset) and
            `embeddings.npy`, in the same order.
        out: File or folder; a file that is there is replaced.

    Returns:
        `out`.

    Raises:
        ValueError: If the gallery is empty, the folder is not, or pyarrow is missing.
    """
    shards = gallery.shards()
    if not sum(len(shard.keys) for shard in shards):
        msg = f"{gallery.folder} is empty: nothing to export"
        raise ValueError(msg)
    embedding = np.concatenate([shard.features.embedding for shard in shards])
    keys = np.concatenate([shard.keys for shard in shards]).tolist()
    labels = [item for shard in shards for item in shard.labels]
    rows = [_row(item, key) for item, key in zip(labels, keys, strict=True)]
    if to == "fiftyone":
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            msg = f"--out {out} is there; give a new folder"
            raise ValueError(msg)
        _write_csv(out / "labels.csv", rows, None)
        with beside(out / "embeddings.npy") as part, part.open("wb") as file:
            np.save(file, embedding)
    elif to == "csv":
        _write_csv(out, rows, embedding)
    elif to == "numpy":
        columns = {name: np.array([row[place] for row in rows]) for place, name in enumerate(COLUMNS)}
        with beside(out) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, embedding=embedding, **columns)
    else:
        _write_parquet(out, rows, embedding)
    return out


def _row(labels: Labels, key: int) -> tuple[str, str, str, str, str]:
    """Return what is known of an image; its key as 16 hexadecimal digits."""
    return labels.path, labels.camera, time_text(labels.time) or "", labels.track, f"{key % 2**64:016x}"


def _write_csv(
    path: Path, rows: list[tuple[str, str, str, str, str]], embedding: NDArray[np.float32] | None
) -> None:
    """Write rows, with their embeddings or without."""
    width = 0 if embedding is None else embedding.shape[1]
    with beside(path) as part, part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *(f"e{column}" for column in range(width))])
        for number, row in enumerate(rows):
            writer.writerow([*row, *([] if embedding is None else embedding[number].tolist())])


def _write_parquet(
    path: Path, rows: list[tuple[str, str, str, str, str]], embedding: NDArray[np.float32]
) -> None:
    """Write a Parquet file."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - of the extra `search`
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        msg = "--to parquet needs pyarrow; type: pip install 'genreid[search]', or take --to csv"
        raise ValueError(msg) from error
    columns = {
        name: pa.array([row[place].encode("utf-8", "backslashreplace").decode() for row in rows])
        for place, name in enumerate(COLUMNS)
    }
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(embedding.ravel()), embedding.shape[1])
    with beside(path) as part:
        pq.write_table(pa.table({**columns, "embedding": vectors}), part)
