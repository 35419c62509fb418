"""The result file of a row: figures, what they were made with, and in what that differs from the paper.

Shares are fractions. Whether a file is still what this code would make: `state`.
"""

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import timm
import torch
from safetensors.numpy import save

from genreid import __version__
from genreid.data.fingerprint import dataset_fingerprint, folder_fingerprint
from genreid.data.mask_paths import RECORD_NAME
from genreid.data.whole_file import sha256_of, write_whole
from genreid.evaluation.bootstrap import FIGURES, BootstrapConfig, Interval, bootstrap, bootstrap_gain
from genreid.evaluation.provenance import source_commit
from genreid.features.extract import fingerprint
from genreid.models.backbone import BackboneConfig
from genreid.models.precision import choose_compute
from genreid.models.pretrained import PACKAGED_WEIGHTS, architecture, load_backbone_weights
from genreid.report.loss_log import read_loss_log
from genreid.reproduce.code import evaluation_code, makers_of_run
from genreid.reproduce.paper import Row
from genreid.reproduce.plan import RowPlan, with_changes
from genreid.reproduce.published import PAPERS_AP, PUBLISHED_SIZES
from genreid.reproduce.ranking import Measured
from genreid.reproduce.rows import PAPERS, ROWS
from genreid.runs.config_file import ConfigT, config_to_dict, field_texts, flatten
from genreid.runs.run import Run

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_DIGITS = 6


class RowFile(NamedTuple):
    """A result file that was read.

    Attributes:
        path: The file.
        content: What it holds.
    """

    path: Path
    content: Mapping[str, Any]


def row_content(plan: RowPlan, measured: Measured, controls: Mapping[str, Measured]) -> dict[str, Any]:
    """Return what the result file of a row holds.

    Args:
        plan: The row, its run finished.
        measured: Its figures.
        controls: Those of its controls that are there, by name.

    Returns:
        JSON values.
    """
    row = plan.row
    trained = [Run(plan.folder_of(training)).metrics for training in row.training.chain]
    minutes = sum(read_loss_log(path).seconds for path in trained) / 60
    settings, words = _differences(plan)
    return {
        "row": row.name,
        "what": row.what,
        "paper": PAPERS[row.paper].title,
        "tables": list(row.tables),
        **({"section": row.section} if row.section else {}),
        "published": None if row.published is None else row.published._asdict(),
        "published_ap": PAPERS_AP,
        "recipe": plan.label,
        "seed": plan.options.seed,
        **figures_of(measured),
        "gains": [_gain(plan, measured, name, control) for name, control in controls.items()],
        "controls_not_made": [name for name in row.controls if name not in controls],
        "difference": {"words": words, "settings": settings},
        "config": config_to_dict(_resolved(plan)),
        "precision": choose_compute(plan.options.device, plan.options.precision).name,
        "data": _data_of(plan),
        "masks": _masks_of(plan),
        "weights": {"start": _start_of(plan), "evaluated": dict(measured.weights)},
        "definition": definition_of(row),
        "runs": _makers_of(plan),
        "code": evaluation_code(row.paper),
        "commit": source_commit() or None,
        "version": __version__,
        "hardware": hardware(plan.device),
        "minutes": round(minutes + measured.minutes, 1),
    }


def figures_of(measured: Measured) -> dict[str, Any]:
    """Return a row's figures and their intervals, as its file holds them.

    Args:
        measured: The row's figures.
    """
    draws = BootstrapConfig()
    intervals = _rounded(bootstrap(measured.by_query, draws))
    return {
        "figures": {name: round(value, _DIGITS) for name, value in measured.figures.items()},
        "interval": {"level": draws.level, "resamples": draws.resamples, **intervals},
    }


def gain_over(name: str, control: Measured, ours: Measured) -> dict[str, Any]:
    """Return by how much a row is ahead of a control of the same queries, as its file holds it.

    Args:
        name: Of the control's row.
        control: Its figures.
        ours: The row's figures.
    """
    return {
        "over": name,
        "weights": dict(control.weights),
        **{figure: round(ours.figures[figure] - control.figures[figure], _DIGITS) for figure in FIGURES},
        "interval": _rounded(bootstrap_gain(ours.by_query, control.by_query)),
    }


def write_row(path: Path, content: Mapping[str, Any], measured: Measured) -> None:
    """Write a result file whole, and beside it the scores that its figures and intervals are means of.

    Args:
        path: The file; its folder is made.
        content: Of `row_content`.
        measured: The row's figures.
    """
    scores = measured.by_query.astype(np.float32)
    write_whole(scores_beside(path), save({"by_query": scores}, {"figures": " ".join(FIGURES)}))
    write_whole(path, json.dumps(content, indent=1) + "\n")


def scores_beside(path: Path) -> Path:
    """Return where a result file's scores are: float32 [valid queries, figures], in the data set's order.

    Args:
        path: The result file.
    """
    return path.with_suffix(".queries.safetensors")


