"""`genreid evaluate --rerank` as a person types it: on files of features, whole and in two halves."""

import json
from pathlib import Path

import numpy as np
import pytest

from genreid.cli.evaluate import main
from genreid.evaluation.ranking import rank_from_distances
from genreid.evaluation.reranking import RerankingConfig
from genreid.features.feature_set import FeatureSet
from tests.oracles.rerank_oracle import reranked


def drawn_features(rows: int, seed: int, low: int, halves: str | None = None) -> FeatureSet:
    """Draw eight people; -1 is junk, 0 distractors."""
    rng = np.random.default_rng(seed)
    pid = rng.integers(low, 9, rows)
    people = np.random.default_rng(0).standard_normal((10, 12))
    vectors = people[pid] + 0.9 * rng.standard_normal((rows, 12))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    metadata = {} if halves is None else {"halves": halves, "fine_weight": "1"}
    return FeatureSet(unit, pid, rng.integers(1, 4, rows), metadata=metadata)


def saved(folder: Path, halves: str | None = None) -> list[str]:
    names = [folder / "query.safetensors", folder / "gallery.safetensors"]
    drawn_features(20, 1, 1, halves).save(names[0])
    drawn_features(90, 2, -1, halves).save(names[1])
    return ["--query", str(names[0]), "--gallery", str(names[1])]


def test_json_says_what_the_oracle_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = saved(tmp_path)
    assert main([*words, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main([*words, "--rerank", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    query, gallery = FeatureSet.load(words[1]), FeatureSet.load(words[3])
    gallery = gallery.select(gallery.pid != -1)  # junk is nobody's neighbour
    distances = reranked(query.embedding, gallery.embedding)
    expected = rank_from_distances(distances, query.pid, gallery.pid, query.camid, gallery.camid)
    assert answer.pop("reranking") == {"k1": 20, "k2": 6, "lambda": 0.3}
    assert answer == pytest.approx(expected.to_json(), abs=1e-4)
    assert list(answer) == list(plain)
    assert answer["mAP"] > plain["mAP"]


def test_halves_are_re_ranked_alone_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = saved(tmp_path, halves="primary:7,fine:5")
    main([*words, "--json"])
    plain = json.loads(capsys.readouterr().out)
    main([*words, "--rerank", "--json"])
    answer = json.loads(capsys.readouterr().out)
    for half in ("primary", "fine"):
        assert answer[half].keys() == plain[half].keys()
        assert answer[half]["mAP"] != plain[half]["mAP"]


def test_the_table_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = RerankingConfig()
    numbers = f"k1 {config.k1}, k2 {config.k2}, lambda {config.original_weight}"
    main([*saved(tmp_path), "--rerank"])
    assert numbers in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert numbers in " ".join(capsys.readouterr().out.split())
