"""FEATURE OPTIONS: how a run's network turns images into embeddings, in Python and on the command line."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from genreid.models.devices import DeviceName, PrecisionName

Stage = Literal["pretrained", "adapted"]
Pooling = Literal["average", "lmp"]
Mirror = Literal["on", "off"]

STORED_STATISTICS = "stored"
"""Batch-norm statistics as the checkpoint holds them."""
PUBLISHED_FINE_WEIGHT = 0.5
"""Weight of the fine half in DG-Net's tables (spec dg-net F10)."""


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """How embeddings are made.

    Raises:
        ValueError: If an option has a value that cannot be meant.
    """

    stage: Stage | None = None
    """Which network of the run: before (`pretrained`) or after the adaptation; default: the last that exists.
    Of a DG-Net run `pretrained` is its teacher, and the default DG-Net's own network."""
    pooling: Pooling = "average"
    """From the feature map to one vector: the mean, or local max pooling over horizontal stripes."""
    parts: int | None = None
    """Stripes of local max pooling; default: the rows of the feature map (7 at 224x112, 4 at 128x64)."""
    bn_statistics: str = STORED_STATISTICS
    """`stored`, or a data set's folder: batch-norm statistics are re-estimated on its training images."""
    batch_size: int = 128
    """Images in one forward pass: memory and speed, not the result."""
    device: DeviceName = "auto"
    """Where the network runs; auto: the GPU if there is one."""
    precision: PrecisionName = "auto"
    """Number format of the network; auto: the fastest that this hardware does well."""
    bn_format: str | None = None
    """Format of the data set that `bn_statistics` names; default: recognised from the tree."""
    bn_pattern: str | None = None
    """Its pattern, for the format `folder`: where identity and camera stand in a path."""
    fine_weight: float | None = None
    """DG-Net: weight of the embedding's fine half beside the primary one; default: 0.5, as published."""
    mirror: Mirror | None = None
    """`on`: embeddings of image and mirror image, each of unit length, are added up; default: on for DG-Net,
    as published, off for all others. Networks that are compared have to be embedded alike."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        allowed = {
            "stage": (None, *get_args(Stage)),
            "pooling": get_args(Pooling),
            "device": get_args(DeviceName),
            "precision": get_args(PrecisionName),
            "mirror": (None, *get_args(Mirror)),
        }
        for name, choices in allowed.items():
            value = getattr(self, name)
            if value not in choices:
                expected = ", ".join(str(choice) for choice in choices if choice is not None)
                msg = f"--{name} must be one of {expected}, got {value!r}"
                raise ValueError(msg)
        if self.parts is not None and self.pooling != "lmp":
            msg = f"--parts {self.parts} belongs to --pooling lmp, got --pooling {self.pooling}"
            raise ValueError(msg)
        for flag, number in (("--parts", self.parts), ("--batch-size", self.batch_size)):
            if number is not None and number < 1:
                msg = f"{flag} must be 1 or more, got {number}"
                raise ValueError(msg)
        if self.fine_weight is not None:
            expect_fine_weight(self.fine_weight)
        if not self.bn_statistics:
            msg = "--bn-statistics must be 'stored' or a data set's folder, got an empty text"
            raise ValueError(msg)
        for flag, text in (("--bn-format", self.bn_format), ("--bn-pattern", self.bn_pattern)):
            if text is not None and self.bn_statistics == STORED_STATISTICS:
                msg = (
                    f"{flag} {text} says how the folder of --bn-statistics is read; give --bn-statistics DIR"
                )
                raise ValueError(msg)

    @property
    def bn_folder(self) -> Path | None:
        """The data set whose training images give the batch-norm statistics; None: they stay as stored."""
        return None if self.bn_statistics == STORED_STATISTICS else Path(self.bn_statistics)


def expect_fine_weight(fine_weight: float) -> None:
    """Refuse a weight of DG-Net's fine half that cannot be meant.

    Args:
        fine_weight: As typed.

    Raises:
        ValueError: If it is negative or not finite.
    """
    if not 0 <= fine_weight < float("inf"):
        msg = (
            f"--fine-weight must be a number from 0 (the primary half alone), got {fine_weight}; "
            f"the paper's is {PUBLISHED_FINE_WEIGHT}"
        )
        raise ValueError(msg)


def usual_mirror(metadata: Mapping[str, str]) -> Mirror:
    """Return what `mirror` is by default of the kind of network that made some embeddings.

    Args:
        metadata: Of a `FeatureSet`.
    """
    return "on" if metadata.keys() & {"fine_weight", "halves", "half"} else "off"


def mirror_in(metadata: Mapping[str, str]) -> Mirror | None:
    """Return whether embeddings are of image and mirror image.

    Args:
        metadata: Of a `FeatureSet`; those of earlier versions do not say it and had the default.

    Returns:
        None: they are not this package's, and nobody knows.
    """
    if "mirror" in metadata:
        return "on" if metadata["mirror"] == "on" else "off"
    return usual_mirror(metadata) if metadata.keys() & {"pooling", "fine_weight", "halves", "half"} else None


def add_feature_options(parser: argparse.ArgumentParser) -> None:
    """Give a command the FEATURE OPTIONS.

    Args:
        parser: The parser of the command, into whose help a group of options is put.
    """
    group = parser.add_argument_group("feature options")

    texts: dict[str, tuple[str, dict[str, Any]]] = {
        "--stage": (
            "network of the run; pretrained of DG-Net: its teacher (default: the last that exists)",
            {"choices": get_args(Stage)},
        ),
        "--pooling": (
            "average pooling, or local max pooling over horizontal stripes (default: average)",
            {"choices": get_args(Pooling)},
        ),
        "--parts": (
            "stripes of lmp (default: the rows of the feature map)",
            {"type": int, "metavar": "P"},
        ),
        "--bn-statistics": (
            "DIR: batch-norm statistics re-estimated on the training images of DIR (default: stored)",
            {"metavar": "stored|DIR"},
        ),
        "--bn-format": ("format of that DIR (default: recognised from the tree)", {"metavar": "F"}),
        "--bn-pattern": (
            "format folder: where identity and camera stand in a path of that DIR",
            {"metavar": "P"},
        ),
        "--fine-weight": (
            "DG-Net: weight of the fine half beside the primary one; 0: primary alone (default: 0.5)",
            {"type": float, "metavar": "B"},
        ),
        "--mirror": (
            "on: image and mirror image together, off: the image alone (default: on for DG-Net, else off)",
            {"choices": get_args(Mirror)},
        ),
        "--batch-size": ("images in one forward pass (default: 128)", {"type": int, "metavar": "N"}),
        "--device": ("where the network runs (default: auto)", {"choices": get_args(DeviceName)}),
        "--precision": ("number format of the network (default: auto)", {"choices": get_args(PrecisionName)}),
    }
    for flag, (text, settings) in texts.items():
        group.add_argument(flag, help=text, default=argparse.SUPPRESS, **settings)


def feature_options(arguments: argparse.Namespace) -> FeatureOptions:
    """Return the options that were typed.

    Args:
        arguments: What a parser with `add_feature_options` has read.

    Raises:
        ValueError: If the options do not fit together.
    """
    return FeatureOptions(
        **{
            item.name: getattr(arguments, item.name)
            for item in fields(FeatureOptions)
            if item.name in arguments
        }
    )
