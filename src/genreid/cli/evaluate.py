"""`genreid evaluate`: rank a gallery for every query and print CMC, mAP and mINP."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.arguments import Arguments
from genreid.cli.trouble import printable
from genreid.features.options import FeatureOptions, add_feature_options, feature_options

if TYPE_CHECKING:
    from genreid.evaluation.open_set import OpenSet
    from genreid.evaluation.ranking import Ranking
    from genreid.features.feature_set import FeatureSet
    from genreid.pipelines.evaluate import Backbone
    from genreid.pipelines.two_sides import TwoSides

PROTOCOL = "single query, cross-camera; junk and the query's own camera left out"

RERANKED = (
    "Re-ranked by k-reciprocal neighbours (k1 20, k2 6, lambda 0.3) of queries and gallery together; to be "
    "compared with re-ranked figures only."
)
NAMED = 5
"""Queries without a correct gallery image that are named."""


def main(argv: Sequence[str]) -> int:
    """Run `genreid evaluate` and return its exit status: 0 if there are figures.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If the run, the data set, the files or the options do not fit; says what to type.
    """
    arguments = _arguments().parse_args(argv)
    options = feature_options(arguments)
    _check_sources(arguments, options)
    from genreid.pipelines.two_sides import load_sides, rank_sides  # noqa: PLC0415 - `genreid --help` stays quick

    if arguments.query is not None:
        sides = load_sides(arguments.query, arguments.gallery, options.fine_weight)
        rankings = rank_sides(sides, rerank=arguments.rerank)
    else:
        from genreid.pipelines import evaluate  # noqa: PLC0415 - torch, which files do not need

        network = arguments.run or _backbone(arguments)
        names = ("data", "format", "pattern", "holdout", "split")
        job = evaluate.EvaluateJob(network, **{name: getattr(arguments, name) for name in names})
        sides = evaluate.embed_sides(job, options)
        rankings = rank_sides(sides, rerank=arguments.rerank)
        if not (arguments.rerank or arguments.no_record):
            evaluate.record_rankings(job, sides, rankings)
    found = _open_set(sides) if arguments.open_set else ()
    if arguments.json:
        sys.stdout.write(
            json.dumps(_as_json(arguments, rankings, sides) | _open_json(found), indent=2) + "\n"
        )
    else:
        _print(rankings, *sides)
        for line in _remarks(arguments, sides):
            sys.stdout.write(printable(line) + "\n")
        for line in _open_lines(found):
            sys.stdout.write(line + "\n")
    return 0


_BACKBONE: Mapping[str, tuple[type, str, str]] = {
    "--backbone.name": (str, "NAME", "timm's name of a network that is ranked as it is, in place of RUN"),
    "--backbone.weights": (str, "hub|package|FILE", "its weights (default: hub)"),
    "--backbone.source": (str, "SOURCE", "whose names FILE has (default: timm)"),
    "--backbone.last_stride": (int, "1|2", "stride of its last stage (default: 2)"),
    "--backbone.tokens": (str, "head|patches", "what stands for an image (default: head)"),
    "--image.height": (int, "H", "height of its images"),
    "--image.width": (int, "W", "their width"),
    "--image.resampling": (str, "bilinear|bicubic", "how they are resized (default: bilinear)"),
}
"""Options of a network without a run -> type, name of the value, help."""


def _backbone(arguments: argparse.Namespace) -> "Backbone":
    """Return the network that is ranked without a run."""
    from genreid.data.image_config import ImageConfig  # noqa: PLC0415
    from genreid.models.backbone import BackboneConfig  # noqa: PLC0415 - torch, which files do not need
    from genreid.pipelines.evaluate import Backbone  # noqa: PLC0415
    from genreid.runs.config_file import config_from_dict, config_to_dict  # noqa: PLC0415

    settings = config_to_dict(Backbone(BackboneConfig(), ImageConfig()))
    for flag in _BACKBONE:
        section, name = flag.removeprefix("--").split(".")
        value = getattr(arguments, f"{section}.{name}")
        settings[section] |= {} if value is None else {name: value}
    return config_from_dict(Backbone, settings, source="genreid evaluate")


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid evaluate",
        usage=(
            "genreid evaluate RUN --data DIR [--format F] [--rerank] [--open-set] [--json] "
            "[FEATURE OPTIONS]\n"
            "       genreid evaluate RUN --data SOURCE --holdout N [--split train|all] [...]\n"
            "       genreid evaluate --backbone.name N --backbone.weights F --image.height H --image.width W"
            " --data DIR [...]\n"
            "       genreid evaluate --query F --gallery F [--fine-weight B] [--rerank] [--open-set] [--json]"
        ),
        description=(
            f"Rank the gallery for every query ({PROTOCOL}) and print CMC at ranks 1, 5, 10 and 20, mAP "
            "(rectangular, as torchreid has it), mAP trapezoid (as Market-1501's own code has it) and mINP. "
            "For DG-Net the two halves of its embedding are ranked alone, too. "
            "With --holdout N, queries and gallery are made of the people that training with --holdout N "
            "kept out: for choosing settings without looking at a test set."
        ),
    )
    add = parser.add_argument
    add("run", nargs="?", type=Path, metavar="RUN", help="folder of `genreid train` or `genreid adapt`")
    add("--data", type=Path, metavar="DIR", help="the data set whose query and gallery RUN embeds")
    add("--format", metavar="F", help="the data set's format (default: recognised from the tree)")
    add("--pattern", metavar="P", help="format folder: where identity and camera stand in a path")
    add(
        "--holdout",
        type=int,
        metavar="N",
        help="rank the last N labelled people, whom `train` and `adapt` kept out with --holdout N",
    )
    add(
        "--split",
        choices=("train", "all"),
        help="with --holdout: of which images, as in training (--source-split of adapt; default: train)",
    )
    for flag, (kind, value, text) in _BACKBONE.items():
        add(flag, type=kind, metavar=value, help=text)
    add("--query", type=Path, metavar="F", help="in place of RUN: features that `genreid extract` wrote")
    add("--gallery", type=Path, metavar="F", help="the same of the gallery")
    add(
        "--rerank",
        action="store_true",
        help="re-rank by k-reciprocal neighbours (k1 20, k2 6, lambda 0.3), on the test set as a whole",
    )
    add(
        "--open-set",
        action="store_true",
        help="also: known people found while 0.1, 1, 10 %% of those not in the gallery find somebody",
    )
    add("--json", action="store_true", help="print the figures as JSON, shares as fractions")
    add(
        "--no-record",
        action="store_true",
        help="do not keep the figures in RUN/evaluations for `genreid report` (re-ranked ones never are)",
    )
    add_feature_options(parser)
    return parser


def _check_sources(arguments: argparse.Namespace, options: FeatureOptions) -> None:
    """Refuse a command line that is neither RUN with --data nor two files."""
    files = arguments.query is not None or arguments.gallery is not None
    typed = [flag for flag in _BACKBONE if getattr(arguments, flag[2:]) is not None]
    if typed and (files or arguments.run is not None):
        msg = f"{typed[0]} describes a network without a run; leave out RUN and files, or leave it out"
        raise ValueError(msg)
    if typed:
        _check_backbone(arguments, options, typed)
        return
    if files and (arguments.run is not None or arguments.data is not None):
        msg = "give RUN with --data DIR, or --query F with --gallery F; got some of both"
        raise ValueError(msg)
    if files and (arguments.query is None or arguments.gallery is None):
        missing = "--gallery F" if arguments.gallery is None else "--query F"
        msg = f"two files are ranked together: {missing} is missing"
        raise ValueError(msg)
    of_images = (arguments.format, arguments.pattern, arguments.holdout, arguments.split)
    of_network = replace(options, fine_weight=None) != FeatureOptions()
    if files and (of_network or any(value is not None for value in of_images)):
        msg = (
            "--format, --pattern, --holdout, --split and the feature options (but --fine-weight) say which "
            "images are embedded and how; the files hold embeddings already"
        )
        raise ValueError(msg)
    if arguments.split is not None and arguments.holdout is None:
        msg = f"--split {arguments.split} says of which images people are held out; give --holdout N, too"
        raise ValueError(msg)
    if arguments.holdout is not None and arguments.holdout < 1:
        msg = f"--holdout must be 1 or more, got {arguments.holdout}"
        raise ValueError(msg)
    if not files and (arguments.run is None or arguments.data is None):
        msg = "type `genreid evaluate RUN --data DIR`, or `genreid evaluate --query F --gallery F`"
        raise ValueError(msg)


def _check_backbone(arguments: argparse.Namespace, options: FeatureOptions, typed: Sequence[str]) -> None:
    """Refuse a network without a run that lacks what must be said of it."""
    missing = [name for name in ("--backbone.name", "--image.height", "--image.width") if name not in typed]
    missing += ["--data"] * (arguments.data is None)
    if missing:
        msg = (
            f"a network without a run needs {' and '.join(missing)}; type `genreid evaluate --backbone.name "
            "resnet50.tv_in1k --image.height 256 --image.width 128 --data DIR`"
        )
        raise ValueError(msg)
    if options.stage is not None:
        msg = (
            f"--stage {options.stage} chooses among the networks of a run, and there is no run; leave it out"
        )
        raise ValueError(msg)


def _as_json(
    arguments: argparse.Namespace, rankings: "Mapping[str, Ranking]", sides: "TwoSides"
) -> dict[str, object]:
    """Return the figures of whole embeddings, those of each half under its name, and what goes with them."""
    figures: dict[str, Mapping[str, float | int]] = {name: each.to_json() for name, each in rankings.items()}
    answer: dict[str, object] = {**figures.pop("both"), **figures}
    if arguments.holdout is not None:
        answer["holdout"] = {"people": arguments.holdout, "split": arguments.split or "train"}
    if arguments.rerank:
        from genreid.evaluation.reranking import RerankingConfig  # noqa: PLC0415

        config = RerankingConfig()
        answer["reranking"] = {"k1": config.k1, "k2": config.k2, "lambda": config.original_weight}
    unknown = _unknown_cameras(*sides)
    if unknown:
        answer["unknown_cameras"] = unknown
    if "uses" in sides.query.metadata:
        answer["uses"] = sides.query.metadata["uses"]
    return answer


def _open_set(sides: "TwoSides") -> "tuple[OpenSet, ...]":
    """Ask every query as somebody known and as somebody unknown."""
    from genreid.evaluation.open_set import open_set  # noqa: PLC0415

    return open_set(*sides)


def _open_json(found: "tuple[OpenSet, ...]") -> dict[str, object]:
    """Return open-set figures as JSON."""
    return {"open_set": [asdict(one) for one in found]} if found else {}


def _open_lines(found: "tuple[OpenSet, ...]") -> Iterator[str]:
    """Say what is found at each rate of false alarms."""
    for one in found:
        rate = f"{one.false_positive_identification_rate:.1%} of false alarms"
        if one.true_positive_identification_rate is None or one.interval is None:
            yield f"Open set, {rate}: {one.queries:,} queries are too few, {one.queries_needed:,} are needed"
        else:
            low, high = one.interval
            yield (
                f"Open set, {rate}: {one.true_positive_identification_rate:.1%} of the known people are "
                f"found ({low:.1%} to {high:.1%}), from likeness {one.threshold:.3f} on"
            )


def _remarks(arguments: argparse.Namespace, sides: "TwoSides") -> Iterator[str]:
    """Say what the figures must not be compared with."""
    if arguments.holdout is not None:
        yield (
            f"Held-out trial: the last {arguments.holdout} people of the {arguments.split or 'train'} images "
            f"of {arguments.data}; not to be compared with figures of a test set."
        )
    if arguments.rerank:
        yield RERANKED
    if "uses" in sides.query.metadata:
        yield f"Not label-free: the network was trained with {sides.query.metadata['uses']}."


def _print(rankings: "Mapping[str, Ranking]", query: "FeatureSet", gallery: "FeatureSet") -> None:
    """Print a table of percentages, then what was counted."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    names = {"mAP_trapezoid": "mAP trapezoid"} | {f"rank{k}": f"rank-{k}" for k in (1, 5, 10, 20)}
    caption = _protocol(query, gallery)
    table = Table(title=_title(query, gallery), caption=caption, title_justify="left", caption_justify="left")
    ranking = rankings["both"]
    of_halves = len(rankings) > 1
    if of_halves:
        table.add_column("half")
    for key in _shares(ranking):
        table.add_column(names.get(key, key), justify="right")
    for name, each in rankings.items():
        table.add_row(*([name] * of_halves), *(f"{100 * share:.2f}" for share in _shares(each).values()))
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    console.print(
        f"Percent. {ranking.valid_queries:,} of {ranking.queries:,} queries are valid; "
        f"{ranking.gallery:,} gallery images are ranked."
    )
    for line in _without_match(ranking, query):
        console.print(line)


