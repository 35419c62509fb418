"""`python -m benchmarks [NAME ...]`: run the benchmarks, each in its own process, and say which failed.

A benchmark is a module of this folder with `main(argv: list[str]) -> int`. It writes one table to stdout:
what was measured, on what, how often, median and spread.
"""

import argparse
import importlib.util
import subprocess
import sys

BENCHMARKS = {
    "ranking": "CMC, mAP and mINP at Market-1501's size, against numpy.argsort of the same distances",
    "neighbours": "clustering and re-ranking, step by step, up to 100,000 images",
    "masks": "person masks of drawn crops: images a second",
    "crgan_step": "one iteration of CR-GAN's stage II, against a literal one",
    "extraction": "images to embeddings: images a second",
    "synthesize": "drawn people with masks: images a second",
}
"""Module -> what it measures."""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(BENCHMARKS)}"
    )
    names = parser.parse_args(argv).names or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    failed = [name for name in names if not run(name)]
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def run(name: str) -> bool:
    """Run one benchmark in a process of its own, so that none warms or fills the memory of the next."""
    print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
    if importlib.util.find_spec(f"benchmarks.{name}") is None:
        print("not there yet")
        return True
    code = f"import sys; from benchmarks.{name} import main; sys.exit(main([]))"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
