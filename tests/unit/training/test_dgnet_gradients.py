"""Who learns from which term of DG-Net, and which statistics a step leaves behind (spec dg-net F6-F8)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genreid.models.batch_groups import group_batch_norms
from genreid.models.dgnet import from_normalised, to_normalised
from genreid.training.dgnet_config import TeachingConfig
from genreid.training.dgnet_step import (
    DgnetSetup,
    Swap,
    dgnet_step,
    discriminator_losses,
    feeding_losses,
    generate,
    generation_losses,
    real_identity_losses,
    teacher_probabilities,
)
from genreid.training.dgnet_step import _encode_structure_again as encode_structure_again
from tests.drawn_tensors import weights_of
from tests.tiny_dgnet import (
    PAIRS,
    Tiny,
    TinyBackbone,
    make_batch,
    make_setup,
    tiny,
    tiny_appearance,
)

LATE = 50_000
"""An iteration in which every term has its whole weight."""


def parts(setup: DgnetSetup) -> dict[str, nn.Module]:
    """What may learn, and the teacher."""
    networks = setup.networks
    assert networks.teacher is not None
    return {
        "backbone": networks.appearance.backbone,
        "primary": networks.appearance.primary,
        "fine": networks.appearance.fine,
        "E_s": networks.structure,
        "G": networks.decoder,
        "D": networks.discriminator,
        "teacher": networks.teacher,
    }


def all_terms(setup: DgnetSetup) -> dict[str, Tensor]:
    """Every term of one iteration, with its graph."""
    batch, weights = make_batch(), setup.config.weights_at(LATE)
    swap = generate(setup, batch)
    losses = discriminator_losses(setup, batch.images, swap.swapped.detach(), weights)
    losses |= generation_losses(setup, batch, swap, weights)
    losses |= real_identity_losses(setup, batch, weights)
    return losses | feeding_losses(setup, swap.swapped.detach(), batch.labels)


def reached(term: Tensor, among: Mapping[str, nn.Module]) -> dict[str, set[str]]:
    """The parameters with a gradient that is not zero, by part."""
    found: dict[str, set[str]] = {}
    for part, network in among.items():
        named = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
        if not named:
            continue
        slopes = torch.autograd.grad(term, list(named.values()), retain_graph=True, allow_unused=True)
        names = {
            name
            for name, slope in zip(named, slopes, strict=True)
            if slope is not None and slope.abs().max() > 1e-12
        }
        if names:
            found[part] = names
    return found


REACH = {
    "discriminator": {"D"},
    "gradient_penalty": {"D"},
    "itself": {"E_s", "G"},
    "same_person": {"E_s", "G"},
    "adversarial": {"E_s", "G", "D"},
    "generated_identity": {"E_s", "G"},
    "appearance_code": {"E_s", "G"},
    "structure_code": {"E_s", "G"},
    "cycle": {"E_s", "G"},
    "identity": {"backbone", "primary"},
    "positive_identity": {"backbone", "primary"},
    "fine_identity": {"backbone", "fine"},
    "primary": {"backbone", "primary"},
    "fine": {"backbone", "fine"},
}
"""Spec F6's last column. D is reached by G's adversarial term, but its optimiser does not look at that."""


def reach_of(**changes: Any) -> dict[str, dict[str, set[str]]]:
    setup = make_setup(tiny(live_appearance_code=True, **changes))
    return {name: reached(term, parts(setup)) for name, term in all_terms(setup).items()}


def test_each_term_reaches_whom_it_should_and_nobody_else() -> None:
    """The image learns: E_s reads swapped images as a frozen copy."""
    found = reach_of(encode_again=0.0)
    assert {name: set(by_part) for name, by_part in found.items()} == REACH


def test_where_the_encoder_learns_the_image_is_fixed() -> None:
    found = reach_of(encode_again=1.0)
    expected = REACH | {"structure_code": {"E_s"}}
    assert {name: set(by_part) for name, by_part in found.items()} == expected


def test_codes_with_a_gradient_carry_it_to_the_backbone() -> None:
    """detach_code off: E_a learns from whatever was made of its codes; its heads do not."""
    through_codes = {
        "itself",
        "same_person",
        "adversarial",
        "generated_identity",
        "appearance_code",
        "structure_code",
        "cycle",
    }
    found = reach_of(encode_again=0.0, detach_code=False)
    expected = {name: who | {"backbone"} if name in through_codes else who for name, who in REACH.items()}
    assert {name: set(by_part) for name, by_part in found.items()} == expected
    found = reach_of(encode_again=1.0, detach_code=False)
    expected |= {"structure_code": {"E_s"}, "cycle": {"E_s", "G"}}
    assert {name: set(by_part) for name, by_part in found.items()} == expected


def weights_only(network: nn.Module) -> set[str]:
    """Kernels and matrices: biases before a norm have no gradient but rounding."""
    return {name for name, parameter in network.named_parameters() if parameter.dim() > 1}


@pytest.mark.parametrize("encode_again", [0.0, 1.0])
def test_whoever_is_reached_is_reached_whole(encode_again: float) -> None:
    setup = make_setup(tiny(encode_again=encode_again, live_appearance_code=True))
    networks = parts(setup)
    for name, term in all_terms(setup).items():
        for part, names in reached(term, networks).items():
            assert weights_only(networks[part]) <= names, f"{name} reaches {part} in part"


def leaf_swap(setup: DgnetSetup) -> tuple[Swap, Tensor]:
    """What was generated, with swapped images that are leaves of the graph."""
    with torch.no_grad():
        swap = generate(setup, make_batch())
    image = swap.swapped.clone().requires_grad_()
    return swap._replace(swapped=image), image


@pytest.mark.parametrize(
    "term", ["adversarial", "generated_identity", "appearance_code", "structure_code", "cycle"]
)
def test_frozen_copies_pass_the_gradient_on_to_the_image_and_keep_none(term: str) -> None:
    setup = make_setup(tiny(encode_again=0.0, live_appearance_code=True))
    swap, image = leaf_swap(setup)
    losses = generation_losses(setup, make_batch(), swap, setup.config.weights_at(LATE))
    (slope,) = torch.autograd.grad(losses[term], image, retain_graph=True)
    assert (slope.abs().amax((1, 2, 3)) > 0).all()
    kept = {"adversarial": {"D"}, "cycle": {"G"}}.get(term, set())
    assert set(reached(losses[term], parts(setup))) == kept


@pytest.mark.parametrize("term", ["structure_code", "cycle"])
def test_an_encoder_that_learns_leaves_the_image_alone(term: str) -> None:
    setup = make_setup(tiny(encode_again=1.0))
    swap, image = leaf_swap(setup)
    losses = generation_losses(setup, make_batch(), swap, setup.config.weights_at(LATE))
    (slope,) = torch.autograd.grad(losses[term], image, allow_unused=True)
    assert slope is None


def test_the_generators_update_leaves_the_discriminator_alone() -> None:
    """D's gradient after the step is that of its own update; so are its weights."""
    setup = make_setup(tiny(encode_again=0.0))
    seen: list[dict[str, Tensor]] = []

    def note(*_arguments: object) -> None:
        network = setup.networks.discriminator
        seen.append(weights_of(network) | {f"{n} slope": p.grad.clone() for n, p in named_slopes(network)})

    handle = setup.optimizers.discriminator.register_step_post_hook(note)
    dgnet_step(setup, make_batch(), LATE)
    handle.remove()
    assert len(seen) == 1, "one update of D in each iteration"
    network = setup.networks.discriminator
    after = weights_of(network) | {f"{n} slope": p.grad for n, p in named_slopes(network)}
    assert all(torch.equal(value, after[name]) for name, value in seen[0].items())


