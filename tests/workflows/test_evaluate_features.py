"""`genreid evaluate` as a person types it: on files of features, and on a run with a data set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from genreid.cli.evaluate import main
from genreid.data.load import load_dataset
from genreid.data.sample import JUNK_PID, Sample
from genreid.data.training_people import training_people
from genreid.features.feature_set import FeatureSet
from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.runs.checkpoint import CheckpointState, save_checkpoint
from genreid.runs.config_file import config_to_dict
from tests.drawn_datasets import draw_folder_tree, draw_market1501
from tests.oracles.ranking_oracle import OracleRanking, mean, rank_by_definition

KEYS = [
    "rank1",
    "rank5",
    "rank10",
    "rank20",
    "mAP",
    "mAP_trapezoid",
    "mINP",
    "queries",
    "valid_queries",
    "gallery",
]
SIZE = (64, 32)


def oracle(query: FeatureSet, gallery: FeatureSet) -> OracleRanking:
    first, second = query.embedding.astype(np.float64), gallery.embedding.astype(np.float64)
    distances = ((first[:, None] - second[None]) ** 2).sum(-1)
    labels = (query.pid, gallery.pid, query.camid, gallery.camid)
    return rank_by_definition(distances.tolist(), *(each.tolist() for each in labels))


def figures(expected: OracleRanking) -> dict[str, float | int]:
    """What `--json` must say."""
    shares = [expected.cmc[min(k, len(expected.cmc)) - 1] for k in (1, 5, 10, 20)]
    columns = (
        expected.average_precision,
        expected.average_precision_trapezoid,
        expected.inverse_negative_penalty,
    )
    counts = [len(expected.average_precision), expected.valid, expected.gallery]
    return dict(zip(KEYS, [*shares, *(mean(column) for column in columns), *counts], strict=True))


def drawn_features(rows: int, seed: int, low: int) -> FeatureSet:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((rows, 6)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    paths = tuple(f"{seed}/{row}.jpg" for row in range(rows))
    return FeatureSet(unit, rng.integers(low, 12, rows), rng.integers(1, 4, rows), paths)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    query, gallery = tmp_path / "query.safetensors", tmp_path / "gallery.safetensors"
    drawn_features(20, seed=1, low=1).save(query)
    drawn_features(60, seed=2, low=-1).save(gallery)
    return query, gallery


def words(files: tuple[Path, Path], *more: str) -> list[str]:
    return ["--query", str(files[0]), "--gallery", str(files[1]), *more]


def test_json_of_two_files_in_a_process_of_its_own(files: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "genreid.cli.main", "evaluate", *words(files, "--json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    answer = json.loads(done.stdout)
    assert list(answer) == KEYS
    assert answer == pytest.approx(figures(oracle(*map(FeatureSet.load, files))), abs=1e-9)


def test_two_files_need_no_torch(files: tuple[Path, Path]) -> None:
    code = (
        "import sys; from genreid.cli.evaluate import main; main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, *words(files)], capture_output=True, check=True)


@pytest.mark.parametrize(("name", "refused"), [("model", True), ("pooling", True), ("bn_statistics", False)])
def test_files_of_two_networks_are_refused(files: tuple[Path, Path], name: str, refused: bool) -> None:
    """Embeddings of two networks have nothing to do with each other, whatever their width."""
    for path, value in zip(files, ("one", "another"), strict=True):
        features = FeatureSet.load(path)
        copy = np.array(features.embedding)
        FeatureSet(copy, features.pid, features.camid, features.paths, {name: value}).save(path)
    if not refused:
        assert main(words(files)) == 0
        return
    with pytest.raises(ValueError, match=rf"not made by the same network .*{name} is one there and another"):
        main(words(files))


@pytest.mark.parametrize(
    ("numberings", "refused"), [(("a", "b"), True), (("a", "a"), False), (("a", None), False)]
)
def test_files_that_number_people_apart_are_refused(
    files: tuple[Path, Path],
    numberings: tuple[str | None, str | None],
    refused: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for path, value in zip(files, numberings, strict=True):
        features = FeatureSet.load(path)
        metadata = {} if value is None else {"numbering": value}
        copy = np.array(features.embedding)
        FeatureSet(copy, features.pid, features.camid, features.paths, metadata).save(path)
    if refused:
        with pytest.raises(ValueError, match="numbered apart, so a number means somebody else in each"):
            main(words(files))
        return
    assert main(words(files)) == 0
    assert ("be sure that the numbers mean the same" in caplog.text) == (numberings[0] != numberings[1])


def test_extract_notes_how_people_were_numbered(run: Path, tmp_path: Path) -> None:
    from genreid.cli.extract import main as extract  # noqa: PLC0415

    out = tmp_path / "f.safetensors"
    for root, numbered in (
        (draw_folder_tree(tmp_path / "own"), True),
        (draw_market1501(tmp_path / "market"), False),
    ):
        extract([str(run), "--data", str(root), "--split", "query", "--out", str(out)])
        wanted = load_dataset(root).numbering or None
        assert FeatureSet.load(out).metadata.get("numbering") == wanted
        assert (wanted is not None) == numbered


def test_unknown_cameras_are_said_beside_the_figures(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    features = FeatureSet.load(files[1])
    camid = features.camid.copy()
    camid[:7] = -1
    FeatureSet(features.embedding.copy(), features.pid, camid, features.paths).save(files[1])
    main(words(files, "--json"))
    assert json.loads(capsys.readouterr().out)["unknown_cameras"] == 7
    main(words(files))
    text = " ".join(capsys.readouterr().out.split())
    assert "The cameras of 7 of 80 images are unknown" in text
    assert "cross-camera" not in text


def test_what_taudl_was_told_is_said_beside_its_figures(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    features = FeatureSet.load(files[0])
    said = {"uses": "which images belong together"}
    copy = np.array(features.embedding)
    FeatureSet(copy, features.pid, features.camid, features.paths, said).save(files[0])
    main(words(files, "--json"))
    assert json.loads(capsys.readouterr().out)["uses"] == said["uses"]
    main(words(files))
    assert (
        "Not label-free: the network was trained with which images belong together."
        in capsys.readouterr().out
    )


def test_the_table_names_protocol_and_counts(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    query = FeatureSet.load(files[0])
    pid = query.pid.copy()
    pid[3] = 99  # nobody in the gallery
    FeatureSet(query.embedding.copy(), pid, query.camid, query.paths).save(files[0])
    assert main(words(files)) == 0
    text, expected = capsys.readouterr().out, oracle(*map(FeatureSet.load, files))
    for key, value in figures(expected).items():
        if isinstance(value, float):
            assert f"{100 * value:.2f}" in text, key
    for column in ("rank-1", "rank-20", "mAP", "mAP trapezoid", "mINP", "cross-camera"):
        assert column in text
    assert f"{expected.valid} of 20 queries are valid; {expected.gallery} gallery images" in text
    assert "show people whom the gallery does not show" in text
    assert "row 3 (1/3.jpg)" in text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ([], "type `genreid evaluate RUN --data DIR`"),
        (["run"], "type `genreid evaluate RUN --data DIR`"),
        (["--data", "d"], "type `genreid evaluate RUN --data DIR`"),
        (["--query", "q"], "--gallery F is missing"),
        (["--gallery", "g"], "--query F is missing"),
        (["run", "--query", "q", "--gallery", "g"], "got some of both"),
        (["--data", "d", "--query", "q"], "got some of both"),
        (["--query", "q", "--gallery", "g", "--pooling", "lmp"], "hold embeddings already"),
        (["--query", "q", "--gallery", "g", "--format", "folder"], "hold embeddings already"),
        (["--query", "q", "--gallery", "g", "--holdout", "2"], "hold embeddings already"),
        (["run", "--data", "d", "--split", "all"], "give --holdout N, too"),
        (["run", "--data", "d", "--holdout", "0"], "--holdout must be 1 or more"),
    ],
)
def test_half_a_command_is_refused(typed: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        main(typed)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no feature file at .*q\.safetensors"):
        main(words((tmp_path / "q.safetensors", tmp_path / "g.safetensors")))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder with an untrained network."""
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    config = BackboneConfig("test_resnet", weights="none")
    facts = {"backbone": config_to_dict(config), "num_classes": 4, "size": list(SIZE)}
    networks = {"identity": build_reid_network(config, 4)}
    save_checkpoint(
        tmp_path / "run" / "checkpoints" / "identity", CheckpointState("identity", 7, 7, facts), networks, {}
    )
    return tmp_path / "run"


