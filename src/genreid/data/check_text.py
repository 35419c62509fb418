"""The result of `check_dataset` for people (text) and for programs (JSON)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genreid.data.check import NO_PERSON, DatasetCheck, SplitCounts
from genreid.data.files_seen import MISNAMED, MISSING, REASONS, UNREADABLE, Seen
from genreid.data.mask_check import MaskCheck
from genreid.data.mask_paths import SOFT_REMEDY

NAMED = 10
"""So many files of each kind are named in the text; JSON names all."""


def as_json(check: DatasetCheck) -> dict[str, Any]:
    """Return the answer for programs; its keys are a contract.

    Args:
        check: What was found.

    Returns:
        Keys `train`, `query` (`images`, `pids`, `cameras`), `gallery` (also `junk`, `distractors`;
        `images` are those that are ranked), `unreadable` (`path`, `reason`), `unmatched_names`,
        `queries_without_match` (`path`, `pid`, `reason`); `files` and `folders` (`seen`, `taken`, and
        `left_out`, a list of `reason`, `count`, `examples`, which adds up); `warnings`, `flat` and
        `queries_in_gallery` if there are any, and `masks` if their coverage was asked for.
    """
    answer: dict[str, Any] = {
        "train": check.train._asdict(),
        "query": check.query._asdict(),
        "gallery": check.gallery._asdict(),
        "unreadable": [{"path": shown(item.path), "reason": item.reason} for item in check.unreadable],
        "unmatched_names": [shown(path) for path in check.dataset.unmatched_names],
        "queries_without_match": [
            {"path": shown(item.path), "pid": item.pid, "reason": item.reason}
            for item in check.queries_without_match
        ],
    }
    answer["files"], answer["folders"] = (part.as_json() for part in check.files)
    if check.dataset.warnings:
        answer["warnings"] = list(check.dataset.warnings)
    if check.flat:
        answer["flat"] = [shown(path) for path in check.flat]
    if check.queries_in_gallery:
        answer["queries_in_gallery"] = [shown(path) for path in check.queries_in_gallery]
    if check.masks is not None:
        answer["masks"] = _masks_as_json(check.masks)
    return answer


def as_text(check: DatasetCheck) -> str:
    """Return the answer for people: counts, findings, what to do about each, and what the data set can do.

    Args:
        check: What was found.
    """
    dataset = check.dataset
    gallery = SplitCounts(*check.gallery[:3])
    lines = [f"{dataset.format}: {shown(dataset.root)}", f"{'':10}{'images':>9}{'people':>9}{'cameras':>9}"]
    lines += [_row(name, counts) for name, counts in (("train", check.train), ("query", check.query))]
    lines.append(
        f"{_row('gallery', gallery)}   to rank, {check.gallery.distractors:,} of them distractors; "
        f"{check.gallery.junk:,} junk images more"
    )
    lines += [f"note: {note}" for note in dataset.notes]
    findings = [
        *_unreadable(check),
        *_unmatched(check),
        *_lost(check),
        *_both(check),
        *_copies(check),
        *_flat(check),
        *_masks(check),
        *_left_out(check),
        *(f"warning: {warning}" for warning in dataset.warnings),
    ]
    lines += findings or ["nothing is wrong"]
    lines += [*_table("files", check.files.files), *_table("folders", check.files.folders)]
    lines.append(f"usable to train: {_usable_to_train(check)}; to evaluate: {_yes(check.can_evaluate)}")
    return "\n".join(lines) + "\n"


def shown(path: Path) -> str:
    """Return a path as text that can be printed anywhere, whatever bytes its name has.

    Args:
        path: A path, perhaps with bytes that are no UTF-8.
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _usable_to_train(check: DatasetCheck) -> str:
    """Say whether a data set can train, and as what: people without labels make a target, but no source."""
    if check.source_people > 1:
        return "yes"
    if check.source_people_of_all > 1:
        return (
            f"as a target: {_yes(check.can_train)}; as a source: with the images of all splits (`all`) only"
        )
    if not check.can_train:
        return "NO"
    return f"as a target: yes; as a source: needs two people or more, got {check.source_people}"


def _yes(can: bool) -> str:  # noqa: FBT001
    """Return yes or NO."""
    return "yes" if can else "NO"


def _row(name: str, counts: SplitCounts) -> str:
    """Return one line of the table."""
    return f"  {name:8}{counts.images:9,}{counts.pids:9,}{counts.cameras:9,}"


def _finding(title: str, items: Sequence[str], mend: str) -> list[str]:
    """Return a finding: what, which files, and what to do; nothing if there are none."""
    if not items:
        return []
    more = [f"    ... and {len(items) - NAMED:,} more (--json names all)"] if len(items) > NAMED else []
    return [f"{len(items):,} {title}:", *(f"    {item}" for item in items[:NAMED]), *more, f"  -> {mend}"]


