"""`genreid import dgnet`: what the authors' files hold is what the imported networks compute."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from genreid.models.dgnet import (
    Decoder,
    DecoderConfig,
    ScaleDiscriminator,
    ScaleDiscriminatorConfig,
    StructureConfig,
    StructureEncoder,
)
from genreid.models.released_dgnet import fill_networks, generator_configs, read_released
from genreid.runs.checkpoint import load_newest
from genreid.runs.trained_networks import load_dgnet, load_reid_network
from tests.command_line import genreid
from tests.drawn_datasets import draw_market1501
from tests.oracles import released_dgnet_oracle as oracle
from tests.oracles.dgnet_networks_oracle import appearance_code, normalised

PEOPLE = 3
SETTINGS = "crop_image_height: 64\ncrop_image_width: 32\nID_stride: 1\npool: max\ngen: {non_local: 0}\n"
OPTIONS = {"gen": "--generator", "id_": "--identity", "dis": "--discriminator", "net": "--teacher"}
State = dict[str, Tensor]


class Released(NamedTuple):
    """Files as the authors' program writes them, and what `genreid import` made of them."""

    folder: Path
    files: dict[str, State]
    printed: str

    @property
    def run(self) -> Path:
        return self.folder / "run"


def write(folder: Path, files: Mapping[str, State]) -> list[str]:
    """Write files as the authors' program does and return the words that import them."""
    words = ["import", "dgnet", "--out", str(folder / "run"), "--config", str(folder / "config.yaml")]
    (folder / "config.yaml").write_text(SETTINGS)
    (folder / "opts.yaml").write_text("name: best\nstride: 1\n")
    for name, state in files.items():
        torch.save(state if name == "net_last.pth" else {"a": state}, folder / name)
        words += [OPTIONS[name[:3]], str(folder / name)]
    return words


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """All networks in full size, of few people."""
    shapes = {
        "gen_00030000.pt": oracle.generator_shapes(),
        "id_00030000.pt": oracle.identity_shapes(PEOPLE),
        "dis_00030000.pt": oracle.discriminator_shapes(),
        "net_last.pth": oracle.teacher_shapes(PEOPLE),
    }
    files = {name: oracle.drawn(each, seed) for seed, (name, each) in enumerate(shapes.items())}
    folder = tmp_path_factory.mktemp("released")
    draw_market1501(folder / "people", PEOPLE, 2, size=(64, 32), seed=1)
    answer = genreid(*write(folder, files))
    assert answer.code == 0, answer.err
    return Released(folder, files, answer.out)


@pytest.fixture
def generator() -> State:
    """A narrow generator."""
    return oracle.drawn(oracle.generator_shapes(2, 6, 12), seed=9)


def narrow_networks(state: State) -> dict[str, nn.Module]:
    structure, decoder = generator_configs(state, Path("gen.pt"))
    assert (structure, decoder) == (StructureConfig(width=2), DecoderConfig(mlp_width=6))
    encoder = StructureEncoder(structure)
    return {"structure": encoder, "decoder": Decoder(decoder, encoder.out_channels, 12)}


def expect_generator(structure: nn.Module, painter: nn.Module, state: State, code: Tensor) -> None:
    """Compare E_s and G with what the authors' names and the paper's tables say."""
    torch.manual_seed(0)
    images, weights = torch.randn(1, 3, 64, 32).double(), double(state)
    with torch.inference_mode():
        codes = oracle.structure_encoder(weights, images)
        torch.testing.assert_close(structure.double()(images), codes)
        torch.testing.assert_close(painter.double()(codes, code), oracle.decoder(weights, codes, code))


def double(state: State) -> State:
    return {name: value.double() for name, value in state.items()}


def test_imported_networks_compute_what_the_files_say(released: Released) -> None:
    generator, identity, judge, teaching = released.files.values()
    torch.manual_seed(0)
    images = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        appearance, structure, decoder = load_dgnet(released.run).networks
        seen = appearance.double()(images.double())
        maps = oracle.resnet50(double(identity), images.double())
        code = appearance_code(maps, "channels")
        torch.testing.assert_close(seen.code, code)
        for name, got in (("classifier1", seen.primary), ("classifier2", seen.fine)):
            expected = oracle.head(double(identity), name, maps.amax((2, 3)))
            torch.testing.assert_close(tuple(got), expected)
        expect_generator(structure, decoder, generator, code)
        checkpoint = load_newest(released.run / "checkpoints" / "dgnet")
        assert checkpoint is not None
        network = ScaleDiscriminator(ScaleDiscriminatorConfig(**checkpoint.state.facts["discriminator"]))
        network.load_state_dict(checkpoint.network("discriminator"))
        scores = oracle.discriminator(double(judge), images.double())
        torch.testing.assert_close(network.double()(images.double()), tuple(scores))
        pooled = oracle.resnet50(double(teaching), normalised(images.double())).mean((2, 3))
        got = load_reid_network(released.run, "pretrained").network.double()(images.double())
        expected = oracle.head(double(teaching), "classifier", pooled)
        # the conversion from [-1, 1] is in float32
        torch.testing.assert_close(tuple(got), expected, rtol=1e-3, atol=1e-3)