@pytest.mark.parametrize("options", [[], ["--pooling", "lmp", "--precision", "fp32"]])
def test_a_run_on_a_data_set(
    run: Path, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from genreid.cli.extract import main as extract  # noqa: PLC0415

    market = draw_market1501(tmp_path / "market", pids=4)
    assert main([str(run), "--data", str(market), "--json", *options]) == 0
    answer = json.loads(capsys.readouterr().out)
    dataset = load_dataset(market)
    assert answer["queries"] == len(dataset.query)
    assert (
        answer["gallery"] == sum(sample.pid != JUNK_PID for sample in dataset.gallery) < len(dataset.gallery)
    )
    files = tmp_path / "query.safetensors", tmp_path / "gallery.safetensors"
    for split, file in zip(("query", "gallery"), files, strict=True):
        extract([str(run), "--data", str(market), "--split", split, "--out", str(file), *options])
    capsys.readouterr()
    main(words(files, "--json"))
    assert json.loads(capsys.readouterr().out) == pytest.approx(answer, abs=1e-9)


@pytest.mark.parametrize(("split", "left", "pids"), [("train", 2, {3, 4}), ("all", 6, {7, 8})])
def test_people_that_were_held_out(
    run: Path, tmp_path: Path, split: str, left: int, pids: set[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are the people whom training with the same option leaves out."""
    market = draw_market1501(tmp_path / "market", pids=4)
    words = [str(run), "--data", str(market), "--holdout", "2", "--split", split]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    dataset = load_dataset(market)
    trained = {sample.pid for sample in training_people(dataset, "all" if split == "all" else "train", 2)}
    assert len(trained) == left
    assert not trained & pids
    held_out = [sample for sample in dataset.known_people if sample.pid in pids]
    assert answer["holdout"] == {"people": 2, "split": split}
    assert (answer["queries"], answer["valid_queries"], answer["gallery"]) == (4, 4, len(held_out))
    assert main(words) == 0
    assert f"Held-out trial: the last 2 people of the {split} images of {market}" in capsys.readouterr().out


def test_people_that_a_run_knows_are_no_trial(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    market = draw_market1501(tmp_path / "market", pids=4)
    (run / "job.json").write_text(json.dumps({"source": str(market), "holdout": 1, "source_split": "train"}))
    main([str(run), "--data", str(market), "--holdout", "1"])
    assert "may have been learned" not in caplog.text
    main([str(run), "--data", str(market), "--holdout", "2"])
    assert (
        f"{run} was trained with --holdout 1 of the train images of {market}: people ranked here"
        in caplog.text
    )

    (run / "job.json").rename(tmp_path / "job.json")
    (run / "job.json").write_text(json.dumps({"data": "elsewhere", "init": str(tmp_path)}))
    main([str(run), "--data", str(market), "--holdout", "2"])
    assert f"{tmp_path} was trained with --holdout 1" in caplog.text, "a run that this one began from"


def test_a_test_set_that_was_trained_on_is_named(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    market = draw_market1501(tmp_path / "market", pids=4)
    for split, warned in (("train", False), ("all", True)):
        (run / "job.json").write_text(json.dumps({"data": str(market), "holdout": 0, "split": split}))
        main([str(run), "--data", str(market)])
        assert (f"of the {split} images of {market}: people ranked here may" in caplog.text) == warned


def test_a_run_whose_record_is_damaged_can_be_evaluated(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    market = draw_market1501(tmp_path / "market", pids=4)
    (run / "job.json").write_text("{")
    assert main([str(run), "--data", str(market)]) == 0
    assert "nobody can tell whether people ranked here were learned" in caplog.text


def test_people_of_one_camera_are_no_trial(run: Path, tmp_path: Path) -> None:
    market = draw_market1501(tmp_path / "market", pids=4, cameras=1)
    with pytest.raises(ValueError, match="seen by two cameras"):
        main([str(run), "--data", str(market), "--holdout", "2"])


def test_a_data_set_without_queries_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import genreid.pipelines.evaluate  # noqa: PLC0415
    from genreid.data.sample import ReidDataset  # noqa: PLC0415

    only_junk = ReidDataset("folder", tmp_path, (), (), (Sample(tmp_path / "a.jpg", JUNK_PID, 1),))
    monkeypatch.setattr(genreid.pipelines.evaluate, "open_dataset", lambda *_: only_junk)
    with pytest.raises(ValueError, match="has 0 query and 0 gallery images; expected some of both"):
        main([str(run), "--data", str(tmp_path)])
