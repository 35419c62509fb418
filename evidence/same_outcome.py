"""Whether changed code gives the same networks, bit for bit: `python -m evidence.same_outcome COMMIT`.

Small rows of drawn people, recipe `compact` but for their lengths, are made twice: by the package as it was
at COMMIT and as it is. If all checkpoints and all figures are equal, results/same_outcome.json says so, and
rows that were made by the code of COMMIT are not stale for changes since (docs/reproduce.md). With `--row`
a part of it is tried, and nothing is written.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from genreid.reproduce.state import TRIALS
from tests.drawn_datasets import draw_cuhk03_np, draw_market1501

ROOT = Path(__file__).parents[1]
FILE = ROOT / "results" / TRIALS
RECIPE = "compact"
CRGAN = {
    "stage1_identity.iterations": 6,
    "stage1_identity.batch": 8,
    "stage1_camera.iterations": 4,
    "stage1_camera.batch": 8,
    "stage2.iterations": 8,
    "stage2.batch": 4,
    "spgan.iterations": 4,
    "stage3.iterations": 6,
    "stage3.batch": 8,
}
TAUDL = {**CRGAN, "taudl.iterations": 6, "taudl.batch": 8, "taudl.images": 2}
DGNET = {
    "training.iterations": 12,
    "training.batch": 2,
    "teacher.identity.iterations": 6,
    "teacher.identity.batch": 8,
}
CRGAN_VARIANTS = (
    "crgan_lmp",
    "crgan_bn",
    "source_control",
    "source_long",
    "colour",
    "composite",
    "spgan",
    "cut_paste_bn",
    "without_dual",
    "without_identity",
    "without_camera",
    "without_context",
)
TAUDL_VARIANTS = ("taudl", "direct_taudl", "crgan_taudl", "spgan_taudl")
DGNET_VARIANTS = (
    *("teacher_bn", "both_bn", "primary", "fine", "longer_teacher"),
    *("offline", "without_feeding", "without_feeding_and_identity"),
)
ROWS = {
    **dict.fromkeys((f"crgan/cuhk03-market1501/{variant}" for variant in CRGAN_VARIANTS), CRGAN),
    **dict.fromkeys((f"crgan/cuhk03-market1501/{variant}" for variant in TAUDL_VARIANTS), TAUDL),
    **dict.fromkeys((f"dgnet/market1501/{variant}" for variant in DGNET_VARIANTS), DGNET),
}
"""Rows that go through every training of any row, and their settings."""
KNOWN_ROWS = """
import json
try:
    from genreid.reproduce.rows import ROWS
except ModuleNotFoundError:  # before rows had a room
    from genreid.recipes.reproduce import ROWS

print(json.dumps(list(ROWS)))
"""
WORKER = """
import json, sys
from genreid.cli.main import main
try:
    from genreid.reproduce.code import evaluation_code, training_code
except ModuleNotFoundError:  # before rows had a room; a run's code hung on the paper, too
    from genreid.pipelines.row_code import evaluation_code, training_code as code_for_paper
else:
    code_for_paper = lambda method, paper: training_code(method)

for words in json.loads(sys.argv[1]):
    if main(words):
        sys.exit(f"failed: {words}")
kinds = [(name, "crgan") for name in ("baseline", "adapt", "taudl")]
kinds += [(name, "dgnet") for name in ("baseline", "dgnet")]
codes = {f"{paper} {method}": code_for_paper(method, paper) for method, paper in kinds}
codes |= {f"{paper} evaluation": evaluation_code(paper) for paper in ("crgan", "dgnet")}
print(json.dumps(codes))
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evidence.same_outcome", description=__doc__)
    parser.add_argument("commits", nargs="+", metavar="COMMIT", help="the code that rows were made with")
    parser.add_argument("--row", action="append", choices=ROWS, help="this row alone; nothing is written")
    given = parser.parse_args(argv)
    commits = [_git("rev-parse", "--short=10", commit) for commit in given.commits]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        draw_market1501(root / "market1501", 5, 3, 3, masks_root=root / "masks" / "market1501")
        draw_cuhk03_np(root / "cuhk03", 5, masks_root=root / "masks" / "cuhk03")
        for commit in commits:
            _git("clone", "-q", "--shared", str(ROOT), str(root / commit))
            _git("-C", str(root / commit), "checkout", "-q", commit)
        rows = set(given.row or ROWS).intersection(*(_rows_of(root / commit / "src") for commit in commits))
        now = _outcome(root, "now", ROOT / "src", rows)
        return max(_compare(commit, root, now, rows, keep=given.row is None) for commit in commits)