def test_what_is_taken_and_left_out_is_said(released: Released) -> None:
    assert "gen_00030000.pt: 118 tensors taken; 16 left out that nothing reads" in released.printed
    assert "id_00030000.pt: 336 tensors taken; 2 left out" in released.printed
    assert "dis_00030000.pt: 84 tensors taken\n" in released.printed
    assert "net_last.pth: 327 tensors taken; 2 left out" in released.printed
    assert f"DG-Net of {PEOPLE} people after 30,000 iterations" in released.printed
    state = json.loads((released.run / "checkpoints" / "dgnet" / "00030000" / "state.json").read_text())
    assert state["iterations"] == 100_000
    assert state["facts"]["kind"] == "image_bicubic"
    assert set(state["facts"]["imported"]) == {"generator", "identity", "discriminator", "teacher"}


def test_generate_and_evaluate_take_the_run(released: Released) -> None:
    people = released.folder / "people"
    answer = genreid("generate", released.run, "--grid", "--count", 1, "--data", people)
    assert answer.code == 0, answer.err
    assert (released.run / "images" / "grid-seed0.png").is_file()
    answer = genreid("generate", released.run, "--grid")
    assert (answer.code, "type --data DIR" in answer.err) == (2, True)
    answer = genreid("evaluate", released.run, "--data", people, "--json")
    assert answer.code == 0, answer.err
    assert {"primary", "fine", "mAP"} <= set(json.loads(answer.out))


def test_training_starts_from_the_run_with_its_teacher(released: Released) -> None:
    words = ["train", "dgnet", "--data", released.folder / "people", "--out", released.folder / "next"]
    words += ["--init", released.run, "--teacher-run", released.run]
    tiny = {
        "image.height": 64, "image.width": 32, "teacher.image.height": 64, "teacher.image.width": 32,
        "appearance.backbone.weights": "none", "teacher.backbone.weights": "none", "training.iterations": 1,
        "training.batch": 2, "structure.width": 2, "decoder.mlp_width": 6, "discriminator.width": 2,
        "training.sgd.backbone_rate": 0, "device": "cpu", "precision": "fp32",
    }  # fmt: skip
    answer = genreid(*words, *(word for name, value in tiny.items() for word in (f"--{name}", value)))
    assert answer.code == 0, answer.err
    found = {}
    for stage, network in (("identity", "identity"), ("dgnet", "appearance")):
        checkpoint = load_newest(released.folder / "next" / "checkpoints" / stage)
        assert checkpoint is not None
        found[stage] = checkpoint.network(network)
    for stage, file in (("identity", "net_last.pth"), ("dgnet", "id_00030000.pt")):
        authors = released.files[file]["model.layer3.2.conv2.weight"]
        torch.testing.assert_close(found[stage]["backbone.layer3.2.conv2.weight"], authors)


def test_the_run_is_not_trained_on(released: Released) -> None:
    answer = genreid("train", "dgnet", "--data", released.folder / "people", "--out", released.run)
    assert answer.code == 2
    assert "is a run of `genreid import dgnet`" in answer.err
    again = genreid("import", "dgnet", "--generator", "g", "--identity", "i", "--out", released.run)
    assert (again.code, "holds a run already" in again.err) == (2, True)


def test_full_size_files_have_the_published_counts() -> None:
    def counts(shapes: oracle.Shapes) -> tuple[int, int]:
        statistics = ("running_mean", "running_var", "num_batches_tracked")
        learnt = [
            torch.Size(shape).numel() for name, shape in shapes.items() if not name.endswith(statistics)
        ]
        return len(shapes), sum(learnt)

    assert counts(oracle.generator_shapes()) == (134, 13_380_675)
    assert counts(oracle.discriminator_shapes()) == (84, 1_025_571)
    assert counts(oracle.identity_shapes()) == (338, 28_427_782)
    assert counts(oracle.teacher_shapes()) == (329, 26_992_407)


def test_a_narrow_generator_is_read_by_its_widths(generator: State) -> None:
    networks = narrow_networks(generator)
    taken = fill_networks(networks, generator, Path("gen.pt"))
    assert (taken.taken, len(taken.dropped), taken.attention) == (118, 16, 0.0)
    code = torch.linspace(-1, 1, 48).view(1, 48).double()
    expect_generator(networks["structure"], networks["decoder"], generator, code)


