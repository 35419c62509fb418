"""An iteration of stage II: every weight after it against the literal algorithm, and who learns from what."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genreid.models.crgan import Rendering
from genreid.models.precision import Compute
from genreid.models.renderers import Composite
from genreid.training.crgan_step import (
    RenderingConfig,
    RenderingNetworks,
    RenderingSetup,
    RenderingWeights,
    generator_losses,
    rendering_step,
    weights_at,
)
from genreid.training.update import weigh
from genreid.training.views import draw_views, look_at
from tests.drawn_tensors import weights_of
from tests.oracles import crgan_oracle as oracle
from tests.tiny_stage_two import Tiny, make_batch, make_setup

TERMS = {"domain", "adversarial", "identity", "camera", "context", "context_mask"}


def literal_of(setup: RenderingSetup, noises: Iterator[Tensor]) -> oracle.LiteralStageTwo:
    """The same weights and settings for the oracle."""
    networks, config = setup.networks, setup.config
    assert networks.camera is not None
    camera = weights_of(networks.camera)
    weights = config.weights
    return oracle.LiteralStageTwo(
        generator=weights_of(networks.generator),
        domain=weights_of(networks.domain),
        identify=lambda images: networks.identity(images).logits,
        recognise=lambda images: oracle.camera_discriminator(camera, images),
        noise=lambda _images: next(noises),
        lambdas=(weights.adversarial, weights.identity, weights.camera, weights.context),
        iterations=config.iterations,
        rate=config.learning_rate,
        betas=(config.beta1, config.beta2),
    )


class NoiseRecorder:
    """Keeps what D_d's noise layer adds: for real images, for renderings, for those of each update of G."""

    def __init__(self, setup: RenderingSetup) -> None:
        self.noisy: list[Tensor] = []
        self.clean: list[Tensor] = []
        domain = setup.networks.domain
        domain.register_forward_pre_hook(lambda _module, given: self.clean.append(given[0].detach().clone()))
        domain.hidden[0].register_forward_pre_hook(
            lambda _module, given: self.noisy.append(given[0].detach())
        )

    def __call__(self, batch: int) -> Iterator[Tensor]:
        for noisy, image in zip(self.noisy, self.clean, strict=True):
            yield from torch.split(noisy - image, batch)


def test_four_iterations_are_algorithm_1() -> None:
    """Two in the first half, two in the second: k, learning rate, Adam's moments, all four losses."""
    setup = make_setup()
    recorder = NoiseRecorder(setup)
    noises: list[Tensor] = []
    literal = literal_of(setup, iter(noises))  # what is appended later is seen, too
    batches = [make_batch(step) for step in range(4)]
    terms = [rendering_step(setup, batch, step) for step, batch in enumerate(batches)]
    noises += recorder(3)
    for step, batch in enumerate(batches):
        expected = literal.iteration(batch, step)
        assert set(terms[step]) == TERMS
        assert {name: term.item() for name, term in terms[step].items()} == pytest.approx(expected, rel=1e-9)
    for network, weights in (
        (setup.networks.generator, literal.generator),
        (setup.networks.domain, literal.domain),
    ):
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(parameter, weights[name], rtol=0, atol=1e-9, msg=f"{name} differs")


def gradients(setup: RenderingSetup, term: str) -> dict[str, float]:
    """Largest gradient of one of G's loss terms by `network.parameter`."""
    networks = setup.networks
    for parameter in networks.domain.parameters():
        parameter.grad = None
    batch = make_batch()
    losses = generator_losses(setup, batch, networks.generator(batch.pair), setup.config.weights)
    optimizer = setup.optimizers.generator
    optimizer.zero_grad()
    inputs = [p for group in optimizer.param_groups for p in group["params"]]
    found = torch.autograd.grad(losses[term], inputs, allow_unused=True)
    names = [name for name, _ in networks.generator.named_parameters()]
    return {name: 0.0 if g is None else g.abs().max().item() for name, g in zip(names, found, strict=True)}


@pytest.mark.parametrize("term", ["adversarial", "identity", "camera", "context"])
def test_every_loss_reaches_every_weight_of_the_generator(term: str) -> None:
    reached = gradients(make_setup(), term)
    assert all(value > 0 for value in reached.values()), reached


def present(networks: RenderingNetworks) -> dict[str, nn.Module]:
    return {name: network for name, network in networks._asdict().items() if network is not None}


def snapshot(network: nn.Module | None) -> dict[str, Tensor]:
    assert network is not None
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def changed(network: nn.Module | None, before: dict[str, Tensor]) -> set[str]:
    assert network is not None
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


