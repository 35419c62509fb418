"""What may make a data set's figures wrong although every file can be read."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

from genreid.data.sample import DISTRACTOR_PID, UNKNOWN_CAMID, ReidDataset, Sample

_CAMERA_WORDS = frozenset({"c", "cam", "camera"})
_SHOWN = 5


def expect_one_identity(dataset: ReidDataset) -> None:
    """Refuse one file under two identities.

    Args:
        dataset: A data set that was read.

    Raises:
        ValueError: If there is one; names it and both.
    """
    known: dict[object, Sample] = {}
    for sample in (*dataset.train, *dataset.query, *dataset.gallery):
        before = known.setdefault(sample.path, sample)
        if before.pid != sample.pid:
            one, other = (person_name(dataset, pid) for pid in (before.pid, sample.pid))
            msg = f"{sample.path} is in the data set as person {one} and as person {other}: say which"
            raise ValueError(msg)


def doubts(dataset: ReidDataset) -> list[str]:
    """Return what a person should look at, a sentence each.

    Args:
        dataset: A data set that was read.
    """
    found = []
    zero = sum(sample.pid == DISTRACTOR_PID for sample in dataset.train)
    if zero:
        found.append(
            f"{zero} training images have the number 0, which stands for distractors: nobody is learnt from "
            "them. If 0 is a person, give the numbers from 1"
        )
    seen = [_cameras(part) for part in (dataset.query, dataset.gallery)]
    if all(seen) and not seen[0] & seen[1]:
        names = [", ".join(camera_name(dataset, camid) for camid in sorted(part)[:_SHOWN]) for part in seen]
        found.append(
            f"no camera is common to query ({names[0]}) and gallery ({names[1]}): no image of a query's own "
            "camera is left out of its ranking. If they are the same cameras, give them the same names"
        )
    for what, texts in (("people", dataset.identity_names), ("cameras", dataset.camera_names)):
        alike = alike_names(texts.values())
        if alike:
            pairs = "; ".join(", ".join(map(repr, names)) for names in alike[:_SHOWN])
            one = "one person" if what == "people" else "one camera"
            found.append(f"{len(alike)} groups of {what} have names that may mean {one}: {pairs}")
    return found


def alike_names(texts: Iterable[str]) -> list[list[str]]:
    """Return groups of names that differ in case, spaces, leading zeros or the word camera only.

    Args:
        texts: Different names.
    """
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for text in texts:
        parts = re.findall(r"[^\W\d_]+|\d+", unicodedata.normalize("NFKC", text).casefold())
        words = [part.lstrip("0") or "0" if part.isdecimal() else part for part in parts]
        if len(words) > 1 and words[0] in _CAMERA_WORDS:
            words = words[1:]
        groups[tuple(words) or (text,)].append(text)
    return [sorted(names) for names in groups.values() if len(names) > 1]


def person_name(dataset: ReidDataset | None, pid: int) -> str:
    """Return a person as the data set calls it.

    Args:
        dataset: The data set; None: it is not known.
        pid: A person of it.
    """
    name = None if dataset is None else dataset.identity_names.get(pid)
    return str(pid) if name is None else repr(name)


def camera_name(dataset: ReidDataset | None, camid: int) -> str:
    """Return a camera as the data set calls it.

    Args:
        dataset: The data set; None: it is not known.
        camid: A camera of it.
    """
    return str(camid) if dataset is None else dataset.camera_names.get(camid, str(camid))


def _cameras(samples: Sequence[Sample]) -> set[int]:
    """Return the known cameras of some images."""
    return {sample.camid for sample in samples} - {UNKNOWN_CAMID}
