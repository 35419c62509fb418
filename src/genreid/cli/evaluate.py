"""`genreid evaluate`: rank a gallery for every query and print CMC, mAP and mINP."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.features.options import FeatureOptions, add_feature_options, feature_options

if TYPE_CHECKING:
    from genreid.data.holdout import Trial
    from genreid.evaluation.ranking import Ranking
    from genreid.features.feature_set import FeatureSet

PROTOCOL = "single query, cross-camera; junk and the query's own camera left out"
logger = logging.getLogger(__name__)

RERANKED = (
    "Re-ranked by k-reciprocal neighbours (k1 20, k2 6, lambda 0.3) of queries and gallery together; to be "
    "compared with re-ranked figures only.\n"
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
    from_files = arguments.run is None
    query, gallery = _from_files(arguments, options) if from_files else _from_run(arguments, options)
    rankings = _rank(query, gallery, rerank=arguments.rerank)
    if not (from_files or arguments.rerank or arguments.no_record):
        _record(arguments, rankings, query, gallery)
    if arguments.json:
        answer = {**_as_json(rankings), **_trial_as_json(arguments), **_reranking_as_json(arguments)}
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        _print(rankings, query, gallery)
        if arguments.holdout is not None:
            sys.stdout.write(_trial_as_text(arguments))
        if arguments.rerank:
            sys.stdout.write(RERANKED)
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = argparse.ArgumentParser(
        prog="genreid evaluate",
        usage=(
            "genreid evaluate RUN --data DIR [--format F] [--rerank] [--json] [FEATURE OPTIONS]\n"
            "       genreid evaluate RUN --data SOURCE --holdout N [--split train|all] [...]\n"
            "       genreid evaluate --query F --gallery F [--fine-weight B] [--rerank] [--json]"
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
    add("--query", type=Path, metavar="F", help="in place of RUN: features that `genreid extract` wrote")
    add("--gallery", type=Path, metavar="F", help="the same of the gallery")
    add(
        "--rerank",
        action="store_true",
        help="re-rank by k-reciprocal neighbours (k1 20, k2 6, lambda 0.3), on the test set as a whole",
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


def _from_files(arguments: argparse.Namespace, options: FeatureOptions) -> "tuple[FeatureSet, FeatureSet]":
    """Return query and gallery that `genreid extract` has written, the fine halves weighted as asked for."""
    from genreid.features.feature_set import FeatureSet  # noqa: PLC0415
    from genreid.features.halves import weight_fine_half  # noqa: PLC0415

    query, gallery = FeatureSet.load(arguments.query), FeatureSet.load(arguments.gallery)
    if options.fine_weight is None:
        return query, gallery
    return weight_fine_half(query, options.fine_weight), weight_fine_half(gallery, options.fine_weight)


def _from_run(arguments: argparse.Namespace, options: FeatureOptions) -> "tuple[FeatureSet, FeatureSet]":
    """Embed the query and gallery images of a data set, or of its people that were held out."""
    trial = _test_set(arguments) if arguments.holdout is None else _held_out(arguments)
    from genreid.features.extract import Extractor  # noqa: PLC0415 - torch, once all else is right

    extractor = Extractor.from_run(arguments.run, options)
    return extractor.extract(trial.query), extractor.extract(trial.gallery)


def _test_set(arguments: argparse.Namespace) -> "Trial":
    """Return the data set's own queries and gallery; junk, which is not ranked, is not embedded."""
    from genreid.data.holdout import Trial  # noqa: PLC0415
    from genreid.data.load import load_dataset  # noqa: PLC0415
    from genreid.data.reader_options import ReaderOptions  # noqa: PLC0415
    from genreid.data.sample import JUNK_PID  # noqa: PLC0415

    dataset = load_dataset(arguments.data, arguments.format, ReaderOptions(pattern=arguments.pattern))
    ranked = tuple(sample for sample in dataset.gallery if sample.pid != JUNK_PID)
    if not dataset.query or not ranked:
        msg = (
            f"{arguments.data} has {len(dataset.query)} query and {len(ranked)} gallery images; expected "
            f"some of both. `genreid data check {arguments.data}` shows what it holds"
        )
        raise ValueError(msg)
    return Trial(dataset.query, ranked)


def _held_out(arguments: argparse.Namespace) -> "Trial":
    """Return queries and gallery made of the people that training with the same --holdout keeps out."""
    from genreid.data.holdout import holdout, trial_of  # noqa: PLC0415
    from genreid.data.load import load_dataset  # noqa: PLC0415
    from genreid.data.reader_options import ReaderOptions  # noqa: PLC0415
    from genreid.data.training_people import training_people  # noqa: PLC0415

    dataset = load_dataset(arguments.data, arguments.format, ReaderOptions(pattern=arguments.pattern))
    people = training_people(dataset, arguments.split or "train")
    trial = trial_of(holdout(people, arguments.holdout).held_out)
    if not trial.query:
        msg = (
            f"{arguments.data}: none of the last {arguments.holdout} people is seen by two cameras, so "
            "nobody can be found again; type a larger --holdout, for training as well"
        )
        raise ValueError(msg)
    _warn_of_known_people(arguments)
    return trial


