"""`genreid export`: a trained network as a file that other programs run."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from genreid.cli.arguments import Arguments
from genreid.export.order import ExportOrder, Target, What
from genreid.features.options import add_feature_options, feature_options

_NOT_TAKEN = {
    "precision": "an export is of float32, or with --half of half precision",
    "batch_size": "a file takes batches of any size; --max-batch N says which is tried",
}


def main(argv: Sequence[str]) -> int:
    """Run `genreid export` and return its exit status: 0 if the files were handed over.

    Args:
        argv: The words after the verb.

    Raises:
        ValueError: If the run holds no such network, the tool cannot be told of it, or what was exported does
            not give what torch gives; says what to type.
    """
    arguments = _arguments().parse_args(argv)
    for name, why in _NOT_TAKEN.items():
        if name in arguments:
            msg = f"genreid export does not take --{name.replace('_', '-')}: {why}"
            raise ValueError(msg)
    options = feature_options(arguments)
    order = ExportOrder(
        arguments.out,
        arguments.target,
        arguments.what,
        half=arguments.half,
        max_batch=arguments.max_batch,
        force=arguments.force,
    )
    from genreid.export.job import export_run  # noqa: PLC0415 - torch, once all else is right

    exported = export_run(arguments.run, order, options)
    if arguments.json:
        answer = {"files": [str(path) for path in exported.files], **exported.sidecar}
        sys.stdout.write(json.dumps(answer) + "\n")
        return 0
    parity = exported.sidecar["parity"]
    batches = ", ".join(map(str, parity["batches"]))
    near = (
        f"smallest cosine to torch {parity['cosine_min']:.7f}, "
        f"rank-1 agreement {parity['rank1_agreement']:.0%}"
        if "cosine_min" in parity
        else f"at least {parity['psnr_min']:.1f} dB from torch's pictures"
    )
    sys.stdout.write(f"{near} ({parity['files']} files, batches of {batches})\n")
    for path in exported.files:
        sys.stdout.write(f"{path}\n")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options of the verb."""
    parser = Arguments(
        prog="genreid export",
        description=(
            "Write a trained network as a file that other programs run. Before it is handed over it embeds "
            "drawn people from picture files, in several batches, and must give torch's embeddings."
        ),
        epilog="What each tool reads, and what its own resizing costs: docs/export.md.",
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="folder of `genreid train` or `genreid adapt`")
    add(
        "--for",
        dest="target",
        choices=get_args(Target),
        required=True,
        help="the tool; plain: ONNX that takes RGB / 255",
    )
    add("--out", type=Path, required=True, metavar="PATH", help="the file to write; roboflow-reid: a folder")
    add(
        "--what",
        choices=get_args(What),
        default="reid",
        help="the re-id network, CR-GAN's generator, or DG-Net's (default: reid)",
    )
    add("--half", action="store_true", help="the backbone in half precision")
    add("--max-batch", type=int, default=32, metavar="N", help="the largest batch (default: %(default)s)")
    add("--force", action="store_true", help="replace PATH even if it is no export of genreid")
    add("--json", action="store_true", help="print what was handed over, with its parity, as JSON")
    add_feature_options(parser)
    return parser