class Recorder:
    """Notes, at each optimiser step, whose weights it changed."""

    def __init__(self, setup: RenderingSetup) -> None:
        self.order: list[str] = []
        for name, optimizer in setup.optimizers._asdict().items():
            optimizer.register_step_post_hook(lambda *_args, n=name: self.order.append(n))


@pytest.mark.parametrize(("step", "updates"), [(0, 1), (29, 1), (30, 2), (59, 2)])
def test_the_domain_discriminator_learns_once_and_the_generator_k_times(step: int, updates: int) -> None:
    setup = make_setup(Tiny(RenderingConfig(iterations=60, learning_rate=1e-3)))
    recorder = Recorder(setup)
    passes: list[object] = []
    setup.networks.generator.register_forward_hook(lambda *_arguments: passes.append(_arguments[0]))
    rendering_step(setup, make_batch(), step)
    assert recorder.order == ["domain"] + ["generator"] * updates
    assert len(passes) == updates, "the update of D_d needs no pass of G of its own"


@pytest.mark.parametrize(("step", "share"), [(0, 1.0), (30, 1.0), (45, 0.5), (59, 1 / 30)])
def test_both_learning_rates_follow_the_step(step: int, share: float) -> None:
    setup = make_setup(Tiny(RenderingConfig(iterations=60, learning_rate=2e-4)))
    rendering_step(setup, make_batch(), step)
    for optimizer in setup.optimizers:
        assert [group["lr"] for group in optimizer.param_groups] == [pytest.approx(2e-4 * share, rel=1e-12)]


def test_each_update_changes_its_own_network_only() -> None:
    setup = make_setup()
    networks = setup.networks
    before = {name: snapshot(network) for name, network in present(networks).items()}
    seen: dict[str, set[str]] = {}

    def note(*_arguments: Any) -> None:
        seen.update({n: changed(network, before[n]) for n, network in present(networks).items()})

    handle = setup.optimizers.domain.register_step_post_hook(note)
    rendering_step(setup, make_batch(), 3)
    handle.remove()
    assert seen["generator"] == set(), "the update of D_d changed G"
    # a bias before an instance norm has no gradient but rounding: the norm takes it away
    moved = {name for name in before["domain"] if name not in {f"hidden.{i}.bias" for i in (1, 2, 3)}}
    assert moved <= seen["domain"]
    after_domain = snapshot(networks.domain)
    rendering_step(
        replace(setup, config=replace(setup.config, weights=RenderingWeights(adversarial=0))), make_batch(), 0
    )
    assert changed(networks.domain, after_domain) == set(), "an update of G changed D_d"
    assert changed(networks.generator, before["generator"]) == set(before["generator"])
    assert changed(networks.identity, before["identity"]) == set()
    assert changed(networks.camera, before["camera"]) == set()


def test_an_update_of_the_generator_leaves_the_domain_discriminator_alone() -> None:
    setup = make_setup()
    states: list[dict[str, Tensor]] = []
    setup.optimizers.domain.register_step_post_hook(lambda *_: states.append(snapshot(setup.networks.domain)))
    rendering_step(setup, make_batch(), 3)
    assert changed(setup.networks.domain, states[0]) == set()


def test_frozen_networks_get_no_gradient_but_pass_it_on() -> None:
    setup = make_setup()
    rendering_step(setup, make_batch(), 3)
    for frozen in (setup.networks.identity, setup.networks.camera):
        assert frozen is not None
        assert all(parameter.grad is None for parameter in frozen.parameters())
        assert not any(module.training for module in frozen.modules())
    image = make_batch().pair.source.clone().requires_grad_()
    losses = generator_losses(
        setup, make_batch(), Rendering(image, image, image[:, :1]), setup.config.weights
    )
    for name in ("identity", "camera"):
        (gradient,) = torch.autograd.grad(losses[name], image, retain_graph=True)
        assert gradient.abs().max() > 0, name


def test_frozen_networks_get_no_gradient_even_if_they_ask_for_one() -> None:
    setup = make_setup()
    assert setup.networks.camera is not None
    setup.networks.identity.requires_grad_(requires_grad=True)
    setup.networks.camera.requires_grad_(requires_grad=True)
    rendering_step(setup, make_batch(), 3)
    assert all(parameter.grad is None for parameter in setup.networks.identity.parameters())
    assert all(parameter.grad is None for parameter in setup.networks.camera.parameters())


def test_noise_is_drawn_anew_for_real_for_fake_and_for_each_update() -> None:
    setup, batch = make_setup(), make_batch()
    recorder = NoiseRecorder(setup)
    torch.manual_seed(0)
    rendering_step(setup, batch, 3)
    noises = list(recorder(3))
    assert len(noises) == 4, "real, fake, and the renderings of two updates of G"
    for number, noise in enumerate(noises):
        assert noise.std().item() == pytest.approx(0.1, rel=0.05)
        for other in noises[:number]:
            assert (noise - other).std().item() == pytest.approx(0.1 * 2**0.5, rel=0.05)