def _held(path: Path) -> dict[str, Any]:
    """Return what a result file holds; refuse a file of another kind, which is not to be replaced."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        held = None
    if not isinstance(held, dict) or not {"row", "recipe", "figures"} <= held.keys():
        msg = f"{path} is there and is no result file of genreid; move it, or give another --out F.json"
        raise ValueError(msg)
    return held


def expect_same_kind(plan: RowPlan) -> None:
    """Refuse to put figures of another device or arithmetic in the place of those that a file holds.

    Args:
        plan: The row.

    Raises:
        ValueError: If the row's own file was made otherwise, or what `--out` names is no result file.
    """
    if not plan.out.exists():
        return
    held = _held(plan.out)
    if plan.job.out is not None:
        return
    there = f"{held['precision']} on {held['hardware']['device']}"
    here = f"{choose_compute(plan.options.device, plan.options.precision).name} on {plan.device}"
    if there != here:
        msg = (
            f"{plan.out} holds this row made in {there}, this would be {here}; give --out F.json to keep both"
        )
        raise ValueError(msg)


def read_rows(folder: Path) -> tuple[RowFile, ...]:
    """Return the result files of rows of `genreid reproduce`, in the order of the papers, then by file name.

    Args:
        folder: Such as `results`; other files in it are passed over.

    Raises:
        ValueError: If one is no JSON; names it.
    """
    order = {name: number for number, name in enumerate(ROWS)}
    found = [file for file in read_results(folder) if file.content["row"] in ROWS]
    return tuple(sorted(found, key=lambda file: (order[file.content["row"]], file.path.name)))


def read_results(folder: Path) -> tuple[RowFile, ...]:
    """Return every result file below a folder, by path: rows of the demo and others of our own, too.

    Args:
        folder: Such as `results`; other files in it are passed over.

    Raises:
        ValueError: If one is no JSON; names it.
    """
    found = []
    for path in sorted(folder.glob("*/*/*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{path}: this is no JSON: {error}"
            raise ValueError(msg) from error
        if isinstance(content, dict) and isinstance(content.get("row"), str):
            found.append(RowFile(path, content))
    return tuple(found)


def _differences(plan: RowPlan) -> tuple[dict[str, Any], list[str]]:
    """Return in which settings a row differs from its paper's recipe, and all differences in words."""
    recipes, recipe = plan.row.recipes, plan.options.recipe
    resolved = _resolved(plan)
    ours, paper = (
        flatten(config_to_dict(resolved)),
        flatten(config_to_dict(with_own_changes(plan.row, recipes["paper"]()))),
    )
    changed = {
        name: {"ours": value, "paper": paper[name]}
        for name, value in ours.items()
        if value != paper[name] and matters(name, plan.row)
    }
    title = " ".join((recipes[recipe].__doc__ or "").strip().split("\n")[0].split())
    words = [f"Recipe {recipe}: {title}"]
    texts = _setting_texts(resolved)
    words += [
        f"{name}: {both['ours']}, in the paper's recipe {both['paper']}. {texts.get(name, '')}".strip()
        for name, both in changed.items()
    ]
    return changed, words + _other_words(plan)


def _other_words(plan: RowPlan) -> list[str]:
    """Say in what a row differs from the paper beside its settings."""
    words = []
    if _renders(plan.row):
        parsers = sorted(
            {str(masks["made_by"].get("parser", "unknown")) for masks in _masks_of(plan).values()}
        )
        words.append(f"Person masks by {' and '.join(parsers)}; the paper's: by a parser trained on LIP.")
    precision = choose_compute(plan.options.device, plan.options.precision).name
    if precision != "fp32":
        words.append(f"Arithmetic: {precision}; the paper says nothing of it, so float32.")
    more = PAPERS[plan.row.paper].words
    words += [] if more is None else more(plan)
    if plan.row.statistics_of is not None:
        words.append(
            f"Batch-norm statistics of {plan.row.statistics_of}'s training images; the paper's: stored."
        )
    for name, dataset in plan.data.items():
        ranked = [sample for sample in dataset.gallery if sample.pid >= 0]
        counts = (len(dataset.train), len(dataset.query), len(ranked))
        if counts != PUBLISHED_SIZES[name]:
            published = " / ".join(f"{count:,}" for count in PUBLISHED_SIZES[name])
            here = " / ".join(f"{count:,}" for count in counts)
            words.append(f"{name}: {here} images (train / query / gallery); published: {published}.")
    return words


def _setting_texts(config: "DataclassInstance", prefix: str = "") -> dict[str, str]:
    """Return the first sentence of what is said of each setting, by dotted name."""
    said = field_texts(type(config)).items()
    texts = {prefix + name: re.split(r"(?<=\.)\s|;\s", text)[0] for name, text in said}
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value) and not isinstance(value, type):
            texts |= _setting_texts(value, f"{prefix}{item.name}.")
    return texts


