"""Run folders without training, for tests of what reads them: drawn people, embeddings by chance."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from genreid.data.load import load_dataset
from genreid.data.sample import Sample
from genreid.evaluation.ranking import rank
from genreid.evaluation.records import EvaluatedImages, evaluation_name, record_evaluation
from genreid.features.feature_set import FeatureSet
from tests.drawn_datasets import draw_market1501


def embed(samples: tuple[Sample, ...], seed: int = 0, **metadata: str) -> FeatureSet:
    """Return embeddings near one point for each person."""
    random = np.random.default_rng([seed, 1])
    people = {
        sample.pid: np.random.default_rng([seed, 2, sample.pid + 1]).normal(size=8) for sample in samples
    }
    rows = np.array([people[sample.pid] + random.normal(size=8) for sample in samples])
    return FeatureSet(
        (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32),
        np.array([sample.pid for sample in samples]),
        np.array([sample.camid for sample in samples]),
        tuple(str(sample.path) for sample in samples),
        {"stage": "adapted", "pooling": "average", **metadata},
    )


def draw_run(run: Path, target: Path, *, seed: int = 0) -> Path:
    """Write all parts of a run of `genreid adapt`, without evaluations."""
    (run / "images").mkdir(parents=True)
    (run / "config.yaml").write_text(
        f"image:\n  height: 64\n  width: 32\nstage2:\n  iterations: {100 + seed}\n"
    )
    job = {
        "command": "adapt",
        "source": "nowhere",
        "target": str(target),
        "renderer": "crgan",
        "holdout": 0,
        "seed": seed,
    }
    (run / "job.json").write_text(json.dumps({**job, "version": "0.1.0", "torch": "2.15"}))
    for stage, steps in (("identity", 60), ("rendering", 100)):
        folder = run / "checkpoints" / stage / f"{steps:08d}"
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps({"iterations": 100}))
    with (run / "metrics.jsonl").open("w") as file:
        for stage, terms in (("identity", ("identity", "accuracy")), ("rendering", ("domain", "unheard_of"))):
            for step in range(20, 101, 20):
                values = {name: number + 1 / step for number, name in enumerate(terms)}
                file.write(json.dumps({"stage": stage, "step": step, "seconds": step / 10, **values}) + "\n")
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(run / "images" / "renderings.png")
    return run


def evaluate_run(run: Path, target: Path, seed: int = 0, **metadata: str) -> Path:
    """Rank a data set by embeddings of chance and keep it in the run."""
    dataset = load_dataset(target)
    query, gallery = embed(dataset.query, seed, **metadata), embed(dataset.gallery, seed, **metadata)
    images = EvaluatedImages(folder=str(target))
    name = evaluation_name(images, query.metadata)
    return record_evaluation(run, name, rank(query, gallery), query, gallery, images)


def draw_target(root: Path) -> Path:
    """Write a small data set."""
    return draw_market1501(root, pids=4, cameras=3, size=(32, 16))
