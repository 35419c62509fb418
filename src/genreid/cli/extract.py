"""`genreid extract`: the images of one split, turned into a file of embeddings."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.arguments import Arguments
from genreid.cli.trouble import printable
from genreid.features.options import add_feature_options, feature_options

if TYPE_CHECKING:
    from genreid.data.sample import ReidDataset, Sample

SPLITS = ("query", "gallery", "train")


def main(argv: Sequence[str]) -> int:
    """Run `genreid extract` and return its exit status: 0 if the file was written.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If the run, the data set or the options do not fit; says what to type.
    """
    arguments = _arguments().parse_args(argv)
    options = feature_options(arguments)
    if not arguments.force:
        _expect_features(arguments.out)
    from genreid.data.load import open_dataset  # noqa: PLC0415 - `genreid --help` stays quick

    dataset = open_dataset(arguments.data, arguments.format, arguments.pattern)
    samples = _samples(arguments, dataset)
    from genreid.features.extract import extract_split  # noqa: PLC0415 - torch, once all else is right

    features = extract_split(arguments.run, samples, options)
    if dataset.numbering:
        features = replace(features, metadata={**features.metadata, "numbering": dataset.numbering})
    features.save(arguments.out)
    left_out = len(samples) - len(features)
    unreadable = f", {left_out} unreadable left out" if left_out else ""
    width = features.embedding.shape[1]
    told = f"{arguments.out}: {len(features)} embeddings of {width} numbers{unreadable}"
    sys.stdout.write(printable(told) + "\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid extract",
        description=(
            "Embed the images of one split of a data set with the network of a run; write a safetensors "
            "file: embedding [N,D] of unit length, pid, camid, paths (of DG-Net the two halves, primary and "
            "fine, side by side). "
            "`genreid evaluate --query F --gallery F` ranks two of them."
        ),
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of `genreid train` or `genreid adapt`")
    add("--data", type=Path, required=True, metavar="DIR", help="the data set")
    add("--out", type=Path, required=True, metavar="F.safetensors", help="the file to write")
    add("--force", action="store_true", help="replace F even if it is no file of embeddings")
    add("--split", choices=SPLITS, default="gallery", help="which images (default: %(default)s)")
    add("--format", metavar="F", help="the data set's format (default: recognised from the tree)")
    add("--pattern", metavar="P", help="format folder: where identity and camera stand in a path")
    add_feature_options(parser)
    return parser


def _expect_features(out: Path) -> None:
    """Refuse a place where something else lies than a file of embeddings, before anything is computed."""
    if not out.exists():
        return
    from genreid.features.feature_set import FeatureSet  # noqa: PLC0415 - `genreid --help` stays quick

    try:
        FeatureSet.load(out)
    except (OSError, ValueError) as error:
        msg = f"--out {out} is there and holds no embeddings; give another file, or --force to replace it"
        raise ValueError(msg) from error


def _samples(arguments: argparse.Namespace, dataset: "ReidDataset") -> "tuple[Sample, ...]":
    """Return the images of the split that was asked for."""
    by_split = {"query": dataset.query, "gallery": dataset.gallery, "train": dataset.train}
    samples = by_split[arguments.split]
    if not samples:
        filled = " or ".join(f"--split {name}" for name in SPLITS if by_split[name]) or "another --data"
        msg = f"{arguments.data} has no {arguments.split} images; type {filled}"
        raise ValueError(msg)
    return samples