def _resolved(plan: RowPlan) -> "DataclassInstance":
    """Return a row's settings, its own changes among them."""
    config: DataclassInstance = with_own_changes(plan.row, plan.config)
    return config


def with_own_changes(row: Row, config: ConfigT) -> ConfigT:
    """Lay a row's own changes over settings.

    Args:
        row: The row.
        config: Settings of its recipe.
    """
    changes = {name: value for training in row.training.chain for name, value in training.changes.items()}
    return with_changes(config, changes)


def matters(name: str, row: Row) -> bool:
    """Tell whether a setting plays a part in a row.

    Args:
        name: Its dotted name.
        row: The row.
    """
    return name.startswith(row.sections)


def _makers_of(plan: RowPlan) -> dict[str, Any]:
    """Return what trained each run of a row."""
    return {training.name: makers_of_run(plan.folder_of(training)) for training in plan.row.training.chain}


def _gain(plan: RowPlan, ours: Measured, name: str, control: Measured) -> dict[str, Any]:
    """Return what a row is ahead of one of its controls, and what made that one."""
    published, theirs = plan.row.published, ROWS[name].published
    return {
        **gain_over(name, control, ours),
        "mirror": ROWS[name].mirror,
        "runs": _makers_of(replace(plan, row=ROWS[name])),
        "published": None
        if published is None or theirs is None
        else {
            figure: None if mine is None or its is None else round(mine - its, _DIGITS)
            for figure, mine, its in zip(published._fields, published, theirs, strict=True)
        },
    }


def _rounded(intervals: Mapping[str, Interval]) -> dict[str, list[float]]:
    """Return intervals as JSON values."""
    return {name: [round(end, _DIGITS) for end in ends] for name, ends in intervals.items()}


def _data_of(plan: RowPlan) -> dict[str, Any]:
    """Return which data sets a row was made with."""
    return {
        name: {
            "format": dataset.format,
            "train": len(dataset.train),
            "query": len(dataset.query),
            "gallery": len(dataset.gallery),
            "sha256": dataset_fingerprint(dataset),
        }
        for name, dataset in plan.data.items()
    }


def _renders(row: Row) -> bool:
    """Tell whether person masks play a part in a row."""
    return any(training.needs_masks for training in row.training.chain)


def _masks_of(plan: RowPlan) -> dict[str, Any]:
    """Return which person masks a row was made with: what made them, and a fingerprint of their files."""
    names = dict.fromkeys((plan.row.source, plan.row.target)) if _renders(plan.row) else {}
    return {name: _masks_in(plan.masks_of(name)) for name in names}


@cache
def _masks_in(folder: Path) -> dict[str, Any]:
    """Return what made a folder of masks, as far as it says so, and its fingerprint."""
    record = folder / RECORD_NAME
    held = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    return {"made_by": held.get("made_by", {}), "sha256": folder_fingerprint(folder, "*.png")}


def definition_of(row: Row) -> dict[str, Any]:
    """Return what a row is, apart from settings and figures of the paper: JSON values.

    Args:
        row: The row.
    """
    return {
        "source": row.source,
        "source_split": row.source_split,
        "target": row.target,
        "pooling": row.pooling,
        "statistics_of": row.statistics_of,
        "half": row.half,
        "mirror": row.mirror,
        "runs": [[training.name, training.method, training.renderer] for training in row.training.chain],
    }


def _start_of(plan: RowPlan) -> dict[str, str | None] | None:
    """Return which trained weights the backbone started from; None: from random numbers."""
    backbone = PAPERS[plan.row.paper].backbone(plan.config, plan.row.training)
    if backbone.weights == "none":
        return None
    return {"backbone": backbone.name, "weights": backbone.weights, **_digest_of_start(backbone)}


def _digest_of_start(backbone: BackboneConfig) -> dict[str, str | None]:
    """Return the `sha256` of a file of weights, or a `fingerprint` of what the hub gives; None: gone."""
    if backbone.weights == "package":
        return {"sha256": PACKAGED_WEIGHTS[architecture(backbone.name)].sha256}
    if backbone.weights != "hub":
        path = Path(backbone.weights)
        return {"sha256": sha256_of(path) if path.is_file() else None}
    network = timm.create_model(backbone.name, pretrained=False, num_classes=0)
    try:
        load_backbone_weights(network, backbone.name, "hub")
    except ValueError:
        return {"fingerprint": None}
    return {"fingerprint": fingerprint(network)}


def hardware(device: str) -> dict[str, Any]:
    """Return what a row was ranked on; what its runs were trained on stands with them.

    Args:
        device: The GPU's name, or `cpu`.
    """
    return {
        "machine": platform.machine(),
        "cpu_threads": torch.get_num_threads(),
        "device": device,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
