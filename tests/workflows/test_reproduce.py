"""`genreid reproduce` on drawn people, as a user types it: stopped, resumed, shared runs, result files."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from evidence import results_page
from genreid.cli.options import parse_training
from genreid.evaluation.ranking import rank
from genreid.features.options import FeatureOptions
from genreid.pipelines.evaluate import EvaluateJob, embed_sides
from genreid.recipes.crgan import RECIPES, compact
from genreid.reproduce import training as row_training
from genreid.reproduce.file import read_rows, scores_beside
from genreid.reproduce.make import _controls
from genreid.reproduce.plan import ReproduceJob, RowPlan, plan_row
from genreid.reproduce.rows import ROWS, find_row
from genreid.reproduce.state import read_trials, recipe_changes, stale_reason
from genreid.runs.config_file import config_to_dict
from genreid.runs.loop import Outcome
from genreid.runs.trained_networks import load_appearance
from genreid.training.adapt_config import AdaptConfig
from tests.command_line import Answer, genreid
from tests.drawn_datasets import draw_cuhk03_np, draw_dukemtmc, draw_market1501
from tests.workflows.test_adapt import TINY as TINY_CRGAN
from tests.workflows.test_train_dgnet import TINY as TINY_DGNET

PAIR = "crgan/market1501-dukemtmc"
UNKNOWN = {"code": None, "commit": None, "device": None}
TAUDL = ("--taudl.iterations", "3", "--taudl.batch", "24", "--taudl.neck.width", "16")


@dataclass(frozen=True)
class World:
    """Drawn people as three data sets with masks, runs, and the command line."""

    root: Path

    def words(self, name: str, *more: str) -> list[str]:
        """The command line of a row, with tiny networks."""
        crgan = name.startswith("crgan")
        data = [f"--{known}={self.root / known}" for known in ("market1501", "dukemtmc", "cuhk03")]
        settings = [f"--{key}={value}" for key, value in (TINY_CRGAN if crgan else TINY_DGNET).items()]
        folders = [f"--runs={self.root / 'runs'}", f"--masks={self.root / 'masks'}"]
        stage2 = ["--stage2.iterations=4", *TAUDL] if crgan else []
        return ["reproduce", name, *data, *settings, *stage2, *folders, *more]

    def plan(self, name: str, *more: str) -> RowPlan:
        """What the command line of a row asks for."""
        row = find_row(name)
        arguments = parse_training(
            AdaptConfig,
            RECIPES,
            self.words(name, *more)[2:],
            job_type=ReproduceJob,
            prog="reproduce",
            default_recipe="paper",
        )
        return plan_row(row, arguments.job, arguments.run, arguments.config)

    def make(self, name: str, *more: str) -> dict[str, Any]:
        """Make a row and return its result file."""
        answer = genreid(*self.words(name, "--json", f"--out={self.root / 'row.json'}", *more))
        assert answer.code == 0, answer.err
        content = json.loads(answer.out)
        assert content.pop("finished") is True
        assert content == json.loads((self.root / "row.json").read_text())
        assert isinstance(content, dict)
        return content

    def logs(self) -> dict[str, str]:
        """What every run has logged, by its folder's name."""
        return {path.parent.name: path.read_text() for path in self.root.glob("runs/*/*/*/*/metrics.jsonl")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("reproduce")
    draw_market1501(root / "market1501", 3, 2, size=(32, 16), masks_root=root / "masks" / "market1501")
    draw_dukemtmc(root / "dukemtmc", 4, 2)
    draw_cuhk03_np(root / "cuhk03")
    for path in (root / "dukemtmc").rglob("*.jpg"):
        mask = root / "masks" / path.relative_to(root).with_suffix(".png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            person = Image.new("1", image.size)
            person.paste(1, (image.width // 4, 0, 3 * image.width // 4, image.height))
            person.save(mask)
    before = os.environ.get("GENREID_CACHE")
    os.environ["GENREID_CACHE"] = str(root / "cache")
    yield World(root)
    os.environ.pop("GENREID_CACHE")
    if before is not None:
        os.environ["GENREID_CACHE"] = before


@pytest.fixture(scope="module")
def stopped(world: World) -> Answer:
    """The first command of all, out of time after its first step."""
    return genreid(*world.words(f"{PAIR}/crgan_lmp", "--max-minutes", "0", "--json"))


@pytest.fixture(scope="module")
def crgan_lmp(world: World, stopped: Answer) -> dict[str, Any]:
    assert stopped.code == 0
    return world.make(f"{PAIR}/crgan_lmp")


def test_a_row_stops_when_time_is_up(stopped: Answer) -> None:
    assert json.loads(stopped.out) == {
        "row": f"{PAIR}/crgan_lmp",
        "finished": False,
        "outcome": "out of time",
    }
    assert "the same command resumes it" in stopped.err


def test_the_same_command_resumes_it(world: World, crgan_lmp: dict[str, Any]) -> None:
    steps = [json.loads(line)["step"] for line in world.logs()["direct"].splitlines()]
    assert steps == [1, 4], "the first step is not done again"
    assert crgan_lmp["row"] == f"{PAIR}/crgan_lmp"


def test_what_a_result_file_holds(crgan_lmp: dict[str, Any]) -> None:
    content = crgan_lmp
    assert content["published"] == {"rank1": 0.56, "rank5": 0.705, "rank10": 0.746, "mAP": 0.333}
    assert (content["paper"], content["tables"], content["seed"]) == ("CR-GAN", [2, 5, 6, 11], 5)
    assert content["recipe"].startswith("paper+")
    figures = content["figures"]
    assert figures["valid_queries"] == 8
    for name in ("rank1", "mAP", "mAP_trapezoid", "mINP"):
        low, high = content["interval"][name]
        assert 0 <= low <= figures[name] <= high <= 1
    assert content["config"]["stage2"]["iterations"] == 4
    assert set(content["data"]) == {"market1501", "dukemtmc"}
    assert {len(data["sha256"]) for data in content["data"].values()} == {64}
    assert content["data"]["market1501"]["train"] == 12
    assert content["weights"]["start"] is None
    assert (content["weights"]["evaluated"]["stage"], content["weights"]["evaluated"]["step"]) == (
        "finetuning",
        "5",
    )
    assert len(content["weights"]["evaluated"]["sha256"]) == 64
    assert len(content["code"]) == 16
    assert list(content["runs"]) == ["direct", "crgan"]
    assert {len(maker["code"]) for makers in content["runs"].values() for maker in makers} == {16}
    assert {maker["device"] for makers in content["runs"].values() for maker in makers} == {"cpu"}
    assert {name: len(masks["sha256"]) for name, masks in content["masks"].items()} == {
        "market1501": 64,
        "dukemtmc": 64,
    }
    assert content["definition"]["runs"][1] == ["crgan", "adapt", "crgan"]
    assert {"commit", "version", "precision"} <= set(content)
    assert content["hardware"]["device"] == "cpu"
    assert content["minutes"] >= 0


def test_the_difference_of_recipes_is_said_in_words(crgan_lmp: dict[str, Any]) -> None:
    settings, words = crgan_lmp["difference"]["settings"], crgan_lmp["difference"]["words"]
    assert settings["stage2.iterations"] == {"ours": 4, "paper": 60_000}
    assert "taudl.iterations" not in settings, "it plays no part in this row"
    assert any(line.startswith("stage2.iterations: 4, in the paper's recipe 60000. Iter") for line in words)
    assert any("published: 12,936 / 3,368 / 15,913" in line for line in words)
    assert any(line.startswith("Person masks by unknown; the paper's") for line in words)
    assert any(line.startswith("Arithmetic: ") for line in words) == (crgan_lmp["precision"] != "fp32")


def test_gains_over_the_controls_that_are_there(crgan_lmp: dict[str, Any]) -> None:
    assert [gain["over"] for gain in crgan_lmp["gains"]] == [f"{PAIR}/direct", f"{PAIR}/direct_lmp"]
    over_direct = crgan_lmp["gains"][0]
    assert over_direct["published"] == {"rank1": 0.191, "rank5": None, "rank10": None, "mAP": 0.128}
    low, high = over_direct["interval"]["mAP"]
    assert low <= over_direct["mAP"] <= high
    assert crgan_lmp["gains"][1]["published"] is None
    assert crgan_lmp["controls_not_made"] == [f"{PAIR}/source_control_lmp"]
    assert over_direct["runs"] == {"direct": crgan_lmp["runs"]["direct"]}
    assert len(over_direct["weights"]["sha256"]) == 64


def test_a_second_row_of_the_pair_trains_nothing_again(world: World, crgan_lmp: dict[str, Any]) -> None:
    before = world.logs()
    direct, crgan = world.make(f"{PAIR}/direct"), world.make(f"{PAIR}/crgan")
    assert world.logs() == before
    gain = next(gain for gain in crgan_lmp["gains"] if gain["over"] == direct["row"])
    assert gain["mAP"] == pytest.approx(crgan_lmp["figures"]["mAP"] - direct["figures"]["mAP"], abs=2e-6)
    others = ("source_control", "source_long", "colour", "composite", "cut_paste")
    assert crgan["controls_not_made"] == [f"{PAIR}/{name}" for name in others]
    assert crgan["weights"] == crgan_lmp["weights"]
    assert direct["weights"]["evaluated"]["stage"] == "identity"
    assert not any(name.startswith(("stage2", "stage3")) for name in direct["difference"]["settings"])


@pytest.mark.usefixtures("crgan_lmp")
def test_a_row_without_a_loss_and_one_with_taudl(world: World) -> None:
    without = world.make(f"{PAIR}/without_identity")
    assert without["config"]["stage2"]["weights"]["identity"] == 0
    assert "stage2.weights.identity" not in without["difference"]["settings"], "it is what the row is"
    terms = [line for line in world.logs()["without_identity"].splitlines() if '"rendering"' in line]
    assert terms
    assert all("identity" not in json.loads(line) for line in terms)
    hybrid = world.make(f"{PAIR}/crgan_taudl")
    assert hybrid["weights"]["evaluated"]["stage"] == "taudl"
    assert any("one camera show one person" in line for line in hybrid["difference"]["words"])
    assert {"direct", "crgan", "without_identity", "crgan_taudl"} == set(world.logs())


def test_dgnet_on_cuhk03_beside_its_teacher(world: World) -> None:
    both = world.make("dgnet/cuhk03/both")
    assert both["published"] == {"rank1": 0.656, "rank5": None, "rank10": None, "mAP": 0.611}
    assert [gain["over"] for gain in both["gains"]] == ["dgnet/cuhk03/teacher"]
    before = world.logs()
    teacher, primary = world.make("dgnet/cuhk03/teacher"), world.make("dgnet/cuhk03/primary")
    assert world.logs() == before, "the teacher is shared, and halves are of one run"
    assert teacher["published"] is None
    assert all(name.startswith("teacher.") for name in teacher["difference"]["settings"])
    assert primary["weights"]["evaluated"] == both["weights"]["evaluated"] != teacher["weights"]["evaluated"]


def test_dgnet_fed_offline_or_not_at_all(world: World) -> None:
    """Its last stage is evaluated; without feeding and identity losses, their terms are not computed."""
    offline = world.make("dgnet/cuhk03/offline")
    assert offline["weights"]["evaluated"]["stage"] == "offline"
    assert offline["published"] is None, "the text speaks of Market-1501"
    assert "training.feeding" not in offline["difference"]["settings"], "it is what the row is"
    fed = world.make("dgnet/cuhk03/without_feeding")
    neither = world.make("dgnet/cuhk03/without_feeding_and_identity")
    assert [gain["over"] for gain in neither["gains"]] == [fed["row"]]
    terms = {
        name: {term for line in world.logs()[name].splitlines() for term in json.loads(line)}
        for name in ("without_feeding", "without_feeding_and_identity", "offline")
    }
    identity = {"identity", "positive_identity", "fine_identity", "generated_identity"}
    assert {"primary", "fine"} <= terms["offline"]
    assert not {"primary", "fine"} & terms["without_feeding"]
    assert identity <= terms["without_feeding"]
    assert neither["config"]["training"]["weights"]["generated_identity"] == 0
    offline_run = find_row("dgnet/cuhk03/offline").training
    run = next(world.root.glob("runs/*/dgnet/cuhk03/offline"))
    shutil.rmtree(run / "checkpoints" / "offline")
    assert row_training.finished(run, offline_run) is None, "DG-Net's own stage is not this row's network"


def test_figure_8_of_dgnet(world: World) -> None:
    out = world.root / "figure8" / "f.json"
    settings = [f"--{key}={value}" for key, value in TINY_DGNET.items()]
    people = draw_market1501(world.root / "people", 6, 2, size=(32, 16))
    words = [f"--market1501={people}", "--alphas=[50]", "--betas=[0, 3]", "--holdout=3", f"--out={out}"]
    runs = f"--runs={world.root / 'runs8'}"
    stopped = genreid("reproduce", "--figure", "dgnet/8", *words, *settings, runs, "--max-minutes=0")
    assert (stopped.code, "not finished (out of time)" in stopped.out) == (0, True)
    answer = genreid("reproduce", "--figure=dgnet/8", *words, *settings, runs)
    assert answer.code == 0, answer.err
    content = json.loads(out.read_text())
    assert [(line["alpha"], line["beta"]) for line in content["alpha"]] == [(50, 0.5)]
    assert [(line["alpha"], line["beta"]) for line in content["beta"]] == [(0.2, 0), (0.2, 3)]
    run = next((world.root / "runs8").glob("*/dgnet/market1501/alpha-0.2"))
    other = run.with_name("alpha-50")
    assert other.is_dir()
    job = EvaluateJob(run, people, holdout=3)
    for line in content["beta"]:
        found = rank(
            *embed_sides(job, FeatureOptions(device="cpu", precision="fp32", fine_weight=line["beta"]))
        )
        assert line["mAP_trapezoid"] == pytest.approx(found.mAP_trapezoid, abs=1e-5)
    heads = [load_appearance(each).network.fine.classifier.weight for each in (run, other)]
    assert not torch.equal(*heads), "alpha is what the fine head learns by"
    page = out.with_suffix(".html").read_text()
    assert page.count("<polyline") == 4
    assert "3 people held out of training" in page
    assert "beta 3: mAP trapezoid" in page
    text = answer.out
    assert f"{100 * content['beta'][1]['mAP_trapezoid']:.1f}" in text
    wrong = genreid("reproduce", "--figure", "dgnet/4")
    assert (wrong.code, "expected dgnet/8, got 'dgnet/4'" in wrong.err) == (2, True)
    wrong = genreid("reproduce", "--figure", "dgnet/8", words[0], "--betas=[-1]", *settings)
    assert (wrong.code, "each from 0, got [-1.0]" in wrong.err) == (2, True)


@pytest.mark.usefixtures("crgan_lmp")
def test_ours_is_printed_beside_the_papers(world: World) -> None:
    out = world.root / "printed" / "row.json"
    answer = genreid(*world.words(f"{PAIR}/crgan_lmp", "--out", str(out)))
    assert answer.code == 0, answer.err
    for words in ("the paper", "56.0", "ours (paper+", "gain over direct_lmp", "+19.1", "bootstrap interval"):
        assert words in answer.out, words
    assert "stage2.iterations: 4, in the paper's recipe 60000" in answer.out
    assert out.is_file()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("crgan/market1501-dukemtmc/crgn_lmp",), "did you mean crgan/market1501-dukemtmc/crgan_lmp"),
        (("crgan/cuhk03-market1501/crgan",), "needs --cuhk03 DIR and --market1501 DIR"),
        (("dgnet/cuhk03/both", "--holdout", "2"), "choose settings with `genreid adapt|train --holdout 2`"),
        (("--recipe", "compact"), "expected the name of a row first, got --recipe"),
        (("dgnet/cuhk03/both", "--recipe", "single_cpu"), "did you mean 'single_gpu'?"),
        (("--list", "no_such_row"), "no row has all of no_such_row"),
    ],
)
def test_mistakes_are_named(words: tuple[str, ...], named: str) -> None:
    answer = genreid("reproduce", *words)
    assert answer.code == 2
    assert named in answer.err


def test_another_data_set_is_refused(world: World) -> None:
    answer = genreid("reproduce", "dgnet/dukemtmc/both", "--dukemtmc", str(world.root / "cuhk03"))
    assert answer.code == 2
    assert "expected dukemtmc, found cuhk03-np" in answer.err


def copy_row(world: World, content: dict[str, Any], name: str) -> Path:
    """Put a result file where the list and the page of the results look for it."""
    place = world.root / name / f"{content['row']}.{content['recipe']}.seed{content['seed']}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(content))
    return world.root / name


def test_the_list_says_what_rows_need_and_how_long_they_took(world: World, crgan_lmp: dict[str, Any]) -> None:
    results = copy_row(world, crgan_lmp, "listed")
    answer = genreid("reproduce", "--list", "--json", "--results", str(results))
    rows = {row["row"]: row for row in json.loads(answer.out)}
    assert list(rows) == list(ROWS)
    row = rows[f"{PAIR}/crgan_lmp"]
    assert row["needs"] == ["market1501", "dukemtmc"]
    assert row["published"] == {"rank1": 0.56, "rank5": 0.705, "rank10": 0.746, "mAP": 0.333}
    assert row["measured"] == [
        {"recipe": crgan_lmp["recipe"], "device": "cpu", "minutes": crgan_lmp["minutes"]}
    ]
    assert rows["dgnet/msmt17/both"]["measured"] == []
    text = genreid("reproduce", "--list", "table10", "--results", str(results)).out
    assert "dgnet/cuhk03/both  table 10: 65.6 / 61.1" in text
    assert "needs --cuhk03; not measured" in text


def test_a_row_of_this_code_is_current_and_one_of_older_code_stale(
    world: World, crgan_lmp: dict[str, Any]
) -> None:
    of_compact = {**crgan_lmp, "recipe": "compact"}
    files = {
        "current": (crgan_lmp, "| current |"),
        "older": ({**crgan_lmp, "code": "0" * 16}, "| **stale**: code of the evaluation changed since |"),
        "another_row": (
            {**crgan_lmp, "definition": {**crgan_lmp["definition"], "pooling": "average"}},
            "| **stale**: the row is another one now |",
        ),
        "unknown": (
            {
                **crgan_lmp,
                "runs": {**crgan_lmp["runs"], "direct": [UNKNOWN]},
            },
            "| **stale**: code of the run direct is not known |",
        ),
        "older_form": (
            {name: value for name, value in crgan_lmp.items() if name not in {"definition", "runs"}},
            "| **stale**: the file is of an older form |",
        ),
        "other_recipe": (of_compact, "| **stale**: recipe changed since: image.height, image.width, "),
    }
    for name, (content, state) in files.items():
        results = copy_row(world, content, name)
        (found,) = read_rows(results)
        assert bool(stale_reason(found)) == ("stale" in state)
        page = results_page.page(results)
        assert f"| `{PAIR}/crgan_lmp` | 56.0 / 33.3 |" in page
        assert state in page


def test_code_with_the_same_outcome_does_not_make_a_row_stale(
    tmp_path: Path, crgan_lmp: dict[str, Any]
) -> None:
    path = tmp_path / "results" / "crgan" / "pair" / "row.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**crgan_lmp, "code": "before"}))
    (file,) = read_rows(tmp_path / "results")
    assert stale_reason(file) == "code of the evaluation changed since"
    for kind, reason in (
        ("dgnet evaluation", "code of the evaluation changed since"),
        ("crgan evaluation", ""),
    ):
        where = {"recipe": crgan_lmp["recipe"], "device": "cpu", "precision": crgan_lmp["precision"]}
        trial = {**where, "codes": {kind: ["before", crgan_lmp["code"]]}}
        (tmp_path / "results" / "same_outcome.json").write_text(json.dumps([trial]))
        read_trials.cache_clear()
        assert stale_reason(file) == reason
        (tmp_path / "results" / "same_outcome.json").write_text(json.dumps([{**trial, "device": "gpu"}]))
        read_trials.cache_clear()
        assert stale_reason(file) == "code of the evaluation changed since", "a trial elsewhere shows nothing"
    (tmp_path / "results" / "same_outcome.json").write_text(json.dumps([trial]))
    read_trials.cache_clear()
    assert "| current, by trial |" in results_page.page(tmp_path / "results")
    assert "| current |" not in results_page.page(tmp_path / "results")


def test_a_run_that_other_code_trained_makes_its_rows_stale(world: World, crgan_lmp: dict[str, Any]) -> None:
    (mark,) = world.root.glob("runs/*/crgan/*/crgan.code.json")
    kept = mark.read_text()
    assert json.loads(kept) == crgan_lmp["runs"]["crgan"]
    mark.write_text(kept.replace(crgan_lmp["runs"]["crgan"][0]["code"], "0" * 16))
    try:
        content = world.make(f"{PAIR}/crgan_lmp")
    finally:
        mark.write_text(kept)
    (found,) = read_rows(copy_row(world, content, "other_code"))
    assert stale_reason(found) == "code of the run crgan changed since"


def test_a_control_that_other_code_trained_makes_a_row_stale(world: World, crgan_lmp: dict[str, Any]) -> None:
    over_direct, other = crgan_lmp["gains"]
    makers = [{**over_direct["runs"]["direct"][0], "code": "0" * 16}]
    gains = [{**over_direct, "runs": {"direct": makers}}, other]
    (found,) = read_rows(copy_row(world, {**crgan_lmp, "gains": gains}, "other_control"))
    assert stale_reason(found) == "code of the run direct changed since"


def test_a_control_of_other_settings_is_left_out(world: World, crgan_lmp: dict[str, Any]) -> None:
    (path,) = world.root.glob("runs/*/crgan/market1501/direct/config.yaml")
    kept = path.read_text()
    path.write_text(kept.replace("label_smoothing: 0.0", "label_smoothing: 0.3"))
    try:
        assert kept != path.read_text()
        control = world.plan(f"{PAIR}/crgan_lmp")
        assert _controls(control) == {}
    finally:
        path.write_text(kept)
    assert list(_controls(control)) == [gain["over"] for gain in crgan_lmp["gains"]]


def test_a_start_that_was_made_anew_is_named(world: World, crgan_lmp: dict[str, Any]) -> None:
    (run,) = world.root.glob("runs/*/crgan/*/crgan")
    assert crgan_lmp["runs"]["crgan"]
    (state,) = (run / "checkpoints" / "identity").glob("*/state.json")
    kept = state.with_name("networks.safetensors").read_bytes(), state.read_text()
    other = kept[0][:-1] + bytes([kept[0][-1] ^ 1])
    known = sha256(kept[0]).hexdigest()
    assert known in kept[1]
    state.with_name("networks.safetensors").write_bytes(other)
    forged = json.loads(kept[1].replace(known, sha256(other).hexdigest()))
    del forged["state_sha256"]  # as before there was one
    state.write_text(json.dumps(forged))
    try:
        answer = genreid(*world.words(f"{PAIR}/crgan"))
    finally:
        state.with_name("networks.safetensors").write_bytes(kept[0])
        state.write_text(kept[1])
    assert answer.code == 2
    assert "began with another network than" in answer.err
    assert "give another --runs" in answer.err


def test_a_file_of_another_arithmetic_is_not_replaced(
    world: World, crgan_lmp: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = copy_row(world, {**crgan_lmp, "precision": "fp8"}, "cwd/results")
    monkeypatch.chdir(results.parent)
    answer = genreid(*world.words(f"{PAIR}/crgan_lmp"))
    assert answer.code == 2
    assert "holds this row made in fp8 on cpu" in answer.err
    assert "give --out F.json" in answer.err


def test_scores_are_kept_beside_the_file(world: World, crgan_lmp: dict[str, Any]) -> None:
    world.make(f"{PAIR}/crgan_lmp")
    scores = load_file(scores_beside(world.root / "row.json"))["by_query"]
    assert scores.shape == (crgan_lmp["figures"]["valid_queries"], 4)
    assert scores.mean(axis=0)[1] == pytest.approx(crgan_lmp["figures"]["mAP"], abs=1e-6)


def test_the_page_shows_the_papers_comparison_and_the_hardest_control(
    world: World, crgan_lmp: dict[str, Any]
) -> None:
    over_direct, other = crgan_lmp["gains"]
    gains = [
        {**over_direct, "mAP_trapezoid": 0.02, "interval": {"mAP_trapezoid": [0.01, 0.03]}},
        {**other, "mAP_trapezoid": 0.005, "interval": {"mAP_trapezoid": [-0.001, 0.01]}},
        {**other, "mAP_trapezoid": 0.03, "interval": {"mAP_trapezoid": [0.02, 0.04]}},
    ]
    content = {**crgan_lmp, "gains": gains, "controls_not_made": []}
    page = results_page.page(copy_row(world, content, "hardest"))
    wanted = "| +2.0 (+1.0 to +3.0) over `direct` (the paper +12.8); +0.5 (-0.1 to +1.0) over `direct_lmp` |"
    assert wanted in page


def test_masks_stop_when_time_is_up(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = world.plan(f"{PAIR}/cut_paste")
    plan = replace(planned, job=replace(planned.job, runs=tmp_path, masks=None))
    made: list[Any] = []

    def make_masks(*words: Any, must_stop: Callable[[], bool]) -> Any:
        made.append(words)
        return SimpleNamespace(missing=int(must_stop()))

    monkeypatch.setattr(row_training, "make_masks", make_masks)
    monkeypatch.setattr(row_training, "load_blazepose", lambda _: None)
    assert row_training.train(plan, plan.row.training, 0.0) is Outcome.OUT_OF_TIME
    assert len(made) == 1


def test_another_precision_than_a_run_began_with_is_named(world: World, crgan_lmp: dict[str, Any]) -> None:
    other = "bf16" if "bf16" not in crgan_lmp["precision"] else "fp32"
    answer = genreid(*world.words(f"{PAIR}/direct", f"--precision={other}"))
    assert answer.code == 2
    assert "give another --runs" in answer.err


def test_gains_of_several_seeds_stand_side_by_side(world: World, crgan_lmp: dict[str, Any]) -> None:
    over_direct, other = crgan_lmp["gains"]
    for seed, gain in ((0, 0.02), (1, 0.031), (2, -0.006)):
        gains = [{**over_direct, "mAP_trapezoid": gain}, other]
        copy_row(world, {**crgan_lmp, "seed": seed, "gains": gains}, "seeds")
    copy_row(world, {**crgan_lmp, "seed": 3, "code": "0" * 16}, "seeds")
    recipe = crgan_lmp["recipe"]
    where = f"{recipe}, cpu in {crgan_lmp['precision']}"
    line = f"| `{PAIR}/crgan_lmp` | `direct` | {where} | 0, 1, 2 | +2.0, +3.1, -0.6 | +1.5 |"
    assert line in results_page.page(world.root / "seeds"), "stale rows do not count"
    assert "seed by seed" not in results_page.page(copy_row(world, crgan_lmp, "one_seed"))


def test_a_recipe_is_not_older_for_what_no_row_of_it_uses() -> None:
    row, settings = ROWS["crgan/cuhk03-market1501/direct"], config_to_dict(compact())
    assert not recipe_changes(row, "compact", settings)
    settings["stage2"]["iterations"] = 7
    assert not recipe_changes(row, "compact", settings), "direct transfer ends with stage I"
    crgan = ROWS["crgan/cuhk03-market1501/crgan"]
    assert recipe_changes(crgan, "compact", settings) == "recipe changed since: stage2.iterations"
    without = ROWS["crgan/cuhk03-market1501/without_camera"]
    settings = config_to_dict(compact())
    settings["stage2"]["weights"]["camera"] = 0.0
    assert not recipe_changes(without, "compact", settings), "it is what the row is"
