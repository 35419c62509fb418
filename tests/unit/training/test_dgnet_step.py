"""An iteration of DG-Net: every loss, gradient and weight against the literal one."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genreid.losses.teacher import LabelStyle
from genreid.models.dgnet import DgnetNetworks
from genreid.models.precision import Compute
from genreid.recipes.dgnet import paper_text
from genreid.training.dgnet_config import DgnetTraining, DgnetWeights, TeachingConfig
from genreid.training.dgnet_step import DgnetSetup, SwapBatch, dgnet_step, offline_feeding_step
from genreid.training.update import weigh
from tests.drawn_tensors import fill, weights_of
from tests.oracles.dgnet_oracle import LiteralBatch, LiteralDgnet, LiteralSettings, Reading, weights
from tests.tiny_dgnet import PAIRS, Tiny, make_batch, make_setup, tiny, tiny_appearance

ALWAYS = {"itself", "same_person", "generated_identity", "adversarial", "identity", "positive_identity"}
JUDGED = {"discriminator", "gradient_penalty"}
BEFORE = ALWAYS | JUDGED
RAMPED = BEFORE | {"structure_code", "cycle", "fine_identity", "primary", "fine"}
RELATIVE = 1e-8


def read(network: nn.Module, images: Tensor) -> Reading:
    seen = network(images)
    return Reading(seen.code, seen.primary.logits, seen.fine.logits)


def label(network: nn.Module, images: Tensor) -> Tensor:
    logits: Tensor = network(images).logits
    return logits


def literal_of(setup: DgnetSetup, settings: LiteralSettings | None = None) -> LiteralDgnet:
    """The same networks for the oracle."""
    networks = copy.deepcopy(setup.networks)
    teacher = nn.Identity() if networks.teacher is None else networks.teacher
    return LiteralDgnet(
        networks.appearance,
        networks.structure,
        networks.decoder,
        networks.discriminator,
        teacher,
        read,
        label,
        settings or LiteralSettings(),
    )


def literal_batch(batch: SwapBatch) -> LiteralBatch:
    """Image i and image B + i are a and b."""
    halves = [half for values in batch for half in values.chunk(2)]
    return LiteralBatch(*halves)


def assert_same_network(name: str, network: nn.Module, literal: LiteralDgnet) -> None:
    """Compare all gradients, weights and statistics of one network."""
    for own, parameter in network.named_parameters():
        found, expected = parameter.grad, literal.gradients[f"{name}.{own}"]
        assert found is not None, f"{name}.{own}"
        near = RELATIVE * expected.abs().max().item() + 1e-11  # 0 but for rounding: biases before a norm
        torch.testing.assert_close(found, expected, rtol=RELATIVE, atol=near, msg=f"gradient of {name}.{own}")
    twin = getattr(literal, name).state_dict()
    for own, value in network.state_dict().items():
        torch.testing.assert_close(value, twin[own], rtol=RELATIVE, atol=1e-10, msg=f"{name}.{own}")


def compare(
    given: Tiny, settings: LiteralSettings, steps: tuple[int, ...], names: set[str] | None = None
) -> None:
    """Run iterations one after the other, on both sides."""
    setup = make_setup(given)
    literal = literal_of(setup, settings)
    tuned = given.training.encode_again == 1.0
    for number, step in enumerate(steps):
        batch = make_batch(number)
        terms = dgnet_step(setup, batch, step)
        expected = literal.iteration(literal_batch(batch), step, tune_encoder=tuned)
        assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=RELATIVE)
        assert names is None or set(terms) == names
        learnt = {name: term for name, term in terms.items() if name not in JUDGED}
        summed = weigh(learnt, setup.config.weights_at(step).by_term)
        assert summed.item() == pytest.approx(literal.total, rel=RELATIVE)
        for name in ("appearance", "structure", "decoder", "discriminator"):
            assert_same_network(name, getattr(setup.networks, name), literal)


@pytest.mark.parametrize("encode_again", [0.0, 1.0])
@pytest.mark.parametrize(
    ("steps", "names"),
    [((0, 1), BEFORE), ((30_000, 30_001), None), ((33_000, 33_001), RAMPED), ((50_000, 60_000), RAMPED)],
    ids=["before", "at the start", "within", "after"],
)
def test_iterations_are_the_literal_ones(
    encode_again: float, steps: tuple[int, ...], names: set[str] | None
) -> None:
    compare(tiny(encode_again=encode_again), LiteralSettings(), steps, names)


@pytest.mark.parametrize(
    ("changes", "literal"),
    [
        ({"adversarial_form": "log"}, {"log": True}),
        ({"detach_code": False}, {"detach": False}),
        ({"live_appearance_code": True}, {"live_appearance_code": True}),
        ({"feeding": "none"}, {"feeding": False}),
        ({"feeding": "offline"}, {"feeding": False}),
        ({"separate_forwards": False}, {"together": True}),
        ({"teaching": TeachingConfig(batch_norm="stored")}, {"teacher_statistics": "stored"}),
        ({"late_ramps": True}, {"late": True}),
        ({"reading_order": "real_last"}, {"order": "real last"}),
        (
            {"reading_order": "real_last", "separate_forwards": False},
            {"order": "real last", "together": True},
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_flag_is_what_the_oracle_says(changes: dict[str, Any], literal: dict[str, Any]) -> None:
    compare(tiny(encode_again=0.0, **changes), LiteralSettings(**literal), (33_000, 33_001))


@pytest.mark.parametrize("order", ["swapped_last", "real_last"])
def test_the_first_iterations_of_the_published_loop(order: Any) -> None:
    """It looks for weights before it raises them: new terms come with iteration 30,002."""
    given = tiny(encode_again=0.0, late_ramps=True, reading_order=order)
    literal = LiteralSettings(late=True, order=order.replace("_", " "))
    compare(given, literal, (30_000, 30_001), BEFORE)
    compare(given, literal, (30_002, 30_003), RAMPED)


@pytest.mark.parametrize("style", ["pseudo", "conditional", "lsro", "two_label"])
def test_every_style_of_labels(style: LabelStyle) -> None:
    given = tiny(encode_again=1.0, teaching=TeachingConfig(style=style))
    compare(given, LiteralSettings(labels=style), (33_000,))


def test_the_penalty_now_and_then() -> None:
    """Each third iteration, with three times the weight."""
    given = tiny(encode_again=0.0, penalty_every=3)
    compare(given, LiteralSettings(penalty_every=3), (2, 3, 4))
    for step, names in ((2, BEFORE - {"gradient_penalty"}), (3, BEFORE)):
        assert set(dgnet_step(make_setup(given), make_batch(), step)) == names


@pytest.mark.parametrize("left_out", ["structure_code", "cycle"])
def test_codes_and_the_way_back_do_not_need_each_other(left_out: str) -> None:
    """Also while the weight of the other is small."""
    given = tiny(encode_again=0.0, weights=DgnetWeights(**{left_out: 0.0}))
    literal = (
        LiteralSettings(code_end=0.0) if left_out == "structure_code" else LiteralSettings(cycle_end=0.0)
    )
    compare(given, literal, (30_500,))


PAPER: dict[str, Any] = {
    "positive_identity": 0.0,
    "real_fine": 0.0,
    "cycle_end": 0.0,
    "code_from_the_start": True,
    "log": True,
    "detach": False,
    "live_appearance_code": True,
}


@pytest.mark.parametrize("steps", [(0, 1), (32_000, 33_000)], ids=["before", "within"])
@pytest.mark.parametrize("encode_again", [0.0, 1.0])
def test_the_papers_own_text(encode_again: float, steps: tuple[int, ...]) -> None:
    """Equation 10: no cycle, no positives, code terms from the start, gradients into E_a."""
    recipe = paper_text()
    appearance = recipe.appearance
    given = Tiny(
        replace(recipe.training, batch=PAIRS, encode_again=encode_again),
        tiny_appearance(code_order=appearance.code_order, head_input=appearance.head_input),
    )
    compare(given, LiteralSettings(**PAPER), steps)


def test_terms_come_and_go_with_their_weights() -> None:
    setup = make_setup()
    for step, names in ((30_000, BEFORE), (30_001, RAMPED)):
        assert set(dgnet_step(setup, make_batch(), step)) == names


def test_without_generation_only_real_images_teach() -> None:
    setup = make_setup(tiny(generation=False))
    literal = literal_of(setup)
    before = {name: weights_of(network) for name, network in setup.networks._asdict().items()}
    for number, step in enumerate((0, 33_000)):
        batch = make_batch(number)
        terms = dgnet_step(setup, batch, step)
        lambdas = weights(literal.settings, step)
        expected = literal.real_images(literal_batch(batch), lambdas)
        assert {name: term.item() for name, term in terms.items()} == pytest.approx(
            {name: term.item() for name, term in expected.items()}, rel=RELATIVE
        )
        literal.times += 1
        summed = torch.stack([lambdas[name] * term for name, term in expected.items()]).sum()
        literal.descend(summed, {"appearance": literal.appearance}, 1.0)
        assert_same_network("appearance", setup.networks.appearance, literal)
    for name in ("structure", "decoder", "discriminator", "teacher"):
        after = weights_of(getattr(setup.networks, name))
        assert all(torch.equal(value, before[name][own]) for own, value in after.items()), name


def test_offline_feeding_teaches_a_new_network() -> None:
    """Images of a frozen generator with its own E_a, in evaluation mode; another E_a learns from them."""
    setup, other = make_setup(tiny(feeding="online")), make_setup()
    generators = DgnetNetworks(other.networks.appearance, other.networks.structure, other.networks.decoder)
    for generating in generators:
        fill(generating.eval(), "another")
    before = [weights_of(network) for network in generators]
    literal = literal_of(setup)
    for number, step in enumerate((10, 30_500, 60_001)):
        batch = make_batch(number)
        terms = offline_feeding_step(setup, generators, batch, step)
        given, lambdas = literal_batch(batch), weights(literal.settings, step)
        with torch.no_grad():
            x_ba, x_ab = (
                generators.decoder(generators.structure(structure), generators.appearance(appearance).code)
                for structure, appearance in ((given.x_b, given.x_a), (given.x_a, given.x_b))
            )
        expected = literal.real_images(given, lambdas)
        if step > 30_000:
            expected |= literal.swapped_images(x_ba, x_ab, given.y_a, given.y_b)
        assert {name: term.item() for name, term in terms.items()} == pytest.approx(
            {name: term.item() for name, term in expected.items()}, rel=RELATIVE
        )
        literal.times += 1
        summed = torch.stack([lambdas[name] * term for name, term in expected.items()]).sum()
        literal.descend(summed, {"appearance": literal.appearance}, 0.1 if step >= 60_000 else 1.0)
        assert_same_network("appearance", setup.networks.appearance, literal)
    for network, kept in zip(generators, before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 1.0), (59_999, 1.0), (60_000, 0.1), (89_999, 0.1), (90_000, 0.01)]
)
def test_all_learning_rates_drop_together(step: int, factor: float) -> None:
    """Spec F9; the fourth drop, at 105,000, lies behind the end."""
    setup = make_setup(tiny(generation=True, feeding="none"))
    dgnet_step(setup, make_batch(), step)
    rates = {
        name: [group["lr"] for group in optimizer.param_groups]
        for name, optimizer in setup.optimizers._asdict().items()
    }
    assert rates["appearance"] == [pytest.approx(0.002 * factor), pytest.approx(0.02 * factor)]
    assert rates["generator"] == rates["discriminator"] == [pytest.approx(1e-4 * factor)]


def test_the_heads_learn_ten_times_as_fast_as_the_backbone() -> None:
    setup = make_setup()
    backbone, heads = setup.optimizers.appearance.param_groups
    network = setup.networks.appearance
    assert {id(p) for p in backbone["params"]} == {id(p) for p in network.backbone.parameters()}
    expected = {id(p) for head in (network.primary, network.fine) for p in head.parameters()}
    assert {id(p) for p in heads["params"]} == expected


def test_the_l2_penalty_acts_on_the_fine_head_before_anything_else_does() -> None:
    """Its terms have the weight 0 until iteration 30,000; SGD's decay has not."""
    setup = make_setup()
    before = weights_of(setup.networks.appearance.fine)
    dgnet_step(setup, make_batch(), 0)
    for name, parameter in setup.networks.appearance.fine.named_parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()
        expected = before[name] * (1 - 0.02 * 5e-4 * 1.9)  # Nesterov's first step: (1 + mu) times the slope
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-12, atol=0)