def test_the_step_is_a_function_of_its_seed() -> None:
    results = []
    for _ in range(2):
        setup = make_setup()
        torch.manual_seed(5)
        terms = rendering_step(setup, make_batch(), 3)
        results.append((terms, snapshot(setup.networks.generator), snapshot(setup.networks.domain)))
    for one, other in zip(*results, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


# Settings of equation 8


def test_weigh_is_equation_8() -> None:
    losses = {
        n: torch.tensor(v)
        for n, v in zip(
            ("adversarial", "identity", "camera", "context"), (1.0, 10.0, 100.0, 1000.0), strict=True
        )
    }
    assert weigh(losses, RenderingWeights().by_term).item() == 2 * 1 + 10 + 100 + 5 * 1000
    assert (
        weigh(losses, RenderingWeights(adversarial=1, identity=2, camera=3, context=4).by_term).item() == 4321
    )
    del losses["camera"]
    assert weigh(losses, RenderingWeights().by_term).item() == 2 * 1 + 10 + 5 * 1000


@pytest.mark.parametrize("left_out", ["adversarial", "identity", "camera", "context"])
def test_a_loss_of_weight_zero_is_left_out(left_out: str) -> None:
    setup = make_setup()
    config = replace(setup.config, weights=RenderingWeights(**{left_out: 0.0}))
    before = snapshot(setup.networks.domain)
    calls: list[str] = []
    for name, network in present(setup.networks).items():
        network.register_forward_hook(lambda *_arguments, n=name: calls.append(n))
    terms = rendering_step(replace(setup, config=config), make_batch(), 0)
    gone = {"adversarial", "domain"} if left_out == "adversarial" else {left_out}
    assert set(terms) == TERMS - gone
    network_of = {"adversarial": "domain", "identity": "identity", "camera": "camera", "context": ""}
    assert network_of[left_out] not in calls, "it took time"
    assert bool(changed(setup.networks.domain, before)) == (left_out != "adversarial")


def test_without_cameras_there_is_no_camera_loss() -> None:
    terms = rendering_step(make_setup(Tiny(cameras=False)), make_batch(), 0)
    assert set(terms) == TERMS - {"camera"}


def losses_with(**changes: Any) -> dict[str, Tensor]:
    setup = make_setup()
    setup = replace(setup, config=replace(setup.config, **changes))
    batch = make_batch()
    return generator_losses(setup, batch, setup.networks.generator(batch.pair), setup.config.weights)


def context_oracle(*, exclude: bool = False, norm: str = "mse") -> float:
    setup, pair = make_setup(), make_batch().pair
    image = setup.networks.generator(pair).image.detach()
    background = (1 - pair.source_mask) * ((1 - pair.target_mask) if exclude else 1)
    images = [part.numpy() for part in (image, pair.source, pair.target)]
    return oracle.context(images, pair.source_mask.numpy(), background.numpy(), norm)


def test_readings_of_the_context_loss() -> None:
    """Spec E7 and E9: the masks are those of X_S, X_T is not masked; two flags change that."""
    assert losses_with()["context"].item() == pytest.approx(context_oracle(), rel=1e-10)
    by_norm = losses_with(context_norm="l2norm")["context"].item()
    assert by_norm == pytest.approx(context_oracle(norm="l2norm"), rel=1e-10)
    excluded = losses_with(con_exclude_target_person=True)["context"].item()
    assert excluded == pytest.approx(context_oracle(exclude=True), rel=1e-10)
    assert excluded < losses_with()["context"].item()


def test_labels_and_cameras_are_not_mixed_up() -> None:
    """L_id asks for the source's person, L_cam for the target's camera."""
    setup, batch = make_setup(), make_batch()
    rendering = setup.networks.generator(batch.pair)
    first = generator_losses(setup, batch, rendering, setup.config.weights)
    other_people = batch._replace(source_labels=(batch.source_labels + 1) % 5)
    second = generator_losses(setup, other_people, rendering, setup.config.weights)
    assert not torch.equal(first["identity"], second["identity"])
    assert torch.equal(first["camera"], second["camera"])
    other_cameras = batch._replace(target_cameras=(batch.target_cameras + 1) % 3)
    third = generator_losses(setup, other_cameras, rendering, setup.config.weights)
    assert torch.equal(first["identity"], third["identity"])
    assert not torch.equal(first["camera"], third["camera"])


def test_terms_come_without_a_graph_and_in_float32_under_autocast() -> None:
    setup = make_setup(dtype=torch.float32)
    setup = replace(setup, compute=Compute(torch.device("cpu"), bf16=True))
    exact = make_setup(dtype=torch.float32)
    batch = make_batch()
    single = batch._replace(pair=type(batch.pair)(*(part.float() for part in batch.pair)))
    torch.manual_seed(0)
    terms = rendering_step(setup, single, 0)
    torch.manual_seed(0)
    expected = rendering_step(exact, single, 0)
    assert all(term.dtype == torch.float32 and not term.requires_grad for term in terms.values())
    for name, term in terms.items():
        assert term.item() == pytest.approx(expected[name].item(), rel=0.05), name
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in setup.networks.generator.parameters())


