"""What is in a data set, what is wrong with it, and how to mend it: `check_dataset`."""

import filecmp
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from genreid.data.decode_all import decode_all
from genreid.data.decode_rows import Decoding
from genreid.data.doubts import camera_name, person_name
from genreid.data.files_seen import DataFiles, count_files
from genreid.data.mask_check import MaskCheck, check_masks
from genreid.data.protocol import Reason, is_junk, is_own_camera, why_lost
from genreid.data.sample import (
    DISTRACTOR_PID,
    JUNK_PID,
    ReidDataset,
    Sample,
    count_cameras,
    count_pids,
)

NO_PERSON = "the query's name gives no person"
CHECKED_SIZE = (128, 64)
"""Height and width that files are decoded at, only to see whether they can be."""


class SplitCounts(NamedTuple):
    """Size of a split.

    Attributes:
        images: Number of images.
        pids: Number of people, junk and distractors not counted.
        cameras: Number of cameras, the unknown one not counted.
    """

    images: int
    pids: int
    cameras: int


class GalleryCounts(NamedTuple):
    """Size of a gallery.

    Attributes:
        images: Number of images that are ranked: distractors among them, junk not.
        pids: Number of people, distractors not counted.
        cameras: Number of cameras of the ranked images.
        junk: Number of junk images.
        distractors: Number of distractors.
    """

    images: int
    pids: int
    cameras: int
    junk: int
    distractors: int


class Unreadable(NamedTuple):
    """A file that no image can be read from.

    Attributes:
        path: The file.
        reason: Why, in a few words.
    """

    path: Path
    reason: str


class LostQuery(NamedTuple):
    """A query with no correct gallery image.

    Attributes:
        path: The query's file.
        pid: Who it shows.
        reason: Why no gallery image is correct.
    """

    path: Path
    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class DatasetCheck:
    """The result of `check_dataset`.

    Attributes:
        dataset: What was checked.
        train: Counts of the training split.
        query: Counts of the queries.
        gallery: Counts of the gallery.
        unreadable: Files that cannot be read, in the order of their paths.
        queries_without_match: Queries that evaluation leaves out, in the order of their paths.
        people_in_both: Identities that are both in train and in query or gallery.
        queries_in_gallery: Queries that a gallery image is a copy of, byte for byte, and ranking would find.
        files: What became of all that lies in the data set's folder.
        flat: Images of one colour, in the order of their paths.
        masks: Coverage by person masks, if it was asked for.
    """

    dataset: ReidDataset
    train: SplitCounts
    query: SplitCounts
    gallery: GalleryCounts
    unreadable: tuple[Unreadable, ...]
    queries_without_match: tuple[LostQuery, ...]
    people_in_both: tuple[int, ...]
    queries_in_gallery: tuple[Path, ...]
    files: DataFiles
    flat: tuple[Path, ...] = ()
    masks: MaskCheck | None = None

    @property
    def can_train(self) -> bool:
        """Whether there is a readable training image: enough for an unlabelled target, not for a source."""
        return bool(self._readable(self.dataset.train))

    @property
    def source_people(self) -> int:
        """People with a readable training image; a source, and `genreid train`, need two or more."""
        return count_pids(self._readable(self.dataset.train))

    @property
    def source_people_of_all(self) -> int:
        """The same for the images of all splits together (`--source-split all`)."""
        return count_pids(self._readable(self.dataset.known_people))

    @property
    def can_evaluate(self) -> bool:
        """Whether a readable query has a correct gallery image."""
        bad = {item.path for item in self.unreadable} | {item.path for item in self.queries_without_match}
        return any(sample.path not in bad for sample in self.dataset.query)

    def _readable(self, samples: Sequence[Sample]) -> list[Sample]:
        """Leave out the samples whose files cannot be read."""
        bad = {item.path for item in self.unreadable}
        return [sample for sample in samples if sample.path not in bad]