def test_the_step_is_a_function_of_its_seed() -> None:
    given = Tiny(DgnetTraining(batch=PAIRS), tiny_appearance(primary_dropout=0.5, fine_dropout=0.75))
    results = []
    for seed in (5, 5, 6):
        setup = make_setup(given)
        torch.manual_seed(seed)
        terms = dgnet_step(setup, make_batch(), 33_000)
        results.append(
            {**terms, **weights_of(setup.networks.appearance), **weights_of(setup.networks.decoder)}
        )
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())
    assert not torch.equal(results[0]["identity"], results[2]["identity"])


def test_terms_come_without_a_graph_and_in_float32_under_autocast() -> None:
    results = []
    for bf16 in (False, True):
        setup = replace(make_setup(dtype=torch.float32), compute=Compute(torch.device("cpu"), bf16=bf16))
        batch = SwapBatch(*(v.float() if v.is_floating_point() else v for v in make_batch()))
        torch.manual_seed(0)
        results.append(dgnet_step(setup, batch, 33_000))
        for network in setup.networks[:4]:
            assert network is not None
            assert all(p.dtype == torch.float32 and p.isfinite().all() for p in network.parameters())
            assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in network.parameters())
    exact, rough = results
    assert set(rough) == RAMPED
    assert all(term.dtype == torch.float32 and not term.requires_grad for term in rough.values())
    for name, term in rough.items():
        assert term.item() == pytest.approx(exact[name].item(), rel=0.1, abs=0.02), name