def test_the_papers_settings() -> None:
    assert RenderingWeights() == RenderingWeights(adversarial=2.0, identity=1.0, camera=1.0, context=5.0)
    assert RenderingConfig() == RenderingConfig(
        iterations=60_000,
        batch=32,
        learning_rate=2e-4,
        beta1=0.5,
        beta2=0.999,
        weights=RenderingWeights(),
        context_norm="mse",
        con_exclude_target_person=False,
    )


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"batch": 0}, {"learning_rate": 0.0}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="stage2: iterations and batch"):
        RenderingConfig(**wrong)


@pytest.mark.parametrize("wrong", [(-1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0)])
def test_impossible_weights_are_refused(wrong: tuple[float, float, float, float]) -> None:
    adversarial, identity, camera, context = wrong
    with pytest.raises(ValueError, match=r"stage2\.weights"):
        RenderingWeights(adversarial=adversarial, identity=identity, camera=camera, context=context)


# Settings that are not the paper's


def test_the_weight_of_the_identity_loss_may_rise_late() -> None:
    config = RenderingConfig(iterations=10, identity_from=0.6, weights=RenderingWeights(identity=0.8))
    rising = [weights_at(config, step).identity for step in range(10)]
    assert rising == pytest.approx([0, 0, 0, 0, 0, 0, 0, 0.2, 0.4, 0.6])
    assert replace(weights_at(config, 7), identity=0.8) == config.weights
    constant = replace(config, identity_from=0.0)
    assert all(weights_at(constant, step) == config.weights for step in range(10))


def test_before_its_weight_rises_the_identity_loss_is_not_computed() -> None:
    setup = make_setup(Tiny(RenderingConfig(iterations=4, identity_from=0.5)))
    present = ["identity" in rendering_step(setup, make_batch(step), step) for step in range(4)]
    assert present == [False, False, False, True]


def test_the_average_follows_the_generator() -> None:
    setup = make_setup(Tiny(RenderingConfig(iterations=4, average=0.9)))
    expected = {name: value.detach().clone() for name, value in setup.networks.generator.named_parameters()}
    average = copy.deepcopy(setup.networks.generator)
    setup = replace(setup, networks=setup.networks._replace(average=average))
    for step in range(2):  # k = 1: one update of G an iteration
        rendering_step(setup, make_batch(step), step)
        for name, value in setup.networks.generator.named_parameters():
            expected[name] = 0.9 * expected[name] + 0.1 * value.detach()
    for name, value in average.named_parameters():
        torch.testing.assert_close(value.detach(), expected[name], rtol=1e-9, atol=1e-12)


def test_the_identity_loss_sees_views() -> None:
    """The loss is that of the view which the step's seed gives, and its gradient reaches the rendering."""
    setup, batch = make_setup(), make_batch()
    setup = replace(setup, config=replace(setup.config, identity_views=True))
    rendering = setup.networks.generator(batch.pair)
    torch.manual_seed(5)
    loss = generator_losses(setup, batch, rendering, RenderingWeights(adversarial=0))["identity"]
    torch.manual_seed(5)
    seen = look_at(rendering.image, draw_views(len(rendering.image), torch.device("cpu")))
    logits = setup.networks.identity(seen).logits
    assert loss.item() == pytest.approx(nn.functional.cross_entropy(logits, batch.source_labels).item())
    assert torch.autograd.grad(loss, rendering.image)[0].abs().sum() > 0


def test_with_the_prior_the_context_loss_asks_for_the_composition() -> None:
    setup, batch = make_setup(), make_batch()
    setup.networks.generator.prior = "composite"  # only what the loss asks of it is looked at
    image = Composite()(batch.pair).image
    made = Rendering(image, image, image[:, :1])
    losses = generator_losses(setup, batch, made, RenderingWeights(adversarial=0, identity=0, camera=0))
    assert losses["context"].item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("changes", [{"identity_from": 1.0}, {"average": 1.0}, {"average": -0.1}])
def test_settings_out_of_range(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"identity_from and average in \[0, 1\), got"):
        RenderingConfig(**changes)  # type: ignore[arg-type]
