"""`python -m benchmarks [NAME ...]`: run the benchmarks, each in its own process; one table at the end.

A benchmark is a module of this folder with `main(argv: list[str]) -> int`. It writes its figures to
benchmarks/results/NAME.json; the table, and benchmarks/README.md, are made from these files.
"""

import argparse
import subprocess
import sys

from benchmarks.measure import ROOT
from benchmarks.summary import BENCHMARKS, read_records, targets_table, write_page


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(BENCHMARKS)}"
    )
    parser.add_argument("--tiny", action="store_true", help="each in seconds, to see that it runs")
    options = parser.parse_args(argv)
    names = options.names or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    failed = [name for name in names if not run(name, tiny=options.tiny)]
    if not options.tiny:
        write_page()
    print(f"\n{targets_table(read_records())}")
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def run(name: str, *, tiny: bool) -> bool:
    """Run one benchmark in a process of its own, so that none warms or fills the memory of the next."""
    print(f"\n== {name}: {BENCHMARKS[name].what} (about {BENCHMARKS[name].minutes:g} min)", flush=True)
    words = [sys.executable, "-m", f"benchmarks.{name}", *(["--tiny"] if tiny else [])]
    return subprocess.run(words, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