def _unknown_cameras(query: "FeatureSet", gallery: "FeatureSet") -> int:
    """Return of how many images nobody knows the camera."""
    return int((query.camid < 0).sum() + (gallery.camid < 0).sum())


def _protocol(query: "FeatureSet", gallery: "FeatureSet") -> str:
    """Say what was ranked, as far as the cameras are known."""
    unknown = _unknown_cameras(query, gallery)
    if not unknown:
        return PROTOCOL
    return (
        f"single query; junk left out. The cameras of {unknown:,} of {len(query) + len(gallery):,} images "
        "are unknown: pictures of the query's own camera count as found, so these figures may be far too good"
    )


def _shares(ranking: "Ranking") -> dict[str, float]:
    """Return the figures that are shares, by name."""
    return {key: value for key, value in ranking.to_json().items() if isinstance(value, float)}


def _title(query: "FeatureSet", gallery: "FeatureSet") -> str | None:
    """Return where the embeddings come from, as far as the files say."""
    if query.metadata != gallery.metadata:
        return None
    keys = ("backbone", "weights", "run", "stage", "pooling", "fine_weight", "mirror")
    known = [f"{key.replace('_', ' ')} {query.metadata[key]}" for key in keys if key in query.metadata]
    return ", ".join(known) or None


def _without_match(ranking: "Ranking", query: "FeatureSet") -> list[str]:
    """Name the queries that have no correct gallery image, and say why."""
    if not ranking.queries_without_match:
        return []
    from genreid.data.protocol import describe_reasons  # noqa: PLC0415

    rows = ranking.queries_without_match
    lines = [f"{len(rows)} queries have no correct gallery image and are left out of every mean:"]
    lines.append(f"  {describe_reasons(ranking.reasons_without_match)}")
    lines.extend(f"  {query.name_of(row)}" for row in rows[:NAMED])
    if len(rows) > NAMED:
        lines.append(f"  and {len(rows) - NAMED} more")
    return lines