def check_dataset(
    dataset: ReidDataset, masks_root: Path | None = None, workers: int | None = None, *, shown: bool = True
) -> DatasetCheck:
    """Count everything, decode every file, and find what evaluation and training would leave out.

    Args:
        dataset: A data set that was read.
        masks_root: Folder of person masks, if their coverage is wanted.
        workers: Processes that decode; default: one for each core.
        shown: Whether progress is shown.
    """
    everything = (*dataset.train, *dataset.query, *dataset.gallery)
    paths = sorted({sample.path for sample in everything})
    decoded = decode_all(paths, Decoding(CHECKED_SIZE), workers, shown=shown)
    unreadable = tuple(Unreadable(paths[row], reason) for row, reason in decoded.reasons.items())
    gone = {item.path for item in unreadable}
    ranked = [sample for sample in dataset.gallery if not is_junk(sample.pid)]
    junk = len(dataset.gallery) - len(ranked)
    distractors = sum(sample.pid == DISTRACTOR_PID for sample in ranked)
    return DatasetCheck(
        dataset,
        _counts(dataset.train),
        _counts(dataset.query),
        GalleryCounts(*_counts(ranked), junk, distractors),
        unreadable,
        tuple(lost_queries(dataset.query, ranked, gone, dataset)),
        tuple(sorted(_people(dataset.train) & _people((*dataset.query, *dataset.gallery)))),
        tuple(found_copies(dataset.query, ranked)),
        count_files(dataset, gone),
        tuple(paths[row] for row in decoded.flat),
        None
        if masks_root is None
        else check_masks(dataset.root, masks_root, paths, decoded.sizes, shown=shown),
    )


def lost_queries(
    query: Sequence[Sample],
    gallery: Sequence[Sample],
    gone: set[Path] | frozenset[Path] = frozenset(),
    dataset: ReidDataset | None = None,
) -> list[LostQuery]:
    """Return the queries that have no correct gallery image, each with the reason.

    The rule is that of `data/protocol.py`, as evaluation has it; a file that cannot be read answers nothing.

    Args:
        query: Query images.
        gallery: Ranked gallery images.
        gone: Files that cannot be read; such queries are not named again.
        dataset: People and cameras are named as it names them; None: by their numbers.
    """
    of_person: dict[int, list[Sample]] = defaultdict(list)
    for sample in gallery:
        of_person[sample.pid].append(sample)
    lost = []
    for sample in query:
        if sample.path not in gone:
            reason = _why_lost(dataset, sample, of_person.get(sample.pid, []), gone)
            if reason is not None:
                lost.append(LostQuery(sample.path, sample.pid, reason))
    return lost


def found_copies(query: Sequence[Sample], gallery: Sequence[Sample]) -> list[Path]:
    """Return the queries of which a ranked gallery image of that person is a copy, byte for byte.

    A copy of the query's own camera is left out of its ranking and does no harm.

    Args:
        query: Query images.
        gallery: Ranked gallery images.
    """
    of_size: dict[tuple[int, int], list[Sample]] = defaultdict(list)
    for sample in gallery:
        if sample.path.is_file():
            of_size[sample.pid, sample.path.stat().st_size].append(sample)
    found = []
    for sample in query:
        alike = of_size.get((sample.pid, sample.path.stat().st_size), ()) if sample.path.is_file() else ()
        others = [other for other in alike if not is_own_camera(sample.camid, other.camid)]
        if others and any(filecmp.cmp(sample.path, other.path, shallow=False) for other in others):
            found.append(sample.path)
    return found


def _why_lost(
    dataset: ReidDataset | None,
    query: Sample,
    same_person: Sequence[Sample],
    gone: set[Path] | frozenset[Path],
) -> str | None:
    """Say why a query has no correct gallery image; None if it has one."""
    elsewhere = [other for other in same_person if not is_own_camera(query.camid, other.camid)]
    reason = why_lost(query.pid, len(same_person), len(elsewhere))
    who, camera = person_name(dataset, query.pid), camera_name(dataset, query.camid)
    if reason is None:
        unread = all(sample.path in gone for sample in elsewhere)
        return f"no gallery image of person {who} from another camera can be read" if unread else None
    count = len(same_person)
    images = "the only gallery image" if count == 1 else f"all {count} gallery images"
    verb = "is" if count == 1 else "are"
    texts: dict[Reason, str] = {
        "not_a_person": NO_PERSON + (": 0 stands for a distractor" if query.pid == DISTRACTOR_PID else ""),
        "not_in_gallery": f"no gallery image of person {who} at all",
        "own_camera_only": f"{images} of person {who} {verb} of the query's own camera {camera}",
    }
    return texts[reason]


def _counts(samples: Sequence[Sample]) -> SplitCounts:
    """Count images, people and cameras."""
    return SplitCounts(len(samples), count_pids(samples), count_cameras(samples))


def _people(samples: Sequence[Sample]) -> set[int]:
    """Return the people that samples show."""
    return {sample.pid for sample in samples} - {JUNK_PID, DISTRACTOR_PID}
