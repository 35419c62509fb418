"""What a reader of data sets can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Boxes = Literal["detected", "labeled"]
Protocol = Literal["new", "classic"]
MsmtTrain = Literal["train+val", "train"]


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """Choices that some formats need; the others ignore them.

    Attributes:
        pattern: `folder`: regular expression with the named groups `identity` and (optional) `camera`,
            searched in the image's path relative to its split's folder, written with forward slashes.
        boxes: `cuhk03`: people cut out by the detector, or by hand.
        protocol: `cuhk03`: 767 / 700 people (Zhong et al. 2017), or the release's 20 splits of 100 people.
        classic_split: `cuhk03`, classic protocol: which of the 20 splits, from 0.
        msmt_train: `msmt17`: the training images, with or without the validation images.
        cache_dir: `cuhk03`: where the images inside the .mat file are written once; default: the cache.
    """

    pattern: str | None = None
    boxes: Boxes = "detected"
    protocol: Protocol = "new"
    classic_split: int = 0
    msmt_train: MsmtTrain = "train+val"
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("boxes", self.boxes, get_args(Boxes)),
            ("protocol", self.protocol, get_args(Protocol)),
            ("msmt_train", self.msmt_train, get_args(MsmtTrain)),
            ("classic_split", self.classic_split, tuple(range(20))),
        ):
            if value not in allowed:
                message = (
                    f"ReaderOptions.{name} is {value!r}, expected one of {', '.join(map(repr, allowed))}"
                )
                raise ValueError(message)
