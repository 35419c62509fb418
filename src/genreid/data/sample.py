"""The border types of the data room: one image on disk, and one data set of such images."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

JUNK_PID = -1
"""A detection that is neither right nor wrong: it is taken out before ranking."""
DISTRACTOR_PID = 0
"""A person, or no person, that no query shows: always wrong."""
UNKNOWN_CAMID = -1
"""A camera nobody named: no same-camera removal, and CR-GAN's camera loss is off."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of one person.

    Attributes:
        path: The image file.
        pid: Person identity; `JUNK_PID`, `DISTRACTOR_PID`, or a positive number.
        camid: Camera of the evaluation protocol, from 1, or `UNKNOWN_CAMID`.
        physical_camid: The real camera where the protocol merges several (CUHK03: ten under two names).
    """

    path: Path
    pid: int
    camid: int
    physical_camid: int | None = None

    @property
    def training_camid(self) -> int:
        """The camera that the camera discriminator learns: the physical one where it is known."""
        return self.camid if self.physical_camid is None else self.physical_camid


@dataclass(frozen=True, slots=True)
class ReidDataset:
    """The three splits of a re-identification data set.

    Attributes:
        format: Name of the reader, such as `market1501`.
        root: The folder that was read.
        train: Training images, sorted by path.
        query: Query images, sorted by path.
        gallery: Gallery images, junk and distractors among them, sorted by path.
        unmatched_names: Image files whose name the reader's pattern does not fit; they are in no split.
        identity_names: For data sets whose identities are text: the text of each pid.
        notes: What the reader decided and a person should know (such as `train = train + val`).
        camera_names: For data sets whose cameras are text: the text of each camid.
        warnings: What a person should look at: it may make figures wrong.
        place: What was given and read, where `root` is a folder inside of it, or a table.
        lists: Tables and lists that were read.
        set_aside: Images that the reader knows and was not asked for.
    """

    format: str
    root: Path
    train: tuple[Sample, ...]
    query: tuple[Sample, ...] = ()
    gallery: tuple[Sample, ...] = ()
    unmatched_names: tuple[Path, ...] = ()
    identity_names: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    camera_names: Mapping[int, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    place: Path | None = field(default=None, compare=False)
    lists: tuple[Path, ...] = ()
    set_aside: tuple[Path, ...] = ()

    @property
    def numbering(self) -> str:
        """A short text that two data sets share only if a pid and a camid mean the same in both.

        Empty where pids are the data set's own numbers, not given by the reader.
        """
        if not self.identity_names:
            return ""
        names = (sorted(self.identity_names.items()), sorted(self.camera_names.items()))
        return hashlib.sha256(repr(names).encode()).hexdigest()[:16]

    @property
    def known_people(self) -> tuple[Sample, ...]:
        """Images of labelled people of all splits, each once, without distractors (`--source-split all`)."""
        splits = (*self.train, *self.query, *self.gallery)
        people = (sample for sample in splits if sample.pid not in {JUNK_PID, DISTRACTOR_PID})
        return tuple(dict.fromkeys(people))  # CUHK03's classic protocol has every test image in both


def count_pids(samples: Iterable[Sample]) -> int:
    """Return how many different people `samples` show, junk and distractors not counted."""
    return len({sample.pid for sample in samples} - {JUNK_PID, DISTRACTOR_PID})


def count_cameras(samples: Iterable[Sample]) -> int:
    """Return how many different known cameras `samples` come from."""
    return len({sample.camid for sample in samples} - {UNKNOWN_CAMID})
