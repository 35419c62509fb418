"""An evaluation that a run remembers: RUN/evaluations/NAME.json, written by `genreid evaluate`.

The file is JSON, one key for each field of `EvaluationRecord`, and it is read strictly: nothing of it is
trusted but what has the right type.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import NamedTuple

from genreid.data.plain_file import read_json_object
from genreid.data.whole_file import write_whole
from genreid.evaluation.provenance import made_by
from genreid.evaluation.ranked_lists import RankedList, ranked_lists
from genreid.evaluation.ranking import Ranking
from genreid.features.feature_set import FeatureSet
from genreid.features.options import mirror_in, usual_mirror
from genreid.methods import METHODS
from genreid.runs.config_file import config_from_dict, config_to_dict

FOLDER = "evaluations"
"""Folder of a run where its evaluations lie."""
LARGEST_FILE = 20_000_000
"""Bytes; a larger file is no record."""
_FINE_WEIGHT = "0.5"
_LATER_STAGES = {stage.name for method in METHODS.values() if method.then for stage in method.stages}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class EvaluatedImages:
    """Which images were ranked, as `genreid evaluate` was told."""

    folder: str = ""
    """The data set: what stood behind --data."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The other options that chose images, without dashes: format, pattern, holdout, split."""

    @property
    def words(self) -> str:
        """The data set and what was chosen of it."""
        chosen = ", ".join(f"{name} {value}" for name, value in self.options.items())
        return f"{self.folder or 'unnamed data set'}{f' ({chosen})' if chosen else ''}"


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """One evaluation of one network: a row of the report's table.

    Raises:
        ValueError: If a figure is not finite, or the CMC is empty or leaves 0 to 1.
    """

    name: str
    """Name of the row, and of the file."""
    data: EvaluatedImages
    """What was ranked."""
    images: str
    """Hexadecimal digest of the names, identities and cameras of query and gallery: equal if and only if two
    evaluations ranked the same images, so that their figures may be compared."""
    features: Mapping[str, str] = field(default_factory=dict)
    """How the embeddings were made: the metadata of the queries' `FeatureSet`."""
    figures: Mapping[str, float]
    """What `Ranking.to_json` returns: shares as fractions, and counts."""
    cmc: tuple[float, ...]
    """Share of valid queries with a right image among the first 1..K, 0 to 1."""
    lists: tuple[RankedList, ...] = ()
    """The nearest gallery images of some queries."""
    made_by: Mapping[str, str] = field(default_factory=dict)
    """Version and commit of the package that ranked."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        bad = [name for name, value in self.figures.items() if not math.isfinite(value)]
        if bad:
            msg = f"figures.{bad[0]}: expected a finite number, got {self.figures[bad[0]]}"
            raise ValueError(msg)
        if not self.cmc or not all(0 <= share <= 1 for share in self.cmc):
            msg = f"cmc: expected one share or more, each from 0 to 1, got {list(self.cmc[:5])}"
            raise ValueError(msg)


class FoundRecords(NamedTuple):
    """The evaluations of a run.

    Attributes:
        records: Those that can be read, by name.
        problems: One sentence for each file that cannot.
    """

    records: tuple[EvaluationRecord, ...]
    problems: tuple[str, ...]


def record_evaluation(
    run: Path,
    name: str,
    ranking: Ranking,
    query: FeatureSet,
    gallery: FeatureSet,
    data: EvaluatedImages | None = None,
) -> Path:
    """Keep an evaluation in a run folder, for `genreid report`.

    Args:
        run: The run folder.
        name: Name of the row; letters, digits and `._+-`, such as `evaluation_name` makes. A record of that
            name is replaced.
        ranking: What `rank(query, gallery)` returned.
        query: The queries that were ranked.
        gallery: The gallery that was ranked.
        data: Where the images come from, as far as it is known.

    Returns:
        The file that was written.

    Raises:
        ValueError: If the name cannot be a file's.
    """
    if not _NAME.fullmatch(name):
        msg = f"name of an evaluation: expected letters, digits and . _ + -, got {name!r}"
        raise ValueError(msg)
    record = EvaluationRecord(
        name=name,
        data=data or EvaluatedImages(),
        images=images_digest(query, gallery),
        features=dict(query.metadata),
        figures={key: round(float(value), 6) for key, value in ranking.to_json().items()},
        cmc=tuple(round(float(share), 6) for share in ranking.cmc),
        lists=_with_absolute_paths(ranked_lists(ranking, query, gallery)),
        made_by=made_by(),
    )
    path = run / FOLDER / f"{name}.json"
    write_whole(path, json.dumps(config_to_dict(record), indent=1) + "\n")
    return path


def read_records(run: Path) -> FoundRecords:
    """Read the evaluations of a run; a file that is damaged is named and left out.

    Args:
        run: The run folder.
    """
    records, problems = [], []
    for path in sorted((run / FOLDER).glob("[!.]*.json")):
        try:
            records.append(read_record(path))
        except (OSError, ValueError, RecursionError) as error:
            problems.append(f"{FOLDER}/{path.name} is left out: {_reason(error, path)}")
    return FoundRecords(tuple(records), tuple(problems))


def read_record(path: Path) -> EvaluationRecord:
    """Read one evaluation.

    Args:
        path: The JSON file.

    Raises:
        ValueError: If it is no evaluation's record; the key is named.
    """
    return config_from_dict(EvaluationRecord, read_json_object(path, LARGEST_FILE), source=str(path))


def evaluation_name(data: EvaluatedImages, features: Mapping[str, str]) -> str:
    """Return the name of a row: the data set, the network's stage, and every option that is not the default.

    Args:
        data: Where the images come from.
        features: Metadata of the queries' `FeatureSet`.

    Returns:
        Such as `market1501-adapted` or `market1501-holdout100-pretrained-lmp7-bn-market1501`.
    """
    words = [data_name(data), *(f"{name}{value}" for name, value in data.options.items())]
    words.append(features.get("stage", ""))
    if features.get("training") in _LATER_STAGES:  # beside the figures of the same run before it
        words.append(features["training"])
    if features.get("pooling", "average") != "average":
        words.append(features["pooling"] + features.get("parts", ""))
    if features.get("bn_statistics", "stored") != "stored":
        words.append(f"bn-{Path(features['bn_statistics']).resolve().name}")
    if features.get("fine_weight", _FINE_WEIGHT) != _FINE_WEIGHT:
        words.append(f"fine-weight-{features['fine_weight']}")
    mirror = mirror_in(features)
    if mirror not in {None, usual_mirror(features)}:
        words.append(f"mirror-{mirror}")
    words.append(features.get("half", ""))
    return plain_name("-".join(word for word in words if word)) or "evaluation"


def data_name(data: EvaluatedImages) -> str:
    """Return the data set's part of a row's name.

    Args:
        data: Where the images come from.
    """
    return plain_name(PurePath(data.folder).name)


def plain_name(text: str) -> str:
    """Return a text with nothing in it that a file's name should not have.

    Args:
        text: Any text.

    Returns:
        Up to 100 letters, digits and `._+-`; it may be empty.
    """
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).lstrip("._+-")[:100]


def images_digest(query: FeatureSet, gallery: FeatureSet) -> str:
    """Return a text that two evaluations share only if they ranked the same images.

    Args:
        query: The queries.
        gallery: The gallery.

    Returns:
        16 hexadecimal digits of a SHA-256 over file names (without folders), identities and cameras.
    """
    digest = hashlib.sha256()
    for features in (query, gallery):
        digest.update(f"{len(features)}\n".encode())
        digest.update(features.pid.tobytes() + features.camid.tobytes())
        for path in features.paths or ():
            digest.update(Path(path).name.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()[:16]


def _with_absolute_paths(lists: tuple[RankedList, ...]) -> tuple[RankedList, ...]:
    """Return the lists with paths that are right from any folder."""

    def absolute(path: str | None) -> str | None:
        return None if path is None else str(Path(path).absolute())

    return tuple(
        replace(
            item,
            path=absolute(item.path),
            images=tuple(replace(image, path=absolute(image.path)) for image in item.images),
        )
        for item in lists
    )


def _reason(error: Exception, path: Path) -> str:
    """Return why a file cannot be read, without its path."""
    text = str(error) or type(error).__name__
    return " ".join(text.removeprefix(f"{path}: ").split())