def _warn_of_known_people(arguments: argparse.Namespace) -> None:
    """Warn if the run, as far as it remembers, has learned from people that are ranked here."""
    path = arguments.run / "job.json"
    if not path.is_file():
        return
    job = json.loads(path.read_text(encoding="utf-8"))
    data = job.get("source", job.get("data"))
    same_data = data is not None and Path(data).resolve() == arguments.data.resolve()
    kept_out, split = job.get("holdout", 0), job.get("source_split", job.get("split", "train"))
    if same_data and (kept_out < arguments.holdout or split != (arguments.split or "train")):
        logger.warning(
            "%s was trained with --holdout %s of the %s images: it may have learned from people ranked here",
            *(arguments.run, kept_out, split),
        )


def _rank(query: "FeatureSet", gallery: "FeatureSet", *, rerank: bool) -> "dict[str, Ranking]":
    """Rank by whole embeddings (`both`) and, where both sides have the same two halves, by each of them."""
    from genreid.features.halves import halves_in, take_half  # noqa: PLC0415 - `genreid --help` stays quick

    score: Callable[[FeatureSet, FeatureSet], Ranking]
    if rerank:
        from genreid.evaluation.reranking import rerank as score  # noqa: PLC0415 - faiss, if asked for
    else:
        from genreid.evaluation.ranking import rank as score  # noqa: PLC0415
    rankings = {"both": score(query, gallery)}
    names = halves_in(query) if halves_in(query) == halves_in(gallery) else {}
    for name in names:
        rankings[name] = score(take_half(query, name), take_half(gallery, name))
    return rankings


def _record(
    arguments: argparse.Namespace,
    rankings: "Mapping[str, Ranking]",
    query: "FeatureSet",
    gallery: "FeatureSet",
) -> None:
    """Keep the figures in the run folder, for `genreid report`; if it cannot be written to, say so."""
    from genreid.features.halves import halves_in, take_half  # noqa: PLC0415 - `genreid --help` stays quick
    from genreid.report.records import EvaluatedImages, evaluation_name, record_evaluation  # noqa: PLC0415

    given = {name: getattr(arguments, name) for name in ("format", "pattern", "holdout", "split")}
    images = EvaluatedImages(
        folder=str(arguments.data), options={name: str(v) for name, v in given.items() if v is not None}
    )
    sets = {"both": (query, gallery)}
    sets |= {half: (take_half(query, half), take_half(gallery, half)) for half in halves_in(query)}
    try:
        for part, ranking in rankings.items():
            name = evaluation_name(images, sets[part][0].metadata)
            record_evaluation(arguments.run, name, ranking, *sets[part], images)
    except OSError as error:
        logger.warning("the figures are not kept for `genreid report`: %s", error)


def _as_json(rankings: "Mapping[str, Ranking]") -> dict[str, object]:
    """Return the figures of whole embeddings, then those of each half under its name."""
    figures: dict[str, Mapping[str, float | int]] = {name: each.to_json() for name, each in rankings.items()}
    return {**figures.pop("both"), **figures}


def _trial_as_json(arguments: argparse.Namespace) -> dict[str, object]:
    """Return what tells a held-out trial from a test set; nothing for a test set."""
    if arguments.holdout is None:
        return {}
    return {"holdout": {"people": arguments.holdout, "split": arguments.split or "train"}}


def _reranking_as_json(arguments: argparse.Namespace) -> dict[str, object]:
    """Return what tells re-ranked figures from others; nothing for others."""
    if not arguments.rerank:
        return {}
    from genreid.evaluation.reranking import RerankingConfig  # noqa: PLC0415

    config = RerankingConfig()
    return {"reranking": {"k1": config.k1, "k2": config.k2, "lambda": config.original_weight}}


def _trial_as_text(arguments: argparse.Namespace) -> str:
    """Say that the figures are of a held-out trial."""
    return (
        f"Held-out trial: the last {arguments.holdout} people of the {arguments.split or 'train'} images of "
        f"{arguments.data}; not to be compared with figures of a test set.\n"
    )


def _print(rankings: "Mapping[str, Ranking]", query: "FeatureSet", gallery: "FeatureSet") -> None:
    """Print a table of percentages, then what was counted."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    names = {"mAP_trapezoid": "mAP trapezoid"} | {f"rank{k}": f"rank-{k}" for k in (1, 5, 10, 20)}
    table = Table(
        title=_title(query, gallery), caption=PROTOCOL, title_justify="left", caption_justify="left"
    )
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


def _shares(ranking: "Ranking") -> dict[str, float]:
    """Return the figures that are shares, by name."""
    return {key: value for key, value in ranking.to_json().items() if isinstance(value, float)}


def _title(query: "FeatureSet", gallery: "FeatureSet") -> str | None:
    """Return where the embeddings come from, as far as the files say."""
    if query.metadata != gallery.metadata:
        return None
    keys = ("run", "stage", "pooling", "fine_weight")
    known = [f"{key.replace('_', ' ')} {query.metadata[key]}" for key in keys if key in query.metadata]
    return ", ".join(known) or None


def _without_match(ranking: "Ranking", query: "FeatureSet") -> list[str]:
    """Name the queries that have no correct gallery image, and say why."""
    if not ranking.queries_without_match:
        return []
    from genreid.evaluation.matches import describe_reasons  # noqa: PLC0415

    rows = ranking.queries_without_match
    lines = [f"{len(rows)} queries have no correct gallery image and are left out of every mean:"]
    lines.append(f"  {describe_reasons(ranking.reasons_without_match)}")
    lines.extend(f"  {query.name_of(row)}" for row in rows[:NAMED])
    if len(rows) > NAMED:
        lines.append(f"  and {len(rows) - NAMED} more")
    return lines
