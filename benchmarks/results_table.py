"""docs/results.md from results/*.json; `python -m benchmarks.results_table` writes it, a test compares."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"
MEANINGS = {
    "on_source": "stage I alone, trained and searched on the source",
    "direct": "stage I alone, trained on the source",
    "direct_lmp": "the same, local max pooling",
    "bn_control": "direct, BN statistics re-estimated on up to 3,840 target images, no training",
    "source_control": "direct, trained on with real source images for as long as stage III",
    "source_bn_control": "source_control, then BN as above",
    "crgan": "CR-GAN: stage III on renderings",
    "crgan_bn": "crgan, then BN as above",
    "crgan_lmp": "crgan, local max pooling",
    "cut_paste": "stage III on source people pasted on target images",
    "cut_paste_bn": "cut_paste, then BN as above",
    "without_dual": "CR-GAN whose generator does not see the target image",
    "without_dual_bn": "without_dual, then BN as above",
    "imagenet_cluster": "Cluster Contrast on the target's unlabelled images, from ImageNet",
    "direct_cluster": "the same, from stage I",
    "crgan_cluster": "the same, from CR-GAN's stage III",
    "direct_taudl": "TAUDL, told which images of one camera show one person, from stage I",
    "crgan_taudl": "the same, from CR-GAN's stage III",
    "teacher": "DG-Net's teacher, on the people of the source",
    "primary": "DG-Net, primary features, as the teacher",
    "fine": "DG-Net, fine features",
    "both": "DG-Net, primary and fine features",
    "longer_teacher": "E_a with both heads, erasing and positives, as long as DG-Net, without generation",
    "teacher_bn": "teacher, BN statistics re-estimated on its own training images",
    "primary_bn": "primary, then BN likewise",
    "fine_bn": "fine, then BN likewise",
    "both_bn": "both, then BN likewise",
    "longer_teacher_bn": "longer_teacher, then BN likewise",
}
"""Row -> what it is."""
COLUMNS = ("rank1", "mAP", "mAP_trapezoid", "mINP")


INTRODUCTION = """# Results

Made by `python -m benchmarks.results_table` from `results/*.json`; not edited by hand. Percentages, single
query, cross-camera; `mAP` is the rectangular form, `mAP_trapezoid` the one of the Market-1501 and DukeMTMC
code. Minutes are those of every stage a row needs (masks apart) and its evaluation, on a machine that was
shared with other work. What was tried, and what the figures say: `docs/lab-notes.md`.
"""


def page() -> str:
    """Return the whole page."""
    names = ("demo.json", "crgan-*.json", "hybrid-*.json", "dgnet-*.json")
    found = (sorted((ROOT / "results").glob(name)) for name in names)
    files = [path for paths in found for path in paths]
    tables = [table(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in files]
    return "\n".join([INTRODUCTION, *tables])


def table(title: str, content: dict[str, Any]) -> str:
    """Return one file as a section with a table.

    Args:
        title: Name of the file without its ending.
        content: What the file holds.
    """
    hardware = content["hardware"]
    made = f"Recipe `{content['config']['recipe']}`, commit `{content['commit'][:10]}`, {hardware['device']}"
    made += f", {hardware['cpu_threads']} threads, torch {hardware['torch']}."
    head = f"| row | what | seed | {' | '.join(COLUMNS)} | minutes |"
    lines = [f"## {title}\n", f"{made}\n", head, "|---|---|---|" + "---|" * (len(COLUMNS) + 1)]
    for name in [name for name in MEANINGS if name in content["rows"]]:
        for seed in content["rows"][name]["seeds"]:
            figures = " | ".join(f"{100 * seed[column]:.1f}" for column in COLUMNS)
            lines.append(f"| `{name}` | {MEANINGS[name]} | {seed['seed']} | {figures} | {seed['minutes']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from benchmarks import results_readme

    PAGE.write_text(page(), encoding="utf-8")
    results_readme.PAGE.write_text(results_readme.page(), encoding="utf-8")
