"""Which data a figure was made on: a fingerprint of a data set's files and of what is known of them."""

import hashlib
from pathlib import Path

from genreid.data.sample import ReidDataset


def dataset_fingerprint(dataset: ReidDataset) -> str:
    """Return a text that two data sets share only if they have the same images in the same splits.

    No image is opened: names, sizes in bytes, identities and cameras count, the folder they lie in does not.

    Args:
        dataset: A data set that was read.

    Returns:
        64 hexadecimal digits of a SHA-256.
    """
    digest = hashlib.sha256()
    for split in ("train", "query", "gallery"):
        for sample in getattr(dataset, split):
            path = sample.path
            name = (
                path.relative_to(dataset.root).as_posix() if path.is_relative_to(dataset.root) else path.name
            )
            size = path.stat().st_size if path.is_file() else -1
            line = f"{split}\t{name}\t{size}\t{sample.pid}\t{sample.camid}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def folder_fingerprint(folder: Path, pattern: str) -> str:
    """Return a text that two folders share only if they hold files of the same names and sizes.

    Args:
        folder: The folder; all below it counts.
        pattern: Which files, such as `*.png`.

    Returns:
        64 hexadecimal digits of a SHA-256.
    """
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob(pattern)):
        digest.update(f"{name}\t{path.stat().st_size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