def named_slopes(network: nn.Module) -> list[tuple[str, Any]]:
    return [(name, parameter) for name, parameter in network.named_parameters() if parameter.grad is not None]


def test_the_discriminator_is_updated_before_the_generator() -> None:
    setup = make_setup(tiny(encode_again=0.0))
    order: list[str] = []
    for name, optimizer in setup.optimizers._asdict().items():
        optimizer.register_step_post_hook(lambda *_arguments, n=name: order.append(n))
    dgnet_step(setup, make_batch(), LATE)
    assert order == ["discriminator", "appearance", "generator"]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_encoder_learns_as_often_as_asked_for(share: float) -> None:
    setup = make_setup(tiny(encode_again=share))
    setup.networks.structure.requires_grad_(requires_grad=False)
    image = make_batch().images[:1].requires_grad_()
    learns = []
    for seed in range(100):
        torch.manual_seed(seed)
        learns.append(not encode_structure_again(setup, image).requires_grad)
    expected = 100 * share
    assert abs(sum(learns) - expected) <= 4 * (expected * (1 - share)) ** 0.5


# Batch norms


def readings(setup: DgnetSetup, step: int) -> list[tuple[str, int]]:
    """What E_a was shown in one iteration, in its order, and how many images at once."""
    batch = make_batch()
    with torch.no_grad():
        known = batch._asdict() | {"swapped": generate(make_setup(Tiny(setup.config)), batch).swapped}
    shown: list[tuple[str, int]] = []

    def note(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        (images,) = given
        names = [
            f"{name} {side}"
            for name, whole in known.items()
            if name != "labels"
            for side, half in zip("ab", whole.chunk(2), strict=True)
            if any(torch.allclose(images[i : i + PAIRS], half) for i in range(0, len(images), PAIRS))
        ]
        shown.append((" + ".join(names), len(images)))

    handle = setup.networks.appearance.register_forward_pre_hook(note)
    dgnet_step(setup, batch, step)
    handle.remove()
    return shown


REAL = ["images a", "images b", "positives a", "positives b"]
JUDGED = ["swapped a", "swapped b"]
ERASED = ["erased a", "erased b", "erased_positives a", "erased_positives b"]


@pytest.mark.parametrize(("step", "fed"), [(0, []), (LATE, [JUDGED])])
@pytest.mark.parametrize("separate", [True, False])
def test_the_order_in_which_the_appearance_encoder_reads(
    separate: bool, step: int, fed: list[list[str]]
) -> None:
    """The frozen copy reads in between, and generated images come last (spec F7); batch norms: see below."""
    shown = readings(make_setup(tiny(encode_again=0.0, separate_forwards=separate)), step)
    groups = [REAL, JUDGED, ERASED, *fed]
    assert shown == [(" + ".join(group), PAIRS * len(group)) for group in groups]
    older = tiny(encode_again=0.0, separate_forwards=separate, reading_order="real_last")
    groups = [REAL[:2], REAL, JUDGED, *fed, ERASED]
    assert readings(make_setup(older), step) == [(" + ".join(group), PAIRS * len(group)) for group in groups]


@pytest.mark.parametrize(("step", "updates"), [(0, 8), (LATE, 10)])
def test_statistics_are_those_of_eight_real_and_two_generated_batches(step: int, updates: int) -> None:
    """Momentum 0.1, in that order: 1 - 0.9^2 = 19 % of what is stored is of this step's generated images."""
    setup, batch = make_setup(tiny(encode_again=0.0)), make_batch()
    with torch.no_grad():
        swapped = generate(make_setup(), batch).swapped
    network = setup.networks.appearance
    assert isinstance(network.backbone, TinyBackbone)
    convolution, norm = network.backbone.layers[0], network.backbone.layers[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, var = norm.running_mean.clone(), norm.running_var.clone()
    whole = [batch.images, batch.positives, batch.erased, batch.erased_positives, swapped]
    for half in [half for images in whole for half in images.chunk(2)][:updates]:
        with torch.no_grad():
            maps = convolution(network.input_offset + half * network.input_scale)
        mean = 0.9 * mean + 0.1 * maps.mean((0, 2, 3))
        var = 0.9 * var + 0.1 * maps.transpose(0, 1).flatten(1).var(1)
    dgnet_step(setup, batch, step)
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(norm.running_var, var, rtol=1e-9, atol=1e-12)
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert int(value) == updates, name


@pytest.mark.parametrize(("order", "share"), [("swapped_last", 0.292), ("real_last", 0.174)])
def test_how_much_of_the_stored_statistics_is_of_swapped_images(order: Any, share: float) -> None:
    """Each reading leaves 0.9 of what was there: the same images again and again, until nothing changes."""
    shown = [name for name, _ in readings(make_setup(tiny(encode_again=0.0, reading_order=order)), LATE)]
    judged = shown.index(" + ".join(JUDGED))  # the frozen copy, whose statistics are thrown away
    batches = [batch for name in (*shown[:judged], *shown[judged + 1 :]) for batch in name.split(" + ")]
    swapped = 0.0
    for batch in 30 * batches:
        swapped = 0.9 * swapped + 0.1 * batch.startswith("swapped")
    assert swapped == pytest.approx(share, abs=5e-4)


def test_judging_leaves_no_trace_in_the_statistics() -> None:
    """Frozen passes: of E_a on swapped images, of the teacher, of E_s."""
    setup = make_setup(tiny(encode_again=0.0, live_appearance_code=True))
    with torch.no_grad():
        swap = generate(setup, make_batch())
    before = {name: weights_of(network) for name, network in parts(setup).items()}
    generation_losses(setup, make_batch(), swap, setup.config.weights_at(LATE))
    teacher_probabilities(setup, swap.swapped)
    for name, network in parts(setup).items():
        after = weights_of(network)
        assert all(torch.equal(value, after[own]) for own, value in before[name].items()), name


# Dropout of E_a


def test_heads_drop_while_they_learn_and_not_while_they_judge() -> None:
    dropping = tiny_appearance(primary_dropout=0.5, fine_dropout=0.75)
    setup = make_setup(replace(tiny(encode_again=0.0), appearance=dropping))
    plain = make_setup(tiny(encode_again=0.0))
    batch, weights = make_batch(), setup.config.weights_at(LATE)
    with torch.no_grad():
        swap = generate(plain, batch)
    judged = [generation_losses(each, batch, swap, weights)["generated_identity"] for each in (setup, plain)]
    assert torch.equal(judged[0], judged[1])
    dropped, kept = (
        real_identity_losses(each, batch, weights) | feeding_losses(each, swap.swapped, batch.labels)
        for each in (setup, plain)
    )
    assert all(not torch.equal(dropped[name], kept[name]) for name in kept)


# The teacher


def test_the_teacher_learns_nothing_and_keeps_its_statistics() -> None:
    for teaching in (TeachingConfig(batch_norm="batch"), TeachingConfig(batch_norm="stored")):
        setup = make_setup(tiny(teaching=teaching))
        teacher = setup.networks.teacher
        assert teacher is not None
        teacher.requires_grad_(requires_grad=True)  # even if somebody forgot to freeze it
        before = weights_of(teacher)
        for step in (LATE, LATE + 1):
            dgnet_step(setup, make_batch(), step)
        assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
        assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize("batch_norm", ["batch", "stored"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_teachers_dropout_and_statistics_are_two_things(batch_norm: str, dropout: float) -> None:
    teaching = TeachingConfig(batch_norm=batch_norm, dropout=dropout > 0)  # type: ignore[arg-type]
    setup, images = make_setup(replace(tiny(teaching=teaching), teacher_dropout=dropout)), make_batch().images
    labels = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        labels.append(teacher_probabilities(setup, images))
    assert torch.equal(*labels) == (dropout == 0)
    assert setup.networks.teacher is not None
    group_batch_norms(setup.networks.teacher, 2)
    alone = teacher_probabilities(setup, images)  # two images at a time
    if dropout == 0:
        assert torch.allclose(alone, labels[0]) == (batch_norm == "stored")


def test_a_row_of_labels_adds_up_to_one_and_is_blind_to_mirroring() -> None:
    setup, images = make_setup(), make_batch().images
    labels = teacher_probabilities(setup, images)
    torch.testing.assert_close(labels.sum(1), torch.ones(2 * PAIRS).double(), rtol=1e-12, atol=0)
    torch.testing.assert_close(teacher_probabilities(setup, images.flip(3)), labels, rtol=1e-12, atol=0)
    assert not labels.requires_grad


def test_the_teacher_sees_images_as_they_are() -> None:
    """G paints without bounds (spec F1), and nobody clips what it paints before it is labelled."""
    setup, images = make_setup(), 4 * make_batch().images
    clipped = to_normalised(from_normalised(images))
    labels, of_clipped = teacher_probabilities(setup, images), teacher_probabilities(setup, clipped)
    assert (labels - of_clipped).abs().max() > 1e-3


def test_nobody_is_asked_where_nobody_is_fed() -> None:
    setup = make_setup(Tiny(training=tiny(feeding="none").training, teacher=False))
    terms = dgnet_step(setup, make_batch(), LATE)
    assert not {"primary", "fine"} & set(terms)
    assert "fine_identity" in terms, "the fine head still learns on real images"