def _unreadable(check: DatasetCheck) -> list[str]:
    """Name the files that cannot be read."""
    items = [f"{shown(item.path)}: {item.reason}" for item in check.unreadable]
    mend = "Fetch these files again or delete them. Until then every command leaves them out."
    return _finding("unreadable files", items, mend)


def _unmatched(check: DatasetCheck) -> list[str]:
    """Name the files whose name the reader does not understand."""
    items = [shown(path) for path in check.dataset.unmatched_names]
    mend = (
        f"They are in no split. Rename them as {check.dataset.format} names its files, or say how to read "
        "them: --format folder --pattern '(?P<identity>...)...(?P<camera>...)'"
    )
    return _finding("images whose name does not fit", items, mend)


def _lost(check: DatasetCheck) -> list[str]:
    """Name the queries without a correct gallery image."""
    items = [f"{shown(item.path)}: {item.reason}" for item in check.queries_without_match]
    mend = (
        "Nobody can be found whose name is not known. Say where it stands in the paths: "
        "--format folder --pattern '(?P<identity>...)...(?P<camera>...)'"
        if all(item.reason == NO_PERSON for item in check.queries_without_match)
        else "Evaluation counts them and leaves them out. A person needs a gallery image from another camera "
        "than the query's: add one, take the query away, or mend the camera in the names (a camera that is "
        "the same everywhere is often a pattern that misses it)."
    )
    return _finding("queries without a correct gallery image", items, mend)


def _both(check: DatasetCheck) -> list[str]:
    """Name people that are trained on and tested."""
    names = check.dataset.identity_names
    items = [names.get(pid, str(pid)) for pid in check.people_in_both]
    mend = (
        "If they are the same people, figures on this test set are too good; if not, give them other names."
    )
    return _finding("identities both in train and in query or gallery", items, mend)


def _copies(check: DatasetCheck) -> list[str]:
    """Name the queries that lie in the gallery, too."""
    items = [shown(path) for path in check.queries_in_gallery]
    mend = "Each finds itself first, so figures are too good: take the copies out of the gallery."
    return _finding("queries that are in the gallery, too, byte for byte", items, mend)


def _flat(check: DatasetCheck) -> list[str]:
    """Name pictures of one colour."""
    mend = "They show nothing: fetch these files again, or delete them."
    return _finding("images of one flat colour", [shown(path) for path in check.flat], mend)


def _left_out(check: DatasetCheck) -> list[str]:
    """Name what is left out and could be mended, but for what other findings name."""
    told = {UNREADABLE, MISSING, MISNAMED}
    return [
        line
        for item in check.files.files.to_mend
        if item.reason not in told
        for line in (f"{_plain(str(item))}", f"  -> {REASONS[item.reason]}")
    ]


def _table(what: str, seen: Seen) -> list[str]:
    """Return what became of all files or folders: a table that adds up."""
    left = seen.seen - seen.taken
    return [
        f"{what}: {seen.seen:,} seen = {seen.taken:,} taken + {left:,} left out",
        *(
            f"{item.number:9,} {_plain(f'{item.reason}, such as {item.examples[0]}')}"
            for item in seen.left_out
        ),
    ]


def _plain(text: str) -> str:
    """Return text that can be printed anywhere, whatever bytes names have."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _masks(check: DatasetCheck) -> list[str]:
    """Say how many images have a mask, and name those that have none."""
    masks = check.masks
    if masks is None:
        return []
    root = shown(check.dataset.root)
    summary = (
        f"masks: {masks.found:,} of {masks.images:,} images; {masks.mean_share:.1%} of the pixels person; "
        f"{masks.empty:,} empty, {masks.full:,} full"
    )
    return [
        summary,
        *_finding(
            "missing masks", [shown(path) for path in masks.missing], f"genreid mask {root} --out MASKS"
        ),
        *_finding(
            "unreadable masks",
            [f"{shown(path)}: {reason}" for path, reason in masks.unreadable],
            f"{SOFT_REMEDY}; damaged ones: delete them, then genreid mask {root} --out MASKS",
        ),
        *_finding(
            "masks that are not of their image's shape",
            [shown(path) for path in masks.misshapen],
            f"They are of other images, or were cut differently: genreid mask {root} --out NEW_MASKS",
        ),
        *_finding(
            "masks that two images share",
            [shown(path) for path in masks.shared],
            "Rename one of two images whose names differ in the suffix only.",
        ),
    ]


def _masks_as_json(masks: MaskCheck) -> dict[str, Any]:
    """Return the coverage by masks for programs."""
    return {
        "images": masks.images,
        "found": masks.found,
        "missing": [shown(path) for path in masks.missing],
        "unreadable": [{"path": shown(path), "reason": reason} for path, reason in masks.unreadable],
        "shared": [shown(path) for path in masks.shared],
        "empty": masks.empty,
        "full": masks.full,
        "misshapen": [shown(path) for path in masks.misshapen],
        "mean_share": masks.mean_share,
    }
