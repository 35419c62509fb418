"""Masks a second: `make_masks` with one process a core, against plain calls image by image in one process.

    python -m benchmarks.masks [--count N] [--repeats R] [--images DIR] [--tiny] [--out F.json]

The plain loop does what one would write first: open, pad, resize, run the network, cut out, write; with one
thread in the network, and with a thread for each core. Without DIR, crops of 128 x 64 are drawn: the time
hardly depends on what they show. The three take turns; the load is noted, since a busy machine decides much.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.drawn import draw_crops
from benchmarks.measure import Sheet, Target, add_options, ratios, spread
from genreid.data.decode_all import usable_cores
from genreid.data.listing import walk_images
from genreid.masks.blazepose import BlazePoseParser, load_blazepose
from genreid.masks.make import make_masks


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    if options.tiny:
        options.count, options.repeats = 8, 1
    sheet = Sheet("masks", "person masks, against the same model called image by image")
    parser = load_blazepose()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        root = options.images or draw_crops(place / "crops", options.count)
        images = sorted(walk_images(root))[: options.count]
        few = images[: max(1, len(images) // 4)]
        rates: dict[str, list[float]] = {
            "make_masks": [],
            "plain, 1 thread": [],
            "plain, a thread a core": [],
        }
        for turn in range(options.repeats):
            rates["make_masks"].append(_our_rate(images, root, place / f"ours{turn}", parser))
            rates["plain, 1 thread"].append(_plain_rate(few, place / f"one{turn}", parser, 1))
            rates["plain, a thread a core"].append(
                _plain_rate(few, place / f"threads{turn}", parser, usable_cores())
            )
    threads = max(("plain, 1 thread", "plain, a thread a core"), key=lambda name: median(rates[name]))
    ours, theirs = spread(rates["make_masks"])["median"], spread(rates[threads])["median"]
    sheet.figures = {
        "images": len(images),
        "cores": usable_cores(),
        "masks_per_second": {name: spread(found) for name, found in rates.items()},
    }
    sheet.targets.append(
        Target(
            what="person masks: the more of 100 crops/s and twice the model called image by image",
            ours=f"{ours:.3g} crops/s",
            reference=f"{threads}: {theirs:.3g} crops/s",
            ratio=ratios(rates["make_masks"], rates[threads])["median"],
            bound=max(2.0, 100 / theirs),
        )
    )
    return sheet.finish(options)


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.masks")
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=Path)
    return add_options(parser)


def _our_rate(images: Sequence[Path], root: Path, out: Path, parser: BlazePoseParser) -> float:
    """Return masks a second of the package, start of the processes included."""
    return round(len(images) / make_masks(images, root, out, parser).seconds, 1)


def _plain_rate(images: Sequence[Path], out: Path, parser: BlazePoseParser, threads: int) -> float:
    """Return masks a second of the loop that one would write first."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - an extra

    out.mkdir()
    network = Interpreter(model_path=str(parser.model_file), num_threads=threads)
    network.allocate_tensors()
    entry, mask_output = network.get_input_details()[0]["index"], network.get_output_details()[2]["index"]
    start = time.perf_counter()
    for path in images:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        height, width = pixels.shape[:2]
        border = round(0.12 * height)
        side = max(height, width) + 2 * border
        top, left = (side - height) // 2, (side - width) // 2
        padding = ((top, side - height - top), (left, side - width - left), (0, 0))
        square = Image.fromarray(np.pad(pixels, padding, mode="edge")).resize((256, 256))
        network.set_tensor(entry, np.asarray(square, np.float32)[None] / 255)
        network.invoke()
        logits = np.clip(network.get_tensor(mask_output)[0, :, :, 0], -30, 30)
        probability = 1 / (1 + np.exp(-logits))
        whole = Image.fromarray(probability).resize((side, side), Image.Resampling.BILINEAR)
        mask = np.asarray(whole)[top : top + height, left : left + width] >= 0.5
        Image.fromarray(mask).save(out / f"{path.stem}.png")
    return round(len(images) / (time.perf_counter() - start), 1)


if __name__ == "__main__":
    sys.exit(main())