def _rows_of(source: Path) -> list[str]:
    """Return the names of the rows that the package in a folder knows."""
    words = [sys.executable, "-c", KNOWN_ROWS]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


def _compare(commit: str, root: Path, now: "Outcome", rows: Collection[str], *, keep: bool) -> int:
    """Compare what a commit makes with what today's code made; keep that it is the same."""
    before = _outcome(root, commit, root / commit / "src", rows)
    different = differences(before, now)
    if different:
        sys.stdout.write(f"{len(different)} files are not what {commit} makes, such as {different[:5]}\n")
        return 1
    same = f"{len(before.files)} files are bit for bit those of {commit}"
    if not keep:
        sys.stdout.write(f"{same}; nothing is written of some rows alone\n")
        return 0
    entry = {
        "commit": commit,
        "recipe": RECIPE,
        "device": "cpu",
        "precision": before.precision,
        "rows": sorted(rows),
        "files": len(before.files),
        "codes": {kind: [code, now.codes[kind]] for kind, code in before.codes.items()},
    }
    others = [known for known in _known() if known["commit"] != commit]
    FILE.write_text(json.dumps([*others, entry], indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{same}: {FILE}\n")
    return 0


class Outcome:
    """What one version of the package has made.

    Args:
        root: Where its runs and rows are.
        codes: Its fingerprints, by what they are of.
    """

    def __init__(self, root: Path, codes: Mapping[str, str]) -> None:
        self.codes = codes
        self.precision = ""
        self.files: dict[str, Any] = {}
        self.gains: dict[str, dict[str, Any]] = {}
        for path in sorted(root.rglob("state.json")):
            place = path.parent.relative_to(root / "runs")
            name = "/".join(place.parts[1:])  # the first one names all settings, and new ones may have come
            self.files[name] = json.loads(path.read_text())["sha256"]
        for path in sorted((root / "rows").rglob("*.json")):
            content = json.loads(path.read_text())
            self.precision = content["precision"]
            gains = {gain["over"]: [gain["mAP"], gain["interval"]] for gain in content["gains"]}
            self.files[str(path.relative_to(root))] = [content["figures"], content["interval"]]
            self.gains[content["row"]] = gains


def _outcome(root: Path, name: str, source: Path, rows: Collection[str]) -> Outcome:
    """Make rows with the package in a folder."""
    made = root / f"made_{name}"
    data = [f"--{known}={root / known}" for known in ("market1501", "cuhk03")]
    shared = [
        *data,
        f"--masks={root / 'masks'}",
        f"--runs={made / 'runs'}",
        f"--recipe={RECIPE}",
        "--device=cpu",
    ]
    commands = [
        ["reproduce", row, *shared, f"--out={made / 'rows' / row}.json"]
        + [f"--{setting}={value}" for setting, value in settings.items()]
        for row, settings in ROWS.items()
        if row in rows
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(source),
        "OMP_NUM_THREADS": "1",  # sums in one order
        "GENREID_CACHE": str(made / "cache"),  # each decodes for itself
    }
    words = [sys.executable, "-c", WORKER, json.dumps(commands)]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Outcome(made, json.loads(done.stdout.splitlines()[-1]))


def differences(before: Outcome, after: Outcome) -> list[str]:
    """Return the files that one version has made otherwise than the other, or not at all."""
    names = sorted(before.files | after.files)
    changed = [name for name in names if before.files.get(name, "") != after.files.get(name, "")]
    for row, gains in before.gains.items():  # controls may have come
        shared = {over: gain for over, gain in after.gains.get(row, {}).items() if over in gains}
        changed += [f"gains of {row}"] if shared != gains else []
    return changed


def _known() -> list[dict[str, Any]]:
    """Return the trials so far."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []


def _git(*words: str) -> str:
    """Run git in the repository and return what it says."""
    git = shutil.which("git")
    assert git is not None, "git is not installed"
    done = subprocess.run([git, "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