def test_networks_trained_on_several_gpus_are_read(tmp_path: Path, generator: State) -> None:
    path = tmp_path / "gen.pt"
    torch.save({"a": {f"module.{name}": value for name, value in generator.items()}}, path)
    assert read_released(path).keys() == generator.keys()


@pytest.mark.parametrize("gamma", [0.0, -0.1])
def test_blocks_of_attention_are_left_out_and_their_weight_is_told(generator: State, gamma: float) -> None:
    blocks = oracle.attention_shapes("enc_content.model.4.model.3", 8)
    extra = oracle.drawn(blocks | oracle.attention_shapes("dec.model.1.model.0", 16), 3)
    extra = {name: torch.full((1,), gamma) if "gamma" in name else value for name, value in extra.items()}
    networks = narrow_networks(generator)
    taken = fill_networks(networks, generator | extra, Path("gen.pt"))
    assert (taken.taken, len(taken.dropped)) == (118, 16 + 14)
    assert taken.attention == pytest.approx(abs(gamma))


def test_tensors_that_are_missing_surplus_or_of_wrong_shape_are_named(generator: State) -> None:
    del generator["dec.model.6.conv.bias"]
    generator["dec.model.9.conv.bias"] = torch.zeros(3)
    generator["dec.model.8.conv.weight"] = torch.zeros(3, 5, 1, 1)
    generator["enc_content.model.5.conv6.0.conv.bias"] = torch.zeros(3)
    with pytest.raises(ValueError, match="is not of the published DG-Net") as error:
        fill_networks(narrow_networks(generator), generator, Path("gen.pt"))
    assert "missing: dec.model.6.conv.bias;" in str(error.value)
    assert "surplus: dec.model.9.conv.bias;" in str(error.value)
    assert "dec.model.8.conv.weight [3, 5, 1, 1] for [3, 4, 1, 1]" in str(error.value)
    assert "conv6.0.conv.bias + enc_content.model.5.conv12.0.conv.bias" in str(error.value)


def test_counters_of_batches_may_be_missing() -> None:
    """Files of torch before 0.4.1 have none."""
    norm = nn.BatchNorm1d(2)
    parts = {"bottleneck": nn.Sequential(nn.Linear(3, 2), norm), "classifier": nn.Linear(2, 4)}
    network = nn.ModuleDict(parts)
    shapes = {**oracle.head_shapes("classifier", 4, 2), "classifier.add_block.0.weight": (2, 3)}
    state = oracle.drawn(shapes, 0)
    del state["classifier.add_block.1.num_batches_tracked"]
    assert fill_networks({"identity": network}, state, Path("net.pth")).taken == 8
    torch.testing.assert_close(norm.weight.detach(), state["classifier.add_block.1.weight"])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("pool: avg", "pool avg (expected max)"),
        ("gen: {non_local: 1}", "gen.non_local 1 (expected 0)"),
        ("norm_id: true", "norm_id True (expected False)"),
        ("ID_class: 702", "ID_class 702 (expected 4)"),
    ],
)
def test_trainings_of_other_networks_are_refused(tmp_path: Path, setting: str, said: str) -> None:
    files = {
        "gen_1.pt": {"x": torch.zeros(1)},
        "id_1.pt": oracle.drawn(oracle.head_shapes("classifier1", 4, 2), 0),
    }
    words = write(tmp_path, files)
    (tmp_path / "config.yaml").write_text(setting)
    answer = genreid(*words)
    assert (answer.code, said in answer.err) == (2, True), answer.err
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_wrong_place_is_named(tmp_path: Path, generator: State) -> None:
    words = write(tmp_path, {"gen_1.pt": generator, "id_1.pt": generator})
    answer = genreid(*words)
    assert answer.code == 2
    assert (
        "id_1.pt holds no classifier1.add_block.0.weight; expected --identity id_*.pt of DG-Net" in answer.err
    )


def test_a_teacher_without_its_options_is_refused(tmp_path: Path, generator: State) -> None:
    heads = {
        f"{name}{number}": oracle.drawn(oracle.head_shapes(f"classifier{number}", 4, 2), 0)
        for name, number in (("id_", "1"), ("net", ""))
    }
    words = write(tmp_path, {"gen_1.pt": generator, "id_1.pt": heads["id_1"], "net_last.pth": heads["net"]})
    (tmp_path / "opts.yaml").unlink()
    answer = genreid(*words)
    assert answer.code == 2
    assert "no opts.yaml beside it" in answer.err
