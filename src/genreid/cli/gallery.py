"""`genreid gallery`: a folder of embeddings to which images come, and from which they go for good."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genreid.cli.arguments import Arguments
from genreid.features.options import FeatureOptions, add_feature_options, feature_options

if TYPE_CHECKING:
    from genreid.search.gallery import Gallery
    from genreid.search.pictures import PathPattern

_MILLISECONDS_A_DAY = 86_400_000


def main(argv: Sequence[str]) -> int:
    """Run `genreid gallery ...` and return its exit status: 0 if it was done.

    Args:
        argv: The words after `gallery`.

    Raises:
        ValueError: If something does not fit; says what to type.
    """
    parser, adding = _arguments()
    if argv[:1] == ["add"]:  # images may stand after options, which a parser with verbs does not know
        options = adding.parse_intermixed_args(argv[1:])
        options.verb = "add"
    else:
        options = parser.parse_args(argv)
    verbs = {
        "add": _add,
        "info": _info,
        "remove": _remove,
        "prune": _prune,
        "rebuild": _rebuild,
        "migrate": _migrate,
        "export": _export,
    }
    sys.stdout.write(verbs[options.verb](options) + "\n")
    return 0


def _add(options: argparse.Namespace) -> str:
    """Add images."""
    from genreid.search.pictures import of_files, of_folder  # noqa: PLC0415 - quick --help

    if (options.data is None) == (not options.images):
        msg = "type `genreid gallery add GALLERY --run RUN --data DIR`, or images in place of --data DIR"
        raise ValueError(msg)
    pattern = _pattern(options)
    found = (
        of_folder(options.data, options.split, pattern) if options.data else of_files(options.images, pattern)
    )
    from genreid.features.extract import Extractor  # noqa: PLC0415 - torch, once the images are found
    from genreid.search.gallery import Gallery  # noqa: PLC0415

    chosen = feature_options(options)
    if options.run is None:
        if chosen != FeatureOptions():
            msg = "feature options go with --run RUN; a gallery that is there has its own: leave them out"
            raise ValueError(msg)
        gallery = Gallery.open(options.gallery, options.files)
        extractor = Extractor.from_run(Path(gallery.facts.run), gallery.facts.feature_options)
    else:
        extractor = Extractor.from_run(options.run, chosen)
        gallery = Gallery.create(options.gallery, options.run, chosen, extractor, options.files)
    added = gallery.add(found, extractor)
    if options.json:
        counts = {"new": added.new, "known": added.known, "relabelled": added.relabelled}
        unmatched = [str(path) for path in found.unmatched]
        return json.dumps(
            {**counts, "unreadable": added.unreadable, "unmatched": unmatched, "images": gallery.count()},
            indent=2,
        )
    lines = [
        (
            f"{options.gallery}: {added.new:,} images added, {added.known:,} were there, "
            f"{added.relabelled:,} of them with other labels now; {gallery.count():,} in all"
        )
    ]
    for what, names in (("cannot be read", added.unreadable), ("do not fit --pattern", found.unmatched)):
        if names:
            lines.append(f"{len(names)} {what}, such as {names[0]}")
    return "\n".join(lines)


def _pattern(options: argparse.Namespace) -> "PathPattern | None":
    """Return the pattern that was typed."""
    from genreid.search.pictures import PathPattern  # noqa: PLC0415

    if options.pattern is None and options.time_format is not None:
        msg = "--time-format says how the group `time` of --pattern is written; give --pattern, too"
        raise ValueError(msg)
    return None if options.pattern is None else PathPattern(options.pattern, options.time_format)


def _info(options: argparse.Namespace) -> str:
    """Say what a gallery holds."""
    from genreid.search.information import describe  # noqa: PLC0415

    said = describe(_open(options))
    if options.json:
        return json.dumps(said, indent=2)
    return "\n".join(f"{name.replace('_', ' ')}: {_in_words(value)}" for name, value in said.items())


def _in_words(value: object) -> str:
    """Return a value as a line of text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        return " to ".join(str(one) for one in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _remove(options: argparse.Namespace) -> str:
    """Delete images."""
    from genreid.search.gallery import Selection  # noqa: PLC0415
    from genreid.search.pictures import parse_time  # noqa: PLC0415

    before = None if options.before is None else parse_time(options.before, options.time_format)
    chosen = Selection(
        images=options.image or (), tracks=options.track or (), cameras=options.camera or (), before=before
    )
    if chosen == Selection():
        msg = "say what goes: --image IMG..., --track T..., --camera C... or --before T"
        raise ValueError(msg)
    return _gone(_open(options), chosen, options)


def _prune(options: argparse.Namespace) -> str:
    """Delete images that are too old."""
    from genreid.search.gallery import Selection  # noqa: PLC0415

    if options.older_than < 0:
        msg = f"--older-than must be 0 or more days, got {options.older_than:g}"
        raise ValueError(msg)
    before = round(time.time() * 1000 - options.older_than * _MILLISECONDS_A_DAY)
    return _gone(_open(options), Selection(before=before), options)


def _gone(gallery: "Gallery", chosen: object, options: argparse.Namespace) -> str:
    """Delete, and say what was deleted."""
    from genreid.search.gallery import Selection  # noqa: PLC0415

    assert isinstance(chosen, Selection)
    removed = gallery.remove(chosen)
    shards = gallery.shards()
    timeless = sum(item.time is None for shard in shards for item in shard.labels)
    if options.json:
        return json.dumps(
            {"removed": list(removed), "images": gallery.count(), "without_time": timeless}, indent=2
        )
    text = f"{options.gallery}: {len(removed):,} images and embeddings removed; {gallery.count():,} are left"
    if chosen.before is not None and timeless:
        text += f", {timeless:,} of them of unknown time, which a date cannot remove"
    return f"{text}. The image files themselves are yours to delete"


def _rebuild(options: argparse.Namespace) -> str:
    """Make the index anew."""
    return f"{options.gallery}: {_open(options).rebuild():,} images, index made anew"


def _migrate(options: argparse.Namespace) -> str:
    """Embed all images with another network."""
    from genreid.features.extract import Extractor  # noqa: PLC0415

    chosen = feature_options(options)
    gallery = _open(options)
    extractor = Extractor.from_run(options.run, chosen)
    after = gallery.migrate(options.run, chosen, extractor, drop_missing=options.drop_missing)
    return f"{options.gallery}: {after.count():,} images, embedded anew by {options.run}"


def _export(options: argparse.Namespace) -> str:
    """Write a gallery in another program's format."""
    from genreid.search.export import export  # noqa: PLC0415

    return f"{export(_open(options), options.to, options.out)}: {_open(options).count():,} images"


def _open(options: argparse.Namespace) -> "Gallery":
    """Open the gallery that was typed."""
    from genreid.search.gallery import Gallery  # noqa: PLC0415

    return Gallery.open(options.gallery, options.files)


def _arguments() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Return the options of the verb, and those of `add` alone."""
    parser = Arguments(
        prog="genreid gallery",
        description=(
            "Keep the embeddings of many images for `genreid search`. GALLERY is a folder, or "
            "http://HOST:PORT of a Milvus server. Where people are filmed, consent and law come first."
        ),
    )
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="add|info|remove|prune|rebuild|migrate|export"
    )
    adding = _add_add(verbs)
    _verb(verbs, "info", "what a gallery holds", json_too=True)
    remove = _verb(verbs, "remove", "delete images, with every number of their embeddings", json_too=True)
    remove.add_argument(
        "--image", nargs="+", type=Path, metavar="IMG", help="these files, by path or content"
    )
    remove.add_argument("--track", nargs="+", metavar="T", help="these tracks")
    remove.add_argument("--camera", nargs="+", metavar="C", help="these cameras")
    remove.add_argument("--before", metavar="T", help="images taken before, such as 2026-11-01")
    remove.add_argument("--time-format", metavar="F", help="how T is written, as of strptime")
    prune = _verb(verbs, "prune", "delete images that are older than some days", json_too=True)
    prune.add_argument(
        "--older-than", type=float, required=True, metavar="DAYS", help="by the time in their names"
    )
    _verb(verbs, "rebuild", "make the index anew from the FeatureSet files")
    migrate = _verb(verbs, "migrate", "embed all images again, with another network or other feature options")
    migrate.add_argument("--run", type=Path, required=True, metavar="RUN", help="the other run")
    migrate.add_argument("--drop-missing", action="store_true", help="leave out images whose files are gone")
    add_feature_options(migrate)
    export = _verb(verbs, "export", "write embeddings and labels for another program")
    export.add_argument("--to", choices=("fiftyone", "csv", "parquet", "numpy"), required=True, help="format")
    export.add_argument("--out", type=Path, required=True, metavar="OUT", help="folder (fiftyone), or file")
    return parser, adding


def _verb(
    verbs: "argparse._SubParsersAction[Arguments]", name: str, text: str, *, json_too: bool = False
) -> argparse.ArgumentParser:
    """Add a verb that works on one gallery."""
    verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    verb.add_argument("gallery", metavar="GALLERY", help="its folder, or http://HOST:PORT[/NAME]")
    verb.add_argument(
        "--files", type=Path, metavar="DIR", help="http: the folder of its files (default: HOST-PORT-NAME)"
    )
    if json_too:
        verb.add_argument("--json", action="store_true", help="answer in JSON")
    return verb


def _add_add(verbs: "argparse._SubParsersAction[Arguments]") -> argparse.ArgumentParser:
    """Add the options of `add`, and return them."""
    verb = _verb(
        verbs, "add", "embed images and keep them; what is there is not embedded again", json_too=True
    )
    add = verb.add_argument
    add("images", nargs="*", type=Path, metavar="IMG", help="image files, or folders of them")
    add("--run", type=Path, metavar="RUN", help="the run that embeds (default: the gallery's)")
    add("--data", type=Path, metavar="DIR", help="a data set, or any folder with --pattern")
    add(
        "--split",
        choices=("train", "query", "gallery", "all"),
        default="all",
        help="of a data set (default: %(default)s)",
    )
    add(
        "--pattern",
        metavar="P",
        help="where they stand in a path: '(?P<camera>..)(?P<time>..)(?P<track>..)', each may be left out",
    )
    add("--time-format", metavar="F", help="how the time is written, as of strptime (default: ISO 8601)")
    add_feature_options(verb)
    return verb
